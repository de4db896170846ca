//! The folders of this repository: which missions there are, and what each consists of.
//! Reads names only; what the files say is read by the modules that know their formats.

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
    /// The folder that holds `setup-env.template`.
    pub(crate) root: PathBuf,
    /// Sorted by name.
    pub(crate) missions: Vec<Mission>,
    /// Folders that are left out, since neither docker nor conda would take their names.
    pub(crate) refused: Vec<Finding>,
}

/// The rule about names of missions and environments.
pub(crate) const RULE: &str = "mission-name";

/// `missions/<name>/`: one image, one hub deployment.
#[derive(Debug, Clone)]
pub(crate) struct Mission {
    pub(crate) name: String,
    /// Absolute.
    pub(crate) dir: PathBuf,
    /// Sorted by name.
    pub(crate) environments: Vec<Environment>,
}

/// `missions/<mission>/environments/<name>/`: a conda environment and its kernel.
#[derive(Debug, Clone)]
pub(crate) struct Environment {
    pub(crate) name: String,
    /// Absolute.
    pub(crate) dir: PathBuf,
}

impl Checkout {
    /// Lists the missions below `root`.
    ///
    /// # Errors
    /// A folder that cannot be read.
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

    /// # Errors
    /// There is a folder whose name cannot be a mission's or an environment's: a wrong request.
    pub(crate) fn check_names(&self) -> anyhow::Result<()> {
        match self.refused.as_slice() {
            [] => Ok(()),
            refused => Err(Failure::Request(finding::text(refused.to_vec())).into()),
        }
    }

    /// # Errors
    /// There is no such mission; the message names the nearest one.
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

    /// Whether `path` is in a folder that is left out.
    pub(crate) fn is_refused(&self, path: &Path) -> bool {
        let path = self.relative(path);
        self.refused.iter().any(|it| path.starts_with(&it.file))
    }

    /// `path` as people write it: relative to the root.
    pub(crate) fn relative<'a>(&self, path: &'a Path) -> &'a Path {
        path.strip_prefix(&self.root).unwrap_or(path)
    }
}

impl Mission {
    /// `None` for a mission that keeps a Dockerfile of its own.
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

/// The closest folder upwards that holds a `setup-env.template`.
pub(crate) fn find_root(start: &Path) -> anyhow::Result<PathBuf> {
    start
        .ancestors()
        .find(|dir| dir.join("setup-env.template").is_file())
        .map(Path::to_owned)
        .context("not inside a deployment checkout: no setup-env.template here or above")
}

/// Visible folders in `dir` with their names, sorted; nothing when `dir` does not exist. What `bad`
/// says of a name is added to `refused`.
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

/// Images that are no mission's: one of such a name would take their place.
const IMAGES: &[&str] = &["rootfs", "base", "common", "registry"];

/// The kernel of the base, whatever Jupyter calls it there.
const BASE_KERNEL: &str = "python3";

/// Why a name cannot be taken, and the remedy.
struct BadName {
    what: String,
    fix: &'static str,
}

/// # Errors
/// No mission can have this name.
pub(crate) fn check_mission_name(name: &str) -> anyhow::Result<()> {
    bad_mission_name(name).map_or(Ok(()), |it| bail!("{}; {}", it.what, it.fix))
}

/// # Errors
/// No environment can have this name.
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
    bad_name(name)
}

/// What a link leads to may be outside, and docker would not follow it.
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

/// What docker takes as a repository's name and conda as an environment's.
pub(crate) fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.starts_with(plain)
        && name.ends_with(plain)
        && name.chars().all(|c| plain(c) || "-_.".contains(c))
        && !name.contains("..")
}
