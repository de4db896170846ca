//! Tests of pushed images in the clusters of their missions' hubs. Nothing is pulled or started here.

use std::time::Duration;

use anyhow::{Context as _, anyhow, bail, ensure};

use super::rows::{self, Row};
use crate::{
    hub::deployed::Registries,
    image::{
        build::BuiltImage,
        engine_images::EngineImages,
        mission_images::MissionImages,
        recipe::{self, Recipe, UNKNOWN_INPUTS},
        runner::Runner,
        short_chain::Published,
    },
    registry::{
        self, Host, candidates, receipts,
        reuse::{self, Wanted},
    },
    run::{failure, process},
    task::{MissionConfig, Session, args::Missions, shared::hub_target::Hub},
    testing::{
        image_test::{self, Place, Rerun, TestRequest},
        receipt::{self, Receipt},
    },
    tools::{
        docker::Image,
        image_name::{Digest, ImageRef, Tag},
    },
};

/// Where a mission's image is, and the cluster that tests it.
struct Target {
    hub: Hub,
    host: Host,
    registries: Registries,
}

/// Tests the newest pushed image of each mission, a published one or a candidate, in the cluster of its hub,
/// and returns the exit status. A mission whose tests fail, or cannot run, does not stop the others.
pub(crate) fn test_on_cluster(
    session: &Session,
    missions: &Missions,
    asked: &TestRequest,
    parts: u16,
) -> anyhow::Result<u8> {
    let named = session.named(missions).map_err(failure::request)?;
    let _locks = session.lock_missions(named.iter().map(|it| &it.mission.name))?;
    let runner = session.runner(&named[0].config)?;
    // What is refused is refused before the first test.
    let targets = named.iter().map(|it| target(session, &runner, it));
    let targets = targets.collect::<anyhow::Result<Vec<_>>>()?;
    let mut rows = Vec::new();
    for (it, target) in named.iter().zip(targets) {
        let row = row(session, &runner, it, target, asked, parts).map_err(failure::of_machine);
        process::check_interrupted()?;
        rows.push(match row {
            // Other missions are tested all the same.
            Err(err) if failure::status(&err) == 1 => {
                let mut row = Row::not_built(&it.mission.name);
                row.fail(&err);
                row
            }
            row => row?,
        });
    }
    rows::summary(session, rows, named.len())
}

fn target(session: &Session, runner: &Runner, of: &MissionConfig) -> anyhow::Result<Target> {
    let name = &of.mission.name;
    if !of.config.testing.data.is_empty() {
        bail!(failure::request(anyhow!(
            "{name}: TEST_DATA is on the machine of an engine, and pods do not have it\n    fix: test this mission with `cargo xtask image-test {name}`"
        )));
    }
    let hub = Hub::read(session, Some(name), None)?;
    let host = registry::running(runner, &of.config)?.with_context(|| {
        format!(
            "{name}: the registry on this machine does not run\n    fix: set REGISTRY to a registry that nodes reach"
        )
    })?;
    let nodes = hub.target.registry.clone().or_else(|| of.config.hub_registry.clone());
    if nodes.is_none() && registry::is_loopback(&host.name) {
        bail!(failure::request(anyhow!(
            "{name}: {} is on this machine: nodes would look on themselves\n    fix: set HUB_REGISTRY to the registry as nodes see it",
            host.name
        )));
    }
    let here = host.name.clone();
    let registries = Registries { nodes: nodes.unwrap_or_else(|| here.clone()), here };
    Ok(Target { hub, host, registries })
}

fn row(
    session: &Session,
    runner: &Runner,
    of: &MissionConfig,
    Target { hub, host, registries }: Target,
    asked: &TestRequest,
    parts: u16,
) -> anyhow::Result<Row> {
    let name = &of.mission.name;
    let chosen =
        session.choose(runner, vec![of.clone()])?.pop().context("one mission is chosen")?;
    let built = pushed(runner, &chosen, &host)?;
    let mut row = Row::in_registry(name, built.reference.to_string());
    let rerun = Rerun::Cluster(of.config.mode);
    if let Some(receipt) = certifying(runner, &chosen, &built, asked)? {
        row.add_tests(&receipt, false, rerun);
        return Ok(row);
    }
    hub.check_identity()?;
    let image = ImageRef { repository: registries.for_nodes(name), ..built.reference.clone() };
    let (cluster, pull_secrets) = (hub.cluster, hub.pull_secrets);
    let place = Place { cluster, image: image.to_string(), pull_secrets };
    let tested = image_test::on_cluster(runner, &chosen, &built, asked, parts, &place)?;
    if let Some(receipt) = tested {
        if receipt.network.is_some() {
            runner.ui.say(format!("warning: {name}: this receipt does not certify the image: the network of its pods was open, and tests must run without one\n    fix: test in a cluster that enforces network policies, or with `cargo xtask image-test {name}`"));
        }
        row.add_tests(&receipt, true, rerun);
    }
    Ok(row)
}

/// Returns the receipt that certifies the image, if it suffices for what is asked.
fn certifying(
    runner: &Runner,
    chosen: &MissionImages,
    built: &BuiltImage,
    asked: &TestRequest,
) -> anyhow::Result<Option<Receipt>> {
    if asked.again {
        return Ok(None);
    }
    let receipt = receipts::of_built(runner, &chosen.config, built)?;
    let is_enough = receipt::shortcoming(&chosen.mission, receipt.as_ref())?.is_none();
    Ok(receipt.filter(|_| is_enough))
}

/// Returns the image of the checkout's inputs in the registry: the published one, or the newest candidate.
fn pushed(runner: &Runner, chosen: &MissionImages, host: &Host) -> anyhow::Result<BuiltImage> {
    let name = &chosen.mission.name;
    let base = match recipe::pulled(&chosen.chain) {
        Some(pulled) => runner.docker.image(&pulled.reference)?,
        None => None,
    };
    let chain = recipe::on_base(&chosen.chain, base.as_ref());
    let [.., below, own] = &*chain else { bail!("{name}: a mission's image has one below it") };
    ensure!(
        own.inputs != UNKNOWN_INPUTS,
        "{name}: the digest of BASE_IMAGE is not known\n    fix: name BASE_IMAGE by its digest, or `docker pull` it"
    );
    if let Some((digest, image)) = built_here(runner, &chain, base.as_ref(), host)? {
        return Ok(named(own, image, host.repository(name).at(&digest)));
    }
    let wanted = [Wanted { recipe: own, mission: Some((&chosen.mission, below)) }];
    let offer = reuse::ask(runner, &chosen.config, host, &wanted)?.pop();
    let published = match offer {
        Some(Ok(Some(offer))) => Some(offer.published(host)),
        _ => candidates::find(&chosen.config, host, [below, own], |_| false)?.map(|it| it.own),
    };
    let Published { reference, image, .. } = published.with_context(|| {
        format!("{}/{name} has no image of this checkout\n    fix: `cargo xtask image-build {name}`, then `cargo xtask image-push {name} --candidate`", host.name)
    })?;
    Ok(named(own, image, reference))
}

/// Returns the image of `chain` that is on the engine, and its digest in the registry, if both have it.
fn built_here(
    runner: &Runner,
    chain: &[Recipe],
    base: Option<&Image>,
    host: &Host,
) -> anyhow::Result<Option<(Digest, Image)>> {
    let images = EngineImages::read(&runner.docker)?;
    let present = recipe::present(chain, base, &images);
    let (Some(own), Some(image)) = (chain.last(), present.get(chain.len() - 1)) else {
        return Ok(None);
    };
    let tag = Tag::immutable(&own.inputs, &image.id);
    for tag in [tag.clone(), tag.candidate()] {
        let remote = host.remote(&host.repository(&own.name).tagged(&tag))?;
        if let Some(it) = remote.filter(|it| it.config == image.id) {
            return Ok(Some((it.digest, (*image).clone())));
        }
    }
    Ok(None)
}

/// Returns the name of an image for people: with its immutable tag.
fn named(own: &Recipe, image: Image, reference: ImageRef) -> BuiltImage {
    let tag = Some(Tag::immutable(&own.inputs, &image.id));
    let reference = ImageRef { tag, ..reference };
    BuiltImage { name: own.name.clone(), image, reference, reason: None, time: Duration::ZERO }
}
