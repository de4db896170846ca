//! The smoke test of a deployed hub: the client of the hub on this machine, sent to the hub's pod, where
//! it reads the token of its service. No secret passes through this machine.

use std::{
    cell::Cell,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::bail;
use serde::Deserialize;

use crate::{
    hub::{deployed::SMOKE_USER, record},
    run::{
        printable,
        process::{self, Change, Patience, Permit},
        terminal, text_file, ui,
    },
    task::Session,
    tools::kubectl::Cluster,
};

/// Client of smoke tests.
const CLIENT: &str = "common/hub/local/client.py";

/// Time that the cluster has to remove the volume of the smoke test's user.
const REMOVAL: Duration = Duration::from_secs(120);

/// What a smoke test told.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tested {
    pub(crate) smoke: record::Smoke,
    /// The step that failed, in one line.
    pub(crate) failed: Option<String>,
}

/// Line of the client.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Told {
    Step { step: String, seconds: f64 },
    Failed { error: String },
}

/// Runs the smoke test on the hub of `cluster`, and removes its user with server and volume. `None` in a
/// dry run, which prints the command.
///
/// # Errors
/// The hub's pod cannot be reached, or the user cannot be removed.
pub(crate) fn run(session: &Session, cluster: &Cluster) -> anyhow::Result<Option<Tested>> {
    let script = text_file::read_text(&session.checkout.root, Path::new(CLIENT))?;
    let Some(permit) = session.permit else {
        ["smoke", "clean"].iter().for_each(|it| terminal::print(client(cluster, it, &script)));
        return Ok(None);
    };
    let _lock = session.lock_smoke()?;
    let user = User { cluster, script: &script, permit, is_removed: Cell::new(false) };
    let tested = user.smoke(session)?;
    match user.remove() {
        Ok(()) => Ok(Some(tested)),
        Err(err) => {
            let why = tested.failed.map_or(String::new(), |it| format!("{it}; "));
            bail!("{why}the user `{SMOKE_USER}` of the smoke test could not be removed: {err:#}")
        }
    }
}

/// Returns the steps as a table.
pub(crate) fn table(smoke: &record::Smoke) -> String {
    let row = |it: &record::Step| vec![it.step.clone(), format!("{:.1}", it.seconds)];
    let rows: Vec<Vec<String>> = smoke.steps.iter().map(row).collect();
    ui::table(&["STEP", "SECONDS"], &rows).trim_end().to_owned()
}

fn client(cluster: &Cluster, command: &str, script: &str) -> Change {
    cluster.exec_cmd("deploy/hub", "hub", &["python3", "-", command], script.to_owned())
}

/// User of a smoke test; removed with its server and its volume when this is dropped.
struct User<'a> {
    cluster: &'a Cluster,
    script: &'a str,
    permit: Permit,
    is_removed: Cell<bool>,
}

impl User<'_> {
    /// Runs all steps.
    fn smoke(&self, session: &Session) -> anyhow::Result<Tested> {
        let progress = session.ui.progress(&format!("hub-smoke {}", self.cluster.namespace));
        progress.step("logging in");
        let mut steps = Vec::new();
        let (mut failed, mut other) = (None, String::new());
        let cmd = client(self.cluster, "smoke", self.script);
        let mut on_line = |line: &str| match serde_json::from_str(line) {
            Ok(Told::Step { step, seconds }) => {
                progress.step(&format!("{step}: {seconds:.1} s"));
                steps.push(record::Step { step: printable::line(&step), seconds });
            }
            Ok(Told::Failed { error }) => failed = Some(printable::line(&error)),
            Err(_) => other = printable::line(line),
        };
        let (status, stderr) =
            self.cluster.exec(self.permit, &cmd, Patience::Change, &mut on_line)?;
        if status != 0 && failed.is_none() {
            let said = printable::line(&process::last_lines(&stderr, 1));
            failed = Some(format!("the client ended with status {status}: {other}{said}"));
        }
        Ok(Tested { smoke: record::Smoke { passed: failed.is_none(), steps }, failed })
    }

    /// Removes the user, its server and its volume, even after an interruption.
    fn remove(&self) -> anyhow::Result<()> {
        self.is_removed.set(true);
        process::finishing(|| {
            let cmd = client(self.cluster, "clean", self.script);
            let mut said = String::new();
            let mut on_line = |line: &str| said = printable::line(line);
            let (status, stderr) =
                self.cluster.exec(self.permit, &cmd, Patience::Change, &mut on_line)?;
            if status != 0 {
                let stderr = printable::line(&process::last_lines(&stderr, 1));
                bail!("status {status}: {said}{stderr}");
            }
            self.await_volume()
        })
    }

    /// Waits until the user's volume is gone.
    fn await_volume(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + REMOVAL;
        loop {
            let claims = self.cluster.list("pvc", Some("component=singleuser-storage"))?;
            let is_own = |it: &serde_json::Value| {
                it["metadata"]["annotations"]["hub.jupyter.org/username"] == SMOKE_USER
            };
            if !claims.iter().any(is_own) {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("the volume of the user is still there after {} s", REMOVAL.as_secs());
            }
            thread::sleep(Duration::from_secs(1));
        }
    }
}

impl Drop for User<'_> {
    fn drop(&mut self) {
        if !self.is_removed.get() {
            let _ = self.remove();
        }
    }
}
