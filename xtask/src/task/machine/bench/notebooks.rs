//! Speed of notebook tests, compared with one call of papermill for each.

use std::path::Path;

use anyhow::Context as _;
use serde::Deserialize;

use crate::{
    run::process::{Permit, cmd},
    task::{
        Session,
        machine::bench::{Figure, seconds},
    },
    tools::docker::{Docker, NAMESPACE},
};

/// Script that runs in the image.
const SCRIPT: &str = include_str!("notebooks.py");

#[derive(Debug, Deserialize)]
struct Times {
    short: Pair,
    long: Pair,
}

/// Seconds for eight notebooks.
#[derive(Debug, Deserialize)]
struct Pair {
    ours: f64,
    papermill: f64,
}

pub(super) fn figures(
    permit: Permit,
    session: &Session,
    docker: &Docker,
    exe: &Path,
) -> anyhow::Result<Vec<Figure>> {
    super::read(permit, &cmd!(session.checkout.root, "{exe} image-build hello"))?;
    let image = format!("{NAMESPACE}/hello:latest");
    let run = docker.run().once().network("none").entry_point("/opt/conda/bin/python");
    let printed = super::read(permit, &run.image(&image, ["-c", SCRIPT]))?;
    let times: Times = serde_json::from_str(&printed).context("notebooks.py prints times")?;
    let took = |what, seconds_: f64, budget: f64| {
        seconds(what, std::time::Duration::from_secs_f64(seconds_), budget)
    };
    let sooner = |what, pair: &Pair, budget| Figure {
        what,
        measured: pair.papermill / pair.ours,
        budget,
        unit: "times, at least",
    };
    Ok(vec![
        took("8 short notebooks", times.short.ours, times.short.papermill / 4.0),
        sooner("papermill, once for each of them", &times.short, 4.0),
        took("8 notebooks of 5 to 20 s", times.long.ours, times.long.papermill / 1.8),
        sooner("papermill, once for each of them", &times.long, 1.8),
    ])
}
