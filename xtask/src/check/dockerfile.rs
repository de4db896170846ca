//! Dockerfiles use only syntax that every builder supports, and the generator can follow
//! Dockerfile.custom.

use std::path::Path;

use crate::{
    check::{Facts, Refuses, Rule},
    mission::dockerfile::{
        parse::{self, parse},
        refusals,
        stages::Stages,
    },
    run::finding::Finding,
};

pub(crate) const RULE: Rule = Rule {
    name: parse::RULE,
    about: "Dockerfiles use what every builder reads, and the generator can follow",
    refuses: Refuses::Always,
    check,
};

/// Returns the findings in the Dockerfile of a mission that keeps its own.
pub(crate) fn own(path: &Path, text: &str) -> Vec<Finding> {
    match parse(path, text) {
        Ok(file) => {
            let files = [file];
            refusals::last_from(&files, &Stages::read(&files)).into_iter().collect()
        }
        Err(findings) => findings,
    }
}

pub(crate) fn check(facts: &Facts) -> Vec<Finding> {
    let by_hand = facts.dockerfiles().filter_map(|it| parse(&it.path, &it.text).err());
    by_hand.flatten().chain(facts.missions.iter().flat_map(|it| it.problems.clone())).collect()
}
