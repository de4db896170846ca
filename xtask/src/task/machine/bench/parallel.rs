//! Two missions that are built at once, beside the same in turn, in a clone of this repository.

use std::{path::Path, time::Duration};

use super::{Figure, clone, time};
use crate::{
    run::{
        files,
        process::{Permit, cmd},
    },
    task::Session,
};

const NAMES: [&str; 2] = ["bench-one", "bench-two"];

/// Lists that take some seconds each to solve and to unpack.
const LIST: &[u8] = b"astropy\nmatplotlib\npandas\nscipy\n";

/// Measures builds without docker's cache, with the packages in the caches of steps: in turn, at once, at once,
/// in turn, so that other work on this machine slows both.
pub(super) fn figure(permit: Permit, session: &Session, exe: &Path) -> anyhow::Result<Figure> {
    let dir = files::temporary(permit, None, "bench-", 0o755)?;
    let root = &dir.path().join("clone");
    clone(permit, session, root)?;
    for name in NAMES {
        mission(permit, &root.join("missions").join(name), name)?;
    }
    let [one, two] = NAMES;
    let build = |jobs: &str| {
        let build = cmd!(root, "{exe} image-build {one} {two} --floating --refresh --jobs {jobs}");
        time(permit, &build)
    };
    build("2")?;
    let (mut in_turn, mut at_once) = (Duration::ZERO, Duration::ZERO);
    for jobs in ["1", "2", "2", "1"] {
        let seconds = build(jobs)?;
        *(if jobs == "1" { &mut in_turn } else { &mut at_once }) += seconds;
    }
    Ok(Figure {
        what: "two missions built at once, times as fast as in turn",
        measured: in_turn.as_secs_f64() / at_once.as_secs_f64(),
        budget: 1.3,
        unit: "x",
    })
}

fn mission(permit: Permit, dir: &Path, name: &str) -> anyhow::Result<()> {
    let environment = dir.join("environments").join(name);
    let custom = format!(
        "ARG BASE_IMAGE=science-platform/common:latest\n\
         FROM ${{BASE_IMAGE}}\n\
         RUN /opt/common-scripts/env-create {name} && /opt/common-scripts/install-common {name} \\\n    \
         && /opt/common-scripts/env-update {name} {name}.pip\n"
    );
    files::make_dirs(permit, &environment.join("tests"))?;
    files::write(permit, &dir.join(".dockerignore"), b"*\n!environments\n")?;
    files::write(permit, &dir.join("Dockerfile.custom"), custom.as_bytes())?;
    files::write(permit, &environment.join(format!("{name}.pip")), LIST)?;
    files::write(permit, &environment.join("tests/imports"), b"astropy\n")?;
    Ok(())
}
