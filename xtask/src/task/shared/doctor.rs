//! Tools that this machine lacks, and the commands that install them.

mod facts;
mod secrets;
mod clusters;
mod findings;

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::{
    run::{
        failure,
        process::{self, Change, Patience},
        ui::Colour,
    },
    settings::config::Config,
    task::{Session, args::Missions},
    tools::{docker::Docker, system},
};

use facts::Facts;
use findings::{Finding, advice, findings};

/// Extent of the checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Probes {
    /// Also checks the hosts of packages, and the registry.
    Network,
    MachineOnly,
}

/// Subject of the findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum About {
    /// Requirements of images: a missing sops does not prevent building one.
    Images,
    Everything,
}

/// Whether the commands of fixes are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FixPolicy {
    Never,
    /// The person at the terminal is asked.
    Asked,
    Always,
}

/// Time docker may take to answer after its start.
const START: Duration = Duration::from_secs(15);

/// Reports missing tools on stderr, installs them as `fix` allows, and returns the exit status.
pub(crate) fn examine(
    session: &Session,
    missions: &Missions,
    about: About,
    ask: Probes,
    fix: FixPolicy,
) -> anyhow::Result<u8> {
    Ok(look_and_fix(session, missions, about, ask, fix)?.0)
}

/// Returns the exit status, and the remaining findings.
pub(crate) fn look_and_fix(
    session: &Session,
    missions: &Missions,
    about: About,
    ask: Probes,
    fix: FixPolicy,
) -> anyhow::Result<(u8, Vec<Finding>)> {
    let named = session.named(missions).map_err(failure::request)?;
    let configs: Vec<Config> = named.into_iter().map(|it| it.config).collect();
    let look = || -> anyhow::Result<(Vec<Finding>, Option<String>)> {
        let facts = Facts::gather(session, &configs, about, ask)?;
        Ok((findings(&facts, &session.checkout.root), advice(&facts)))
    };
    let (mut found, mut note) = look()?;
    let mut ran = Vec::new();
    // One fix may reveal another finding: a new CLI may be unable to build.
    let mut commands = commands(&found, &ran);
    while fix != FixPolicy::Never && !commands.is_empty() {
        if !run_fixes(session, &found, &commands, fix)? {
            return Ok((3, found));
        }
        if session.permit.is_none() {
            return Ok((0, found));
        }
        if commands.contains(&system::start_engine(&session.checkout.root)) {
            wait_for_engine(session, &configs[0])?;
        }
        ran.append(&mut commands);
        (found, note) = look()?;
        commands = self::commands(&found, &ran);
    }
    found.iter_mut().for_each(|it| it.note(&ran));
    note.iter().for_each(|it| session.ui.say(it));
    Ok((report(session, &found), found))
}

fn report(session: &Session, found: &[Finding]) -> u8 {
    for it in found {
        session.ui.say_in(Colour::Red, it.name, &format!(": {}\n    fix: {}", it.what, it.fix));
    }
    if found.is_empty() {
        session.ui.say("nothing is missing");
    }
    if found.is_empty() { 0 } else { 3 }
}

/// Returns the commands of all findings, each once, except those that were run.
fn commands(found: &[Finding], ran: &[Change]) -> Vec<Change> {
    let mut res: Vec<Change> = Vec::new();
    for it in found.iter().flat_map(|it| &it.commands) {
        if !res.contains(it) && !ran.contains(it) {
            res.push(it.clone());
        }
    }
    res
}

/// Prints `commands` and runs them if wanted; returns whether they ran. A failed command does not
/// stop the others: its finding stays, so the status is 3.
fn run_fixes(
    session: &Session,
    found: &[Finding],
    commands: &[Change],
    fix: FixPolicy,
) -> anyhow::Result<bool> {
    for it in found {
        session.ui.say(format!("{}: {}", it.name, it.what));
    }
    commands.iter().for_each(|it| session.ui.say(format!("$ {it}")));
    let Some(permit) = session.permit else { return Ok(true) };
    if fix == FixPolicy::Asked && !session.agrees("run", "run these commands")? {
        return Ok(false);
    }
    for it in commands {
        session.ui.say(format!("running {it}"));
        let mut said = Vec::new();
        let status =
            process::lines(&it.clone().patience(Patience::Work).permitted(permit), &mut |line| {
                if session.ui.verbose {
                    session.ui.say(line);
                }
                said.push(line.to_owned());
            })?;
        if status != 0 {
            let said = process::last_lines(&said.join("\n"), 15);
            session.ui.say(format!("`{it}` failed with status {status}\n{said}"));
        }
    }
    Ok(true)
}

/// Waits for an engine that was just started.
fn wait_for_engine(session: &Session, config: &Config) -> anyhow::Result<()> {
    let Ok(docker) = Docker::find(config.docker.as_deref(), &session.checkout.root) else {
        return Ok(());
    };
    let deadline = Instant::now() + START;
    while docker.engine_platform().is_err() && Instant::now() < deadline {
        process::check_interrupted()?;
        thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}
