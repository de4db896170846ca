//! The folder with the results of a mission's last test run.

use std::path::{Path, PathBuf};

use crate::{
    image::runner::Runner,
    run::{files, process::Permit},
    testing::{
        junit,
        receipt::{self, Receipt},
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

/// Returns the results of the last run of all tests, up to an interruption.
pub(crate) fn last_run(runner: &Runner, mission: &str) -> Option<Receipt> {
    let path = folder(runner, mission).join(RUN);
    let text = files::read_foreign_text(&path, receipt::LARGEST_RESULTS).ok()?;
    Receipt::parse(&text).ok()
}

/// Returns the folder with the results of the last run of all tests of a mission.
pub(crate) fn folder(runner: &Runner, mission: &str) -> PathBuf {
    runner.target().join("test").join(mission)
}
