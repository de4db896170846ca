//! Record of an image's last build on this machine, with its inputs and duration: a file
//! `target/xtask/made/<image>[-<mode>].json`. Only `explain` and the progress line use it.

use std::{collections::BTreeMap, io, path::PathBuf, time::Duration};

use anyhow::Context as _;
use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::{
    image::recipe::{Make, Parent, PulledImage, Recipe},
    mission::checkout::Checkout,
    run::{files, process::Permit},
    settings::config::Mode,
};

/// A build.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct BuildRecord {
    pub(crate) seconds: f64,
    /// Digest of each part of the recipe, by the part's name.
    pub(crate) parts: BTreeMap<String, String>,
}

impl BuildRecord {
    /// Returns the record of a build from `recipe` that took `time`.
    pub(crate) fn new(recipe: &Recipe, time: Duration) -> BuildRecord {
        BuildRecord { seconds: time.as_secs_f64(), parts: parts(recipe) }
    }

    /// Reads the record of the last build from a recipe of this name and mode. A damaged record
    /// counts as missing.
    pub(crate) fn read(
        checkout: &Checkout,
        recipe: &Recipe,
    ) -> anyhow::Result<Option<BuildRecord>> {
        match fs::read(path(checkout, recipe)) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
            Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(err) => Err(err.into()),
        }
    }

    /// Replaces the record of the last build.
    pub(crate) fn write(
        &self,
        permit: Permit,
        checkout: &Checkout,
        recipe: &Recipe,
    ) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self).context("a record is plain data")?;
        files::write(permit, &path(checkout, recipe), text.as_bytes())?;
        Ok(())
    }

    /// Returns the parts of `recipe` that differ from this build, each with the kind of change.
    pub(crate) fn changes(&self, recipe: &Recipe) -> Vec<String> {
        let new = parts(recipe);
        let names: std::collections::BTreeSet<&String> =
            self.parts.keys().chain(new.keys()).collect();
        let change = |name: &&String| match (self.parts.get(*name), new.get(*name)) {
            (Some(old), Some(new)) if old == new => None,
            (Some(_), Some(_)) => Some(format!("{name} changed")),
            (None, _) => Some(format!("{name} is new")),
            (_, None) => Some(format!("{name} is gone")),
        };
        names.iter().filter_map(change).collect()
    }
}

/// Returns all inputs of an image except its parent, whose changes are reported for the parent.
fn parts(recipe: &Recipe) -> BTreeMap<String, String> {
    let mut res = recipe.context.digests();
    if let Make::Build(dockerfile) = &recipe.make {
        res.insert("its Dockerfile".to_owned(), digest(dockerfile));
    }
    if let Parent::Pulled(PulledImage { reference, digest: known }) = &recipe.parent {
        res.insert(
            "BASE_IMAGE".to_owned(),
            digest(&known.clone().unwrap_or_else(|| reference.to_string())),
        );
    }
    res.insert("PLATFORM".to_owned(), recipe.platform.to_string());
    res
}

fn digest(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

fn path(checkout: &Checkout, recipe: &Recipe) -> PathBuf {
    let mode = match recipe.mode {
        Some(Mode::Floating) => "-floating",
        Some(Mode::Frozen) => "-frozen",
        None => "",
    };
    checkout.root.join("target/xtask/made").join(format!("{}{mode}.json", recipe.name))
}
