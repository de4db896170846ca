//! Secrets of hubs are in no values file that is not encrypted.

use std::sync::Arc;

use crate::{
    check::{Facts, Refuses, Rule, hub_yaml},
    hub::{
        secrets,
        values::{Source, yaml},
    },
    run::finding::Finding,
};

pub(crate) const RULE: Rule = Rule {
    name: secrets::RULE,
    about: "values files of hubs hold no secret in plain text",
    refuses: Refuses::Never,
    check,
};

pub(crate) fn check(facts: &Facts) -> Vec<Finding> {
    let layer = |file: &crate::check::File| {
        let source = Source { file: file.path.clone(), is_secret: false };
        yaml::parse(&Arc::new(source), &file.text).ok()
    };
    hub_yaml::files(facts).filter_map(layer).flat_map(|it| secrets::findings(&it)).collect()
}
