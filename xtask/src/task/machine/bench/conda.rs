//! Builds of the end-to-end tests' missions on a conda base, in a clone of this repository.

use std::{path::Path, time::Duration};

use anyhow::Context as _;
use serde::Deserialize;

use super::{Figure, clone, seconds};
use crate::{
    run::{files, process::Permit},
    task::Session,
    tools::{docker::Docker, python},
};

/// Output of the script: seconds for both missions.
#[derive(Debug, Deserialize)]
struct Times {
    floating: f64,
    frozen: f64,
    added: f64,
    nothing: f64,
}

pub(super) fn figures(
    permit: Permit,
    session: &Session,
    docker: &Docker,
    exe: &Path,
) -> anyhow::Result<Vec<Figure>> {
    let dir = files::temporary(permit, None, "bench-", 0o755)?;
    let root = &dir.path().join("clone");
    clone(permit, session, root)?;
    session.ui.say("building two missions on a conda base, in a clone");
    let kept = session.checkout.root.join("target/xtask/conda-base");
    let program = docker.program.to_string_lossy();
    let figures =
        python::script(root, None, "xtask/tests/e2e/conda_figures.py").args([exe, root, &kept]);
    let printed = super::read(permit, &figures.env("DOCKER", &program))?;
    let times: Times = serde_json::from_str(&printed).context("conda_figures.py prints seconds")?;
    let took = |what, measured, budget| seconds(what, Duration::from_secs_f64(measured), budget);
    Ok(vec![
        took("two conda missions, floating, from warm caches", times.floating, 60.0),
        took("two conda missions, frozen, from warm caches", times.frozen, 40.0),
        took("one conda package added, tested", times.added, 45.0),
        took("two conda missions, nothing changed", times.nothing, 1.0),
    ])
}
