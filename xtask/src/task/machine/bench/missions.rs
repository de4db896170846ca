//! Work that takes minutes: a large environment, built in a clone of this repository, so that no
//! tracked file is touched. Nothing is pushed.

use std::{path::Path, time::Instant};

use anyhow::ensure;
use fs_err as fs;

use super::{Figure, clone, seconds, time};
use crate::{
    run::{
        files,
        process::{self, Patience, Permit, cmd},
    },
    task::Session,
};

/// The measured example; a team may have deleted it.
pub(super) const MISSION: &str = "roman";
const ENVIRONMENTS: &str = "missions/roman/environments";
const CUSTOM: &str = "missions/roman/Dockerfile.custom";
/// A small package that no other one needs.
const ADDED: &str = "\nhumanize\n";

pub(super) fn figures(
    permit: Permit,
    session: &Session,
    exe: &Path,
) -> anyhow::Result<Vec<Figure>> {
    let dir = files::temporary(permit, None, "bench-", 0o755)?;
    let root = &dir.path().join("clone");
    clone(permit, session, root)?;
    session.ui.say("building roman, floating and frozen, in a clone");
    let mut res = edit_loop(permit, root, exe)?;
    res.push(one_package_added(permit, root, exe)?);
    res.push(frozen_from_a_warm_cache(permit, root, exe)?);
    Ok(res)
}

/// Measures `try`, on a tested image and the caches that its build has just filled: a package that works, and a
/// wrong name, which PyPI lets nobody register beside `astropy`.
fn edit_loop(permit: Permit, root: &Path, exe: &Path) -> anyhow::Result<Vec<Figure>> {
    super::read(permit, &cmd!(root, "{exe} image-build roman --floating"))?;
    // The receipt says which imports passed: those that cannot see the package are not run again.
    super::read(permit, &cmd!(root, "{exe} image-test roman --floating"))?;
    let add = |package: &str| cmd!(root, "{exe} try roman --env roman-cal --add {package}");
    let added = time(permit, &add("humanize"))?;
    let started = Instant::now();
    let said = process::output(&add("astr0py").patience(Patience::Work).permitted(permit))?;
    ensure!(said.stderr.contains("did you mean astropy?"), "{}", said.stderr);
    Ok(vec![
        seconds("try of one package more, tested", added, 15.0),
        seconds("try of a wrong name", started.elapsed(), 3.0),
    ])
}

/// Measures the time from the edit to the tested image, all environments included.
fn one_package_added(permit: Permit, root: &Path, exe: &Path) -> anyhow::Result<Figure> {
    let build = cmd!(root, "{exe} image-build roman --floating");
    let test = cmd!(root, "{exe} image-test roman --floating");
    super::read(permit, &build)?;
    super::read(permit, &test)?;
    let list = root.join(ENVIRONMENTS).join("roman-cal/octarine.pip");
    files::write(permit, &list, (fs::read_to_string(&list)? + ADDED).as_bytes())?;
    let started = Instant::now();
    super::read(permit, &build)?;
    super::read(permit, &test)?;
    Ok(seconds("one package added to octarine.pip, tested", started.elapsed(), 60.0))
}

/// Measures a frozen build with `roman-cal` as the mission's only environment.
fn frozen_from_a_warm_cache(permit: Permit, root: &Path, exe: &Path) -> anyhow::Result<Figure> {
    files::remove_tree(permit, &root.join(ENVIRONMENTS).join("roman-legacy"))?;
    let custom = root.join(CUSTOM);
    let text = fs::read_to_string(&custom)?;
    let kept = text.lines().filter(|it| !it.contains("roman-legacy"));
    let kept: String = kept.flat_map(|it| [it, "\n"]).collect();
    files::write(permit, &custom, kept.as_bytes())?;
    super::read(permit, &cmd!(root, "{exe} image-build roman --frozen"))?;
    let again = cmd!(root, "{exe} image-build roman --frozen --refresh");
    Ok(seconds("frozen roman-cal from a warm cache", time(permit, &again)?, 60.0))
}
