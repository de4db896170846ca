//! Folders of missions and environments have names that are valid for docker and conda.

use crate::{
    check::{Refuses, Rule},
    mission::checkout,
};

pub(crate) const RULE: Rule = Rule {
    name: checkout::RULE,
    about: "folders of missions and environments have names that docker and conda take",
    refuses: Refuses::Always,
    check: |facts| facts.refused.clone(),
};
