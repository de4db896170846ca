//! Lists of a mission, and their requests for each environment.

use std::{collections::BTreeMap, path::PathBuf};

use fs_err as fs;

use super::{
    Sources,
    asked::{self, asked},
};
use crate::{
    mission::checkout::{Checkout, Mission},
    run::finding::Finding,
    specs::{frozen, read::Spec},
};

/// Lists of a mission: their requests, and the lines that cannot be read.
pub(crate) struct Lists {
    pub(crate) sources: Sources,
    /// Requests by environment.
    pub(crate) asked: BTreeMap<String, Spec>,
    pub(crate) findings: Vec<Finding>,
}

impl Lists {
    pub(crate) fn read(checkout: &Checkout, mission: &Mission) -> anyhow::Result<Lists> {
        Lists::of(checkout, mission, Sources::read(checkout, mission)?)
    }

    /// Returns the lists of `sources`, which may differ from the files.
    ///
    /// # Errors
    /// As for [`Lists::read`].
    pub(crate) fn of(
        checkout: &Checkout,
        mission: &Mission,
        sources: Sources,
    ) -> anyhow::Result<Lists> {
        let has_own = sources.custom.is_none() && mission.dockerfile().is_file();
        let model = if has_own { Err(Vec::new()) } else { sources.model() };
        let mut problems = Vec::new();
        let common = common_lists(checkout)?;
        let asked = asked(&sources, model.as_ref().ok(), &common, &mut problems);
        let mut findings = model.err().unwrap_or_default();
        findings.extend(problems.into_iter().map(|it| it.finding(frozen::RULE)));
        Ok(Lists { sources, asked, findings })
    }
}

/// Returns the texts of the lists that `install-common` installs, by name.
fn common_lists(checkout: &Checkout) -> anyhow::Result<BTreeMap<PathBuf, String>> {
    let mut res = BTreeMap::new();
    let dir = checkout.root.join(asked::COMMON);
    if !dir.is_dir() {
        return Ok(res);
    }
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.path().is_file() {
            let text = String::from_utf8_lossy(&fs::read(entry.path())?).into_owned();
            res.insert(PathBuf::from(entry.file_name()), text);
        }
    }
    Ok(res)
}
