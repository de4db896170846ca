//! LESSONS of earlier systems: secrets reached image layers as build arguments, which anybody can
//! read who has the image (`docker history`).

use crate::{
    check::{Facts, Rule},
    dockerfile::parse::{Dockerfile, Instruction, parse},
    report::Finding,
};

pub(crate) const RULE: Rule = Rule {
    name: "secret-in-layer",
    about: "no ARG or ENV is named like a secret",
    refuses: false,
    check,
};

/// What names of secrets have in them, between underscores.
const WORDS: &[&str] = &["CREDENTIALS", "PASSWD", "PASSWORD", "PASSPHRASE", "SECRET", "TOKEN"];

/// As [`WORDS`], at the end.
const ENDS: &[&str] = &["ACCESS_KEY", "API_KEY", "APIKEY", "AUTH_KEY", "PRIVATE_KEY"];

pub(crate) fn check(facts: &Facts) -> Vec<Finding> {
    let parsed = facts.dockerfiles().filter_map(|it| parse(&it.path, &it.text).ok());
    parsed.flat_map(|it| check_file(&it)).collect()
}

fn check_file(file: &Dockerfile) -> Vec<Finding> {
    let found = file.instructions.iter().flat_map(|it| {
        let names = names(it).into_iter().filter(|name| is_secret(name));
        names.map(move |name| (it, name))
    });
    let finding = |(instruction, name): (&Instruction, String)| {
        let what = format!("everybody who has the image can read `{name}`");
        let fix = "give it to the step that needs it by `RUN --mount=type=secret,id=…`";
        file.finding(RULE.name, (instruction, name.as_str()), what, fix)
    };
    found.map(finding).collect()
}

/// The variables that an instruction sets: `ENV A=b C=d`, or in the old form `ENV A b`.
fn names(instruction: &Instruction) -> Vec<String> {
    let mut words = instruction.args.split_whitespace();
    match instruction.word.as_str() {
        "ENV" if !instruction.args.split_whitespace().next().is_some_and(|it| it.contains('=')) => {
            words.next().map(str::to_owned).into_iter().collect()
        }
        "ARG" | "ENV" => {
            words.map(|it| it.split('=').next().unwrap_or_default().to_owned()).collect()
        }
        _ => Vec::new(),
    }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_uppercase();
    let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_name
        && (name.split('_').any(|it| WORDS.contains(&it))
            || ENDS.iter().any(|it| name.ends_with(it)))
}
