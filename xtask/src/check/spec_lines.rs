//! Every line of a floating list can be read, and requests something that can be frozen: found
//! here, before a step of a build fails.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use crate::{
    check::{Facts, MissionFacts, Refuses, Rule},
    mission::dockerfile::asked::{self, asked},
    run::finding::Finding,
    specs::{problem::Problem, read::Spec},
};

pub(crate) const RULE: Rule = Rule {
    name: "spec-lines",
    about: "every line of a spec file can be read, and repeated",
    refuses: Refuses::Always,
    check,
};

pub(crate) fn check(facts: &Facts) -> Vec<Finding> {
    let mut res = Vec::new();
    for mission in &facts.missions {
        let (_, mut problems) = all(facts, mission);
        // A missing file that an include names is a problem of the steps, too.
        let known: BTreeSet<(&Path, Option<usize>)> =
            mission.problems.iter().map(|it| (it.file.as_path(), it.line)).collect();
        problems.retain(|it| !known.contains(&(it.file.as_path(), Some(it.line))));
        res.extend(problems.into_iter().map(|it| it.finding(RULE.name)));
    }
    res
}

/// Returns the requests of all lists of a mission, installed or not, and the lines that cannot be
/// read; both may occur twice.
pub(super) fn all(facts: &Facts, mission: &MissionFacts) -> (Vec<Spec>, Vec<Problem>) {
    let mut problems = Vec::new();
    let installed = installed(facts, mission, &mut problems);
    let others = asked(&mission.sources, None, &BTreeMap::new(), &mut problems);
    (installed.into_values().chain(others.into_values()).collect(), problems)
}

/// Returns the requests of the installed lists of a mission, by environment; empty where those are
/// unknown.
pub(super) fn installed(
    facts: &Facts,
    mission: &MissionFacts,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, Spec> {
    if mission.model.is_none() && !mission.is_by_hand() {
        return BTreeMap::new();
    }
    let common = facts.below(Path::new(asked::COMMON)).filter_map(|it| {
        let name = it.path.strip_prefix(asked::COMMON).ok()?;
        Some((PathBuf::from(name), it.text.clone()))
    });
    asked(&mission.sources, mission.model.as_ref(), &common.collect(), problems)
}
