//! Every line of a `tests/imports` is the name of a module: the image's test imports nothing else.

use std::path::Path;

use crate::{
    check::{Facts, Refuses, Rule},
    mission::{dockerfile::Sources, expected_tests::entries},
    run::finding::Finding,
};

pub(crate) const RULE: Rule = Rule {
    name: "imports-names",
    about: "every line of tests/imports is the name of a module",
    refuses: Refuses::Always,
    check,
};

pub(crate) fn check(facts: &Facts) -> Vec<Finding> {
    facts.missions.iter().flat_map(|it| check_mission(&it.sources)).collect()
}

fn check_mission(sources: &Sources) -> Vec<Finding> {
    let mut res = Vec::new();
    for env in &sources.environments {
        let list = Path::new(env).join("tests/imports");
        let text = sources.files.get(&list).map_or("", String::as_str);
        for (at, line) in text.lines().enumerate() {
            for entry in entries(line).filter(|it| !is_module(it)) {
                res.push(Finding {
                    file: sources.path_of(&list),
                    line: Some(at + 1),
                    rule: RULE.name,
                    what: format!("`{}` is not the name of a module", entry.escape_debug()),
                    fix: fix(entry),
                });
            }
        }
    }
    res
}

fn fix(entry: &str) -> String {
    let words: Vec<&str> = entry.split(|c: char| c.is_whitespace() || c == ',').collect();
    let names: Vec<&str> = words.iter().copied().filter(|it| is_module(it)).collect();
    match (words.as_slice(), names.as_slice()) {
        (["import" | "from", name, ..], _) if is_module(name) => format!("write `{name}`"),
        (_, [_, _, ..]) if entry.contains(',') => {
            format!("write one per line: `{}`", names.join("`, `"))
        }
        _ => "write what Python imports, such as `sklearn` for scikit-learn; versions belong in the list of packages".to_owned(),
    }
}

/// Returns whether the tester takes `text` for a module's dotted name.
fn is_module(text: &str) -> bool {
    let is_plain = |c: char| c == '_' || c.is_alphanumeric();
    text.split('.').all(|it| !it.is_empty() && it.chars().all(is_plain))
}
