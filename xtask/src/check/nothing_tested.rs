//! LESSONS of earlier systems: no tests, or an empty list of them, was a success.

use std::path::Path;

use crate::{
    check::{Facts, Rule},
    dockerfile::Sources,
    report::Finding,
    specs,
    tests_of_mission::entries,
};

pub(crate) const RULE: Rule = Rule {
    name: "nothing-tested",
    about: "every environment has tests, and no list of tests is empty",
    refuses: true,
    check,
};

pub(crate) fn check(facts: &Facts) -> Vec<Finding> {
    facts.missions.iter().flat_map(|it| check_mission(&it.sources)).collect()
}

fn check_mission(sources: &Sources) -> Vec<Finding> {
    let mut res = Vec::new();
    for env in sources.environments.iter().filter(|it| *it != specs::BASE) {
        let tests = Path::new(env).join("tests");
        for list in ["imports", "notebooks"].map(|it| tests.join(it)) {
            let is_empty = sources.files.get(&list).is_some_and(|it| entries(it).next().is_none());
            if is_empty && !sources.is_unreadable(&list) {
                let what = "the list is empty";
                let fix = "add entries, one per line, or remove the file";
                res.push(finding(sources, &list, what, fix));
            }
        }
        let is_test = |file: &Path| {
            let name = file.strip_prefix(&tests).unwrap_or(Path::new(""));
            ["imports", "notebooks", "test"].iter().any(|it| name == Path::new(it))
                || name.extension().is_some_and(|it| it == "ipynb")
        };
        if !sources.files.keys().any(|it| is_test(it)) {
            let what = "nothing in this environment is tested";
            let fix = "write tests/imports, with a package per line, or add notebooks to tests/";
            res.push(finding(sources, Path::new(env), what, fix));
        }
    }
    res
}

fn finding(sources: &Sources, file: &Path, what: &str, fix: &str) -> Finding {
    let (what, fix) = (what.to_owned(), fix.to_owned());
    Finding { file: sources.path_of(file), line: None, rule: RULE.name, what, fix }
}
