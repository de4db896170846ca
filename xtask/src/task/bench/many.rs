//! `check` of a thousand missions, in a clone of this repository.

use std::path::Path;

use fs_err as fs;

use super::{Figure, clone, median, seconds};
use crate::{files, process::cmd, task::Desk};

pub(super) fn figure(desk: &Desk<'_>, exe: &Path) -> anyhow::Result<Figure> {
    let dir = tempfile::tempdir()?;
    let root = &dir.path().join("clone");
    clone(desk, root)?;
    for n in 0..1000 {
        mission(&root.join(format!("missions/mission-{n}")))?;
    }
    super::read(&cmd!(root, "{exe} image-update --all"))?;
    Ok(seconds("check of a thousand missions", median(&cmd!(root, "{exe} check"))?, 3.0))
}

const CUSTOM: &[u8] = b"\
ARG BASE_IMAGE=science-platform/common:latest
FROM ${BASE_IMAGE}
RUN /opt/common-scripts/env-create sky && /opt/common-scripts/env-update sky sky.pip
";

/// Writes the smallest mission that passes, but for its frozen spec.
fn mission(dir: &Path) -> anyhow::Result<()> {
    let environment = dir.join("environments/sky");
    fs::create_dir_all(environment.join("tests"))?;
    files::write(&dir.join(".dockerignore"), b"*\n!environments\n")?;
    files::write(&dir.join("Dockerfile.custom"), CUSTOM)?;
    files::write(&environment.join("sky.pip"), b"humanize\n")?;
    files::write(&environment.join("tests/imports"), b"humanize\n")?;
    Ok(())
}
