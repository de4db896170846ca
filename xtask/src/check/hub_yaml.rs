//! Values files of hubs hold nothing that YAML readers read differently: Helm, sops and this tool take
//! each of them for the same values.

use std::{path::Path, sync::Arc};

use crate::{
    check::{Facts, File, Refuses, Rule},
    hub::values::{self, Source, yaml},
    run::finding::Finding,
};

pub(crate) const RULE: Rule = Rule {
    name: yaml::RULE,
    about: "values files of hubs are the same to every YAML reader",
    refuses: Refuses::Never,
    check,
};

pub(crate) fn check(facts: &Facts) -> Vec<Finding> {
    let found = files(facts).filter_map(|it| {
        let source = Source { file: it.path.clone(), is_secret: false };
        yaml::parse(&Arc::new(source), &it.text).err()
    });
    found.flatten().collect()
}

/// Returns the values files of all hubs that can be read as text.
pub(super) fn files(facts: &Facts) -> impl Iterator<Item = &File> {
    facts.files.iter().filter(|it| !it.is_link && it.unreadable.is_none() && is_values(&it.path))
}

fn is_values(path: &Path) -> bool {
    let is_yaml = path.extension().is_some_and(|it| it == "yaml");
    let parts: Vec<_> = path.iter().map(|it| it.to_string_lossy()).collect();
    let is_of_mission = parts.len() == 4 && parts[0] == "missions" && parts[2] == "hub";
    path == Path::new(values::COMMON) || (is_yaml && is_of_mission)
}
