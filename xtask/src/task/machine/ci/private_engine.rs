//! An engine for one run of `ci`: a dockerd with its own network namespace, folder and sockets.
//! Tests on it neither touch nor depend on the content of this machine's engine.

mod reasons;
mod loopback;
mod plan;
mod start;
mod network;
mod overlay;
mod daemons;
mod leftovers;
mod machine;

use std::{env, path::Path, time::Duration};

use crate::{
    image::runner::Runner,
    run::{
        failure,
        process::{self, Change, Permit, cmd},
        terminal,
    },
    task::{Session, args},
    tools::system,
};

use plan::{Plan, Programs};
use reasons::Facts;
use start::Place;

/// Result of an attempt to run on a private engine.
pub(super) enum Ran {
    /// The steps ran, with this status.
    Status(u8),
    /// The steps did not run: the reason why this machine cannot start an engine.
    Cannot(String),
}

/// Parent of the folders of engines, each locked by its run.
const RUN: &str = "/run/xtask";

/// Time the steps may take to end after an interruption.
const GRACE: Duration = Duration::from_secs(30);

/// Returns the reason why this machine cannot start a further engine.
pub(super) fn reason_against(session: &Session) -> anyhow::Result<Option<String>> {
    Ok(Facts::gather(session)?.reason(true))
}

/// Starts an engine, runs `ci` on it, and removes the engine.
pub(super) fn run(
    permit: Permit,
    session: &Session,
    runner: &Runner,
    args: &args::Ci,
) -> anyhow::Result<Ran> {
    if let Some(reason) = Facts::gather(session)?.reason(args.wants_private()) {
        return Ok(Ran::Cannot(reason));
    }
    let programs = reasons::programs()?;
    let place = Place::new(Path::new(RUN), &session.checkout.root, args.keep);
    let started = match start::start(permit, &place, &programs, runner) {
        Ok(started) => started,
        Err(err) if failure::status(&err) == 130 => return Err(err),
        Err(err) => return Ok(Ran::Cannot(format!("{err:#}"))),
    };
    let driver = &started.driver;
    session.ui.say(format!("engine: private, with {driver}; log: target/xtask/logs/dockerd.log"));
    let res = again(session, args, &started.plan, &programs)
        .and_then(|cmd| process::attached_within(&cmd.permitted(permit), GRACE));
    let survived = started.stop(runner);
    let status = match res {
        // The inner run has reported the interruption.
        Err(err) if failure::status(&err) == 130 => 130,
        res => res?,
    };
    survived?;
    Ok(Ran::Status(status))
}

/// Prints the commands that start and enter an engine, then by `steps` those that run on it, then
/// those that remove it. Returns the reason if this machine cannot start an engine.
pub(super) fn print(
    session: &Session,
    args: &args::Ci,
    steps: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<Option<String>> {
    if let Some(reason) = Facts::gather(session)?.reason(args.wants_private()) {
        return Ok(Some(reason));
    }
    let programs = reasons::programs()?;
    let place = Place::new(Path::new(RUN), &session.checkout.root, args.keep);
    let plan = place.plan(&programs)?;
    let network = plan.network(&programs);
    let daemons = [plan.containerd(&programs), plan.dockerd(&programs, Some(start::OVERLAY2))];
    let start = network.iter().map(|it| it.run.clone()).chain(daemons);
    start.chain([again(session, args, &plan, &programs)?]).for_each(terminal::print);
    steps()?;
    let data = (!args.keep).then(|| system::remove_tree(&plan.data));
    plan::undo(&network).iter().chain(&data).for_each(terminal::print);
    Ok(None)
}

/// Runs this program again, in the engine's network.
fn again(
    session: &Session,
    args: &args::Ci,
    plan: &Plan,
    programs: &Programs,
) -> anyhow::Result<Change> {
    let exe = env::current_exe()?;
    let verbose = session.flags.verbose.then_some("--verbose");
    let set = session.flags.set.iter().flat_map(|it| ["--set", it]);
    let only = args.only.iter().flat_map(|it| ["--only".to_owned(), it.name()]);
    let cmd = cmd!(session.checkout.root, "{exe}")
        .args(verbose)
        .args(set)
        .args(["ci", "--engine", "default"])
        .args(only)
        .env("DOCKER_HOST", &plan.host())
        .without_env(&["DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"]);
    Ok(cmd.after(plan.enter(programs)))
}

#[cfg(test)]
mod tests;
