//! Processor time of the base image's server until it is healthy: every user waits for it.

use anyhow::Context as _;

use crate::{
    run::process::Permit,
    task::machine::bench::Figure,
    tools::docker::{Docker, NAMESPACE},
};

/// Script that runs in the image.
const SCRIPT: &str = include_str!("server.py");

/// # Errors
/// The image does not exist, or its server ends.
pub(super) fn figure(permit: Permit, docker: &Docker) -> anyhow::Result<Figure> {
    let image = format!("{NAMESPACE}/base:latest");
    let run = docker.run().once().network("none").without_health_check();
    let run = run.entry_point("/opt/conda/bin/python").image(&image, ["-c", SCRIPT]);
    let measured = super::read(permit, &run)?;
    let measured = measured.trim().parse().context("server.py prints a number")?;
    // It took 1.2 s, with the import of an optional check that compiles a grammar.
    Ok(Figure { what: "server's start until healthy", measured, budget: 0.6, unit: "s of CPU" })
}
