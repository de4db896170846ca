//! The folders of this repository: which missions there are, and what each consists of.
//! Reads names only; what the files say is read by the modules that know their formats.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use fs_err as fs;

/// A checkout of this repository.
#[derive(Debug, Clone)]
pub(crate) struct Repo {
    /// The folder that holds `setup-env.template`.
    pub(crate) root: PathBuf,
    /// Sorted by name.
    pub(crate) missions: Vec<Mission>,
}

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

impl Repo {
    /// Lists the missions below `root`.
    ///
    /// # Errors
    /// A folder that cannot be read, or a name that docker or conda would not take.
    pub(crate) fn read(root: &Path) -> anyhow::Result<Repo> {
        let missions = folders(&root.join("missions"))?
            .into_iter()
            .map(|(name, dir)| Mission::read(name, dir))
            .collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Repo { root: root.to_owned(), missions })
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

    /// `path` as people write it: relative to the root.
    pub(crate) fn relative<'a>(&self, path: &'a Path) -> &'a Path {
        path.strip_prefix(&self.root).unwrap_or(path)
    }
}

impl Mission {
    fn read(name: String, dir: PathBuf) -> anyhow::Result<Mission> {
        check_mission_name(&name).with_context(|| dir.display().to_string())?;
        let folders = folders(&dir.join("environments"))?;
        for (name, dir) in &folders {
            check_environment_name(name).with_context(|| dir.display().to_string())?;
        }
        let environments = folders.into_iter().map(|(name, dir)| Environment { name, dir });
        Ok(Mission { name, dir, environments: environments.collect() })
    }

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

/// The candidate that a typing error would most likely have been meant for.
pub(crate) fn nearest<'a>(
    name: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    candidates
        .map(|it| (strsim::damerau_levenshtein(name, it), it))
        .filter(|(distance, it)| *distance <= (it.len().max(name.len()) / 3).max(1))
        .min()
        .map(|(_, it)| it)
}

/// Visible folders in `dir` with their names, sorted; nothing when `dir` does not exist.
fn folders(dir: &Path) -> anyhow::Result<Vec<(String, PathBuf)>> {
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    let mut res = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') && path.is_dir() {
            res.push((name, path));
        }
    }
    res.sort();
    Ok(res)
}

/// Images that are no mission's: one of such a name would take their place.
const IMAGES: &[&str] = &["rootfs", "base", "common", "registry"];

/// The kernel of the base, whatever Jupyter calls it there.
const BASE_KERNEL: &str = "python3";

/// # Errors
/// No mission can have this name.
pub(crate) fn check_mission_name(name: &str) -> anyhow::Result<()> {
    if IMAGES.contains(&name) {
        bail!("`{name}` is an image that missions are built on; choose another name");
    }
    check_name(name)
}

/// # Errors
/// No environment can have this name.
pub(crate) fn check_environment_name(name: &str) -> anyhow::Result<()> {
    if name == BASE_KERNEL {
        bail!("`{name}` is the kernel of the base; choose another name");
    }
    check_name(name)
}

fn check_name(name: &str) -> anyhow::Result<()> {
    if !is_name(name) {
        bail!(
            "`{name}` cannot name an image or an environment; use lower-case letters, digits, `-`, `_` and `.`"
        );
    }
    Ok(())
}

/// What docker takes as a repository's name and conda as an environment's.
fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.starts_with(plain)
        && name.ends_with(plain)
        && name.chars().all(|c| plain(c) || "-_.".contains(c))
        && !name.contains("..")
}
