//! Files that other shells source, a start hook or a profile script, leave these shells as they are:
//! what ends the shell, or has it end at the next failure, keeps users from their server or terminal.

use crate::{
    check::{Facts, File, Refuses, Rule},
    mission::dockerfile::{
        hooks,
        shell::{self, Command, Operator},
    },
    run::finding::Finding,
};

pub(crate) const RULE: Rule = Rule {
    name: "sourced-file",
    about: "start hooks and profile scripts do not end the shell that reads them",
    refuses: Refuses::Never,
    check,
};

pub(crate) fn check(facts: &Facts) -> Vec<Finding> {
    let is_hook = |it: &&File| hooks::is_hook(&it.path) && it.unreadable.is_none();
    facts.files.iter().filter(is_hook).flat_map(check_file).collect()
}

fn check_file(file: &File) -> Vec<Finding> {
    if !hooks::is_sourced(&file.path) {
        // Rule `dockerfile` reports what login shells do not read.
        let is_program = file.text.starts_with("#!")
            || file.path.parent().is_some_and(|it| it.ends_with("profile.d"));
        let fix = "give it the extension `.sh`, begin it with a `#!` line, or remove it";
        let what = "neither `*.sh`, which the start script reads, nor a program";
        let finding = (!is_program).then(|| file.finding(RULE.name, None, what, fix));
        return finding.into_iter().collect();
    }
    let mut res = Vec::new();
    for (at, line) in file.text.lines().enumerate() {
        // A quote that goes on in the next line holds text, not commands.
        let commands = shell::commands(line).unwrap_or_default();
        let problem = outside_subshells(&commands).find_map(problem);
        res.extend(problem.map(|(what, fix)| file.finding(RULE.name, Some(at + 1), what, fix)));
    }
    res
}

/// Returns the words of the commands that the reading shell itself runs.
fn outside_subshells(commands: &[Command]) -> impl Iterator<Item = &[String]> {
    let mut depth = 0_usize;
    commands.iter().filter_map(move |it| {
        let is_outside = depth == 0;
        match it.then {
            Operator::Open => depth += 1,
            Operator::Close => depth = depth.saturating_sub(1),
            _ => (),
        }
        is_outside.then_some(it.words.as_slice())
    })
}

/// Words before a command.
const BEFORE: [&str; 7] = ["then", "else", "do", "{", "!", "if", "elif"];

/// Returns the problem of a command, and its fix.
fn problem(words: &[String]) -> Option<(String, &'static str)> {
    let words = &words[words.iter().take_while(|it| BEFORE.contains(&it.as_str())).count()..];
    let (first, args) = words.split_first()?;
    match first.as_str() {
        "exit" => Some((
            "`exit` ends the shell that reads this file".to_owned(),
            "write `return`, which ends this file alone",
        )),
        "exec" if args.iter().any(|it| !it.starts_with(|c: char| "<>&0123456789".contains(c))) => {
            Some((
                "`exec` replaces the shell that reads this file".to_owned(),
                "start the program without `exec`",
            ))
        }
        "set" => {
            let option = args.iter().find(|it| ends_at_failures(it))?;
            Some((
                format!("`set {option}` applies to the shell that reads this file"),
                "remove it, and write `command || return` where a failure matters",
            ))
        }
        _ => None,
    }
}

/// Returns whether an argument of `set` has the shell end at a failure.
fn ends_at_failures(arg: &str) -> bool {
    let is_short = arg.starts_with('-') && !arg.starts_with("--");
    is_short && arg.contains(['e', 'u']) || ["errexit", "nounset", "pipefail"].contains(&arg)
}
