//! Every line of a `tests/notebooks` names a notebook. As in the image, a line is a path or a glob,
//! relative to the `tests` folder or absolute.

use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};

use crate::{
    check::{Facts, Rule},
    dockerfile::{Sources, calls::ENVIRONMENTS},
    report::Finding,
    specs,
    tests_of_mission::entries,
};

pub(crate) const RULE: Rule = Rule {
    name: "notebook-missing",
    about: "every line of tests/notebooks names a notebook",
    refuses: true,
    check,
};

/// Where `default-home-contents` is in the image.
const HOME: &str = "/opt/default-home-contents";

pub(crate) fn check(facts: &Facts) -> Vec<Finding> {
    facts.missions.iter().flat_map(|it| check_mission(&it.sources)).collect()
}

fn check_mission(sources: &Sources) -> Vec<Finding> {
    let files = sources.files.keys().map(|it| Path::new(ENVIRONMENTS).join(it));
    let home = sources.home.iter().map(|it| Path::new(HOME).join(it));
    let files: Vec<PathBuf> = files.chain(home).collect();
    let mut res = Vec::new();
    for env in &sources.environments {
        let list = Path::new(env).join("tests/notebooks");
        let text = sources.files.get(&list).map_or("", String::as_str);
        let folder = Path::new(ENVIRONMENTS).join(env).join("tests");
        for (at, line) in text.lines().enumerate() {
            for entry in entries(line).filter(|it| !matches(&folder.join(it), &files)) {
                res.push(Finding {
                    file: sources.path_of(&list),
                    line: Some(at + 1),
                    rule: RULE.name,
                    what: format!("`{entry}` matches no notebook"),
                    fix: "correct the path, relative to the tests folder, or remove the line"
                        .into(),
                });
            }
        }
    }
    res
}

/// What the image has of its own, such as the common image's notebooks, is taken as there.
fn matches(pattern: &Path, files: &[PathBuf]) -> bool {
    let Some(pattern) = specs::normal(pattern.strip_prefix("/").unwrap_or(pattern)) else {
        return false;
    };
    let pattern = Path::new("/").join(pattern);
    if !pattern.starts_with(ENVIRONMENTS) && !pattern.starts_with(HOME) {
        return true;
    }
    let options = MatchOptions { require_literal_separator: true, ..MatchOptions::default() };
    let Ok(glob) = Pattern::new(&pattern.to_string_lossy()) else { return false };
    let is_notebook = |it: &&PathBuf| it.extension().is_some_and(|it| it == "ipynb");
    files.contains(&pattern)
        || files.iter().filter(is_notebook).any(|it| glob.matches_path_with(it, options))
}
