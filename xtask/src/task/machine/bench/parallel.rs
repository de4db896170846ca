//! Two missions that are built and tested at once, beside the same in turn, in a clone of this repository.
//! Nothing is pushed.

use std::{path::Path, time::Duration};

use anyhow::Context as _;
use fs_err as fs;
use glob::{Pattern, glob};

use super::{Figure, clone, time};
use crate::{
    run::{
        files,
        process::{Permit, cmd},
    },
    task::Session,
};

const NAMES: [&str; 2] = ["bench-one", "bench-two"];

/// Where the missions come from, and what of it.
const SOURCE: &str = "missions/hello";
const PARTS: [&str; 4] =
    [".dockerignore", "Dockerfile.custom", "default-home-contents/**/*", "environments/**/*"];

/// Measures builds without docker's cache, with the packages in the caches of steps, and tests: in turn, at once,
/// at once, in turn, so that other work on this machine slows both.
pub(super) fn figure(permit: Permit, session: &Session, exe: &Path) -> anyhow::Result<Figure> {
    let dir = files::temporary(permit, None, "bench-", 0o755)?;
    let root = &dir.path().join("clone");
    clone(permit, session, root)?;
    for name in NAMES {
        copy(permit, &root.join(SOURCE), &root.join("missions").join(name))?;
    }
    let work = |names: &[&str]| -> anyhow::Result<Duration> {
        let build = cmd!(root, "{exe} image-build --floating --refresh").args(names);
        let test = cmd!(root, "{exe} image-test --floating --again").args(names);
        Ok(time(permit, &build)? + time(permit, &test)?)
    };
    work(&NAMES)?;
    let (mut in_turn, mut at_once) = (Duration::ZERO, Duration::ZERO);
    for is_in_turn in [true, false, false, true] {
        if is_in_turn {
            for name in NAMES {
                in_turn += work(&[name])?;
            }
        } else {
            at_once += work(&NAMES)?;
        }
    }
    Ok(Figure {
        what: "two missions built and tested at once, times as fast as in turn",
        measured: in_turn.as_secs_f64() / at_once.as_secs_f64(),
        budget: 1.3,
        unit: "x",
    })
}

/// Copies what a mission's image is made from.
fn copy(permit: Permit, from: &Path, to: &Path) -> anyhow::Result<()> {
    let folder = Pattern::escape(from.to_str().context("the folder's path is UTF-8")?);
    for part in PARTS {
        for path in glob(&format!("{folder}/{part}"))? {
            let path = path?;
            if path.is_file() {
                let copy = to.join(path.strip_prefix(from)?);
                files::make_dirs(permit, copy.parent().unwrap_or(to))?;
                files::write(permit, &copy, &fs::read(&path)?)?;
            }
        }
    }
    Ok(())
}
