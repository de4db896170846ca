//! Scripts are executable, and stop at the first failure. A file without a `#!` line is sourced by
//! others and needs neither; Python needs no strict mode.

use std::path::Path;

use crate::{
    check::{Facts, File, Refuses, Rule},
    mission::dockerfile::{
        hooks,
        shell::{self, Operator},
    },
    run::{finding::Finding, printable::Shown as _, text_file},
};

pub(crate) const RULE: Rule = Rule {
    name: "script-strict",
    about: "scripts are executable, and shell scripts strict",
    refuses: Refuses::Never,
    check,
};

pub(crate) fn check(facts: &Facts) -> Vec<Finding> {
    let checks = [not_executable, not_a_program, not_strict];
    // Strictness would apply to the shell that sources the file: see rule `sourced-file`.
    let files = facts.files.iter().filter(|it| !hooks::is_sourced(&it.path));
    files.flat_map(|file| checks.map(|it| it(file))).flatten().collect()
}

pub(crate) fn not_executable(file: &File) -> Option<Finding> {
    let path = text_file::shown(&file.path);
    let path = path.shown();
    let has_program = program(file).is_some();
    let (what, fix) = match has_program {
        true => (
            "has a `#!` line and is not executable",
            ", or remove the line if others source the file",
        ),
        false => ("is not executable, and is started as a test", ""),
    };
    let found = (has_program || is_test(file)) && !file.executable;
    found.then(|| finding(file, what, format!("run `chmod +x {path}`{fix}")))
}

fn not_a_program(file: &File) -> Option<Finding> {
    let found = is_test(file) && program(file).is_none() && file.executable;
    let fix = "begin it with `#!/bin/bash` or another program".to_owned();
    found.then(|| finding(file, "is started as a test, and has no `#!` line", fix))
}

/// Returns whether images run the file: a mission's own script for tests, or an environment's.
fn is_test(file: &File) -> bool {
    let parts: Vec<_> = file.path.iter().collect();
    let is_named = match parts[..] {
        [missions, _, environments, test] => {
            missions == "missions" && environments == "environments" && test == "test"
        }
        [missions, _, environments, _, tests, test] => {
            missions == "missions"
                && environments == "environments"
                && tests == "tests"
                && test == "test"
        }
        _ => false,
    };
    is_named && !file.is_link && file.unreadable.is_none()
}

fn not_strict(file: &File) -> Option<Finding> {
    let wanted = match program(file)? {
        "bash" => "set -euo pipefail",
        "sh" | "dash" => "set -eu",
        _ => return None,
    };
    let fix = format!("write `{wanted}` as its first command");
    let is_strict = file.text.lines().take(40).any(|it| it.starts_with(wanted));
    let goes_on = !is_strict && !may_go_on(file) && !has_one_command(&file.text);
    goes_on.then(|| finding(file, "goes on after a failure", fix))
}

/// Returns whether a failure must not stop the script: a hook of a server's start or of a login
/// would lock users out; a script that says `set +e` means it; others are switched off.
fn may_go_on(file: &File) -> bool {
    let name = file.path.file_name().unwrap_or_default().to_string_lossy();
    let folders = file.path.parent().into_iter().flat_map(Path::iter);
    let mut folders = folders.map(|it| it.to_string_lossy());
    let is_off = [".disabled", ".bak", ".orig", ".old"].iter().any(|it| name.ends_with(it));
    let is_hook = ["hook", "bashrc", "profile"].iter().any(|it| name.contains(it));
    let says_so = file.text.lines().any(|it| it.trim_start().starts_with("set +e"));
    is_off || is_hook || says_so || folders.any(|it| it.ends_with(".d"))
}

/// Returns whether a shell script consists of one command, whose status is the script's.
fn has_one_command(text: &str) -> bool {
    let is_setting = |it: &shell::Command| it.words.first().is_some_and(|it| it == "set");
    let commands = shell::commands(&text.replace("\\\n", " ")).unwrap_or_default();
    let mut commands = commands.iter().filter(|it| !is_setting(it));
    commands.next().is_some_and(|it| matches!(it.then, Operator::Semicolon | Operator::End))
        && commands.next().is_none()
}

/// Returns the name of the interpreter; Rust's `#![…]` does not name one.
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
