//! `ci`: every check and test of this repository. All steps run, whatever fails; each has a log.

pub(crate) mod steps;
mod private_engine;

use std::time::Instant;

use clap::ValueEnum as _;

use crate::{
    docker::Docker,
    engine::Engine,
    failure::{self, Failure},
    printable::Shown as _,
    process::Patience,
    task::{
        Desk,
        args::{self, EngineOfCi, Missions},
        shared::doctor::{self, About, Ask, Fix},
    },
    terminal,
    ui::{self, Colour},
};

use private_engine::Ran;
use steps::Step;

pub(crate) fn run(desk: &Desk, args: &args::Ci) -> anyhow::Result<u8> {
    let is_chosen = |it: &Step| args.only.is_empty() || args.only.contains(it);
    let steps: Vec<Step> = Step::value_variants().iter().copied().filter(is_chosen).collect();
    let needs_engine = steps.iter().any(|it| it.needs_engine());
    if !needs_engine || args.engine == Some(EngineOfCi::Default) {
        return here(desk, &steps, needs_engine);
    }
    let reason = match on_private_engine(desk, args, &steps)? {
        Ran::Status(status) => return Ok(status),
        Ran::Cannot(reason) => reason,
    };
    if args.wants_private() {
        let text = format!("no private engine: {reason}");
        let fix = "`cargo xtask ci --engine default` runs on this machine's engine".to_owned();
        return Err(Failure::Machine { text, fix }.into());
    }
    desk.ui.say(format!("engine: this machine's default; no private one: {reason}"));
    here(desk, &steps, needs_engine)
}

fn on_private_engine(desk: &Desk, args: &args::Ci, steps: &[Step]) -> anyhow::Result<Ran> {
    let engine = match engine(desk) {
        Err(err) if failure::status(&err) == 3 => return Ok(Ran::Cannot(failure::text(&err))),
        engine => engine?,
    };
    if let Some(permit) = desk.permit {
        return private_engine::run(permit, desk, &engine, args);
    }
    let print = || run_steps(desk, &engine, steps).map(|_| ());
    let reason = private_engine::print(desk, args, print)?;
    Ok(reason.map_or(Ran::Status(0), Ran::Cannot))
}

/// With the engine that the environment names, where the steps need one.
fn here(desk: &Desk, steps: &[Step], needs_engine: bool) -> anyhow::Result<u8> {
    if needs_engine {
        let missions = Missions { all: true, ..Missions::default() };
        let status = doctor::examine(desk, &missions, About::Images, Ask::Network, Fix::Always)?;
        if status != 0 {
            return Ok(status);
        }
    }
    let engine = if needs_engine { engine(desk)? } else { without_docker(desk) };
    let rows = run_steps(desk, &engine, steps)?;
    desk.permit.map_or(Ok(0), |_| summary(desk, &rows))
}

/// With a CLI that can build.
fn engine(desk: &Desk) -> anyhow::Result<Engine> {
    let config = desk.named(&Missions::default()).map_err(failure::request)?.remove(0).config;
    let engine = desk.engine(&config)?;
    let docker = engine.docker.builder(config.docker.as_deref())?.docker;
    Ok(Engine { docker, ..engine })
}

fn without_docker(desk: &Desk) -> Engine {
    let docker = Docker::new("docker".into(), &desk.repo.root);
    Engine { repo: desk.repo.clone(), docker, ui: desk.ui, permit: desk.permit }
}

fn run_steps(desk: &Desk, engine: &Engine, steps: &[Step]) -> anyhow::Result<Vec<Vec<String>>> {
    steps.iter().map(|it| run_step(desk, engine, *it)).collect()
}

/// Runs a step and returns its row.
fn run_step(desk: &Desk, engine: &Engine, step: Step) -> anyhow::Result<Vec<String>> {
    let started = Instant::now();
    let name = step.name();
    let mut log = engine.log(&format!("ci-{}", name.replace(' ', "-")))?;
    log.step("running");
    let mut failed = Vec::new();
    for cmd in &step.cmds(desk, engine)? {
        match engine.run(&cmd.clone().patience(Patience::Work), &mut log) {
            Ok(()) => (),
            Err(err) if failure::status(&err) == 130 => return Err(err),
            Err(err) => failed.push(format!("{err:#}")),
        }
    }
    drop(log);
    let outcome = if failed.is_empty() { "passed" } else { "failed" };
    if !failed.is_empty() {
        engine.ui.say_in(Colour::Red, &name, &format!(": {}", failed.join("\n")));
    }
    Ok(vec![name, outcome.to_owned(), ui::elapsed(started.elapsed())])
}

fn summary(desk: &Desk, rows: &[Vec<String>]) -> anyhow::Result<u8> {
    terminal::print(ui::table(&["STEP", "OUTCOME", "TIME"], rows));
    let failed = rows.iter().filter(|it| it[1] == "failed").count();
    let not_run = Step::value_variants().len() - rows.len();
    desk.ui.say(format!("logs: {}", desk.repo.root.join("target/xtask/logs").shown()));
    terminal::print(format_args!("{} passed, {failed} failed", rows.len() - failed));
    if not_run > 0 {
        terminal::print(format_args!("a part only: {not_run} steps were not run"));
    }
    Ok(u8::from(failed > 0))
}
