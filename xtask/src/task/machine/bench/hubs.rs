//! The hub on this machine with `hello`, and the manifests of nine hubs, in a clone of this
//! repository, whose hub and homes are not those of this checkout.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use fs_err as fs;
use serde::Deserialize;

use super::{Figure, clone, seconds};
use crate::{
    hub::lock::{self, LOCK, Lock},
    run::{
        files,
        process::{self, Patience, Permit, cmd},
    },
    task::Session,
    tools::helm,
};

/// Missions whose hubs are rendered; a team may have deleted them.
pub(super) const MISSIONS: [&str; 3] = ["hello", "roman", "tike"];
const ENVIRONMENTS: [&str; 3] = ["local", "staging", "prod"];

/// Chart of the tests, for a checkout whose lock has no archive yet.
const SMALL_CHART: &str = "xtask/tests/helm/chart";

/// Row of `hub-smoke --json`.
#[derive(Debug, Deserialize)]
struct Step {
    step: String,
    seconds: f64,
}

pub(super) fn figures(
    permit: Permit,
    session: &Session,
    exe: &Path,
) -> anyhow::Result<Vec<Figure>> {
    let dir = files::temporary(permit, None, "bench-", 0o755)?;
    let root = &dir.path().join("clone");
    clone(permit, session, root)?;
    let mut res = vec![renders(permit, root, exe)?];
    session.ui.say("starting a hub for hello, in a clone");
    super::read(permit, &cmd!(root, "{exe} image-build hello"))?;
    super::read(permit, &cmd!(root, "{exe} image-test hello"))?;
    // Builds the hub's image.
    let down = Down { permit, root, exe };
    super::read(permit, &cmd!(root, "{exe} hub-up hello --detach"))?;
    down.run()?;
    res.extend(sequence(permit, root, exe)?);
    down.run()?;
    Ok(res)
}

/// Measures from nothing to a stopped hub, by a user's commands.
fn sequence(permit: Permit, root: &Path, exe: &Path) -> anyhow::Result<Vec<Figure>> {
    let started = Instant::now();
    super::read(permit, &cmd!(root, "{exe} hub-up hello --detach"))?;
    let answered = started.elapsed();
    let steps = super::read(permit, &cmd!(root, "{exe} hub-smoke hello --json"))?;
    super::read(permit, &cmd!(root, "{exe} hub-down"))?;
    let sequence = started.elapsed();
    let steps: Vec<Step> = serde_json::from_str(&steps).context("`hub-smoke` prints its steps")?;
    Ok(vec![
        seconds("the hub answers", answered, 10.0),
        seconds("first cell after the login to the hub", first_cell(&steps)?, 15.0),
        seconds("hub-up, hub-smoke and hub-down of hello", sequence, 60.0),
    ])
}

/// Returns the time from the login to the end of the first kernel's cell.
fn first_cell(steps: &[Step]) -> anyhow::Result<Duration> {
    let cell = steps.iter().position(|it| it.step.starts_with("cell in "));
    let cell = cell.context("`hub-smoke` runs a cell")?;
    let seconds = steps[..=cell].iter().filter(|it| it.step != "log in").map(|it| it.seconds);
    Ok(Duration::from_secs_f64(seconds.sum()))
}

/// Stops the clone's hub, however the measurement ends.
struct Down<'a> {
    permit: Permit,
    root: &'a Path,
    exe: &'a Path,
}

impl Down<'_> {
    fn run(&self) -> anyhow::Result<u8> {
        let Down { permit, root, exe } = self;
        let down = cmd!(root, "{exe} hub-down --volumes --yes");
        process::last_words(&down.patience(Patience::Change).permitted(*permit))
    }
}

impl Drop for Down<'_> {
    fn drop(&mut self) {
        let _ = self.run();
    }
}

/// Measures the processor time of all renders, Helm's included.
fn renders(permit: Permit, root: &Path, exe: &Path) -> anyhow::Result<Figure> {
    lock_chart(permit, root)?;
    let renders: Vec<_> = MISSIONS
        .iter()
        .flat_map(|mission| ENVIRONMENTS.map(|it| (mission, it)))
        .map(|(mission, it)| cmd!(root, "{exe} hub-render {mission} --env {it} --without-secrets"))
        .collect();
    // The archive is in the cache from the first render on.
    super::read(permit, &renders[0])?;
    let before = process::cpu_of_children()?;
    renders.iter().try_for_each(|it| super::read(permit, it).map(drop))?;
    let measured = (process::cpu_of_children()? - before).as_secs_f64();
    Ok(Figure {
        what: "hub-render of three missions in three environments",
        measured,
        budget: 3.0,
        unit: "s of CPU",
    })
}

/// Locks the small chart of the tests, if the lock names no archive.
fn lock_chart(permit: Permit, root: &Path) -> anyhow::Result<()> {
    let lock = Lock::parse(&fs::read_to_string(root.join(LOCK))?)?;
    if lock.sha256.is_some() {
        return Ok(());
    }
    let dir = files::temporary(permit, None, "bench-", 0o755)?;
    let package = helm::package(root, &root.join(SMALL_CHART), &lock.version, dir.path());
    super::read(permit, &package)?;
    let archive = fs::read(dir.path().join(format!("{}-{}.tgz", lock.name, lock.version)))?;
    let lock = Lock { sha256: Some(lock::hex(&archive)), kube_version: None, ..lock };
    files::write(permit, &root.join("target/xtask").join(lock.archive()?), &archive)?;
    files::write(permit, &root.join(LOCK), lock.text()?.as_bytes())?;
    Ok(())
}

#[test]
fn time_to_the_first_cell() {
    let step = |step: &str, seconds| Step { step: step.to_owned(), seconds };
    let steps = [
        step("log in", 8.0),
        step("start the server", 4.0),
        step("cell in hello", 1.5),
        step("cell in python3", 16.0),
    ];
    assert_eq!(first_cell(&steps).unwrap(), Duration::from_secs_f64(5.5));
    assert!(first_cell(&steps[..2]).is_err());
}
