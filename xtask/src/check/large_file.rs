//! No file is large: git keeps it for ever, and each clone and each build context carries it.

use crate::{
    check::{Facts, Refuses, Rule},
    report::Finding,
    tree,
};

pub(crate) const RULE: Rule =
    Rule { name: tree::SIZE, about: "no file has 1 MB or more", refuses: Refuses::Never, check };

pub(crate) fn check(facts: &Facts) -> Vec<Finding> {
    let large = facts.files.iter().filter(|it| it.size >= tree::LIMIT);
    large.map(|it| tree::too_large(&it.path, it.size)).collect()
}
