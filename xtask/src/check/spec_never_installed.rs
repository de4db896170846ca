//! LESSONS of earlier systems: a list of packages was in the folder, and no step installed it.

use std::{collections::BTreeSet, path::PathBuf};

use crate::{
    check::{Facts, Refuses, Rule},
    mission::dockerfile::{Model, Sources},
    run::{finding::Finding, printable::Shown as _},
    specs,
};

pub(crate) const RULE: Rule = Rule {
    name: "spec-never-installed",
    about: "every spec file is installed by a step",
    refuses: Refuses::Always,
    check,
};

pub(crate) fn check(facts: &Facts) -> Vec<Finding> {
    facts.models().flat_map(|(sources, model)| check_mission(sources, model)).collect()
}

fn check_mission(sources: &Sources, model: &Model) -> Vec<Finding> {
    let installed: BTreeSet<&PathBuf> = model
        .steps
        .iter()
        .flat_map(|it| it.floating.values().chain(it.frozen.values()))
        .flatten()
        .collect();
    let lists = sources.specs().into_iter().filter(|it| specs::kind(it).is_some());
    // A frozen spec belongs to its environment, and rule `environment-steps` reports one that is
    // not made.
    let is_frozen = |it: &PathBuf| *it == specs::frozen(specs::environment(it));
    let unused = lists.filter(|it| !installed.contains(it) && !is_frozen(it));
    unused
        .map(|it| {
            let env = specs::environment(&it);
            let name = it.strip_prefix(env).unwrap_or(&it).shown();
            let add = match env {
                specs::SHARED => format!("`-c ../{name}` to a list of an environment"),
                _ => {
                    let file = model.files[0].path.shown();
                    format!("`RUN /opt/common-scripts/env-update {env} {name}` to {file}")
                }
            };
            let fix = format!("add {add}, or remove the file");
            let what = "no step installs this file".to_owned();
            Finding { file: sources.path_of(&it), line: None, rule: RULE.name, what, fix }
        })
        .collect()
}
