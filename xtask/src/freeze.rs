//! Writes what a floating image consists of to its mission's frozen specs: all of them or none.

use std::path::PathBuf;

use anyhow::Context as _;
use fs_err as fs;

use crate::{
    docker::{Docker, Image},
    engine::Engine,
    files, frozen,
    process::{self, Cmd},
    repo::Mission,
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
    let marker = marker(engine, mission, image);
    if marker.exists() {
        return Ok(Vec::new());
    }
    let exports = exports(&engine.docker, mission, &image.id);
    if engine.dry_run {
        exports.iter().for_each(|it| println!("{} > {}", it.cmd, it.path.display()));
        return Ok(Vec::new());
    }
    let progress = engine.ui.progress(&format!("freeze-{}", mission.name));
    let mut texts = Vec::new();
    for export in exports {
        progress.step(&format!("{}", engine.repo.relative(&export.path).display()));
        let text = process::read(&export.cmd)?;
        if let Some(environment) = &export.environment {
            frozen::validate(&text, environment)
                .with_context(|| format!("`{}` printed no frozen spec", export.cmd))?;
        }
        texts.push((export.path, text));
    }
    let mut changed = Vec::new();
    for (path, text) in texts {
        if files::write(&path, text.as_bytes())? {
            changed.push(path);
        }
    }
    files::write(&marker, image.id.as_bytes())?;
    Ok(changed)
}

/// A command whose output becomes a file.
struct Export {
    /// `None` for the list of Debian packages.
    environment: Option<String>,
    cmd: Cmd,
    path: PathBuf,
}

fn exports(docker: &Docker, mission: &Mission, image: &str) -> Vec<Export> {
    // Past the entry point, whose messages are for people; without a network, which it must not need.
    let run = |program: &str| {
        docker.cmd(["run", "--rm", "--network", "none", "--entrypoint", program, image])
    };
    let environments = mission.environments.iter().map(|it| Export {
        environment: Some(it.name.clone()),
        cmd: run("/opt/common-scripts/env-export").args([&it.name]),
        path: it.frozen_spec(),
    });
    // Recorded, not pinned.
    let debian = Export {
        environment: None,
        cmd: run("dpkg-query").args(["--show", "--showformat", "${Package}=${Version}\\n"]),
        path: mission.dir.join("packages-debian.txt"),
    };
    environments.chain([debian]).collect()
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
pub(crate) fn digests(
    mission: &Mission,
) -> anyhow::Result<std::collections::BTreeMap<String, String>> {
    use sha2::Digest as _;
    let digest = |path: PathBuf| -> anyhow::Result<String> {
        let hash = sha2::Sha256::digest(fs::read(path)?);
        Ok(hash.iter().map(|it| format!("{it:02x}")).collect())
    };
    let environments = mission.environments.iter();
    environments.map(|it| Ok((it.name.clone(), digest(it.frozen_spec())?))).collect()
}
