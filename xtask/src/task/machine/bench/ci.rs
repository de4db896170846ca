//! Duration of `ci` on a new machine: in a clone, on an engine without images.

use std::path::Path;

use super::{Figure, seconds, time};
use crate::{
    run::{
        files,
        process::{Permit, cmd},
    },
    task::Session,
    tools::git,
};

pub(super) fn figure(permit: Permit, session: &Session, exe: &Path) -> anyhow::Result<Figure> {
    let source = &session.checkout.root;
    // On this checkout's disk: the engine's images are in the clone.
    let target = source.join("target/xtask");
    files::make_dirs(permit, &target)?;
    let dir = files::temporary(permit, Some(&target), "bench-", 0o755)?;
    let root = &dir.path().join("clone");
    super::read(permit, &git::clone_here(source, root))?;
    session.ui.say("running ci in a clone");
    let ci = cmd!(root, "{exe} ci --engine private");
    Ok(seconds("ci, from an empty engine", time(permit, &ci)?, 1800.0))
}
