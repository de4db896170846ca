//! Files are not large: git keeps them for ever, and each clone and each build context carries
//! them.

use crate::{
    check::{Facts, Refuses, Rule},
    run::{finding::Finding, text_file},
};

pub(crate) const RULE: Rule = Rule {
    name: text_file::SIZE,
    about: "no file has 1 MB or more",
    refuses: Refuses::Never,
    check,
};

pub(crate) fn check(facts: &Facts) -> Vec<Finding> {
    let large = facts.files.iter().filter(|it| it.size >= text_file::LIMIT);
    large.map(|it| text_file::too_large(&it.path, it.size)).collect()
}
