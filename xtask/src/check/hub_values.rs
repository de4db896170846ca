//! Values of hubs: what Helm would accept and a hub would not, and what deletes people's files.

use std::{collections::BTreeSet, path::Path};

use crate::{
    check::{Facts, File, Refuses, Rule, hub_yaml},
    hub::{
        chart::Chart,
        validate,
        values::{self, LOCAL, Layer, Source, Values},
    },
    run::finding::Finding,
    settings::config,
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
    found.filter(|it| it.rule == RULE.name).chain(unknown(facts)).collect()
}

/// Returns a finding for each file of an environment that settings and secrets do not have.
fn unknown(facts: &Facts) -> Vec<Finding> {
    let of_file = |it: &File| {
        let name = it.path.file_stem()?.to_string_lossy().into_owned();
        let is_shared = it.path == Path::new(values::COMMON) || name == "common";
        let err = config::environment(&name).err().filter(|_| !is_shared && name != LOCAL)?;
        Some(Finding {
            file: it.path.clone(),
            line: None,
            rule: RULE.name,
            what: format!("`{name}` is not an environment: {err:#}"),
            fix: "rename the file".to_owned(),
        })
    };
    hub_yaml::files(facts).filter_map(of_file).collect()
}

#[test]
fn values_of_an_unknown_environment() {
    let names = ["common.yaml", "local.yaml", "prod.yaml", "qa.yaml"];
    let names = names.map(|it| format!("missions/hello/hub/{it}"));
    let files: Vec<(&str, &str)> = names.iter().map(|it| (&**it, "hub: {}\n")).collect();
    let found = unknown(&crate::check::tests::facts(&files));
    let what: Vec<String> = found.iter().map(|it| it.to_string()).collect();
    assert_eq!(
        what,
        [
            "missions/hello/hub/qa.yaml: hub-values: `qa` is not an environment: expected sandbox, dev, test, staging or prod\n    fix: rename the file"
        ]
    );
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
