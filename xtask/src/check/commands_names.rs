//! Every line of a `tests/commands` is the name of a program: the image's test looks for it on PATH.

use std::path::Path;

use crate::{
    check::{Facts, Refuses, Rule},
    mission::{dockerfile::Sources, expected_tests::entries},
    run::finding::Finding,
};

pub(crate) const RULE: Rule = Rule {
    name: "commands-names",
    about: "every line of tests/commands is the name of a program",
    refuses: Refuses::Always,
    check,
};

pub(crate) fn check(facts: &Facts) -> Vec<Finding> {
    facts.missions.iter().flat_map(|it| check_mission(&it.sources)).collect()
}

fn check_mission(sources: &Sources) -> Vec<Finding> {
    let mut res = Vec::new();
    for env in &sources.environments {
        let list = Path::new(env).join("tests/commands");
        let text = sources.files.get(&list).map_or("", String::as_str);
        for (at, line) in text.lines().enumerate() {
            // As in `platform_env/testing/programs.py`.
            let is_name = |it: &&str| !it.contains('/') && !it.contains(char::is_whitespace);
            res.extend(entries(line).filter(|it| !is_name(it)).map(|entry| Finding {
                file: sources.path_of(&list),
                line: Some(at + 1),
                rule: RULE.name,
                what: format!("`{}` is not the name of a program", entry.escape_debug()),
                fix: "write one name per line, without a path and without arguments".to_owned(),
            }));
        }
    }
    res
}
