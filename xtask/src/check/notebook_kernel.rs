//! A notebook's kernel exists: an environment of its mission, or `python3`, which is base's.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use crate::{
    check::{
        Facts, Refuses, Rule,
        notebook::{Notebook, object, readable, string},
    },
    run::{finding::Finding, printable},
    specs,
};

pub(crate) const RULE: Rule = Rule {
    name: "notebook-kernel",
    about: "a notebook's kernel is an environment of its mission, or python3",
    refuses: Refuses::Never,
    check,
};

const OF_BASE: &str = "python3";

pub(crate) fn check(facts: &Facts) -> Vec<Finding> {
    let missions = facts.missions.iter().map(|it| &it.sources);
    let missions: Missions<'_> =
        missions.map(|it| (it.mission.as_path(), it.environments.as_slice())).collect();
    readable(facts).filter_map(|it| check_notebook(&missions, &it)).collect()
}

/// Environments by the mission's folder.
type Missions<'a> = BTreeMap<&'a Path, &'a [String]>;

fn check_notebook(missions: &Missions<'_>, notebook: &Notebook<'_>) -> Option<Finding> {
    let known = kernels(missions, &notebook.file.path)?;
    let metadata = notebook.members.get("metadata")?;
    let kernelspec = object(metadata)?.get("kernelspec").copied();
    let name = kernelspec.and_then(object).and_then(|it| it.get("name").copied());
    let line = notebook.line(name.or(kernelspec).unwrap_or(metadata));
    let name = name.and_then(string);
    let what = match &name {
        Some(name) if known.contains(name.as_str()) => return None,
        Some(name) => format!("unknown kernel `{}`", printable::line(name)),
        None => "`metadata.kernelspec.name` names no kernel".to_owned(),
    };
    let names: Vec<&str> = known.into_iter().collect();
    let fix = format!("choose one of these in JupyterLab: {}", names.join(", "));
    Some(notebook.file.finding(RULE.name, Some(line), what, fix))
}

/// Returns the kernels of the mission that contains `path`, or of all missions when none does;
/// `None` for an unknown mission.
fn kernels<'a>(missions: &Missions<'a>, path: &Path) -> Option<BTreeSet<&'a str>> {
    let mission: PathBuf = path.components().take(2).collect();
    let environments: Vec<&String> = match path.starts_with("missions") {
        true => missions.get(mission.as_path())?.iter().collect(),
        false => missions.values().copied().flatten().collect(),
    };
    let names = environments.into_iter().map(String::as_str);
    Some(names.filter(|it| *it != specs::BASE).chain([OF_BASE]).collect())
}
