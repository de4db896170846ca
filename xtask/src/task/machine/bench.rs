//! `bench`: times work that has a budget, and prints the figures beside it. A figure never makes it
//! fail: a slow machine is not a broken one.

mod ci;
mod cluster;
mod compare;
mod conda;
mod hubs;
mod many;
mod missions;
mod notebooks;
mod parallel;
mod reuse;
mod server;

use std::{
    env,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use serde::Serialize;

use crate::{
    run::{
        failure, files,
        process::{self, Change, Patience, Permit, cmd},
        terminal, ui,
    },
    task::{
        Session,
        args::{self, Missions},
    },
    tools::{
        cargo,
        docker::{Docker, NAMESPACE},
        git,
    },
};

/// A figure and its budget, in the same unit.
#[derive(Debug, Serialize)]
struct Figure {
    what: &'static str,
    measured: f64,
    budget: f64,
    unit: &'static str,
}

const RUNS: usize = 5;

pub(crate) fn run(session: &Session, args: &args::Bench) -> anyhow::Result<u8> {
    let exe = env::current_exe()?;
    let config = session.named(&Missions::default()).map_err(failure::request)?.remove(0).config;
    let docker = Docker::find(config.docker.as_deref(), &session.checkout.root)?;
    check_missions(session, args).map_err(failure::request)?;
    let image_all = cmd!(session.checkout.root, "{exe} image-all hello --json");
    // Built and tested here, whatever the registry has.
    let cold = image_all.clone().env("REUSE", "never");
    let Some(permit) = session.permit else {
        let forgets =
            if args.cold || args.reuse || args.compare { docker.forget()? } else { Vec::new() };
        forgets.iter().chain([&cold]).for_each(terminal::print);
        return Ok(0);
    };
    let mut res = Vec::new();
    if args.cold {
        forget(permit, session, &docker)?;
        let started = Instant::now();
        let summary: serde_json::Value = serde_json::from_str(&read(permit, &cold)?)?;
        res.push(seconds("cold image-all hello", started.elapsed(), 360.0));
        let own = summary["own_seconds"].as_f64().context("`image-all` prints its own seconds")?;
        res.push(seconds("of it, not a child process's", Duration::from_secs_f64(own), 2.0));
        let target = files::temporary(permit, None, "bench-", 0o755)?;
        let target = target.path();
        let build = cargo::build(&session.checkout.root, target);
        res.push(seconds("building xtask from nothing", time(permit, &build)?, 60.0));
    }
    let requested = on_request(permit, session, args, &docker, &exe)?;
    if requested.is_empty() {
        res.extend(always(permit, session, &docker, &exe, &image_all)?);
    }
    res.extend(requested);
    // The duration of builds depends on it.
    session.ui.say(format!("docker's storage driver: {}", docker.storage_driver()?));
    print(session, &res)
}

/// Returns the figures without a flag.
fn always(
    permit: Permit,
    session: &Session,
    docker: &Docker,
    exe: &Path,
    image_all: &Change,
) -> anyhow::Result<Vec<Figure>> {
    let root = &session.checkout.root;
    let mut res = Vec::new();
    let test = cargo::plain_test(root);
    read(permit, &test)?;
    res.push(seconds("cargo test, once built", time(permit, &test)?, 20.0));
    let help = cmd!(root, "{exe} --help");
    res.push(seconds("cargo xtask --help", median(permit, &help)?, 0.15));
    res.push(seconds("check", median(permit, &cmd!(root, "{exe} check"))?, 1.0));
    let formatted = cargo::check_format_in_hook(root);
    res.push(seconds("rustfmt, as the hook runs it", median(permit, &formatted)?, 1.0));
    res.extend(many::figures(permit, session, exe)?);
    read(permit, image_all)?;
    res.push(seconds("image-all, nothing changed", median(permit, image_all)?, 0.5));
    res.extend(frozen_specs(permit, session, exe)?);
    res.push(server::figure(permit, docker)?);
    res.extend(sizes(docker)?);
    Ok(res)
}

/// Returns the figures that flags ask for.
fn on_request(
    permit: Permit,
    session: &Session,
    args: &args::Bench,
    docker: &Docker,
    exe: &Path,
) -> anyhow::Result<Vec<Figure>> {
    let mut res = Vec::new();
    if args.missions {
        res.extend(missions::figures(permit, session, exe)?);
    }
    if args.parallel {
        res.push(parallel::figure(permit, session, exe)?);
    }
    if args.reuse {
        res.push(reuse::figure(permit, session, docker, exe)?);
    }
    if args.compare {
        res.extend(compare::figures(permit, session, docker, exe)?);
    }
    if args.conda {
        res.extend(conda::figures(permit, session, docker, exe)?);
    }
    if args.hubs {
        res.extend(hubs::figures(permit, session, exe)?);
    }
    if args.cluster {
        res.extend(cluster::figures(permit, session, exe)?);
    }
    if args.notebooks {
        res.extend(notebooks::figures(permit, session, docker, exe)?);
    }
    if args.ci {
        res.push(ci::figure(permit, session, exe)?);
    }
    Ok(res)
}

/// Checks that the examples exist which are measured; a team may have deleted them.
fn check_missions(session: &Session, args: &args::Bench) -> anyhow::Result<()> {
    let of = |wanted: bool, all: &'static [&str]| if wanted { all } else { &[] };
    let examples = [of(args.missions, &[missions::MISSION]), of(args.hubs, &hubs::MISSIONS)];
    examples.concat().iter().try_for_each(|it| session.checkout.mission(it).map(drop))
}

fn seconds(what: &'static str, measured: Duration, budget: f64) -> Figure {
    Figure { what, measured: measured.as_secs_f64(), budget, unit: "s" }
}

fn frozen_specs(permit: Permit, session: &Session, exe: &Path) -> anyhow::Result<Vec<Figure>> {
    let root = &session.checkout.root;
    // Exports from the image like `freeze`, without writing a tracked file.
    let freeze = cmd!(root, "{exe} freeze --verify hello");
    read(permit, &freeze)?;
    let check = cmd!(root, "{exe} freeze --check --all");
    Ok(vec![
        seconds("freezing a built environment", time(permit, &freeze)?, 5.0),
        seconds("`freeze --check` for all missions", median(permit, &check)?, 0.3),
        seconds("why", median(permit, &cmd!(root, "{exe} why numpy --all"))?, 0.2),
        seconds("diff", median(permit, &cmd!(root, "{exe} diff hello"))?, 0.2),
    ])
}

/// Empties the builder's cache and removes this tool's images.
fn forget(permit: Permit, session: &Session, docker: &Docker) -> anyhow::Result<()> {
    session.ui.say("removing all images of this project and the build cache");
    docker.forget()?.iter().try_for_each(|it| read(permit, it).map(drop))
}

/// Clones this repository to `root`.
fn clone(permit: Permit, session: &Session, root: &Path) -> anyhow::Result<()> {
    let source = &session.checkout.root;
    read(permit, &git::clone_here(source, root))?;
    Ok(())
}

fn time(permit: Permit, cmd: &Change) -> anyhow::Result<Duration> {
    let started = Instant::now();
    read(permit, cmd)?;
    Ok(started.elapsed())
}

fn median(permit: Permit, cmd: &Change) -> anyhow::Result<Duration> {
    let mut times = (0..RUNS).map(|_| time(permit, cmd)).collect::<anyhow::Result<Vec<_>>>()?;
    times.sort_unstable();
    Ok(times[RUNS / 2])
}

/// Returns the size that each image adds to the one below it.
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
        figure("embedded base", base, 440.0),
        figure("common image on top", common - base, 400.0),
        figure("hello on top", hello - common, 250.0),
    ])
}

fn print(session: &Session, figures: &[Figure]) -> anyhow::Result<u8> {
    if session.flags.json {
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

/// Runs `cmd`, which may be silent for a long time, and returns its standard output.
fn read(permit: Permit, cmd: &Change) -> anyhow::Result<String> {
    process::read(&cmd.clone().patience(Patience::Work).permitted(permit))
}
