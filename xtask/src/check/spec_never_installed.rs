//! LESSONS of earlier systems: a list of packages was in the folder, and no step installed it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use crate::{
    check::{Refuses, Rule},
    mission::dockerfile::{Model, Sources, calls::Script},
    run::{finding::Finding, printable::Shown as _},
    specs,
};

pub(crate) const RULE: Rule = Rule {
    name: "spec-never-installed",
    about: "every spec file is installed by a step",
    refuses: Refuses::Always,
    check: |facts| {
        facts.models().flat_map(|(sources, model)| check_mission(sources, model)).collect()
    },
};

fn check_mission(sources: &Sources, model: &Model) -> Vec<Finding> {
    let installed: BTreeSet<&PathBuf> = model
        .steps
        .iter()
        .flat_map(|it| it.floating.values().chain(it.frozen.values()))
        .flatten()
        .collect();
    let lists = sources.specs().into_iter().filter(|it| specs::kind(it).is_some());
    // A frozen spec belongs to its environment, and rule `environment-steps` reports one that is
    // not made. `base` is there already.
    let is_frozen = |it: &PathBuf| {
        let env = specs::environment(it);
        *it == specs::frozen(env) && specs::is_frozen(env, &sources.files)
    };
    let unused = lists.filter(|it| !installed.contains(it) && !is_frozen(it));
    let mut by_env: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for list in unused {
        by_env.entry(specs::environment(&list).to_owned()).or_default().push(list);
    }
    let finding = |list: &PathBuf, fix: &str| Finding {
        file: sources.path_of(list),
        line: None,
        rule: RULE.name,
        what: "no step installs this file".to_owned(),
        fix: fix.to_owned(),
    };
    let of_env = |(env, lists): (&String, &Vec<PathBuf>)| {
        let all = fix(model, env, lists);
        let fix = |it: &PathBuf| {
            frozen_base(it)
                .or_else(|| shared(it))
                .or_else(|| limits(it))
                .or_else(|| instead_of_clone(model, env, it))
                .or_else(|| of_no_environment(sources, model, env))
        };
        lists.iter().map(|it| finding(it, &fix(it).unwrap_or(all.clone()))).collect::<Vec<_>>()
    };
    by_env.iter().flat_map(of_env).collect()
}

/// Returns the fix for all unused lists of an environment: one call, which solves them together.
fn fix(model: &Model, env: &str, lists: &[PathBuf]) -> String {
    let mut lists: Vec<&PathBuf> = lists.iter().filter(|it| limits(it).is_none()).collect();
    lists.retain(|it| instead_of_clone(model, env, it).is_none());
    lists.sort_by_key(|it| specs::kind(it));
    let names = lists.iter().map(|it| it.strip_prefix(env).unwrap_or(it).shown().to_string());
    let remove = if lists.len() == 1 { "the file" } else { "the files" };
    format!(
        "add `RUN /opt/common-scripts/env-update {env} {}` to {}, or remove {remove}",
        names.collect::<Vec<_>>().join(" "),
        model.files[0].path.shown()
    )
}

/// Returns the fix for the frozen spec of a `base` to which no list is added that must be solved.
fn frozen_base(list: &Path) -> Option<String> {
    let fix = "remove the file; no list adds packages to base that must be solved";
    (list == specs::frozen(specs::BASE)).then(|| fix.to_owned())
}

/// Returns the fix for a list that environments share.
fn shared(list: &Path) -> Option<String> {
    let is_shared = specs::environment(list) == specs::SHARED;
    let fix =
        format!("add `-c ../{}` to a list of an environment, or remove the file", list.shown());
    is_shared.then_some(fix)
}

/// Returns the fix for a list that, by its name, limits versions and requests nothing.
pub(super) fn limits(list: &Path) -> Option<String> {
    let name = list.file_name()?.to_string_lossy();
    let is_named = ["hints", "constraints"].iter().any(|it| name.contains(it));
    let is_pip = specs::kind(list) == Some(specs::Kind::Pip);
    let fix = format!("write the line `-c {name}` in the lists that it limits, or remove the file");
    (is_named && is_pip).then_some(fix)
}

/// Returns the fix for the `<env>.yml` of an environment that is cloned from another.
fn instead_of_clone(model: &Model, env: &str, list: &Path) -> Option<String> {
    let mut calls = model.stages.steps().flat_map(|it| &it.calls);
    let clone = calls.find(|it| it.script == Script::Clone && it.env == env)?;
    let from = clone.from.as_deref().unwrap_or(specs::BASE);
    let name = list.strip_prefix(env).ok()?.shown().to_string();
    let is_whole = name == format!("{env}.yml") || name == format!("{env}.yaml");
    let fix = format!(
        "replace `env-clone {from} {env}` by `env-create {env} {name}` in {}, or remove the file",
        model.files[0].path.shown()
    );
    is_whole.then_some(fix)
}

/// Returns the fix for a list of an environment that no step makes: rule `environment-steps` names
/// the steps for all of them.
fn of_no_environment(sources: &Sources, model: &Model, env: &str) -> Option<String> {
    let mut calls = model.stages.steps().flat_map(|it| &it.calls);
    let is_made = env == specs::BASE || calls.any(|it| it.creates() && it.env == env);
    let is_environment = sources.environments.iter().any(|it| it == env);
    (is_environment && !is_made)
        .then(|| format!("make the environment `{env}` with it, or remove the file"))
}
