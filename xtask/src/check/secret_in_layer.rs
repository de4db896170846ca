//! LESSONS of earlier systems: secrets reached image layers as build arguments. `docker history`
//! shows each ARG, ENV, LABEL and RUN to everybody who can pull the image.

use crate::{
    check::{Refuses, Rule},
    mission::dockerfile::parse::{Dockerfile, Instruction},
    run::{
        finding::Finding,
        redact::{is_secret_name, tokens, userinfos},
    },
};

pub(crate) const RULE: Rule = Rule {
    name: "secret-in-layer",
    about: "no ARG, ENV, LABEL or RUN of a Dockerfile holds a secret",
    refuses: Refuses::Always,
    check: |facts| facts.of_dockerfiles(check_file),
};

fn check_file(file: &Dockerfile) -> Vec<Finding> {
    let mut res = Vec::new();
    for instruction in &file.instructions {
        let names = secret_names(instruction).into_iter().map(|name| {
            (name.clone(), format!("{} {name} stays readable in the image", instruction.word))
        });
        let word = instruction.word.as_str();
        let is_read = ["ARG", "ENV", "LABEL", "RUN"].contains(&word);
        let values = instruction.args.split_whitespace().filter(|it| is_read && holds_secret(it));
        let values = values.map(|it| {
            // The value itself is not printed: other people read logs.
            (it.to_owned(), format!("a password or token in {word} stays readable in the image"))
        });
        res.extend(names.chain(values).map(|(at, what)| {
            let fix = "give it to one step, by `RUN --mount=type=secret,id=<name>`";
            file.finding(RULE.name, (instruction, &at), what, fix)
        }));
    }
    res
}

/// Returns the variables of an ARG or ENV whose names mark them as secrets. An ARG gets its value
/// later.
fn secret_names(instruction: &Instruction) -> Vec<String> {
    let words = shell_words::split(&instruction.args).unwrap_or_default();
    let is_old_form = words.first().is_some_and(|it| !it.contains('='));
    let pairs = words.iter().map(|it| it.split_once('=').unwrap_or((it, "")));
    match instruction.word.as_str() {
        "ARG" => pairs.map(|(name, _)| name).filter(|it| is_secret_name(it)).collect(),
        "ENV" if is_old_form => words.iter().take(1).map(String::as_str).collect(),
        "ENV" => pairs.filter(|(_, value)| !value.is_empty()).map(|(name, _)| name).collect(),
        _ => Vec::new(),
    }
    .into_iter()
    .filter(|it| is_secret_name(it))
    .map(str::to_owned)
    .collect()
}

/// Returns whether `word` contains a token, or an address with a literal login.
fn holds_secret(word: &str) -> bool {
    let is_login = |it: &std::ops::Range<usize>| {
        let scheme = &word[..it.start];
        !word[it.clone()].contains('$')
            && (scheme.ends_with("http://") || scheme.ends_with("https://"))
    };
    userinfos(word).iter().any(is_login) || !tokens(word).is_empty()
}
