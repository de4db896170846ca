//! Folders of missions and environments have names that are valid for docker and conda.

use crate::{
    check::{Facts, Refuses, Rule},
    mission::checkout,
    run::finding::Finding,
};

pub(crate) const RULE: Rule = Rule {
    name: checkout::RULE,
    about: "folders of missions and environments have names that docker and conda take",
    refuses: Refuses::Always,
    check,
};

pub(crate) fn check(facts: &Facts) -> Vec<Finding> {
    facts.refused.clone()
}
