//! Every line of a `tests/imports` is the name of a module: the image's test imports nothing else.

use crate::check::{
    Refuses, Rule,
    test_list::{self, TestList},
};

pub(crate) const RULE: Rule = Rule {
    name: "imports-names",
    about: "every line of tests/imports is the name of a module",
    refuses: Refuses::Always,
    check: |facts| test_list::findings(facts, &LIST),
};

const LIST: TestList = TestList {
    rule: RULE.name,
    file: "tests/imports",
    entry: "the name of a module",
    is_valid: is_module,
    fix,
};

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
