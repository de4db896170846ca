//! Folders of this repository: its missions and their parts. Only names are read here; the modules
//! for each format read the files.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use fs_err as fs;

use crate::run::{
    failure::Failure,
    finding::{self, Finding},
    suggest::nearest,
    text_file,
};

/// A checkout of this repository.
#[derive(Debug, Clone)]
pub(crate) struct Checkout {
    /// Folder of `setup-env.template`.
    pub(crate) root: PathBuf,
    /// Missions, sorted by name.
    pub(crate) missions: Vec<Mission>,
    /// Skipped folders, whose names are not valid for docker or conda.
    pub(crate) refused: Vec<Finding>,
}

/// Rule about names of missions and environments.
pub(crate) const RULE: &str = "mission-name";

/// A mission `missions/<name>/`: one image, one hub deployment.
#[derive(Debug, Clone)]
pub(crate) struct Mission {
    pub(crate) name: String,
    /// Absolute path.
    pub(crate) dir: PathBuf,
    /// Environments, sorted by name.
    pub(crate) environments: Vec<Environment>,
}

/// An environment `missions/<mission>/environments/<name>/`: a conda environment and its kernel.
#[derive(Debug, Clone)]
pub(crate) struct Environment {
    pub(crate) name: String,
    /// Absolute path.
    pub(crate) dir: PathBuf,
}

impl Checkout {
    /// Lists the missions below `root`.
    pub(crate) fn read(root: &Path) -> anyhow::Result<Checkout> {
        let mut refused = Vec::new();
        let mut missions = Vec::new();
        for (name, dir) in folders(root, "missions", bad_mission_name, &mut refused)? {
            let inside = format!("missions/{name}/environments");
            let environments = folders(root, &inside, bad_environment_name, &mut refused)?
                .into_iter()
                .map(|(name, dir)| Environment { name, dir })
                .collect();
            missions.push(Mission { name, dir, environments });
        }
        Ok(Checkout { root: root.to_owned(), missions, refused })
    }

    pub(crate) fn check_names(&self) -> anyhow::Result<()> {
        match self.refused.as_slice() {
            [] => Ok(()),
            refused => Err(Failure::Request(finding::text(refused.to_vec())).into()),
        }
    }

    pub(crate) fn mission(&self, name: &str) -> anyhow::Result<&Mission> {
        self.missions.iter().find(|it| it.name == name).with_context(|| {
            let names = self.missions.iter().map(|it| it.name.as_str());
            let hint = match nearest(name, names.clone()) {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None => format!("there are: {}", names.collect::<Vec<_>>().join(", ")),
            };
            format!("no mission `{name}` under missions/; {hint}")
        })
    }

    /// Returns whether `path` is in a skipped folder.
    pub(crate) fn is_refused(&self, path: &Path) -> bool {
        let path = self.relative(path);
        self.refused.iter().any(|it| path.starts_with(&it.file))
    }

    /// Returns `path` in the form for people: relative to the root.
    pub(crate) fn relative<'a>(&self, path: &'a Path) -> &'a Path {
        path.strip_prefix(&self.root).unwrap_or(path)
    }
}

impl Mission {
    /// Returns the author's part; `None` for a mission with its own Dockerfile.
    pub(crate) fn custom(&self) -> Option<PathBuf> {
        Some(self.dir.join("Dockerfile.custom")).filter(|it| it.is_file())
    }

    pub(crate) fn dockerfile(&self) -> PathBuf {
        self.dir.join("Dockerfile")
    }
}

impl Environment {
    pub(crate) fn frozen_spec(&self) -> PathBuf {
        self.dir.join(format!("{}-frozen.yml", self.name))
    }
}

/// Returns the closest folder upwards that contains `setup-env.template`.
pub(crate) fn find_root(start: &Path) -> anyhow::Result<PathBuf> {
    start
        .ancestors()
        .find(|dir| dir.join("setup-env.template").is_file())
        .map(Path::to_owned)
        .context("not inside a deployment checkout: no setup-env.template here or above")
}

/// Returns visible folders in `dir` with their names, sorted; nothing when `dir` does not exist.
/// Names that `bad` refuses are added to `refused`.
fn folders(
    root: &Path,
    dir: &str,
    bad: fn(&str) -> Option<BadName>,
    refused: &mut Vec<Finding>,
) -> anyhow::Result<Vec<(String, PathBuf)>> {
    if !root.join(dir).is_dir() {
        return Ok(Vec::new());
    }
    let mut res = Vec::new();
    for entry in fs::read_dir(root.join(dir))? {
        let entry = entry?;
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || !path.is_dir() {
            continue;
        }
        let is_link = entry.file_type()?.is_symlink();
        match is_link.then(|| bad_link(&name)).or_else(|| bad(&name)) {
            None => res.push((name, path)),
            Some(BadName { what, fix }) => {
                let file = text_file::shown(path.strip_prefix(root).unwrap_or(&path));
                refused.push(Finding { file, line: None, rule: RULE, what, fix: fix.to_owned() });
            }
        }
    }
    res.sort();
    Ok(res)
}

/// Images that belong to no mission: a mission of such a name would replace them.
const IMAGES: &[&str] = &["rootfs", "base", "common", "registry", "hub"];

/// Kernel of the base, whatever its name in Jupyter.
const BASE_KERNEL: &str = "python3";

/// Script in `environments/` that starts the tests of a mission in its image.
const MISSION_TEST: &str = "test";

/// Reason why a name is not valid, and the fix.
struct BadName {
    what: String,
    fix: &'static str,
}

pub(crate) fn check_mission_name(name: &str) -> anyhow::Result<()> {
    bad_mission_name(name).map_or(Ok(()), |it| bail!("{}; {}", it.what, it.fix))
}

pub(crate) fn check_environment_name(name: &str) -> anyhow::Result<()> {
    bad_environment_name(name).map_or(Ok(()), |it| bail!("{}; {}", it.what, it.fix))
}

fn bad_mission_name(name: &str) -> Option<BadName> {
    if IMAGES.contains(&name) {
        let what = format!("`{name}` is an image that missions are built on");
        return Some(BadName { what, fix: "choose another name" });
    }
    bad_name(name)
}

fn bad_environment_name(name: &str) -> Option<BadName> {
    if name == BASE_KERNEL {
        let what = format!("`{name}` is the kernel of the base");
        return Some(BadName { what, fix: "choose another name" });
    }
    if name == MISSION_TEST {
        let what = format!(
            "`environments/{name}` is the mission's own script for tests, not an environment"
        );
        return Some(BadName { what, fix: "choose another name for the environment" });
    }
    bad_name(name)
}

/// Returns the error about a link: its target may be outside, and docker would not follow it.
fn bad_link(name: &str) -> BadName {
    let what =
        format!("`{}` is a link, and missions and environments are folders", name.escape_debug());
    BadName { what, fix: "copy the folder to this place" }
}

fn bad_name(name: &str) -> Option<BadName> {
    let what = format!("`{}` cannot name an image or an environment", name.escape_debug());
    let fix = "use lower-case letters, digits, `-`, `_` and `.`";
    (!is_name(name)).then_some(BadName { what, fix })
}

/// Returns whether docker accepts `name` for a repository and conda for an environment.
pub(crate) fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.starts_with(plain)
        && name.ends_with(plain)
        && name.chars().all(|c| plain(c) || "-_.".contains(c))
        && !name.contains("..")
}
