//! Files that look like lists of packages are of a kind, and at a place, that something installs.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use crate::{
    check::{Facts, MissionFacts, Refuses, Rule},
    run::finding::Finding,
    specs,
};

pub(crate) const RULE: Rule = Rule {
    name: "list-kind",
    about: "no list of packages is of a kind, or at a place, that nothing installs",
    refuses: Refuses::Never,
    check: |facts| facts.missions.iter().flat_map(|it| check_mission(facts, it)).collect(),
};

fn check_mission(facts: &Facts, mission: &MissionFacts) -> Vec<Finding> {
    let dir = &mission.sources.mission;
    let own = facts.files.iter().filter(|it| !it.is_unknown_to_git);
    let own = own.filter_map(|it| Some((it.path.strip_prefix(dir).ok()?, it.text.as_str())));
    let lists = mission.sources.specs();
    let mut found: BTreeSet<(PathBuf, &'static str)> = BTreeSet::new();
    for (file, text) in own {
        found.extend(folder(file).or_else(|| list(&lists, file, text)));
    }
    let runs = mission.author_dockerfile().instructions;
    let is_used = |it: &Path| {
        let name = it.file_name().unwrap_or_default().to_string_lossy();
        runs.iter().any(|run| run.word == "RUN" && run.args.contains(&*name))
    };
    let found = found.into_iter().filter(|(it, _)| !is_used(it));
    found
        .map(|(path, fix)| Finding {
            file: dir.join(path),
            line: None,
            rule: RULE.name,
            what: "nothing installs this list of packages".to_owned(),
            fix: fix.to_owned(),
        })
        .collect()
}

const EXACT: &str =
    "name its packages in a .conda or .pip list; freezing writes their exact versions";

/// Returns the folder of lists of another framework that contains `file`, and the fix.
fn folder(file: &Path) -> Option<(PathBuf, &'static str)> {
    let at = file.iter().position(|it| it == "env-frozen" || it == "env-chilly")?;
    let fix = "remove the folder: `cargo xtask freeze` writes environments/<env>/<env>-frozen.yml";
    let path: PathBuf = file.iter().take(at + 1).collect();
    (path != file).then_some((path, fix))
}

/// Returns `file`, which is relative to the mission's folder, and the fix, if it is such a list.
/// `lists` are those that steps and other lists may name.
fn list(lists: &BTreeSet<PathBuf>, file: &Path, text: &str) -> Option<(PathBuf, &'static str)> {
    let name = file.file_name()?.to_string_lossy();
    let inside = file.strip_prefix("environments").ok();
    if file.starts_with("default-home-contents")
        || inside.is_some_and(|it| specs::is_test(it) || lists.contains(it))
    {
        return None;
    }
    let is_in_environment = inside.is_some_and(|it| it.components().count() > 1);
    let is_requirements =
        name.contains("requirements") && (name.ends_with(".txt") || name.ends_with(".in"));
    let is_explicit = text.lines().any(|it| it.trim() == "@EXPLICIT");
    let fix = match file.extension().and_then(|it| it.to_str()) {
        Some("explicit" | "lock") => EXACT,
        _ if is_explicit || name == "Pipfile" => EXACT,
        _ if is_requirements => {
            "name it <name>.pip, and add a step `env-update <env> <name>.pip`; or include it in such a list by `-r`"
        }
        _ if name == "apt-packages.txt" => "rename it to apt.txt, in the mission's folder",
        Some("pip" | "conda") if !is_in_environment => {
            "move it to environments/<env>/, and name it in a step: `env-update <env> <file>`"
        }
        _ if ["environment.yml", "environment.yaml"].contains(&&*name) && !is_in_environment => {
            "move it to environments/<env>/<env>.yml, and name it in a step: `env-create <env> <env>.yml`"
        }
        _ => return None,
    };
    Some((file.to_owned(), fix))
}
