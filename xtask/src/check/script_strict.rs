//! Scripts can be executed, and stop at the first failure. A file without a `#!` line is sourced by
//! others and none of these; Python needs no strict mode.

use crate::{
    check::{Facts, File, Rule},
    report::Finding,
};

pub(crate) const RULE: Rule = Rule {
    name: "script-strict",
    about: "scripts are executable, and shell scripts strict",
    refuses: false,
    check,
};

pub(crate) fn check(facts: &Facts) -> Vec<Finding> {
    facts.files.iter().flat_map(|it| [not_executable(it), not_strict(it)]).flatten().collect()
}

fn not_executable(file: &File) -> Option<Finding> {
    let path = file.path.display();
    let fix = format!("run `chmod +x {path}`, or remove the line if others source the file");
    let found = program(file).is_some() && !file.executable;
    found.then(|| finding(file, "has a `#!` line and is not executable", fix))
}

fn not_strict(file: &File) -> Option<Finding> {
    let wanted = match program(file)? {
        "bash" => "set -euo pipefail",
        "sh" | "dash" => "set -eu",
        _ => return None,
    };
    let fix = format!("write `{wanted}` as its first command");
    let is_strict = file.text.lines().take(40).any(|it| it.starts_with(wanted));
    (!is_strict).then(|| finding(file, "goes on after a failure", fix))
}

/// The name of the interpreter; Rust's `#![…]` names none.
fn program(file: &File) -> Option<&str> {
    let line = file.text.lines().next()?.strip_prefix("#!")?.trim_start();
    let mut words =
        line.split_whitespace().filter(|it| !it.ends_with("/env") && !it.starts_with('-'));
    words.next().filter(|_| line.starts_with('/'))?.rsplit('/').next()
}

fn finding(file: &File, what: &str, fix: String) -> Finding {
    let what = what.to_owned();
    Finding { file: file.path.clone(), line: Some(1), rule: RULE.name, what, fix }
}
