//! Build contexts are closed, and opened by literal names: with a pattern after `!`, the builder of
//! docker 20.10 sends an empty context without a message.

use std::path::Path;

use crate::{
    check::{Facts, File, MissionFacts, Refuses, Rule, copy_context},
    run::finding::Finding,
};

pub(crate) const RULE: Rule = Rule {
    name: "dockerignore-literal",
    about: ".dockerignore starts with `*`, and names what a build needs",
    refuses: Refuses::Never,
    check,
};

pub(crate) fn check(facts: &Facts) -> Vec<Finding> {
    let is_ignore = |it: &&File| it.path.to_string_lossy().ends_with(".dockerignore");
    let files = facts.files.iter().filter(is_ignore).filter(|it| it.unreadable.is_none());
    files.flat_map(|it| check_file(facts, it)).chain(missing(facts)).collect()
}

fn check_file(facts: &Facts, file: &File) -> Vec<Finding> {
    let lines = file.text.trim_start_matches('\u{feff}').lines().enumerate();
    let lines = lines.map(|(at, line)| (at + 1, line.trim()));
    let lines: Vec<_> = lines.filter(|(_, it)| !it.is_empty() && !it.starts_with('#')).collect();
    let first = lines.first().copied().unwrap_or((1, ""));
    let open = (first.1 != "*").then(|| {
        let what = "the context is open: files that are not named here are sent, too";
        let fix = "start with a line `*`, then `!name` for what the build needs";
        file.finding(RULE.name, Some(first.0), what, fix)
    });
    let others = lines.iter().filter(|(_, it)| *it != "*").filter_map(|(line, text)| {
        let (what, fix) = wrong(facts, file, text)?;
        Some(file.finding(RULE.name, Some(*line), what, fix))
    });
    open.into_iter().chain(others).collect()
}

/// Returns the problem of a line, and its fix.
fn wrong(facts: &Facts, file: &File, text: &str) -> Option<(String, &'static str)> {
    let is_pattern = |it: &str| it.contains(['*', '?', '[', '\\']);
    let names = |it: &str| !it.is_empty() && !it.contains('/') && !is_pattern(it);
    match text.strip_prefix('!') {
        Some(name) if is_pattern(name) => {
            let what = format!("`{text}` gives an empty context with older builders");
            Some((what, "write the folder's name, or each file's"))
        }
        Some(name) if !is_there(facts, file, name) => {
            Some((format!("git has nothing of that name: `{text}`"), "take the line out"))
        }
        Some(_) => None,
        None if text.strip_prefix("**/").is_some_and(names) => None,
        None => Some((
            format!("`{text}` is not read here"),
            "write `!name` for what is sent, `**/name` for what is left out of it",
        )),
    }
}

/// Returns whether the context has `name`; `true` for `x.dockerignore`, whose context is unknown.
fn is_there(facts: &Facts, file: &File, name: &str) -> bool {
    let dir = file.path.parent().unwrap_or(Path::new(""));
    let path = dir.join(name.trim_matches('/'));
    let is_plain = file.path.file_name().is_some_and(|it| it == NAME);
    !is_plain || facts.has(&path)
}

const NAME: &str = ".dockerignore";

/// Returns findings about missions without a `.dockerignore`.
fn missing(facts: &Facts) -> impl Iterator<Item = Finding> {
    let missing = facts.missions.iter().filter(|it| !facts.has(&it.sources.mission.join(NAME)));
    missing.map(|it| Finding {
        file: it.sources.mission.join(NAME),
        line: None,
        rule: RULE.name,
        what: "the file does not exist, and the context of a mission is closed".to_owned(),
        fix: lines(facts, it),
    })
}

/// Returns the fix with the lines for what the mission's build needs.
fn lines(facts: &Facts, mission: &MissionFacts) -> String {
    let dir = &mission.sources.mission;
    let copied = copy_context::copied(facts, dir);
    let names = ["environments", "default-home-contents"].map(str::to_owned);
    let names = names.into_iter().filter(|it| it == "environments" || facts.has(&dir.join(it)));
    let mut names: Vec<String> = names.collect();
    for name in copied {
        if !names.iter().any(|it| Path::new(&name).starts_with(it)) {
            names.push(name);
        }
    }
    let names: Vec<String> = names.iter().map(|it| format!(", `!{it}`")).collect();
    format!("write the lines `*`{}", names.concat())
}
