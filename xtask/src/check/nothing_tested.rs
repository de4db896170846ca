//! LESSONS of earlier systems: no tests, or an empty list of them, was a success.

use std::path::{Path, PathBuf};

use crate::{
    check::{Facts, Refuses, Rule},
    mission::{
        dockerfile::Sources,
        expected_tests::{LISTS, entries},
    },
    run::finding::Finding,
    specs,
};

pub(crate) const RULE: Rule = Rule {
    name: "nothing-tested",
    about: "every mission and environment has tests, and no list of tests is empty",
    refuses: Refuses::Always,
    check,
};

pub(crate) fn check(facts: &Facts) -> Vec<Finding> {
    let missions = facts.missions.iter().map(|it| &it.sources);
    missions.flat_map(|it| check_mission(it, &facts.refused)).collect()
}

/// Checks a mission. `refused` are folders that are skipped because of their names, environments
/// among them.
fn check_mission(sources: &Sources, refused: &[Finding]) -> Vec<Finding> {
    let mut res = empty_lists(sources);
    let frozen = sources.environments.iter().filter(|it| specs::is_frozen(it, &sources.files));
    let untested = frozen.filter(|it| !has_tests(sources, it)).map(|env| {
        let what = "no tests for this environment";
        let fix = "write tests/imports, with a package per line, or add notebooks to tests/";
        finding(sources.path_of(Path::new(env)), what, fix)
    });
    res.extend(untested);
    let has_others = sources.environments.iter().any(|it| it != specs::BASE);
    let is_refused = refused.iter().any(|it| it.file.starts_with(&sources.mission));
    let is_told = !res.is_empty();
    // The base image and hashed lists need no tests in a mission with another environment.
    if !has_others && !has_tests(sources, specs::BASE) && !is_refused && !is_told {
        let what = "nothing in this mission is tested: no environment has tests";
        let fix = "add an environment with tests, or write environments/base/tests/imports, with a package per line";
        res.push(finding(sources.mission.clone(), what, fix));
    }
    res
}

fn empty_lists(sources: &Sources) -> Vec<Finding> {
    let lists = sources
        .environments
        .iter()
        .flat_map(|env| LISTS.map(|it| Path::new(env).join("tests").join(it)));
    let is_empty = |list: &PathBuf| {
        let text = sources.files.get(list);
        text.is_some_and(|it| entries(it).next().is_none()) && !sources.is_unreadable(list)
    };
    let fix = "add entries, one per line, or remove the file";
    let empty = lists.filter(is_empty);
    empty.map(|it| finding(sources.path_of(&it), "the list is empty", fix)).collect()
}

fn has_tests(sources: &Sources, env: &str) -> bool {
    let tests = Path::new(env).join("tests");
    let is_test = |file: &Path| {
        let name = file.strip_prefix(&tests).unwrap_or(Path::new(""));
        LISTS.iter().chain(&["test"]).any(|it| name == Path::new(it))
            || name.extension().is_some_and(|it| it == "ipynb")
    };
    sources.files.keys().any(|it| is_test(it))
}

fn finding(file: PathBuf, what: &str, fix: &str) -> Finding {
    let (what, fix) = (what.to_owned(), fix.to_owned());
    Finding { file, line: None, rule: RULE.name, what, fix }
}
