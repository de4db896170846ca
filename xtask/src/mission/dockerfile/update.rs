//! Generated Dockerfiles: their current text, the text for their sources, and writing the
//! difference.

use std::{
    io,
    path::{Path, PathBuf},
};

use fs_err as fs;

use super::{Sources, generate::generate};
use crate::{
    mission::checkout::{Checkout, Mission},
    run::{failure::Failure, files, finding, process::Permit, unified},
};

/// A Dockerfile: its current text, and the text for its sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Update {
    /// Path relative to the root of the checkout.
    pub(crate) path: PathBuf,
    /// Current text; `None` when the file is missing.
    pub(crate) old: Option<String>,
    pub(crate) new: String,
}

impl Update {
    pub(crate) fn differs(&self) -> bool {
        self.old.as_deref() != Some(&self.new)
    }

    /// Returns the pending change as a unified diff.
    pub(crate) fn diff(&self) -> String {
        unified::diff(&self.path, self.old.as_deref(), &self.new)
    }
}

/// Returns the Dockerfiles of `missions`, except those with their own.
pub(crate) fn updates(checkout: &Checkout, missions: &[&Mission]) -> anyhow::Result<Vec<Update>> {
    let mut findings = Vec::new();
    let mut res = Vec::new();
    for mission in missions {
        let path = checkout.relative(&mission.dockerfile()).to_owned();
        let old = read(&mission.dockerfile())?;
        if mission.custom().is_none() && old.is_some() {
            continue;
        }
        match generate(&Sources::read(checkout, mission)?) {
            Ok(new) => res.push(Update { path, old, new }),
            Err(found) => findings.extend(found),
        }
    }
    if findings.is_empty() {
        return Ok(res);
    }
    let text = format!("no Dockerfile can be generated\n{}", finding::text(findings));
    Err(Failure::Request(text).into())
}

/// Returns the text of the mission's Dockerfile: generated, or its own.
pub(crate) fn text(checkout: &Checkout, mission: &Mission) -> anyhow::Result<String> {
    match updates(checkout, &[mission])?.pop() {
        Some(update) => Ok(update.new),
        None => Ok(fs::read_to_string(mission.dockerfile())?),
    }
}

/// Writes all that differs, each file whole or not at all.
pub(crate) fn write(permit: Permit, checkout: &Checkout, updates: &[Update]) -> anyhow::Result<()> {
    for update in updates {
        files::write(permit, &checkout.root.join(&update.path), update.new.as_bytes())?;
    }
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<Option<String>> {
    match fs::read(path) {
        // A file that is not UTF-8 differs, and is replaced.
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(err) => Err(err.into()),
    }
}

#[cfg(test)]
mod tests;
