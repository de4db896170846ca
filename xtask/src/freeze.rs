//! Writes what a floating image consists of to its mission's frozen specs: all of them or none.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use anyhow::anyhow;
use fs_err as fs;

use crate::{
    docker::{Docker, Image},
    engine::Engine,
    files,
    frozen::{self, Frozen, changes},
    process::{self, Cmd},
    repo::{Environment, Mission},
    specs::{self, problem::Problem},
};

/// Freezes every environment of `mission`, unless this very image was frozen before: a frozen spec
/// that somebody took back since then stays as it is. Gives the files that changed.
///
/// # Errors
/// An export fails or is damaged; no file was changed then.
pub(crate) fn freeze(
    engine: &Engine,
    mission: &Mission,
    image: &Image,
) -> anyhow::Result<Vec<PathBuf>> {
    if marker(engine, mission, image).exists() {
        return Ok(Vec::new());
    }
    let exports = export(engine, mission, image, &environments(mission))?;
    let changed = write(engine, &exports)?;
    mark(engine, mission, image)?;
    Ok(changed)
}

/// The environments of `mission` that are frozen: not `base`, which the base image's digest pins.
pub(crate) fn environments(mission: &Mission) -> Vec<&Environment> {
    mission.environments.iter().filter(|it| it.name != specs::BASE).collect()
}

/// A file that says what is in an image, as it is and as the image wants it.
#[derive(Debug)]
pub(crate) struct Export {
    /// The environment and what its frozen spec says; `None` for the list of Debian packages.
    pub(crate) frozen: Option<Frozen>,
    pub(crate) path: PathBuf,
    pub(crate) old: Option<String>,
    pub(crate) new: String,
}

impl Export {
    pub(crate) fn differs(&self) -> bool {
        self.old.as_deref() != Some(&self.new)
    }

    /// What differs from the old frozen spec, or from nothing when that cannot be read.
    pub(crate) fn changes(&self) -> Vec<changes::Change> {
        let old = self.old.as_ref().and_then(|it| frozen::parse(&self.path, it).ok());
        changes::changes(old.as_ref(), self.frozen.as_ref())
    }

    /// As a unified diff.
    pub(crate) fn diff(&self, name: &Path) -> String {
        let name = name.display().to_string();
        let before = if self.old.is_some() { name.as_str() } else { "/dev/null" };
        similar::TextDiff::from_lines(self.old.as_deref().unwrap_or_default(), &self.new)
            .unified_diff()
            .header(before, &name)
            .to_string()
    }
}

/// Asks `image` what `environments` of `mission`, and its Debian part, consist of. Empty in a dry run.
///
/// # Errors
/// An export fails or is damaged.
pub(crate) fn export(
    engine: &Engine,
    mission: &Mission,
    image: &Image,
    environments: &[&Environment],
) -> anyhow::Result<Vec<Export>> {
    // Past the entry point, whose messages are for people; without a network, which it must not need.
    let docker: &Docker = &engine.docker;
    let run = |program: &str| {
        docker.cmd(["run", "--rm", "--network", "none", "--entrypoint", program, &image.id])
    };
    let progress = engine.ui.progress(&format!("freeze-{}", mission.name));
    let read = |cmd: &Cmd, path: &Path| {
        if engine.dry_run {
            println!("{cmd} > {}", path.display());
            return Ok(None);
        }
        progress.step(&engine.repo.relative(path).display().to_string());
        process::read(cmd).map(Some)
    };
    let mut res = Vec::new();
    for environment in environments {
        let (name, path) = (environment.name.as_str(), environment.frozen_spec());
        let cmd = run("/opt/common-scripts/env-export").args([name]);
        let Some(new) = read(&cmd, &path)? else { continue };
        let frozen =
            frozen::canonical(&path, &new, name).map_err(|Problem { line, what, .. }| {
                anyhow!("`{cmd}` printed no frozen spec: line {line}: {what}")
            })?;
        let old = old(&path)?;
        res.push(Export { frozen: Some(frozen), path, old, new });
    }
    // Recorded, not pinned.
    let path = mission.dir.join("packages-debian.txt");
    let cmd = run("dpkg-query").args(["--show", "--showformat", "${Package}=${Version}\\n"]);
    if let Some(new) = read(&cmd, &path)? {
        res.push(Export { frozen: None, old: old(&path)?, path, new });
    }
    Ok(res)
}

/// The text of a file, if there is one. One that is no text is as good as none: it is replaced.
fn old(path: &Path) -> anyhow::Result<Option<String>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(err) => Err(err.into()),
    }
}

/// Writes all that differs, or nothing. Gives the files that changed.
///
/// # Errors
/// A folder cannot be written; no file was changed then.
pub(crate) fn write(engine: &Engine, exports: &[Export]) -> anyhow::Result<Vec<PathBuf>> {
    if engine.dry_run {
        return Ok(Vec::new());
    }
    let files: Vec<(&Path, &[u8])> =
        exports.iter().map(|it| (it.path.as_path(), it.new.as_bytes())).collect();
    files::write_all(&files)
}

/// Notes that all of `mission` was frozen from `image`.
///
/// # Errors
/// The target folder cannot be written.
pub(crate) fn mark(engine: &Engine, mission: &Mission, image: &Image) -> anyhow::Result<()> {
    if !engine.dry_run {
        files::write(&marker(engine, mission, image), image.id.as_bytes())?;
    }
    Ok(())
}

/// Exists once the image has been frozen.
fn marker(engine: &Engine, mission: &Mission, image: &Image) -> PathBuf {
    let id: String = image.id.trim_start_matches("sha256:").chars().take(12).collect();
    engine.target().join("frozen").join(&mission.name).join(id)
}

/// SHA-256 of each frozen spec of `mission`, by environment.
///
/// # Errors
/// One is not there.
pub(crate) fn digests(mission: &Mission) -> anyhow::Result<BTreeMap<String, String>> {
    use sha2::Digest as _;
    let digest = |path: PathBuf| -> anyhow::Result<String> {
        let hash = sha2::Sha256::digest(fs::read(path)?);
        Ok(hash.iter().map(|it| format!("{it:02x}")).collect())
    };
    let environments = environments(mission).into_iter();
    environments.map(|it| Ok((it.name.clone(), digest(it.frozen_spec())?))).collect()
}
