//! LESSONS of earlier systems: `;` and `&` chains in a RUN hid a failed install. Commands are
//! joined with `&&`, or the shell stops at the first failure (`set -e`). Without `pipefail` a pipe
//! fails only with its last command, and a failure in `"$(…)"` has no effect.

use std::collections::BTreeMap;

use crate::{
    check::{Refuses, Rule, download_unchecked::downloads},
    mission::dockerfile::{
        parse::{Dockerfile, Instruction, exec_form},
        programs,
        shell::{self, Command, Operator},
        stages::is_base_image,
    },
    run::finding::Finding,
};

pub(crate) const RULE: Rule = Rule {
    name: "run-chain",
    about: "no `;`, `&`, `|` or `$(…)` in a RUN hides a failure",
    refuses: Refuses::Frozen,
    check: |facts| facts.of_dockerfiles(check_file),
};

/// Error handling of a shell.
#[derive(Debug, Clone, Copy, Default)]
struct Shell {
    /// Whether the shell stops at the first failure.
    stops: bool,
    pipefail: bool,
}

impl Shell {
    /// Returns the shell that is started with these words.
    fn new(words: &[String]) -> Shell {
        Shell::default().set(words)
    }

    /// Returns the shell after a command `set`.
    fn set(self, words: &[String]) -> Shell {
        let is_e = |it: &String| it.starts_with('-') && !it.starts_with("--") && it.contains('e');
        let stops = words.iter().any(|it| is_e(it) || it == "errexit");
        let pipefail = words.iter().any(|it| it == "pipefail");
        Shell { stops: self.stops || stops, pipefail: self.pipefail || pipefail }
    }
}

/// Shell of the common image.
const OURS: Shell = Shell { stops: false, pipefail: true };

fn check_file(file: &Dockerfile) -> Vec<Finding> {
    let mut res = Vec::new();
    let mut shell = Shell::default();
    let mut stages: BTreeMap<String, Shell> = BTreeMap::new();
    let mut stage = String::new();
    for instruction in &file.instructions {
        let words = exec_form(&instruction.args);
        match instruction.word.as_str() {
            "FROM" => {
                stages.insert(stage, shell);
                (shell, stage) = from(instruction, &stages);
            }
            "SHELL" => shell = Shell::new(&words.unwrap_or_default()),
            "RUN" => {
                let hidden = match words {
                    Some(words) => in_words(&words, shell, DEPTH),
                    None => in_line(&instruction.args, shell, DEPTH),
                };
                res.extend(hidden.map(|Hidden { word, what, fix }| {
                    file.finding(RULE.name, (instruction, &word), what, fix)
                }));
            }
            _ => (),
        }
    }
    res
}

/// Returns the shell at the start of a stage, and the stage's name.
fn from(instruction: &Instruction, stages: &BTreeMap<String, Shell>) -> (Shell, String) {
    let words: Vec<&str> = instruction.args.split_whitespace().collect();
    let image = words.first().copied().unwrap_or_default();
    let shell = match stages.get(&image.to_lowercase()) {
        Some(shell) => *shell,
        None if is_base_image(image) => OURS,
        None => Shell::default(),
    };
    (shell, words.get(2).unwrap_or(&"").to_lowercase())
}

/// A failure without effect.
struct Hidden {
    /// Word at its position.
    word: String,
    what: String,
    fix: &'static str,
}

const JOIN: &str = "join the commands with `&&`, or begin with `set -e;`";
const PIPEFAIL: &str = "begin with `set -o pipefail &&`, or write `SHELL [\"/bin/bash\", \"-o\", \"pipefail\", \"-c\"]` above";
const FILE: &str =
    "download into a file, compare that with its checksum, and run it, joined with `&&`";

/// Deepest nesting of lines in lines that is searched.
const DEPTH: usize = 6;

/// Words after a `;` that is part of a compound command.
const CLOSING: [&str; 8] = ["then", "elif", "else", "fi", "do", "done", "esac", "}"];

/// Words that may start a command of a compound one.
const OPENING: [&str; 6] = ["then", "elif", "else", "do", "{", "!"];

/// Words that start a condition, whose failure is not an error.
const CONDITIONS: [&str; 5] = ["if", "elif", "while", "until", "!"];
const NEVER_FAIL: [&str; 4] = ["echo", "printf", "true", "yes"];

/// Returns the first command whose failure `line` hides, and the reason.
fn in_line(line: &str, mut shell: Shell, depth: usize) -> Option<Hidden> {
    let commands = shell::commands(&programs::without_backticks(line)).ok()?;
    for (at, Command { words, then }) in commands.iter().enumerate() {
        let rest = &commands[at + 1..];
        let first = words.first().map_or("", String::as_str);
        let next = rest.first().and_then(|it| it.words.first()).map_or("", String::as_str);
        if first == "set" {
            shell = shell.set(words);
        }
        let is_opening = |it: &&String| OPENING.contains(&it.as_str());
        let joined = words[words.iter().take_while(is_opening).count()..].join(" ");
        let hidden = |what: String, fix| Some(Hidden { word: first.to_owned(), what, fix });
        match then {
            Operator::Background => {
                return hidden(format!("`&` hides a failure of `{joined}`"), JOIN);
            }
            Operator::Pipe if !shell.pipefail && can_fail(words) && !is_ignored(rest) => {
                let what = format!("`|` hides a failure of `{joined}`: the shell has no pipefail");
                return hidden(what, PIPEFAIL);
            }
            Operator::Semicolon if shell.stops || next.is_empty() || first == "true" => (),
            Operator::Semicolon if next == "done" && first != "exit" => {
                let what =
                    format!("the loop hides a failure of `{joined}` in all but its last round");
                return hidden(what, JOIN);
            }
            Operator::Semicolon if !CLOSING.contains(&next) => {
                return hidden(format!("`;` hides a failure of `{joined}`"), JOIN);
            }
            _ => (),
        }
        if let Some(it) = substituted(words, *then, rest).or_else(|| in_words(words, shell, depth))
        {
            return Some(it);
        }
    }
    None
}

/// Searches like [`in_line`], for the lines in a command's words.
fn in_words(words: &[String], shell: Shell, depth: usize) -> Option<Hidden> {
    let depth = depth.checked_sub(1)?;
    let of_shell = programs::shell_line(words).map(|(options, line)| (line, Shell::new(options)));
    let others = programs::substitutions(words).into_iter().map(|it| (it, shell));
    of_shell.into_iter().chain(others).find_map(|(line, shell)| in_line(line, shell, depth))
}

/// Returns a download in `$(…)` or `<(…)`, whose failure is not the command's.
fn substituted(words: &[String], then: Operator, rest: &[Command]) -> Option<Hidden> {
    let is_opening = |it: &&String| OPENING.contains(&it.as_str());
    if words.iter().skip_while(is_opening).all(|it| programs::is_assignment(it)) {
        return None;
    }
    let opens = then == Operator::Open && words.last()?.ends_with(['$', '<']);
    let inside = rest.iter().take(if opens { 1 } else { 0 }).map(|it| it.words.clone());
    let quoted =
        programs::substitutions(words).into_iter().filter_map(|it| shell::commands(it).ok());
    let quoted = quoted.flatten().map(|it| it.words);
    let word = inside.chain(quoted).find_map(|it| downloads(&it).map(str::to_owned))?;
    let what = format!("`{}` does not see whether `{word}` failed", words[0]);
    Some(Hidden { word, what, fix: FILE })
}

fn can_fail(words: &[String]) -> bool {
    let first = words.first().map_or("", String::as_str);
    let name = programs::program(words).map_or("", |it| it.0);
    !CONDITIONS.contains(&first) && !NEVER_FAIL.contains(&name)
}

/// Returns whether the pipe that continues with `rest` may fail: `… || true`.
fn is_ignored(rest: &[Command]) -> bool {
    let end = rest.iter().find(|it| it.then != Operator::Pipe);
    end.is_some_and(|it| it.then == Operator::Or)
}
