//! Files that look like lists of packages are of a kind, and at a place, that something installs;
//! hooks of other frameworks have their counterpart here.

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
    about: "no list of packages and no hook is of a kind, or at a place, that nothing installs",
    refuses: Refuses::Never,
    check: |facts| facts.missions.iter().flat_map(|it| check_mission(facts, it)).collect(),
};

fn check_mission(facts: &Facts, mission: &MissionFacts) -> Vec<Finding> {
    let dir = &mission.sources.mission;
    let own = facts.below(dir).filter(|it| !it.is_unknown_to_git);
    let own = own.filter_map(|it| Some((it.path.strip_prefix(dir).ok()?, it.text.as_str())));
    let lists = mission.sources.specs();
    let mut found: BTreeSet<(PathBuf, &str, &str)> = BTreeSet::new();
    for (file, text) in own {
        let list = folder(file).or_else(|| list(&lists, file, text));
        found.extend(list.map(|(path, fix)| (path, LIST, fix)));
        found.extend(hook(file).map(|fix| (file.to_owned(), HOOK, fix)));
    }
    let steps = mission.author_dockerfile().instructions;
    let is_used = |it: &Path, what: &str| {
        let name = it.file_name().unwrap_or_default().to_string_lossy();
        // What COPY takes may still be installed by nothing.
        let uses = |word: &str| word == "RUN" || what == HOOK && ["COPY", "ADD"].contains(&word);
        steps.iter().any(|it| uses(&it.word) && it.args.contains(&*name))
    };
    let found = found.into_iter().filter(|(it, what, _)| !is_used(it, what));
    found
        .map(|(path, what, fix)| Finding {
            file: dir.join(path),
            line: None,
            rule: RULE.name,
            what: what.to_owned(),
            fix: fix.to_owned(),
        })
        .collect()
}

const LIST: &str = "nothing installs this list of packages";
const HOOK: &str = "nothing copies this file into the image";

/// Returns the fix for a file of another framework, which this one neither copies nor runs.
fn hook(file: &Path) -> Option<&'static str> {
    let name = file.strip_prefix("environments").unwrap_or(file).to_str()?;
    Some(match name {
        "start" if name != file.to_str()? => return None,
        "post-start-hook" | "start" => {
            "move it to before-notebook.d/<name>.sh, which each start of a server reads"
        }
        "global_bashrc" => "move it to profile.d/<name>.sh, which login shells read",
        "postBuild" | "dockerfile-aux.sh" => "write its commands as RUN steps in Dockerfile.custom",
        "install.R" => "write its commands as RUN steps in Dockerfile.custom",
        "runtime.txt" => "name the version of Python in environments/<env>/<env>.yml",
        "apt-packages" => "rename it to apt.txt, in the mission's folder",
        _ => return None,
    })
}

const EXACT: &str =
    "name its packages in a .conda or .pip list; freezing writes their exact versions";

/// Lists of project managers.
const PROJECTS: [&str; 3] = ["Pipfile", "pixi.toml", "poetry.toml"];

/// Folders of lists of other frameworks.
pub(super) const FOLDERS: [&str; 2] = ["env-frozen", "env-chilly"];

/// Returns the folder of lists of another framework that contains `file`, and the fix.
fn folder(file: &Path) -> Option<(PathBuf, &'static str)> {
    let at = file.iter().position(|it| FOLDERS.iter().any(|name| it == *name))?;
    let fix = "remove the folder and each COPY of it: `cargo xtask freeze` writes environments/<env>/<env>-frozen.yml";
    let path: PathBuf = file.iter().take(at + 1).collect();
    (path != file).then_some((path, fix))
}

/// Returns `file`, which is relative to the mission's folder, and the fix, if it is such a list.
/// `lists` are those that steps and other lists may name.
fn list(lists: &BTreeSet<PathBuf>, file: &Path, text: &str) -> Option<(PathBuf, &'static str)> {
    let name = file.file_name()?.to_string_lossy();
    let inside = file.strip_prefix("environments").ok();
    let is_in_environment = inside.is_some_and(|it| it.components().count() > 1);
    // Lists of all environments are constraints.
    let is_list = |it: &Path| lists.contains(it) && (is_in_environment || name.ends_with(".pip"));
    if file.starts_with("default-home-contents")
        || inside.is_some_and(|it| specs::is_test(it) || is_list(it))
    {
        return None;
    }
    let of_environment = inside.and_then(|it| it.parent()?.to_str());
    let is_requirements = (name.contains("requirements")
        && (name.ends_with(".txt") || name.ends_with(".in")))
        || of_environment.is_some_and(|it| name.strip_suffix(".txt") == Some(it));
    let is_explicit = text.lines().any(|it| it.trim() == "@EXPLICIT");
    let is_conda = ["yml", "yaml"].iter().any(|it| name.ends_with(&format!(".{it}")))
        && text.lines().any(|it| it.starts_with("dependencies:"));
    let is_project = PROJECTS.contains(&&*name)
        || name.starts_with("pylock.")
        || name == "pyproject.toml"
            && inside.is_some_and(|it| it.components().count() == 2)
            && text.contains("dependencies");
    let extension = file.extension().and_then(|it| it.to_str()).unwrap_or_default();
    let lower = extension.to_lowercase();
    let fix = match extension {
        "explicit" | "lock" => EXACT,
        _ if is_explicit || is_project => EXACT,
        _ if extension != lower && ["pip", "conda", "yml", "yaml"].contains(&&*lower) => {
            "write its extension in lower case, and name the list in a step: `env-update <env> <file>`"
        }
        _ if name == "constraints.txt" => {
            "name it constraints.pip, and include it in a list: `-c constraints.pip`"
        }
        _ if is_requirements => {
            "name it <name>.pip, and add a step `env-update <env> <name>.pip`; or include it in such a list by `-r`"
        }
        _ if name == "apt-packages.txt" || name == "apt.txt" && file.components().count() > 1 => {
            "rename it to apt.txt, in the mission's folder"
        }
        "pip" | "conda" if !is_in_environment => {
            "move it to environments/<env>/, and name it in a step: `env-update <env> <file>`"
        }
        _ if is_conda && !is_in_environment => {
            "move it to environments/<env>/<env>.yml, and name it in a step: `env-create <env> <env>.yml`"
        }
        _ => return None,
    };
    Some((file.to_owned(), fix))
}
