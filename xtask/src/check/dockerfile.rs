//! Dockerfiles use what every builder reads, and the generator can follow Dockerfile.custom.

use crate::{
    check::{Facts, Rule},
    dockerfile::parse::{self, parse},
    report::Finding,
};

pub(crate) const RULE: Rule = Rule {
    name: parse::RULE,
    about: "Dockerfiles use what every builder reads, and the generator can follow",
    refuses: true,
    check,
};

pub(crate) fn check(facts: &Facts) -> Vec<Finding> {
    let by_hand = facts.dockerfiles().filter_map(|it| parse(&it.path, &it.text).err());
    let missions = facts.missions.iter().filter_map(|it| it.model.as_ref().err().cloned());
    by_hand.chain(missions).flatten().collect()
}
