//! `check` of a thousand missions, in a clone of this repository.

use std::path::Path;

use super::{Figure, clone, median, seconds};
use crate::{
    run::{
        files,
        process::{Permit, cmd},
    },
    task::Session,
};

pub(super) fn figure(permit: Permit, session: &Session, exe: &Path) -> anyhow::Result<Figure> {
    let dir = files::temporary(permit, None, "bench-", 0o755)?;
    let root = &dir.path().join("clone");
    clone(permit, session, root)?;
    for n in 0..1000 {
        mission(permit, &root.join(format!("missions/mission-{n}")))?;
    }
    super::read(permit, &cmd!(root, "{exe} image-update --all"))?;
    Ok(seconds("check of a thousand missions", median(permit, &cmd!(root, "{exe} check"))?, 3.0))
}

const CUSTOM: &[u8] = b"\
ARG BASE_IMAGE=science-platform/common:latest
FROM ${BASE_IMAGE}
RUN /opt/common-scripts/env-create sky && /opt/common-scripts/env-update sky sky.pip
";

/// Writes the smallest mission that passes, except for its frozen spec.
fn mission(permit: Permit, dir: &Path) -> anyhow::Result<()> {
    let environment = dir.join("environments/sky");
    files::make_dirs(permit, &environment.join("tests"))?;
    files::write(permit, &dir.join(".dockerignore"), b"*\n!environments\n")?;
    files::write(permit, &dir.join("Dockerfile.custom"), CUSTOM)?;
    files::write(permit, &environment.join("sky.pip"), b"humanize\n")?;
    files::write(permit, &environment.join("tests/imports"), b"humanize\n")?;
    Ok(())
}
