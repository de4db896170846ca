//! LESSONS of earlier systems: `;` and `&` chains in a RUN hid a failed install. Commands are joined
//! with `&&`, or the shell stops at the first failure (`set -e`).

use crate::{
    check::{Facts, Refuses, Rule},
    dockerfile::{
        calls,
        parse::{Dockerfile, exec_form},
        shell::{self, Command, Operator},
    },
    report::Finding,
};

pub(crate) const RULE: Rule = Rule {
    name: "run-chain",
    about: "no `;` or `&` in a RUN hides a failure",
    refuses: Refuses::Never,
    check,
};

pub(crate) fn check(facts: &Facts) -> Vec<Finding> {
    facts.of_dockerfiles(check_file)
}

fn check_file(file: &Dockerfile) -> Vec<Finding> {
    let mut res = Vec::new();
    let mut shell_stops = false;
    for instruction in &file.instructions {
        let words = exec_form(&instruction.args);
        let words_stop = words.as_deref().is_some_and(stops);
        match instruction.word.as_str() {
            "FROM" => shell_stops = false,
            "SHELL" => shell_stops = words_stop,
            "RUN" => {
                let stops = if words.is_some() { words_stop } else { shell_stops };
                res.extend(hidden(&calls::line_of_run(instruction), stops).map(|(word, what)| {
                    let fix = "join with `&&`, or begin with `set -e;`";
                    file.finding(RULE.name, (instruction, &word), what, fix)
                }));
            }
            _ => (),
        }
    }
    res
}

/// Whether a shell with these arguments stops at the first failure.
fn stops(words: &[String]) -> bool {
    let is_e = |it: &String| it.starts_with('-') && !it.starts_with("--") && it.contains('e');
    words.iter().any(|it| is_e(it) || it == "errexit")
}

/// What follows a `;` that is part of a compound command.
const CLOSING: [&str; 8] = ["then", "elif", "else", "fi", "do", "done", "esac", "}"];

/// What a command of a compound one may begin with.
const OPENING: [&str; 6] = ["then", "elif", "else", "do", "{", "!"];

/// The first command whose failure `line` hides, and how.
fn hidden(line: &str, mut stops_at_failure: bool) -> Option<(String, String)> {
    let commands = shell::commands(line).ok()?;
    for (at, Command { words, then }) in commands.iter().enumerate() {
        let first = words.first().map_or("", String::as_str);
        let next = commands.get(at + 1).and_then(|it| it.words.first()).map_or("", String::as_str);
        stops_at_failure |= first == "set" && stops(words);
        let is_opening = |it: &&String| OPENING.contains(&it.as_str());
        let joined = words[words.iter().take_while(is_opening).count()..].join(" ");
        match then {
            Operator::Background => {
                return Some((first.to_owned(), format!("`&` hides a failure of `{joined}`")));
            }
            Operator::Semicolon if stops_at_failure || next.is_empty() || first == "true" => (),
            Operator::Semicolon if next == "done" && first != "exit" => {
                let what =
                    format!("the loop hides a failure of `{joined}` in all but its last round");
                return Some((first.to_owned(), what));
            }
            Operator::Semicolon if !CLOSING.contains(&next) => {
                return Some((first.to_owned(), format!("`;` hides a failure of `{joined}`")));
            }
            _ => (),
        }
    }
    None
}
