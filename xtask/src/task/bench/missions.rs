//! What takes minutes: a large environment, built in a clone of this repository, so that no tracked
//! file is touched. Nothing is pushed.

use std::{path::Path, time::Instant};

use fs_err as fs;

use super::{Figure, clone, seconds, time};
use crate::{files, process::cmd, task::Desk};

const ENVIRONMENTS: &str = "missions/roman/environments";
const CUSTOM: &str = "missions/roman/Dockerfile.custom";
/// A small package that no other one needs.
const ADDED: &str = "\nhumanize\n";

pub(super) fn figures(desk: &Desk<'_>, exe: &Path) -> anyhow::Result<Vec<Figure>> {
    let dir = tempfile::tempdir()?;
    let root = &dir.path().join("clone");
    clone(desk, root)?;
    desk.ui.say("building roman, floating and frozen, in a clone");
    Ok(vec![one_package_added(root, exe)?, frozen_from_a_warm_cache(root, exe)?])
}

/// From the edit to the tested image.
fn one_package_added(root: &Path, exe: &Path) -> anyhow::Result<Figure> {
    let build = cmd!(root, "{exe} image-build roman --floating");
    let test = cmd!(root, "{exe} image-test roman --floating");
    super::read(&build)?;
    super::read(&test)?;
    let list = root.join(ENVIRONMENTS).join("roman-cal/octarine.pip");
    files::write(&list, (fs::read_to_string(&list)? + ADDED).as_bytes())?;
    let started = Instant::now();
    super::read(&build)?;
    super::read(&test)?;
    Ok(seconds("one package added to octarine.pip, tested", started.elapsed(), 60.0))
}

/// With `roman-cal` as the mission's only environment.
fn frozen_from_a_warm_cache(root: &Path, exe: &Path) -> anyhow::Result<Figure> {
    fs::remove_dir_all(root.join(ENVIRONMENTS).join("roman-legacy"))?;
    let custom = root.join(CUSTOM);
    let text = fs::read_to_string(&custom)?;
    let kept = text.lines().filter(|it| !it.contains("roman-legacy"));
    let kept: String = kept.flat_map(|it| [it, "\n"]).collect();
    files::write(&custom, kept.as_bytes())?;
    super::read(&cmd!(root, "{exe} image-build roman --frozen"))?;
    let again = cmd!(root, "{exe} image-build roman --frozen --refresh");
    Ok(seconds("frozen roman-cal from a warm cache", time(&again)?, 60.0))
}
