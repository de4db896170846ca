//! Works on the hub of this machine as a user does, in every kernel.

use std::{cell::Cell, collections::BTreeSet};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};

use crate::{
    hub::local::{CLIENT, Hub},
    image::runner::Runner,
    run::{
        failure, printable,
        process::{self, Patience, Permit},
        terminal, ui,
    },
    task::{Session, args::Missions},
    tools::docker::hub::{HubContainer, Served},
};

/// Line of `common/hub/local/client.py`.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Told {
    Step { step: String, seconds: f64 },
    Failed { error: String },
}

/// Row of the table.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    mission: String,
    step: String,
    seconds: f64,
}

/// Steps of all missions until the first that failed.
pub(crate) struct Smoked {
    pub(crate) rows: Vec<Row>,
    /// Mission, step and reason.
    pub(crate) failed: Option<String>,
}

/// Runs the smoke test of `mission`, or of all missions of the hub that runs.
pub(crate) fn run(session: &Session, mission: Option<&str>) -> anyhow::Result<Smoked> {
    let config = session.named(&Missions::default()).map_err(failure::request)?.remove(0).config;
    let runner = session.runner(&config)?;
    let hub = Hub::of(&session.checkout.root);
    let container = hub.container(&runner.docker)?.filter(|it| it.is_running);
    let container = container
        .context("no hub of this checkout runs; `cargo xtask hub-up --detach` starts one")?;
    let choices = choices(&container, mission).map_err(failure::request)?;
    let _lock = session.lock_smoke()?;
    let mut res = Smoked { rows: Vec::new(), failed: None };
    for choice in &choices {
        let Some(permit) = session.permit else {
            terminal::print(client(&runner, &container, &["smoke", &choice.id]));
            continue;
        };
        let is_removed = Cell::new(false);
        let user =
            SmokeUser { runner: &runner, hub: &hub, container: &container, permit, is_removed };
        res.failed = user.smoke(choice, &mut res.rows)?;
        if !user.remove() {
            let why = res.failed.map_or(String::new(), |it| format!("{it}; "));
            bail!(
                "{why}the user of the smoke test could not be removed; run `cargo xtask hub-smoke` again"
            );
        }
        if res.failed.is_some() {
            break;
        }
    }
    Ok(res)
}

/// Returns the table of all steps.
pub(crate) fn table(rows: &[Row]) -> String {
    let row = |it: &Row| vec![it.mission.clone(), it.step.clone(), format!("{:.1}", it.seconds)];
    let rows: Vec<Vec<String>> = rows.iter().map(row).collect();
    ui::table(&["MISSION", "STEP", "SECONDS"], &rows).trim_end().to_owned()
}

/// Returns the missions that a hub serves.
pub(crate) fn missions(container: &HubContainer) -> anyhow::Result<BTreeSet<String>> {
    Ok(container.choices()?.into_iter().map(|it| it.mission).collect())
}

/// Returns the first choice of each mission, or of `mission`.
fn choices(container: &HubContainer, mission: Option<&str>) -> anyhow::Result<Vec<Served>> {
    let all = container.choices()?;
    let mut seen = BTreeSet::new();
    let names = all.iter().map(|it| it.mission.clone()).collect::<BTreeSet<_>>();
    let wanted = |it: &Served| mission.is_none_or(|name| it.mission == name);
    let res: Vec<Served> =
        all.into_iter().filter(wanted).filter(|it| seen.insert(it.mission.clone())).collect();
    if res.is_empty() {
        let names = names.into_iter().collect::<Vec<_>>().join(", ");
        bail!("{} is not on the hub; expected one of: {names}", mission.unwrap_or_default());
    }
    Ok(res)
}

fn client(runner: &Runner, container: &HubContainer, args: &[&str]) -> process::Change {
    let exec = runner.docker.exec(&container.id, &["python", CLIENT]);
    exec.args(args).patience(Patience::Change)
}

/// User of a smoke test; removed with its server and its home when this is dropped.
struct SmokeUser<'a> {
    runner: &'a Runner,
    hub: &'a Hub,
    container: &'a HubContainer,
    permit: Permit,
    is_removed: Cell<bool>,
}

impl SmokeUser<'_> {
    /// Runs all steps, and returns the failure of the last.
    fn smoke(&self, choice: &Served, rows: &mut Vec<Row>) -> anyhow::Result<Option<String>> {
        let progress = self.runner.ui.progress(&format!("hub-smoke {}", choice.mission));
        progress.step("logging in");
        let cmd = client(self.runner, self.container, &["smoke", &choice.id]);
        let (mut failed, mut other) = (None, String::new());
        let status =
            process::lines(
                &cmd.permitted(self.permit),
                &mut |line| match serde_json::from_str(line) {
                    Ok(Told::Step { step, seconds }) => {
                        progress.step(&format!("{step}: {seconds:.1} s"));
                        let (mission, step) = (choice.mission.clone(), printable::line(&step));
                        rows.push(Row { mission, step, seconds });
                    }
                    Ok(Told::Failed { error }) => failed = Some(printable::line(&error)),
                    Err(_) => other = printable::line(line),
                },
            )?;
        let unknown = || format!("the client ended with status {status}: {other}");
        let failed = failed.or_else(|| (status != 0).then(unknown));
        Ok(failed.map(|it| format!("{}: {it}", choice.mission)))
    }

    /// Removes the user, its server and its home, even after an interruption.
    fn remove(&self) -> bool {
        self.is_removed.set(true);
        let clean = client(self.runner, self.container, &["clean"]);
        let _ = process::last_words(&clean.permitted(self.permit));
        self.hub.remove_smoke(self.permit, &self.runner.docker)
    }
}

impl Drop for SmokeUser<'_> {
    fn drop(&mut self) {
        if !self.is_removed.get() {
            self.remove();
        }
    }
}
