//! Publishes images with a complete, passing receipt: immutable tags and receipts of all missions
//! first, then all human tags, then the tags that name inputs.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};

use crate::{
    image::{
        build::{BuildPolicy, Builds, BuiltImage},
        mission_images::MissionImages,
        recipe::UNKNOWN_INPUTS,
        runner::{Log, Runner},
    },
    registry::{
        self, Host,
        receipts::{self, Landing},
        seen::{Found, Seen},
    },
    run::failure,
    testing::receipt::{self, PublishedImage, Receipt, Shortcoming},
    tools::{
        docker::LABEL_INPUTS,
        image_name::{Digest, ImageRef, Tag},
    },
};

/// A mission's image and its parent, to be published.
pub(crate) struct DueImage<'a> {
    pub(crate) chosen: &'a MissionImages,
    /// Last two images of the chain.
    pub(crate) common: &'a BuiltImage,
    pub(crate) mission: &'a BuiltImage,
}

/// An image under its immutable tag in a registry.
struct PushedImage {
    reference: ImageRef,
    digest: Digest,
    /// Name on the engine.
    source: ImageRef,
    /// Whether this run pushed the image.
    is_new: bool,
    /// Inputs digest.
    inputs: String,
}

/// What a run did to publish an image.
#[derive(Debug, Clone)]
pub(crate) struct Published {
    pub(crate) name: String,
    /// Immutable name in the registry.
    pub(crate) reference: ImageRef,
    pub(crate) is_new: bool,
    /// Whether the human tag was moved.
    pub(crate) moved: bool,
}

/// A failure to publish.
#[derive(Debug)]
pub(crate) struct Unpublished {
    /// Names of the image that failed and, for an image below missions, of its mission; empty if none failed.
    pub(crate) images: Vec<String>,
    pub(crate) err: anyhow::Error,
}

impl From<anyhow::Error> for Unpublished {
    fn from(err: anyhow::Error) -> Unpublished {
        Unpublished { images: Vec::new(), err }
    }
}

impl Unpublished {
    /// Returns a function that attributes an error to these images.
    pub(super) fn of(images: &[&str]) -> impl Fn(anyhow::Error) -> Unpublished + use<> {
        let images: Vec<String> = images.iter().map(|&it| it.to_owned()).collect();
        move |err| Unpublished { images: images.clone(), err }
    }
}

/// Publishes all of `tested`. Returns what was done to each image; the common image is listed once
/// for each mission.
///
/// # Errors
/// A receipt is missing or not passing: nothing is pushed then. The registry fails: no human tag is
/// moved then.
pub(crate) fn push(
    runner: &Runner,
    builds: &Builds<'_>,
    tested: &[DueImage<'_>],
) -> Result<Vec<Published>, Unpublished> {
    let receipt =
        |it: &DueImage<'_>| receipt(runner, it).map_err(Unpublished::of(&[&it.mission.name]));
    let receipts = tested.iter().map(receipt).collect::<Result<Vec<_>, _>>()?;
    let mut log = runner.log("image-push")?;
    let mut hosts = Hosts::new(runner, builds);
    let mut seen = seen(&mut hosts, tested, &receipts)?;
    let mut human: Vec<(&str, Host, ImageRef, PushedImage)> = Vec::new();
    for (it, receipt) in tested.iter().zip(receipts) {
        let name = &it.mission.name;
        let (of_common, of_mission) =
            (Unpublished::of(&[&it.common.name, name]), Unpublished::of(&[name]));
        let host = hosts.of(it.chosen).map_err(&of_mission)?;
        let mut push = Push { runner, builds, host: &host, seen: &mut seen, log: &mut log };
        // First the one with the layers of both: docker compresses those of one push at once, and the registry
        // has the other's then.
        let mission = push.land(it.mission, receipts::published(&host, it.mission));
        let mission = mission.map_err(&of_mission)?;
        let common = push.land(it.common, receipts::published(&host, it.common));
        let common = common.map_err(of_common)?;
        push.store(it, &mission, receipt).map_err(&of_mission)?;
        let tag = |name: &str, tag: &Tag| host.repository(name).tagged(tag);
        let config = &it.chosen.config;
        let (below, name) = (&it.common.name, &it.mission.name);
        human.push((below, host.clone(), tag(below, &config.common_tag), common));
        human.push((name, host.clone(), tag(name, &config.image_tag), mission));
    }
    // Images take minutes to land, and others move tags meanwhile.
    if runner.permit.is_some() && human.iter().any(|it| it.3.is_new) {
        seen = Seen::default();
    }
    let mut res = Vec::new();
    for (at, (name, host, tag, it)) in human.iter().enumerate() {
        let moved = move_tag(runner, host, &mut seen, tag, &it.source, &it.digest, &mut log);
        // A mission's image is at an odd place, after the one below.
        let of = Unpublished::of(&[name, human[at | 1].0]);
        let moved = moved.map_err(of)?.is_moved;
        let (name, reference, is_new) = ((*name).to_owned(), it.reference.clone(), it.is_new);
        res.push(Published { name, reference, is_new, moved });
    }
    let is_hinted = !tested.iter().any(|it| it.chosen.config.is_pull_request);
    for (name, host, _, it) in human.iter().filter(|_| is_hinted) {
        hint(runner, host, &mut seen, it, &mut log).map_err(Unpublished::of(&[name]))?;
    }
    Ok(res)
}

/// Asks each registry for all names that a push of `tested` looks at.
fn seen(
    hosts: &mut Hosts<'_>,
    tested: &[DueImage<'_>],
    receipts: &[Option<Receipt>],
) -> anyhow::Result<Seen> {
    let mut asked: BTreeMap<String, (&MissionImages, Host, Vec<ImageRef>)> = BTreeMap::new();
    for (it, receipt) in tested.iter().zip(receipts) {
        let (host, config) = (hosts.of(it.chosen)?, &it.chosen.config);
        let mut names = Vec::new();
        for (built, tag) in [(it.common, &config.common_tag), (it.mission, &config.image_tag)] {
            let repository = host.repository(&built.name);
            names.push(receipts::published(&host, built));
            names.push(repository.tagged(tag));
            let inputs = built.image.label(LABEL_INPUTS);
            names.extend(inputs.map(|it| repository.tagged(&Tag::of_inputs(it))));
        }
        let repository = host.repository(&it.mission.name);
        names.extend(receipt.iter().flat_map(|it| receipts::stored(&repository, it)));
        names.retain(ImageRef::is_known);
        let name = host.name.clone();
        asked.entry(name).or_insert((it.chosen, host, Vec::new())).2.append(&mut names);
    }
    // What a dry run prints is for people.
    let is_dry = hosts.runner.permit.is_none();
    let mut res = if is_dry { Seen::for_people() } else { Seen::default() };
    for (chosen, host, mut names) in asked.into_values() {
        names.sort_unstable();
        names.dedup();
        res.ask(&chosen.config, &host, &names)?;
    }
    Ok(res)
}

/// Pushes the images of `untested` as candidates, unless they are published already: without a receipt,
/// and no other tag moves. Returns what was done like [`push`].
pub(crate) fn push_candidates(
    runner: &Runner,
    builds: &Builds<'_>,
    untested: &[DueImage<'_>],
) -> Result<Vec<Published>, Unpublished> {
    let mut log = runner.log("image-push")?;
    let mut hosts = Hosts::new(runner, builds);
    let (mut seen, mut res) = (Seen::default(), Vec::new());
    for it in untested {
        let name = &it.mission.name;
        let (of_common, of_mission) =
            (Unpublished::of(&[&it.common.name, name]), Unpublished::of(&[name]));
        let host = hosts.of(it.chosen).map_err(&of_mission)?;
        let mut push = Push { runner, builds, host: &host, seen: &mut seen, log: &mut log };
        // Others look for a candidate at any time, and need the one below it.
        for (built, of) in [(it.common, &of_common), (it.mission, &of_mission)] {
            let landed = push.land_candidate(built).map_err(of)?;
            let PushedImage { reference, is_new, .. } = landed;
            res.push(Published { name: built.name.clone(), reference, is_new, moved: false });
        }
    }
    Ok(res)
}

/// Moves the tag by which others find the image of the same inputs. Registries cannot compare before
/// they move a tag, so that a reader checks what the tag names, and a refusal does not fail the push.
fn hint(
    runner: &Runner,
    host: &Host,
    seen: &mut Seen,
    it: &PushedImage,
    log: &mut Log,
) -> anyhow::Result<()> {
    let tag = it.reference.repository.tagged(&Tag::of_inputs(&it.inputs));
    match move_tag(runner, host, seen, &tag, &it.source, &it.digest, log) {
        Err(err) if failure::status(&err) == 1 => {
            runner.ui.say(format!("warning: {tag} was not moved, so that other machines build this image again: {err:#}"));
            Ok(())
        }
        moved => moved.map(drop),
    }
}

/// Returns the receipt that certifies the image; `None` in a dry run for an image that is not built
/// yet.
fn receipt(runner: &Runner, tested: &DueImage<'_>) -> anyhow::Result<Option<Receipt>> {
    let name = &tested.mission.name;
    let mission = &tested.chosen.mission;
    let receipt = receipts::of_built(runner, &tested.chosen.config, tested.mission)?;
    match receipt::shortcoming(mission, receipt.as_ref())? {
        None => Ok(receipt),
        Some(Shortcoming::Lacks(titles)) => bail!(
            "{name}: its receipt lacks tests ({}); run `cargo xtask image-test {name}`",
            titles[0]
        ),
        Some(_) if runner.permit.is_none() => Ok(None),
        Some(Shortcoming::Failed(titles)) => {
            bail!("{name}: its tests failed ({}); nothing is pushed", titles.join(", "))
        }
        Some(Shortcoming::OpenNetwork) => bail!(
            "{name}: its tests ran in a cluster with an open network, and must run without one; run `cargo xtask image-test {name}`, or `--on kubernetes` where network policies are enforced"
        ),
        Some(Shortcoming::NotTested) => {
            bail!("{name} has no passing test receipt; run `cargo xtask image-test {name}`")
        }
    }
}

/// Returns the registry to push to. The local one is built and started if it is missing, whatever
/// was requested.
fn host(runner: &Runner, builds: &Builds<'_>, chosen: &MissionImages) -> anyhow::Result<Host> {
    let host = match registry::answering(runner, &chosen.config)? {
        Some(host) => host,
        None => {
            registry::check_is_here(&runner.docker)?;
            let images =
                builds.chain_by(BuildPolicy::Build, &chosen.config, &chosen.shared.registry)?;
            let image = images.last().context("a registry has an image")?;
            registry::start(runner, &image.reference)?
        }
    };
    host.keep_password(runner)?;
    Ok(host)
}

/// Registries to push to, each started and logged in to once.
struct Hosts<'a> {
    runner: &'a Runner,
    builds: &'a Builds<'a>,
    /// By the setting that names it.
    known: BTreeMap<String, Host>,
}

impl<'a> Hosts<'a> {
    fn new(runner: &'a Runner, builds: &'a Builds<'a>) -> Hosts<'a> {
        Hosts { runner, builds, known: BTreeMap::new() }
    }

    fn of(&mut self, chosen: &MissionImages) -> anyhow::Result<Host> {
        let setting = format!("{:?}", chosen.config.registry);
        if let Some(host) = self.known.get(&setting) {
            return Ok(host.clone());
        }
        let host = host(self.runner, self.builds, chosen)?;
        Ok(self.known.entry(setting).or_insert(host).clone())
    }
}

/// A registry, as the destination of a push.
struct Push<'a> {
    runner: &'a Runner,
    builds: &'a Builds<'a>,
    host: &'a Host,
    seen: &'a mut Seen,
    log: &'a mut Log,
}

impl Push<'_> {
    /// Ensures that the registry has `built` under its immutable tag, or else as a candidate.
    fn land_candidate(&mut self, built: &BuiltImage) -> anyhow::Result<PushedImage> {
        let mut reference = receipts::published(self.host, built);
        let is_due = !reference.is_known() || self.seen.of(self.host, &reference)?.is_none();
        if is_due {
            reference.tag = reference.tag.map(|it| it.candidate());
        }
        self.land(built, reference)
    }

    /// Ensures that the registry has `built` as `reference`, with a tag that belongs to this image alone,
    /// without replacing another image.
    fn land(&mut self, built: &BuiltImage, reference: ImageRef) -> anyhow::Result<PushedImage> {
        let Push { runner, host, seen, log, .. } = self;
        let docker = &runner.docker;
        let landed = |reference, digest, is_new| {
            let source = built.reference.clone();
            let inputs = built.image.label(LABEL_INPUTS).unwrap_or(UNKNOWN_INPUTS).to_owned();
            PushedImage { reference, digest, source, is_new, inputs }
        };
        if !reference.is_known() {
            runner.run(&docker.tag(&built.reference, &reference), log)?;
            runner.talk(&host.push(&reference), log)?;
            return Ok(landed(reference, Digest::unknown(), true));
        }
        match receipts::landing(seen.of(host, &reference)?, &built.image.id) {
            Landing::There(digest) => return Ok(landed(reference, digest, false)),
            Landing::Taken(id) => {
                bail!("{reference} already names another image ({id}), which is never replaced")
            }
            Landing::Due => (),
        }
        log.step(&format!("pushing {reference}"));
        runner.run(&docker.tag(&built.reference, &reference), log)?;
        runner.talk(&host.push(&reference), log)?;
        if runner.permit.is_none() {
            return Ok(landed(reference, Digest::unknown(), true));
        }
        let found = host.remote(&reference)?.map(Found::from);
        if let Some(found) = &found {
            seen.note(&reference, found.clone());
        }
        match receipts::landing(found, &built.image.id) {
            Landing::There(digest) => Ok(landed(reference, digest, true)),
            Landing::Taken(id) => bail!("{reference} arrived as another image ({id})"),
            Landing::Due => bail!("{reference} was pushed, but the registry does not have it"),
        }
    }

    /// Records the digest in the receipt, and stores the receipt beside the image. A dry run may
    /// have no receipt yet.
    fn store(
        &mut self,
        tested: &DueImage<'_>,
        landed: &PushedImage,
        mut receipt: Option<Receipt>,
    ) -> anyhow::Result<()> {
        let name = &tested.mission.name;
        let reference = self.host.repository(name).tagged(&Tag::of_receipt(&landed.digest));
        let published = PublishedImage {
            repository: landed.reference.repository.to_string(),
            tag: landed.reference.tag.clone().context("an immutable tag")?,
            digest: landed.digest.clone(),
        };
        if let Some(receipt) = &mut receipt {
            if receipts::is_stored(self.seen, self.host, receipt, &published)? {
                return Ok(());
            }
            if !receipt.published.contains(&published) {
                receipt.published.push(published);
            }
        }
        self.log.step(&format!("storing the receipt {reference}"));
        let builder = self.builds.builder(&tested.chosen.config)?;
        let (runner, host) = (self.runner, self.host);
        receipts::store(runner, &builder, host, &reference, receipt.as_ref(), self.log)?;
        if let (Some(receipt), Some(permit)) = (receipt, self.runner.permit) {
            receipt.write(permit, &self.runner.checkout)?;
        }
        Ok(())
    }
}

/// Number of attempts to move a tag that another run of this engine moves at the same time.
const ATTEMPTS: u32 = 3;

/// A human tag after [`move_tag`].
#[derive(Debug)]
pub(crate) struct MovedTag {
    /// Whether the tag had to be moved.
    pub(crate) is_moved: bool,
    /// Digest that it named before, if another.
    pub(crate) replaced: Option<Digest>,
}

/// Points a human tag at an image that is in its registry under another name, and on the engine as
/// `source`, and reads it back. Runs of other checkouts use the same name for the engine's images,
/// so the registry may have received theirs.
///
/// # Errors
/// The registry refuses, or shows another image under the tag afterwards.
pub(crate) fn move_tag(
    runner: &Runner,
    host: &Host,
    seen: &mut Seen,
    tag: &ImageRef,
    source: &ImageRef,
    digest: &Digest,
    log: &mut Log,
) -> anyhow::Result<MovedTag> {
    let is_known = digest.is_known() && tag.is_known();
    let mut found = if is_known { seen.of(host, tag)? } else { None };
    let replaced = found.as_ref().map(|it| it.digest.clone()).filter(|it| it != digest);
    let moved = |is_moved| MovedTag { is_moved, replaced };
    for attempt in 0..ATTEMPTS {
        if found.as_ref().is_some_and(|it| it.digest == *digest) {
            return Ok(moved(attempt > 0));
        }
        log.step(&format!("moving {tag}"));
        runner.run(&runner.docker.tag(source, tag), log)?;
        runner.talk(&host.push(tag), log)?;
        if runner.permit.is_none() {
            return Ok(moved(true));
        }
        found = host.remote(tag)?.map(Found::from);
        if let Some(found) = &found {
            seen.note(tag, found.clone());
        }
    }
    match found {
        Some(it) if it.digest == *digest => Ok(moved(true)),
        Some(it) => bail!(
            "{tag} was pushed, but is {} afterwards; expected {digest}: another run may move it, too",
            it.digest
        ),
        None => bail!("{tag} was pushed, but the registry does not have it; expected {digest}"),
    }
}
