//! `ci`: every check and test of this repository. All steps run, even after a failure; each has a
//! log.

pub(crate) mod steps;
mod private_engine;

use std::{path::Path, thread, time::Instant};

use anyhow::anyhow;
use clap::ValueEnum as _;

use crate::{
    image::runner::Runner,
    run::{
        failure::{self, Failure},
        memory_folder::MemoryFolder,
        printable::Shown as _,
        process::Patience,
        terminal,
        ui::{self, Colour},
    },
    task::{
        Session,
        args::{self, EngineOfCi, Missions},
        shared::doctor::{self, About, FixPolicy, Probes},
    },
    tools::docker::Docker,
};

use private_engine::Ran;
use steps::{Step, Target};

/// Bytes of memory that must be free for the files of tests.
const ROOM: u64 = 2_000_000_000;

pub(crate) fn run(session: &Session, args: &args::Ci) -> anyhow::Result<u8> {
    if args.cluster {
        return here(session, &[Step::Cluster], true);
    }
    let is_chosen = |it: &Step| args.only.is_empty() || args.only.contains(it);
    let steps: Vec<Step> = Step::value_variants().iter().copied().filter(is_chosen).collect();
    let needs_engine = steps.iter().any(|it| it.needs_engine());
    if !needs_engine || args.engine == Some(EngineOfCi::Default) {
        return here(session, &steps, needs_engine);
    }
    let reason = match on_private_engine(session, args, &steps)? {
        Ran::Status(status) => return Ok(status),
        Ran::Cannot(reason) => reason,
    };
    if args.wants_private() {
        let text = format!("no private engine: {reason}");
        let fix = "`cargo xtask ci --engine default` runs on this machine's engine".to_owned();
        return Err(Failure::Machine { text, fix }.into());
    }
    session.ui.say(format!("engine: this machine's default; no private one: {reason}"));
    here(session, &steps, needs_engine)
}

fn on_private_engine(session: &Session, args: &args::Ci, steps: &[Step]) -> anyhow::Result<Ran> {
    let runner = match runner(session) {
        Err(err) if failure::status(&err) == 3 => return Ok(Ran::Cannot(failure::text(&err))),
        runner => runner?,
    };
    if let Some(permit) = session.permit {
        return private_engine::run(permit, session, &runner, args);
    }
    let print = || run_steps(session, &runner, steps).map(|_| ());
    let reason = private_engine::print(session, args, print)?;
    Ok(reason.map_or(Ran::Status(0), Ran::Cannot))
}

/// Runs the steps with the engine that the environment names, if they need one.
fn here(session: &Session, steps: &[Step], needs_engine: bool) -> anyhow::Result<u8> {
    if steps.contains(&Step::Cluster) {
        Target::of(session)?;
    }
    if needs_engine {
        let missions = Missions { all: true, ..Missions::default() };
        let status =
            doctor::examine(session, &missions, About::Images, Probes::Network, FixPolicy::Always)?;
        if status != 0 {
            return Ok(status);
        }
    }
    let runner = if needs_engine { runner(session)? } else { without_docker(session) };
    let rows = run_steps(session, &runner, steps)?;
    session.permit.map_or(Ok(0), |_| summary(session, &rows))
}

/// Returns a runner with a CLI that can build.
fn runner(session: &Session) -> anyhow::Result<Runner> {
    let config = session.named(&Missions::default()).map_err(failure::request)?.remove(0).config;
    let runner = session.runner(&config)?;
    let docker = runner.docker.builder(config.docker.as_deref(), None)?.docker;
    Ok(Runner { docker, ..runner })
}

fn without_docker(session: &Session) -> Runner {
    let docker = Docker::new("docker".into(), &session.checkout.root);
    Runner { checkout: session.checkout.clone(), docker, ui: session.ui, permit: session.permit }
}

fn run_steps(
    session: &Session,
    runner: &Runner,
    steps: &[Step],
) -> anyhow::Result<Vec<Vec<String>>> {
    let memory = runner.permit.and_then(|_| MemoryFolder::for_tests(ROOM));
    let memory = memory.as_ref().map(MemoryFolder::path);
    let run_all = |steps: &[Step]| -> anyhow::Result<Vec<Vec<String>>> {
        steps.iter().map(|it| run_step(session, runner, *it, memory)).collect()
    };
    if runner.permit.is_none() {
        return run_all(steps);
    }
    let (first, rest): (Vec<Step>, Vec<Step>) = steps.iter().partition(|it| it.comes_first());
    let (on_engine, without): (Vec<Step>, Vec<Step>) =
        rest.into_iter().partition(|it| it.needs_engine());
    let (images, others): (Vec<Step>, Vec<Step>) =
        on_engine.into_iter().partition(|it| it.makes_images());
    let (of_images, others): (Vec<Step>, Vec<Step>) =
        others.into_iter().partition(|it| it.is_of_shared_images());
    let first = run_all(&first)?;
    // Those that need an engine mostly wait: for it, for packages, for notebooks.
    let joined = |row: thread::ScopedJoinHandle<'_, _>| {
        row.join().unwrap_or_else(|_| Err(anyhow!("a thread panicked")))
    };
    thread::scope(|scope| {
        let without = scope.spawn(|| run_all(&without));
        let images = run_all(&images);
        let of_images = scope.spawn(|| run_all(&of_images));
        let others = run_all(&others);
        Ok([first, joined(without)?, images?, joined(of_images)?, others?].concat())
    })
}

/// Runs a step and returns its row. `memory` is for the files of tests that make many.
fn run_step(
    session: &Session,
    runner: &Runner,
    step: Step,
    memory: Option<&Path>,
) -> anyhow::Result<Vec<String>> {
    let started = Instant::now();
    let name = step.name();
    if let Some(reason) = reason_against(session, step)? {
        runner.ui.say_in(Colour::Red, &name, &format!(": not run: {reason}"));
        return Ok(vec![name, "not run".to_owned(), "-".to_owned()]);
    }
    let mut log = runner.log(&format!("ci-{}", name.replace(' ', "-")))?;
    log.step("running");
    let mut failed = Vec::new();
    let memory = memory.filter(|_| step.makes_many_files());
    for cmd in step.cmds(session, runner)? {
        let cmd = memory.iter().fold(cmd, |cmd, it| cmd.env("TMPDIR", &it.to_string_lossy()));
        match runner.run(&cmd.patience(Patience::Work), &mut log) {
            Ok(()) => (),
            Err(err) if failure::status(&err) == 130 => return Err(err),
            Err(err) => failed.push(format!("{err:#}")),
        }
    }
    drop(log);
    let outcome = if failed.is_empty() { "passed" } else { "failed" };
    if !failed.is_empty() {
        runner.ui.say_in(Colour::Red, &name, &format!(": {}", failed.join("\n")));
    }
    Ok(vec![name, outcome.to_owned(), ui::elapsed(started.elapsed())])
}

/// Returns the reason why this machine cannot run a step.
fn reason_against(session: &Session, step: Step) -> anyhow::Result<Option<String>> {
    match step {
        Step::SecondEngine => private_engine::reason_against(session),
        _ => Ok(None),
    }
}

fn summary(session: &Session, rows: &[Vec<String>]) -> anyhow::Result<u8> {
    terminal::print(ui::table(&["STEP", "OUTCOME", "TIME"], rows));
    let count = |outcome: &str| rows.iter().filter(|it| it[1] == outcome).count();
    let (passed, failed) = (count("passed"), count("failed"));
    let not_run = Step::value_variants().len() - passed - failed;
    session.ui.say(format!("logs: {}", session.checkout.root.join("target/xtask/logs").shown()));
    terminal::print(format_args!("{passed} passed, {failed} failed"));
    if not_run > 0 {
        terminal::print(format_args!("a part only: {not_run} steps were not run"));
    }
    Ok(u8::from(failed > 0))
}
