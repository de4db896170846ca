//! `doctor`: what this machine lacks for the main job, and the command that mends it.

mod facts;
mod secrets;
mod findings;

use std::io::{self, BufRead as _, IsTerminal as _};

use anyhow::Context as _;

use crate::{
    cli::{self, Missions},
    config::Config,
    failure, process,
    task::Desk,
    ui::Colour,
};

use facts::Facts;
use findings::{Finding, findings};

/// How far the questions go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Hosts that builds get packages from, and the registry, are asked too.
    Network,
    MachineOnly,
}

/// What the findings are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum About {
    /// What images need: nobody is kept from building one by a lack of sops.
    Images,
    Everything,
}

/// Whether the commands that mend something are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fix {
    Never,
    /// When the person at the terminal agrees.
    Asked,
    Always,
}

pub(crate) fn run(desk: &Desk<'_>, args: &cli::Doctor) -> anyhow::Result<u8> {
    let ask = if args.offline { Ask::MachineOnly } else { Ask::Network };
    let fix = match (args.fix, args.yes) {
        (false, _) => Fix::Never,
        (true, false) => Fix::Asked,
        (true, true) => Fix::Always,
    };
    examine(desk, &args.missions, About::Everything, ask, fix)
}

/// Reports, mends if that is asked for, and gives the exit status.
pub(crate) fn examine(
    desk: &Desk<'_>,
    missions: &Missions,
    about: About,
    ask: Ask,
    fix: Fix,
) -> anyhow::Result<u8> {
    let named = desk.named(missions).map_err(failure::request)?;
    let configs: Vec<Config> = named.into_iter().map(|it| it.config).collect();
    let mut found = findings(&Facts::gather(desk, &configs, about, ask)?, &desk.repo.root);
    if fix != Fix::Never && found.iter().any(|it| !it.commands.is_empty()) {
        if !mend(desk, &found, fix)? {
            return Ok(3);
        }
        if desk.cli.dry_run {
            return Ok(0);
        }
        found = findings(&Facts::gather(desk, &configs, about, ask)?, &desk.repo.root);
    }
    report(desk, &found)
}

fn report(desk: &Desk<'_>, found: &[Finding]) -> anyhow::Result<u8> {
    if desk.cli.json {
        println!("{}", serde_json::to_string_pretty(found).context("findings are plain data")?);
    }
    for it in found {
        let name = desk.ui.paint(Colour::Red, it.name);
        desk.ui.say(format!("{name}: {}\n    fix: {}", it.what, it.fix));
    }
    if found.is_empty() {
        desk.ui.say("nothing is missing");
    }
    Ok(if found.is_empty() { 0 } else { 3 })
}

/// Prints the commands of all findings and runs them, if that is wanted; says whether it was.
///
/// # Errors
/// One of them fails; the finding then stays, so the status is 3.
fn mend(desk: &Desk<'_>, found: &[Finding], fix: Fix) -> anyhow::Result<bool> {
    let commands = || found.iter().flat_map(|it| &it.commands);
    for it in found {
        desk.ui.say(format!("{}: {}", it.name, it.what));
    }
    commands().for_each(|it| desk.ui.say(format!("$ {it}")));
    if desk.cli.dry_run {
        return Ok(true);
    }
    if fix == Fix::Asked && !agrees(desk)? {
        return Ok(false);
    }
    for it in commands() {
        desk.ui.say(format!("running {it}"));
        let status = process::lines(it, &mut |line| {
            if desk.ui.verbose {
                desk.ui.say(line);
            }
        })?;
        if status != 0 {
            return Err(failure::machine("tools", format!("`{it}` failed with status {status}")));
        }
    }
    Ok(true)
}

/// Whether the person at the terminal wants the commands to be run.
fn agrees(desk: &Desk<'_>) -> anyhow::Result<bool> {
    if !io::stdin().is_terminal() {
        desk.ui.say("nothing was run: there is nobody to ask, so say `--yes`");
        return Ok(false);
    }
    desk.ui.say("run them? [y/N]");
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}
