//! Values of hubs: what Helm would accept and a hub would not, and what deletes people's files.

use std::{collections::BTreeSet, path::Path};

use crate::{
    check::{Facts, File, Refuses, Rule, hub_yaml},
    hub::{
        chart::Chart,
        validate,
        values::{self, Layer, Source, Values},
    },
    run::finding::Finding,
};

pub(crate) const RULE: Rule = Rule {
    name: validate::RULE,
    about: "values of hubs are those of the chart and of JupyterHub, and keep people's files",
    refuses: Refuses::Never,
    check,
};

pub(crate) fn check(facts: &Facts) -> Vec<Finding> {
    let chart = match chart(facts) {
        Ok(chart) => chart,
        Err(found) => return found,
    };
    let merged = merged(facts);
    let found = merged.iter().flat_map(|it| validate::findings(it, &chart));
    found.filter(|it| it.rule == RULE.name).collect()
}

/// Returns notes about what this rule cannot check.
pub(crate) fn notes(facts: &Facts) -> Vec<String> {
    let Ok(chart) = chart(facts) else { return Vec::new() };
    let notes =
        merged(facts).iter().flat_map(|it| validate::notes(it, &chart)).collect::<BTreeSet<_>>();
    notes.into_iter().collect()
}

fn chart(facts: &Facts) -> Result<Chart, Vec<Finding>> {
    Chart::parse(|name| facts.file(Path::new(name)).map(|it| it.text.clone()))
}

/// Returns the values of each environment of each mission whose files can be read.
fn merged(facts: &Facts) -> Vec<Values> {
    let files: Vec<&File> = hub_yaml::files(facts).collect();
    let layer = |file: &File| Layer {
        source: Source { file: file.path.clone(), is_secret: false },
        text: file.text.clone(),
    };
    let is_shared = |it: &File| it.path.ends_with("common.yaml");
    let common = files.iter().find(|it| it.path == Path::new(values::COMMON));
    let environments =
        files.iter().filter(|it| it.path != Path::new(values::COMMON) && !is_shared(it));
    let of_environment = |it: &&&File| {
        let shared =
            files.iter().find(|other| is_shared(other) && other.path.parent() == it.path.parent());
        let layers = common.into_iter().chain(shared).chain([*it]);
        Values::merged(layers.map(|it| layer(it)).collect()).ok()
    };
    environments.filter_map(|it| of_environment(&it)).collect()
}
