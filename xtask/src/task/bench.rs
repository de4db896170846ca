//! `bench`: times what has a budget, and prints the figures beside it. Nothing here fails on a
//! figure: a slow machine is not a broken one.

mod ci;
mod conda;
mod many;
mod missions;
mod notebooks;

use std::{
    env,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use serde::Serialize;

use crate::{
    cli,
    docker::{Docker, NAMESPACE},
    process::{self, Cmd, Patience, cmd},
    task::Desk,
    terminal, ui,
};

/// One figure and its budget, in the same unit.
#[derive(Debug, Serialize)]
struct Figure {
    what: &'static str,
    measured: f64,
    budget: f64,
    unit: &'static str,
}

const RUNS: usize = 5;

pub(crate) fn run(desk: &Desk<'_>, args: &cli::Bench) -> anyhow::Result<u8> {
    let exe = env::current_exe()?;
    let docker = Docker::find(None, &desk.repo.root)?;
    let image_all = cmd!(desk.repo.root, "{exe} image-all hello --json");
    if desk.cli.dry_run {
        let forgets = if args.cold { forgets(&docker)? } else { Vec::new() };
        forgets.iter().chain([&image_all]).for_each(terminal::print);
        return Ok(0);
    }
    let mut res = Vec::new();
    if args.cold {
        forget(desk, &docker)?;
        let started = Instant::now();
        let summary: serde_json::Value = serde_json::from_str(&read(&image_all)?)?;
        res.push(seconds("cold image-all hello", started.elapsed(), 360.0));
        let own = summary["own_seconds"].as_f64().context("image-all says its own seconds")?;
        res.push(seconds("of it, not a child process's", Duration::from_secs_f64(own), 2.0));
        let target = tempfile::tempdir()?;
        let target = target.path();
        let build = cmd!(desk.repo.root, "cargo build --package xtask --target-dir {target}");
        res.push(seconds("building xtask from nothing", time(&build)?, 60.0));
    }
    let test = cmd!(desk.repo.root, "cargo test");
    read(&test)?;
    res.push(seconds("cargo test, once built", time(&test)?, 20.0));
    res.push(seconds("cargo xtask --help", median(&cmd!(desk.repo.root, "{exe} --help"))?, 0.15));
    res.push(seconds("check", median(&cmd!(desk.repo.root, "{exe} check"))?, 1.0));
    let formatted = cmd!(desk.repo.root, "cargo fmt --check");
    res.push(seconds("rustfmt, as the hook runs it", median(&formatted)?, 1.0));
    res.push(many::figure(desk, &exe)?);
    read(&image_all)?;
    res.push(seconds("image-all, nothing changed", median(&image_all)?, 0.5));
    res.extend(frozen_specs(desk, &exe)?);
    if args.missions {
        res.extend(missions::figures(desk, &exe)?);
    }
    if args.conda {
        res.extend(conda::figures(desk, &docker, &exe)?);
    }
    if args.notebooks {
        res.extend(notebooks::figures(&docker)?);
    }
    if args.ci {
        res.push(ci::figure(desk, &exe)?);
    }
    res.extend(sizes(&docker)?);
    // What builds take depends on it.
    desk.ui.say(format!("docker's storage driver: {}", docker.storage_driver()?));
    print(desk, &res)
}

fn seconds(what: &'static str, measured: Duration, budget: f64) -> Figure {
    Figure { what, measured: measured.as_secs_f64(), budget, unit: "s" }
}

fn frozen_specs(desk: &Desk<'_>, exe: &Path) -> anyhow::Result<Vec<Figure>> {
    let root = &desk.repo.root;
    // It asks the image, as `freeze` does, and writes no tracked file.
    let freeze = cmd!(root, "{exe} freeze --verify hello");
    read(&freeze)?;
    let check = cmd!(root, "{exe} freeze --check --all");
    Ok(vec![
        seconds("freezing a built environment", time(&freeze)?, 5.0),
        seconds("freeze --check of all missions", median(&check)?, 0.3),
        seconds("why", median(&cmd!(root, "{exe} why numpy --all"))?, 0.2),
        seconds("diff", median(&cmd!(root, "{exe} diff hello"))?, 0.2),
    ])
}

/// Empties the builder's cache and removes our images.
fn forget(desk: &Desk<'_>, docker: &Docker) -> anyhow::Result<()> {
    desk.ui.say("removing our images and the builder's cache");
    forgets(docker)?.iter().try_for_each(|it| read(it).map(drop))
}

/// The commands of [`forget`].
fn forgets(docker: &Docker) -> anyhow::Result<Vec<Cmd>> {
    let ids: Vec<String> = docker.images()?.into_iter().map(|it| it.id).collect();
    let images = docker.cmd(["image", "rm", "--force", "--no-prune"]).args(&ids);
    let cache = docker.cmd(["builder", "prune", "--all", "--force"]);
    // `image rm` without an image is an error.
    Ok(if ids.is_empty() { vec![cache] } else { vec![images, cache] })
}

/// Clones this repository to `root`.
fn clone(desk: &Desk<'_>, root: &Path) -> anyhow::Result<()> {
    let source = &desk.repo.root;
    read(&cmd!(source, "git clone --quiet {source} {root}"))?;
    Ok(())
}

fn time(cmd: &Cmd) -> anyhow::Result<Duration> {
    let started = Instant::now();
    read(cmd)?;
    Ok(started.elapsed())
}

fn median(cmd: &Cmd) -> anyhow::Result<Duration> {
    let mut times = (0..RUNS).map(|_| time(cmd)).collect::<anyhow::Result<Vec<_>>>()?;
    times.sort_unstable();
    Ok(times[RUNS / 2])
}

/// What each image adds to the one below it.
fn sizes(docker: &Docker) -> anyhow::Result<Vec<Figure>> {
    let size = |name: &str| -> anyhow::Result<f64> {
        let image = docker.image(&format!("{NAMESPACE}/{name}:latest"))?;
        #[expect(clippy::cast_precision_loss, reason = "a size in megabytes")]
        let bytes = image.with_context(|| format!("{name} is not built"))?.size as f64;
        Ok(bytes / 1e6)
    };
    let (base, common, hello) = (size("base")?, size("common")?, size("hello")?);
    let figure = |what, measured, budget| Figure { what, measured, budget, unit: "MB" };
    Ok(vec![
        figure("embedded base", base, 550.0),
        figure("common image on top", common - base, 400.0),
        figure("hello on top", hello - common, 250.0),
    ])
}

fn print(desk: &Desk<'_>, figures: &[Figure]) -> anyhow::Result<u8> {
    if desk.cli.json {
        terminal::json(&figures)?;
        return Ok(0);
    }
    let number = |it: f64, unit: &str| format!("{it:.*} {unit}", if unit == "MB" { 0 } else { 2 });
    let rows: Vec<Vec<String>> = figures
        .iter()
        .map(|it| {
            vec![it.what.to_owned(), number(it.measured, it.unit), number(it.budget, it.unit)]
        })
        .collect();
    terminal::print(ui::table(&["WHAT", "MEASURED", "BUDGET"], &rows));
    Ok(0)
}

/// Runs `cmd`, which may be silent for long, and returns its standard output.
fn read(cmd: &Cmd) -> anyhow::Result<String> {
    process::read(&cmd.clone().patience(Patience::Work))
}
