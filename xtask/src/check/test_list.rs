//! Lists of tests with a name in each line.

use std::path::Path;

use crate::{check::Facts, mission::expected_tests::entries, run::finding::Finding};

/// A kind of list, below the folder of an environment.
pub(crate) struct TestList {
    pub(crate) rule: &'static str,
    pub(crate) file: &'static str,
    /// What each line is, as in "the name of a module".
    pub(crate) entry: &'static str,
    pub(crate) is_valid: fn(&str) -> bool,
    pub(crate) fix: fn(&str) -> String,
}

/// Returns the findings about invalid entries of all missions' lists.
pub(crate) fn findings(facts: &Facts, list: &TestList) -> Vec<Finding> {
    let mut res = Vec::new();
    for sources in facts.missions.iter().map(|it| &it.sources) {
        for env in &sources.environments {
            let file = Path::new(env).join(list.file);
            let text = sources.files.get(&file).map_or("", String::as_str);
            for (at, line) in text.lines().enumerate() {
                res.extend(entries(line).filter(|it| !(list.is_valid)(it)).map(|entry| Finding {
                    file: sources.path_of(&file),
                    line: Some(at + 1),
                    rule: list.rule,
                    what: format!("`{}` is not {}", entry.escape_debug(), list.entry),
                    fix: (list.fix)(entry),
                }));
            }
        }
    }
    res
}
