//! Tasks on a thousand missions, in a clone of this repository: seconds, memory, and the questions to a
//! registry.

use std::{collections::BTreeMap, path::Path};

use anyhow::Context as _;

use super::{Figure, clone};
use crate::{
    run::{
        files,
        process::{Permit, cmd},
    },
    task::Session,
    tools::python,
};

/// Script that runs the tasks, beside a registry of its own.
const SCRIPT: &str = include_str!("many.py");

/// Name in the output of the script, what is measured, and the budget in seconds.
const TASKS: [(&str, &str, f64); 4] = [
    ("check", "check of a thousand missions", 3.0),
    ("plan", "image-all of a thousand missions, planned", 3.0),
    ("explain", "explain of a thousand missions", 3.0),
    ("asked", "explain of a thousand published missions", 10.0),
];

const MEGABYTES: f64 = 150.0;

pub(super) fn figures(
    permit: Permit,
    session: &Session,
    exe: &Path,
) -> anyhow::Result<Vec<Figure>> {
    let dir = files::temporary(permit, None, "bench-", 0o755)?;
    let root = &dir.path().join("clone");
    clone(permit, session, root)?;
    for n in 0..1000 {
        mission(permit, &root.join(format!("missions/mission-{n}")))?;
    }
    super::read(permit, &cmd!(root, "{exe} image-update --all"))?;
    let printed = super::read(permit, &python::text(root, SCRIPT).args([exe]))?;
    let measured: BTreeMap<String, [f64; 2]> =
        serde_json::from_str(&printed).context("many.py prints seconds and megabytes")?;
    let mut res = Vec::new();
    for (name, what, budget) in TASKS {
        let [seconds, megabytes] = *measured.get(name).with_context(|| format!("no {name}"))?;
        res.push(Figure { what, measured: seconds, budget, unit: "s" });
        res.push(Figure { what: "its memory", measured: megabytes, budget: MEGABYTES, unit: "MB" });
    }
    Ok(res)
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
