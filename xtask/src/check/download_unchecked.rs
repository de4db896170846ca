//! What a build step downloads is compared with a checksum before it is used: an address gives
//! something else tomorrow.

use crate::{
    check::{Facts, Refuses, Rule},
    dockerfile::{
        calls,
        parse::{Dockerfile, Instruction},
        shell::{self, Command},
    },
    report::Finding,
};

pub(crate) const RULE: Rule = Rule {
    name: "download-unchecked",
    about: "what a build step downloads is compared with a checksum",
    refuses: Refuses::Never,
    check,
};

pub(crate) fn check(facts: &Facts) -> Vec<Finding> {
    facts.of_dockerfiles(check_file)
}

fn check_file(file: &Dockerfile) -> Vec<Finding> {
    let mut res = Vec::new();
    for instruction in &file.instructions {
        let word = match instruction.word.as_str() {
            "ADD" => added(instruction),
            "RUN" => unchecked(instruction),
            _ => None,
        };
        res.extend(word.map(|word| {
            let what = format!("nothing checks what `{word}` fetches");
            let fix = "end the same step with `&& echo '<sha256>  <file>' | sha256sum --check`";
            file.finding(RULE.name, (instruction, &word), what, fix)
        }));
    }
    res
}

/// An address that ADD fetches; its `--checksum` is unknown to older builders.
fn added(instruction: &Instruction) -> Option<String> {
    let is_remote = |it: &&str| it.starts_with("http://") || it.starts_with("https://");
    let has_checksum = instruction.flags.iter().any(|it| it.starts_with("--checksum="));
    let words = instruction.args.split(|c: char| c.is_whitespace() || "[],\"".contains(c));
    words.clone().find(is_remote).filter(|_| !has_checksum).map(|_| "ADD".to_owned())
}

/// The first program of a RUN that downloads something which no later one checks.
fn unchecked(instruction: &Instruction) -> Option<String> {
    let commands = shell::commands(&calls::line_of_run(instruction)).ok()?;
    let last_check = commands.iter().rposition(checks).unwrap_or(0);
    commands[last_check..].iter().find_map(|it| downloads(it).map(str::to_owned))
}

fn downloads(command: &Command) -> Option<&str> {
    let (name, args) = program(command)?;
    let is_local = |it: &String| it.contains("://localhost") || it.contains("://127.0.0.1");
    let fetches = ["curl", "wget"].contains(&name)
        && args.iter().any(|it| !it.starts_with('-'))
        && !args.iter().any(is_local);
    fetches.then_some(name)
}

fn checks(command: &Command) -> bool {
    let Some((name, args)) = program(command) else { return false };
    let has = |options: [&str; 2]| args.iter().any(|it| options.contains(&it.as_str()));
    let is_sum = ["sha256sum", "sha512sum", "sha384sum", "b2sum", "shasum"].contains(&name);
    is_sum && (has(["-c", "--check"]) || args.iter().any(|it| is_short_check(it)))
        || name == "gpgv"
        || name == "gpg" && has(["--verify", "--decrypt"])
}

/// `-c` among other short options, as in `-sc`.
fn is_short_check(arg: &str) -> bool {
    arg.starts_with('-') && !arg.starts_with("--") && arg.contains('c')
}

/// The name of the program that `command` starts, and its arguments.
fn program(command: &Command) -> Option<(&str, &[String])> {
    let is_before = |it: &String| {
        ["!", "{", "if", "then", "else", "elif", "do", "while", "until", "sudo", "env", "exec"]
            .contains(&it.as_str())
            || it.split_once('=').is_some_and(|(name, _)| !name.contains(['/', ':', '-']))
    };
    let at = command.words.iter().position(|it| !is_before(it))?;
    let name = command.words[at].rsplit('/').next()?;
    Some((name, &command.words[at + 1..]))
}
