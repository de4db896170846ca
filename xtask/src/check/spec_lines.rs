//! Every line of a floating list can be read, and requests something that can be frozen: found
//! here, before a step of a build fails.

use std::path::PathBuf;

use crate::{
    check::{Facts, Refuses, Rule},
    mission::dockerfile::asked::{self, asked},
    run::finding::Finding,
};

pub(crate) const RULE: Rule = Rule {
    name: "spec-lines",
    about: "every line of a spec file can be read, and repeated",
    refuses: Refuses::Always,
    check,
};

pub(crate) fn check(facts: &Facts) -> Vec<Finding> {
    let common = facts.files.iter().filter_map(|it| {
        let name = it.path.strip_prefix(asked::COMMON).ok()?;
        Some((PathBuf::from(name), it.text.clone()))
    });
    let common = common.collect();
    let mut problems = Vec::new();
    for mission in &facts.missions {
        // The installed lists of an unreadable Dockerfile are unknown.
        match &mission.model {
            Ok(model) => drop(asked(&mission.sources, Some(model), &common, &mut problems)),
            Err(_) if mission.is_by_hand() => {
                drop(asked(&mission.sources, None, &common, &mut problems));
            }
            Err(_) => (),
        }
    }
    problems.into_iter().map(|it| it.finding(RULE.name)).collect()
}
