//! The folders with the results of a mission's last test runs.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use fs_err as fs;

use crate::{
    image::runner::Runner,
    run::{files, process::Permit},
    testing::{
        junit,
        receipt::{self, Receipt},
        selection::TestKey,
    },
};

/// Writes the results of a mission's tests to the folder of its results: for CI servers, and for
/// the report.
pub(crate) fn record(permit: Permit, dir: &Path, receipt: &Receipt) -> anyhow::Result<()> {
    files::write(permit, &dir.join("junit.xml"), junit::text(receipt).as_bytes())?;
    files::write(permit, &dir.join(RUN), receipt.to_json()?.as_bytes())?;
    Ok(())
}

const RUN: &str = "receipt.json";

/// Kind of a run. A selection does not replace the results of all tests.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Runs {
    All,
    Selection,
}

/// Results of a run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) receipt: Receipt,
    pub(crate) folder: PathBuf,
}

/// Returns the results of the last run of a mission, up to an interruption.
pub(crate) fn last_run(runner: &Runner, of: Runs, mission: &str) -> Option<Run> {
    let folder = folder(runner, of, mission);
    let text = files::read_foreign_text(&folder.join(RUN), receipt::LARGEST_RESULTS).ok()?;
    let receipt = Receipt::parse(&text).ok()?;
    (*receipt.mission == *mission).then_some(Run { receipt, folder })
}

/// Moves the executed notebooks below the folders in `from`, one for each part of the tests, to `to`.
pub(crate) fn gather(permit: Permit, from: &Path, to: &Path) -> anyhow::Result<()> {
    for part in fs::read_dir(from).into_iter().flatten() {
        let notebooks = part?.path().join(NOTEBOOKS);
        if notebooks.is_dir() {
            move_files(permit, &notebooks, &to.join(NOTEBOOKS))?;
        }
    }
    Ok(())
}

const NOTEBOOKS: &str = "notebooks";

fn move_files(permit: Permit, from: &Path, to: &Path) -> anyhow::Result<()> {
    files::make_dirs(permit, to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => move_files(permit, &entry.path(), &to)?,
            false => files::rename(permit, &entry.path(), &to)?,
        }
    }
    Ok(())
}

/// Returns the tests that the tester left out of a run whose results are in `folder`.
pub(crate) fn skipped(folder: &Path) -> anyhow::Result<BTreeSet<TestKey>> {
    let path = folder.join("skipped.jsonl");
    if !path.is_file() {
        return Ok(BTreeSet::new());
    }
    let text = files::read_foreign_text(&path, receipt::LARGEST_RESULTS)?;
    let lines = text.lines().map(serde_json::from_str).collect::<Result<_, _>>();
    lines.context("skipped.jsonl of the test results")
}

/// Returns the folder with the results of the last run of a mission.
pub(crate) fn folder(runner: &Runner, of: Runs, mission: &str) -> PathBuf {
    let dir = match of {
        Runs::All => "test",
        Runs::Selection => "test-selection",
    };
    runner.target().join(dir).join(mission)
}
