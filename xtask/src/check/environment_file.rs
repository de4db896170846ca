//! A file below `/opt/environments` that a step or a test reads is there.

use std::{collections::BTreeSet, path::PathBuf};

use crate::{
    check::{Facts, MissionFacts, Refuses, Rule},
    mission::dockerfile::{
        calls::ENVIRONMENTS,
        parse::{Dockerfile, Instruction},
        programs,
    },
    run::{finding::Finding, printable::Shown as _},
};

pub(crate) const RULE: Rule = Rule {
    name: "environment-file",
    about: "files below /opt/environments that steps and tests read are there",
    refuses: Refuses::Never,
    check: |facts| facts.missions.iter().flat_map(|it| check_mission(facts, it)).collect(),
};

/// Programs that look whether a file is there, or make it.
const MAKERS: [&str; 18] = [
    "test", "[", "[[", "if", "elif", "while", "mkdir", "touch", "rm", "tee", "git", "curl", "wget",
    "tar", "unzip", "echo", "printf", "ls",
];

/// Programs that make what their last argument names.
const COPIERS: [&str; 5] = ["cp", "mv", "ln", "install", "rsync"];

fn check_mission(facts: &Facts, mission: &MissionFacts) -> Vec<Finding> {
    let file = mission.author_dockerfile();
    let made = made(&file);
    let missing = |word: &str| -> Option<(String, String)> {
        let path = path(word)?;
        // Paths are ordered by their parts: the next one is below `path`, or none is.
        let mut files = mission.sources.files.range(path.clone()..);
        let is_there = files.next().is_some_and(|(it, _)| it.starts_with(&path));
        let is_made = path.ancestors().any(|it| made.contains(it))
            || made.range(path.clone()..).next().is_some_and(|it| it.starts_with(&path));
        let what = format!("file not found: {ENVIRONMENTS}/{}", path.shown());
        let fix = format!("write {}, or correct the path", mission.sources.path_of(&path).shown());
        (!is_there && !is_made).then_some((what, fix))
    };
    let mut res = Vec::new();
    for run in file.instructions.iter().filter(|it| it.word == "RUN") {
        for word in words(run).0 {
            let found =
                missing(&word).map(|(what, fix)| file.finding(RULE.name, (run, &word), what, fix));
            res.extend(found);
        }
    }
    for (file, line, word) in mission.words_of_tests(facts) {
        res.extend(
            missing(&word).map(|(what, fix)| file.finding(RULE.name, Some(line), what, fix)),
        );
    }
    res
}

/// Returns the path below [`ENVIRONMENTS`] in a word, if no shell has to complete it.
fn path(word: &str) -> Option<PathBuf> {
    let rest = &word[word.find(ENVIRONMENTS)? + ENVIRONMENTS.len()..];
    let rest = rest.strip_prefix('/')?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-+@=/".contains(c);
    let path = rest.trim_end_matches([':', ',', ';', ')', '"', '\'', '/']);
    (!path.is_empty() && path.chars().all(is_plain)).then(|| PathBuf::from(path))
}

/// Returns the words of a RUN about files that its programs read, and the others: what programs
/// make, or look for before they use it.
fn words(run: &Instruction) -> (Vec<String>, Vec<String>) {
    let (mut read, mut made) = (Vec::new(), Vec::new());
    for command in programs::commands(run) {
        let makes = makes(&command.words);
        let program = programs::program(&command.words).map_or("", |it| it.0);
        let last = command.words.len() - usize::from(COPIERS.contains(&program));
        let mut before = String::new();
        for (at, word) in command.words.into_iter().enumerate() {
            let option = word.split_once('=').map_or("", |it| it.0);
            let is_output = at == last
                || before.ends_with('>')
                || names_output(&before)
                || names_output(option);
            before.clone_from(&word);
            match makes || is_output || word.contains('>') {
                true => made.push(word),
                false => read.push(word),
            }
        }
    }
    (read, made)
}

/// Returns whether an option like `-o`, `--out` or `--output-document` names what a program writes.
fn names_output(option: &str) -> bool {
    let name = option.trim_start_matches('-');
    name != option && (["o", "O"].contains(&name) || name.starts_with("out"))
}

fn makes(words: &[String]) -> bool {
    let starts = |it: &String| MAKERS.contains(&programs::name(it));
    words.first().is_some_and(starts)
        || programs::program(words).is_none_or(|(name, _)| MAKERS.contains(&name))
}

/// Returns what steps make, or look for before they use it, below [`ENVIRONMENTS`].
fn made(file: &Dockerfile) -> BTreeSet<PathBuf> {
    let mut res = BTreeSet::new();
    for instruction in &file.instructions {
        match instruction.word.as_str() {
            "RUN" => res.extend(words(instruction).1.iter().filter_map(|it| path(it))),
            "COPY" | "ADD" | "WORKDIR" | "VOLUME" => {
                let is_end = |c: char| c.is_whitespace() || "[],\"".contains(c);
                let target = instruction.args.trim_end_matches(is_end).rsplit(is_end).next();
                let target = target.unwrap_or_default();
                let is_all = target.trim_end_matches('/') == ENVIRONMENTS;
                res.extend(path(target).or_else(|| is_all.then(PathBuf::new)));
            }
            _ => (),
        }
    }
    res
}
