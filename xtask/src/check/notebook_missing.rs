//! Every line of a `tests/notebooks` names a notebook. Like in the image, a line is a path or a
//! glob, relative to the `tests` folder or absolute.

use std::path::{Path, PathBuf};

use crate::{
    check::{Refuses, Rule},
    mission::{
        dockerfile::{Sources, calls::ENVIRONMENTS},
        expected_tests::{HOME, entries, named},
    },
    run::{finding::Finding, suggest::nearest},
};

pub(crate) const RULE: Rule = Rule {
    name: "notebook-missing",
    about: "every line of tests/notebooks names a notebook",
    refuses: Refuses::Always,
    check: |facts| facts.missions.iter().flat_map(|it| check_mission(&it.sources)).collect(),
};

fn check_mission(sources: &Sources) -> Vec<Finding> {
    let files = sources.files.keys().map(|it| Path::new(ENVIRONMENTS).join(it));
    let home = sources.home.iter().map(|it| Path::new(HOME).join(it));
    let files: Vec<PathBuf> = files.chain(home).collect();
    let mut res = Vec::new();
    for env in &sources.environments {
        let list = Path::new(env).join("tests/notebooks");
        let text = sources.files.get(&list).map_or("", String::as_str);
        let folder = Path::new(ENVIRONMENTS).join(env).join("tests");
        let matches_nothing = |it: &str| named(&folder, it, &files).is_some_and(|it| it.is_empty());
        for (at, line) in text.lines().enumerate() {
            for entry in entries(line).filter(|it| matches_nothing(it)) {
                res.push(Finding {
                    file: sources.path_of(&list),
                    line: Some(at + 1),
                    rule: RULE.name,
                    what: format!("`{}` matches no notebook", entry.escape_debug()),
                    fix: fix(&folder, entry, &files),
                });
            }
        }
    }
    res
}

/// Returns the fix, with the name that differs in case or by a typing error, if there is one.
fn fix(folder: &Path, entry: &str, files: &[PathBuf]) -> String {
    let notebooks = files.iter().filter(|it| it.extension().is_some_and(|it| it == "ipynb"));
    let names: Vec<String> = notebooks
        .map(|it| it.strip_prefix(folder).unwrap_or(it).to_string_lossy().into_owned())
        .collect();
    let same = names.iter().find(|it| it.to_lowercase() == entry.to_lowercase());
    match same.map(String::as_str).or_else(|| nearest(entry, names.iter().map(String::as_str))) {
        Some(name) => format!("write `{name}`, or remove the line"),
        None => "correct the path, relative to the tests folder, or remove the line".to_owned(),
    }
}
