//! Build contexts are closed, and opened by literal names: with a pattern behind `!`, the builder of
//! docker 20.10 sends an empty context and says nothing.

use crate::{
    check::{Facts, File, Rule},
    report::Finding,
};

pub(crate) const RULE: Rule = Rule {
    name: "dockerignore-literal",
    about: ".dockerignore starts with `*`, and names what a build needs",
    refuses: false,
    check,
};

pub(crate) fn check(facts: &Facts) -> Vec<Finding> {
    let is_ignore = |it: &&File| it.path.to_string_lossy().ends_with(".dockerignore");
    facts.files.iter().filter(is_ignore).flat_map(check_file).collect()
}

fn check_file(file: &File) -> Vec<Finding> {
    let finding = |line: usize, what: String, fix: &str| {
        let (file, fix) = (file.path.clone(), fix.to_owned());
        Finding { file, line: Some(line), rule: RULE.name, what, fix }
    };
    let lines = file.text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
    let lines: Vec<_> = lines.filter(|(_, it)| !it.is_empty() && !it.starts_with('#')).collect();
    let first = lines.first().copied().unwrap_or((1, ""));
    let open = (first.1 != "*").then(|| {
        let what = "the context is open: what is not named here is sent, too".to_owned();
        finding(first.0, what, "start with a line `*`, then `!name` for what the build needs")
    });
    let is_pattern = |it: &str| it.starts_with('!') && it.contains(['*', '?', '[', '\\']);
    let patterns = lines.iter().filter(|(_, it)| is_pattern(it)).map(|(line, text)| {
        let what = format!("`{text}` gives an empty context with older builders");
        finding(*line, what, "write the folder's name, or each file's")
    });
    open.into_iter().chain(patterns).collect()
}
