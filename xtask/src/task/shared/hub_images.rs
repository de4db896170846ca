//! Images of a deployment in their registries, and the receipts of those that users can start.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    hub::{
        deployed::Registries,
        gate::{self, Images},
        lock,
        preflight::{self, Existing, Row},
        record,
        render::Manifests,
        values::Values,
    },
    image::runner::Runner,
    registry::{
        self, Host,
        api::Access,
        published::{self, Found, ListedImage},
    },
    run::process,
    task::{Session, shared::hub_target::Hub},
    testing::receipt::{Outcome, Receipt},
    tools::image_name::{Digest, ImageRef},
};
use anyhow::Context as _;

/// The registry of missions' images, with its two names.
pub(crate) struct Source {
    runner: Runner,
    host: Host,
    pub(crate) registries: Registries,
}

/// What is known of the images that users can start.
#[derive(Debug, Default)]
pub(crate) struct Users {
    pub(crate) certified: BTreeSet<Digest>,
    /// Why the receipt of an image does not certify it, by reference.
    pub(crate) problems: BTreeMap<String, String>,
    pub(crate) recorded: Vec<record::Image>,
    /// Platform and JupyterHub by reference, where a receipt tells.
    pub(crate) platforms: BTreeMap<String, String>,
    pub(crate) versions: BTreeMap<String, String>,
    /// JupyterHub of hub images that are a mission's.
    pub(crate) hub_versions: BTreeMap<String, String>,
}

impl Users {
    pub(crate) fn references(&self) -> BTreeSet<String> {
        self.recorded.iter().map(|it| it.reference.clone()).collect()
    }
}

/// Returns the registry that the mission's settings name.
pub(crate) fn source(session: &Session, hub: &Hub) -> anyhow::Result<Source> {
    let config = &hub.of.config;
    let runner = session.runner(config)?;
    let host = registry::running(&runner, config)?.context(
        "the registry on this machine does not run\n    fix: `cargo xtask image-push` starts it",
    )?;
    let nodes = hub.target.registry.clone().or_else(|| config.hub_registry.clone());
    let here = host.name.clone();
    let registries = Registries { nodes: nodes.unwrap_or_else(|| here.clone()), here };
    Ok(Source { runner, host, registries })
}

impl Source {
    /// Returns the row about the registry's names.
    pub(crate) fn row(&self, hub: &Hub) -> Row {
        let here = &self.registries.here;
        let nodes = hub.target.registry.as_deref().or(hub.of.config.hub_registry.as_deref());
        preflight::registry(here, registry::is_loopback(here), nodes)
    }

    /// Returns the newest certified image of the hub's mission, as nodes name it.
    pub(crate) fn newest(&self, hub: &Hub) -> anyhow::Result<ImageRef> {
        let name = &hub.of.mission.name;
        let images = published::images(&hub.of.config, &self.host, name)?;
        let is_certified =
            |it: &ListedImage| it.receipt.is_some() && it.is_own && !it.is_candidate();
        let newest = images.into_iter().find(is_certified);
        let newest = newest.with_context(|| {
            format!("{}/{name} has no tested image\n    fix: `cargo xtask image-all {name}` builds, tests and pushes it", self.registries.here)
        })?;
        let (tag, digest) = (Some(newest.tag), Some(newest.digest));
        Ok(ImageRef { repository: self.registries.for_nodes(name), tag, digest })
    }

    /// Looks up the images of missions that users can start, and the hub's.
    pub(crate) fn users(&self, hub: &Hub, named: &Images<'_>) -> anyhow::Result<Users> {
        let mut found = Certified::default();
        let helpers = named.helpers.iter().filter(|it| it.key == "hub.image");
        for image in named.users.iter().chain(helpers) {
            if let (Some(mission), Some(digest)) = (self.mission(&image.reference), image.digest())
            {
                found.wanted.entry(mission).or_default().insert(digest);
            }
        }
        found.look_up(self, hub)?;
        Ok(found.users(self, named))
    }

    /// Returns the name of the mission whose repository a reference is in.
    fn mission(&self, reference: &str) -> Option<String> {
        let rest = reference.strip_prefix(&self.registries.nodes)?.strip_prefix('/')?;
        let name = rest.split([':', '@']).next().unwrap_or_default();
        (!name.is_empty() && !name.contains('/')).then(|| name.to_owned())
    }

    /// Returns which of all images exist: those of the manifests, and those of the values.
    pub(crate) fn existing(&self, new: &Manifests, values: &Values) -> anyhow::Result<Existing> {
        let mut all = preflight::images(new);
        let named = gate::images(values);
        all.extend(named.users.iter().chain(&named.helpers).map(|it| it.reference.clone()));
        let mut res = Existing::default();
        for image in all {
            process::check_interrupted()?;
            match self.look_up(&image) {
                Ok(true) => _ = res.found.insert(image),
                Ok(false) => _ = res.missing.insert(image),
                Err(err) => {
                    let said = format!("{err:#}");
                    let line = said.lines().next().unwrap_or_default().to_owned();
                    res.unknown.insert(image, line);
                }
            }
        }
        Ok(res)
    }

    fn look_up(&self, image: &str) -> anyhow::Result<bool> {
        let here: ImageRef = self.registries.as_seen_here(image).parse()?;
        let is_ours =
            here.repository.to_string().starts_with(&format!("{}/", self.registries.here));
        let remote = match is_ours {
            true => self.host.remote(&here),
            false => self.runner.docker.remote(&here, false),
        };
        Ok(remote?.is_some())
    }
}

#[derive(Default)]
struct Certified {
    /// Digests by mission.
    wanted: BTreeMap<String, BTreeSet<Digest>>,
    found: BTreeMap<Digest, (String, Found)>,
}

impl Certified {
    fn look_up(&mut self, source: &Source, hub: &Hub) -> anyhow::Result<()> {
        for (mission, digests) in &self.wanted {
            let api = published::api(&hub.of.config, &source.host, mission, Access::Read)?;
            let digests: Vec<Digest> = digests.iter().cloned().collect();
            for (digest, found) in published::of_digests(&api, mission, &digests)? {
                self.found.insert(digest, (mission.clone(), found));
            }
        }
        Ok(())
    }

    fn users(&self, source: &Source, named: &Images<'_>) -> Users {
        let mut res = Users::default();
        for image in &named.users {
            let reference = image.reference.clone();
            let found = image.digest().and_then(|it| Some((it.clone(), self.found.get(&it)?)));
            let receipt = found.as_ref().and_then(|it| it.1.1.receipt.as_ref().ok());
            let problem = found.as_ref().and_then(|it| it.1.1.receipt.as_ref().err());
            let problem = problem.filter(|it| *it != published::NO_RECEIPT);
            res.problems.extend(problem.map(|it| (reference.clone(), it.clone())));
            if let Some((digest, (_, found))) = &found {
                res.platforms.insert(reference.clone(), found.platform.clone());
                if let Some((receipt, _)) = receipt {
                    res.certified.insert(digest.clone());
                    res.versions.insert(reference.clone(), receipt.contents.jupyterhub.clone());
                }
            }
            let mission = source.mission(&reference);
            let receipt = receipt.map(|(receipt, text)| excerpt(receipt, text));
            res.recorded.push(record::Image { mission, reference, receipt });
        }
        for image in named.helpers.iter().filter(|it| it.key == "hub.image") {
            let found = image.digest().and_then(|it| self.found.get(&it));
            if let Some((receipt, _)) = found.and_then(|it| it.1.receipt.as_ref().ok()) {
                res.hub_versions
                    .insert(image.reference.clone(), receipt.contents.jupyterhub.clone());
            }
        }
        res
    }
}

/// Returns what a record keeps of a receipt.
fn excerpt(receipt: &Receipt, text: &str) -> record::ReceiptOf {
    let passed = receipt.tests.iter().filter(|it| it.outcome == Outcome::Passed).count();
    record::ReceiptOf {
        sha256: lock::hex(text.as_bytes()),
        config: receipt.image.to_string(),
        inputs: receipt.inputs.clone(),
        platform: receipt.platform.clone(),
        commit: receipt.commit.clone(),
        jupyterhub: receipt.contents.jupyterhub.clone(),
        tests_passed: passed,
        tests_run: receipt.tests.len(),
        tested: receipt.started.clone(),
    }
}
