//! The hub on this machine: its names, its files and its containers.

pub(crate) mod choices;
pub(crate) mod socket;
pub(crate) mod start;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use fs_err as fs;

use crate::{
    image::leftovers,
    run::{
        files,
        process::{self, Permit},
        random::random_hex,
    },
    tools::docker::{
        Docker, LABEL_HUB, LABEL_HUB_USER, LABEL_ROLE, NAMESPACE, hub::HubContainer, leftover::Kind,
    },
};

/// Client of the hub, in its container.
pub(crate) const CLIENT: &str = "/opt/hub/local/client.py";

/// User of smoke tests, who has no password.
pub(crate) const SMOKE_USER: &str = "xtask-smoke";

/// Seconds that a stopped server has to end by itself.
const STOP: u16 = 5;

/// Names of the hub of one checkout: several checkouts may share an engine.
#[derive(Debug, Clone)]
pub(crate) struct Hub {
    /// Name of the network and the hub's container, prefix of all others, value of the label.
    pub(crate) name: String,
    /// Path of all addresses: cookies of two hubs on one host differ by it.
    pub(crate) base_url: String,
    /// Folder of the password and the token.
    dir: PathBuf,
}

/// Secrets of the hub, which `hub-down` removes.
pub(crate) struct Secrets {
    pub(crate) password: String,
    pub(crate) smoke_token: String,
}

impl Hub {
    /// Returns the names for the checkout at `root`.
    pub(crate) fn of(root: &Path) -> Hub {
        let digest = blake3::hash(root.as_os_str().as_encoded_bytes()).to_hex();
        let id = &digest[..8];
        Hub {
            name: format!("{NAMESPACE}-hub-{id}"),
            base_url: format!("/{id}/"),
            dir: root.join("target/xtask/hub"),
        }
    }

    /// Returns the label of all its containers, volumes and networks.
    pub(crate) fn label(&self) -> String {
        format!("{LABEL_HUB}={}", self.name)
    }

    /// Returns the name of the volume with the hub's database and cookie secret.
    pub(crate) fn state(&self) -> String {
        format!("{}-state", self.name)
    }

    /// Returns the address for a browser on the engine's machine; `address` is the published port.
    pub(crate) fn url(&self, address: &str) -> String {
        format!("http://{address}{}", self.base_url)
    }

    /// Returns the file with the password.
    pub(crate) fn password_file(&self) -> PathBuf {
        self.dir.join("password")
    }

    pub(crate) fn settings_file(&self) -> PathBuf {
        self.dir.join("settings.json")
    }

    /// Returns the password and the token, new ones if the files are missing.
    pub(crate) fn secrets(&self, permit: Permit) -> anyhow::Result<Secrets> {
        files::make_dirs(permit, &self.dir)?;
        files::set_mode(permit, &self.dir, 0o700)?;
        let secret = |path: PathBuf, length: usize| -> anyhow::Result<String> {
            if let Ok(text) = fs::read_to_string(&path)
                && text.len() == length
            {
                return Ok(text);
            }
            let text = random_hex()?[..length].to_owned();
            files::write_private(permit, &path, text.as_bytes())?;
            Ok(text)
        };
        Ok(Secrets {
            password: secret(self.password_file(), 20)?,
            smoke_token: secret(self.dir.join("smoke-token"), 64)?,
        })
    }

    /// Returns the password of the hub that runs.
    pub(crate) fn password(&self) -> anyhow::Result<String> {
        fs::read_to_string(self.password_file()).context("the hub has no password here")
    }

    /// Returns the hub's container, in any state.
    pub(crate) fn container(&self, docker: &Docker) -> anyhow::Result<Option<HubContainer>> {
        Ok(docker.hub_containers(&[self.label(), role("hub")])?.into_iter().next())
    }

    /// Returns the containers of users' servers, in any state.
    pub(crate) fn servers(&self, docker: &Docker) -> anyhow::Result<Vec<HubContainer>> {
        docker.hub_containers(&[self.label(), role("hub-server")])
    }

    /// Returns the volumes with homes.
    pub(crate) fn homes(&self, docker: &Docker) -> anyhow::Result<Vec<String>> {
        docker.all_with(Kind::Volume, &[self.label(), role("hub-home")])
    }

    /// Stops and removes everything but homes, and the secrets, even after an interruption. Returns
    /// whether nothing is left.
    pub(crate) fn remove(&self, permit: Permit, docker: &Docker) -> anyhow::Result<bool> {
        // The hub first: it would see that the servers end.
        for it in ["hub", "hub-server"] {
            let ids = docker.all_with(Kind::Container, &[self.label(), role(it)])?;
            if !ids.is_empty() {
                let _ = process::last_words(&docker.stop(&ids, STOP).permitted(permit));
            }
        }
        let none = &mut |_, _: &str| ();
        let mut is_clean = true;
        for (kind, labels) in [
            (Kind::Container, vec![self.label()]),
            (Kind::Volume, vec![self.label(), role("hub-state")]),
            (Kind::Network, vec![self.label()]),
        ] {
            is_clean &= leftovers::remove_kind(permit, docker, kind, &labels, none);
        }
        self.remove_secrets(permit)?;
        Ok(is_clean)
    }

    /// Removes the password and the token.
    pub(crate) fn remove_secrets(&self, permit: Permit) -> anyhow::Result<()> {
        files::remove_tree(permit, &self.dir)
    }

    /// Removes the homes, even after an interruption. Returns whether none is left.
    pub(crate) fn remove_homes(&self, permit: Permit, docker: &Docker) -> bool {
        let labels = [self.label(), role("hub-home")];
        leftovers::remove_kind(permit, docker, Kind::Volume, &labels, &mut |_, _| ())
    }

    /// Removes containers and homes of the smoke test's user, even after an interruption.
    pub(crate) fn remove_smoke(&self, permit: Permit, docker: &Docker) -> bool {
        let labels = [self.label(), format!("{LABEL_HUB_USER}={SMOKE_USER}")];
        // A volume cannot be removed before its containers.
        [Kind::Container, Kind::Volume]
            .iter()
            .all(|it| leftovers::remove_kind(permit, docker, *it, &labels, &mut |_, _| ()))
    }
}

/// Returns the ids of the images that hubs on the engine need, those of other checkouts included: their own,
/// what users may start, and what their servers run.
pub(crate) fn needed_images(docker: &Docker) -> anyhow::Result<BTreeSet<String>> {
    let mut res = BTreeSet::new();
    for it in docker.hub_containers(&[LABEL_HUB.to_owned()])? {
        // Only the hub's own container has choices.
        res.extend(it.choices().unwrap_or_default().into_iter().map(|it| it.image));
        res.insert(it.image);
    }
    Ok(res)
}

pub(crate) fn role(role: &str) -> String {
    format!("{LABEL_ROLE}={role}")
}
