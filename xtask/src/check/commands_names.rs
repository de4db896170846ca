//! Every line of a `tests/commands` is the name of a program: the image's test looks for it on PATH.

use crate::check::{
    Refuses, Rule,
    test_list::{self, TestList},
};

pub(crate) const RULE: Rule = Rule {
    name: "commands-names",
    about: "every line of tests/commands is the name of a program",
    refuses: Refuses::Always,
    check: |facts| test_list::findings(facts, &LIST),
};

const LIST: TestList = TestList {
    rule: RULE.name,
    file: "tests/commands",
    entry: "the name of a program",
    // As in `platform_env/testing/programs.py`.
    is_valid: |it| !it.contains('/') && !it.contains(char::is_whitespace),
    fix: |_| "write one name per line, without a path and without arguments".to_owned(),
};
