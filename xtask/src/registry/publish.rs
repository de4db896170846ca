//! Publishes images with a complete, passing receipt: immutable tags and receipts of all missions
//! first, then all human tags, then the tags that name inputs. Images, receipts and human tags are read back,
//! each kind at once.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
};

use anyhow::{Context as _, anyhow, bail};

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
        seen::{Question, Seen},
        tag_moves::{ATTEMPTS, TagMove, move_tags, push_as},
    },
    run::failure,
    settings::config::Config,
    testing::receipt::{self, PublishedImage, Receipt, Shortcoming},
    tools::{
        docker::LABEL_INPUTS,
        image_name::{Digest, ImageId, ImageRef, Tag},
    },
};

/// A mission's image and its parent, to be published.
pub(crate) struct DueImage<'a> {
    pub(crate) chosen: &'a MissionImages,
    /// Last two images of the chain.
    pub(crate) common: &'a BuiltImage,
    pub(crate) mission: &'a BuiltImage,
}

/// An image of a push, and what became of it.
struct PushedImage<'a> {
    built: &'a BuiltImage,
    config: &'a Config,
    host: Host,
    /// Names of the images whose rows show a failure.
    of: Vec<&'a str>,
    /// Its immutable tag, or one of a candidate.
    reference: ImageRef,
    /// Human tag.
    human: ImageRef,
    /// Digest in the registry, once it is known.
    digest: Digest,
    /// Whether this run pushed the image.
    is_new: bool,
}

impl PushedImage<'_> {
    fn question(&self, name: &ImageRef) -> Question<'_> {
        Question { host: &self.host, config: self.config, name: name.clone() }
    }

    /// Returns the name of the image as a candidate.
    fn candidate(&self) -> ImageRef {
        let ImageRef { repository, tag, digest } = self.reference.clone();
        ImageRef { repository, tag: tag.map(|it| it.candidate()), digest }
    }

    /// Returns the tag by which others find an image of the same inputs.
    fn pointer(&self) -> ImageRef {
        let inputs = self.built.image.label(LABEL_INPUTS).unwrap_or(UNKNOWN_INPUTS);
        self.reference.repository.tagged(&Tag::of_inputs(inputs))
    }

    /// Returns the name of the image's receipt.
    fn receipt(&self) -> ImageRef {
        self.reference.repository.tagged(&Tag::of_receipt(&self.digest))
    }

    /// Returns questions about the tags that move.
    fn tags(&self) -> [Question<'_>; 2] {
        [&self.human, &self.pointer()].map(|it| self.question(it))
    }

    /// Returns a tag, to be moved to this image.
    fn to_move<'s>(&'s self, tag: &'s ImageRef) -> TagMove<'s> {
        let (host, config, source) = (&self.host, self.config, &self.built.reference);
        TagMove { host, config, tag, source, digest: &self.digest }
    }
}

/// A mission's image, the one below it, and the receipt that certifies it.
struct Due<'a> {
    common: PushedImage<'a>,
    mission: PushedImage<'a>,
    /// `None` in a dry run that has not tested the image.
    receipt: Option<Receipt>,
}

impl<'a> Due<'a> {
    fn images(&self) -> [&PushedImage<'a>; 2] {
        [&self.common, &self.mission]
    }

    /// Returns the names that a push looks at first. Those of an image that a dry run has not built have
    /// nothing to be compared with.
    fn questions(&self) -> Vec<Question<'_>> {
        let repository = &self.mission.reference.repository;
        let mut res: Vec<Question<'_>> = Vec::new();
        for it in self.images().into_iter().filter(|it| it.reference.is_known()) {
            res.push(it.question(&it.reference));
            res.extend(it.tags());
        }
        let receipts = self.receipt.iter().flat_map(|it| receipts::stored(repository, it));
        res.extend(receipts.map(|it| self.mission.question(&it)));
        res
    }
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
    let mut push = Push::new(runner, builds)?;
    let mut due = push.due(tested, receipts)?;
    push.seen.ask(due.iter().flat_map(Due::questions))?;
    for it in &mut due {
        // First the one with the layers of both: docker compresses those of one push at once, and the registry
        // has the other's then.
        push.land(&mut it.mission)?;
        push.land(&mut it.common)?;
    }
    push.check(due.iter_mut().flat_map(|it| [&mut it.mission, &mut it.common]))?;
    push.store_receipts(&mut due)?;
    let images: Vec<&PushedImage<'_>> = due.iter().flat_map(Due::images).collect();
    let moves: Vec<TagMove<'_>> = images.iter().map(|it| it.to_move(&it.human)).collect();
    let moved = move_tags(runner, &mut push.seen, &moves, &mut push.log);
    let moved = moved.map_err(|(at, err)| Unpublished::of(&images[at].of)(err))?;
    if !tested.iter().any(|it| it.chosen.config.is_pull_request) {
        push.hint(&images)?;
    }
    let res = images.iter().zip(moved).map(|(it, moved)| Published {
        name: it.built.name.clone(),
        reference: it.reference.clone(),
        is_new: it.is_new,
        moved: moved.is_moved,
    });
    Ok(res.collect())
}

/// Pushes the images of `untested` as candidates, unless they are published already: without a receipt,
/// and no other tag moves. Returns what was done like [`push`].
pub(crate) fn push_candidates(
    runner: &Runner,
    builds: &Builds<'_>,
    untested: &[DueImage<'_>],
) -> Result<Vec<Published>, Unpublished> {
    let mut push = Push::new(runner, builds)?;
    let mut due = push.due(untested, untested.iter().map(|_| None).collect())?;
    let names = |it: &PushedImage<'_>| [it.reference.clone(), it.candidate()];
    let images = due.iter().flat_map(Due::images);
    push.seen.ask(images.flat_map(|it| names(it).map(|name| it.question(&name))))?;
    // Others look for a candidate at any time, and need the one below it.
    let mut images: Vec<&mut PushedImage<'_>> =
        due.iter_mut().flat_map(|it| [&mut it.common, &mut it.mission]).collect();
    for it in &mut images {
        push.name_candidate(it).map_err(Unpublished::of(&it.of))?;
        push.land(it)?;
    }
    push.check(images.iter_mut().map(|it| &mut **it))?;
    let res = images.into_iter().map(|it| Published {
        name: it.built.name.clone(),
        reference: it.reference.clone(),
        is_new: it.is_new,
        moved: false,
    });
    Ok(res.collect())
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
        Some(Shortcoming::OpenNetwork) => bail!(receipt::open_network(name)),
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

/// A push to registries.
struct Push<'a> {
    runner: &'a Runner,
    builds: &'a Builds<'a>,
    hosts: Hosts<'a>,
    seen: Seen,
    log: Log,
    /// Names that this run pushed.
    pushed: BTreeSet<ImageRef>,
}

impl<'a> Push<'a> {
    fn new(runner: &'a Runner, builds: &'a Builds<'a>) -> anyhow::Result<Push<'a>> {
        let (hosts, log) = (Hosts::new(runner, builds), runner.log("image-push")?);
        Ok(Push { runner, builds, hosts, seen: Seen::default(), log, pushed: BTreeSet::new() })
    }

    /// Returns the images to push; no registry is asked for them yet.
    fn due<'t>(
        &mut self,
        tested: &'t [DueImage<'t>],
        receipts: Vec<Option<Receipt>>,
    ) -> Result<Vec<Due<'t>>, Unpublished> {
        let mut res = Vec::new();
        for (&DueImage { chosen, common, mission }, receipt) in tested.iter().zip(receipts) {
            let (below, own) = (common.name.as_str(), mission.name.as_str());
            let config = &chosen.config;
            let host = self.hosts.of(chosen).map_err(Unpublished::of(&[own]))?;
            let landing = |built: &'t BuiltImage, of, human| PushedImage {
                built,
                config,
                of,
                reference: receipts::published(&host, built),
                human: host.repository(&built.name).tagged(human),
                host: host.clone(),
                digest: Digest::unknown(),
                is_new: false,
            };
            let common = landing(common, vec![below, own], &config.common_tag);
            let mission = landing(mission, vec![own], &config.image_tag);
            res.push(Due { common, mission, receipt });
        }
        Ok(res)
    }

    /// Makes the image's name that of a candidate, unless the registry has its immutable tag.
    fn name_candidate(&self, it: &mut PushedImage<'_>) -> anyhow::Result<()> {
        if !it.reference.is_known() || self.seen.of(&it.host, &it.reference)?.is_none() {
            it.reference = it.candidate();
        }
        Ok(())
    }

    /// Ensures that the registry has an image under its name, which belongs to this image alone, without
    /// replacing another one. [`Push::check`] looks whether it arrived.
    fn land(&mut self, it: &mut PushedImage<'_>) -> Result<(), Unpublished> {
        let failed = Unpublished::of(&it.of);
        self.landed(it).map_err(failed)
    }

    fn landed(&mut self, it: &mut PushedImage<'_>) -> anyhow::Result<()> {
        let PushedImage { built, host, reference, .. } = &*it;
        if self.pushed.contains(reference) {
            return Ok(());
        }
        if reference.is_known() {
            match receipts::landing(self.seen.of(host, reference)?, &built.image.id) {
                Landing::There(digest) => {
                    it.digest = digest;
                    return Ok(());
                }
                Landing::Taken(id) => {
                    bail!("{reference} already names another image ({id}), which is never replaced")
                }
                Landing::Due => (),
            }
            self.log.step(&format!("pushing {reference}"));
        }
        push_as(self.runner, host, &built.reference, reference, &mut self.log)?;
        self.pushed.insert(reference.clone());
        it.is_new = true;
        Ok(())
    }

    /// Reads back what was pushed; a dry run pushed nothing.
    fn check<'i, 'b: 'i>(
        &mut self,
        images: impl IntoIterator<Item = &'i mut PushedImage<'b>>,
    ) -> Result<(), Unpublished> {
        if self.runner.permit.is_none() {
            return Ok(());
        }
        let images = images.into_iter().filter(|it| !it.digest.is_known());
        let mut images: Vec<&mut PushedImage<'_>> = images.collect();
        self.seen.ask(images.iter().map(|it| it.question(&it.reference)))?;
        for it in &mut images {
            it.digest = self.arrived(it).map_err(Unpublished::of(&it.of))?;
        }
        Ok(())
    }

    fn arrived(&self, it: &PushedImage<'_>) -> anyhow::Result<Digest> {
        let reference = &it.reference;
        match receipts::landing(self.seen.of(&it.host, reference)?, &it.built.image.id) {
            Landing::There(digest) => Ok(digest),
            Landing::Taken(id) => bail!("{reference} arrived as another image ({id})"),
            Landing::Due => bail!("{reference} was pushed, but the registry does not have it"),
        }
    }

    /// Records the digests in the receipts, and stores these beside the images. Looks at all tags that are due
    /// next, too: images take minutes to land, and others move tags meanwhile.
    fn store_receipts(&mut self, due: &mut [Due<'_>]) -> Result<(), Unpublished> {
        let mut lacking: Vec<usize> = Vec::new();
        for (at, it) in due.iter_mut().enumerate() {
            let failed = Unpublished::of(&it.mission.of);
            if self.lacks_receipt(it).map_err(failed)? {
                lacking.push(at);
            }
        }
        let due = &*due;
        let is_any_new = due.iter().flat_map(Due::images).any(|it| it.is_new);
        if lacking.is_empty() && !is_any_new {
            return Ok(());
        }
        match self.receipts_stored(due, &lacking) {
            Ok(failed) => self.keep_receipts(due, &lacking, &failed),
            Err(err) => {
                for at in lacking {
                    let name = due[at].mission.receipt();
                    let remove = |it| receipts::remove(it, self.runner, &name);
                    // The failure counts, not a name that stays.
                    let _ = self.runner.permit.map(remove);
                }
                Err(err)
            }
        }
    }

    /// Pushes the receipts of the missions at `places`, and reads them back. Returns the places of those that
    /// the registry does not show.
    fn receipts_stored(
        &mut self,
        due: &[Due<'_>],
        places: &[usize],
    ) -> Result<Vec<usize>, Unpublished> {
        let tags = due.iter().flat_map(Due::images).flat_map(PushedImage::tags);
        let mut left = self.push_receipts(due, places, tags.collect())?;
        // Another run may store the same ones, so that each is read back at once now.
        for _ in 1..ATTEMPTS {
            for at in mem::take(&mut left) {
                left.extend(self.push_receipts(due, &[at], Vec::new())?);
            }
        }
        Ok(left)
    }

    fn push_receipts<'q>(
        &mut self,
        due: &'q [Due<'_>],
        places: &[usize],
        mut questions: Vec<Question<'q>>,
    ) -> Result<Vec<usize>, Unpublished> {
        let mut images = Vec::new();
        for &at in places {
            let mission = &due[at].mission;
            images.push(self.push_receipt(&due[at]).map_err(Unpublished::of(&mission.of))?);
            questions.push(mission.question(&mission.receipt()));
        }
        if self.runner.permit.is_none() {
            return Ok(Vec::new());
        }
        self.seen.ask(questions)?;
        let mut left = Vec::new();
        for (&at, image) in places.iter().zip(images) {
            let mission = &due[at].mission;
            let found = self.found(mission).map_err(Unpublished::of(&mission.of))?;
            if found.is_none() || found != image {
                left.push(at);
            }
        }
        Ok(left)
    }

    /// Removes the names of pushed receipts from the engine, and keeps the receipts here, but those that
    /// `failed`.
    ///
    /// # Errors
    /// The first failure, after all were looked at.
    fn keep_receipts(
        &self,
        due: &[Due<'_>],
        pushed: &[usize],
        failed: &[usize],
    ) -> Result<(), Unpublished> {
        let Some(permit) = self.runner.permit else { return Ok(()) };
        let mut res = Ok(());
        for &at in pushed {
            let Due { mission, receipt, .. } = &due[at];
            let keep = || -> anyhow::Result<()> {
                receipts::remove(permit, self.runner, &mission.receipt())?;
                match receipt {
                    _ if failed.contains(&at) => Err(self.not_stored(mission)?),
                    Some(it) => it.write(permit, &self.runner.checkout).map(drop),
                    None => Ok(()),
                }
            };
            res = res.and(keep().map_err(Unpublished::of(&mission.of)));
        }
        res
    }

    /// Returns the error about a receipt that the registry does not show.
    fn not_stored(&self, mission: &PushedImage<'_>) -> anyhow::Result<anyhow::Error> {
        let stored = mission.receipt();
        Ok(match self.found(mission)? {
            None => anyhow!("{stored} was pushed, but the registry does not have it"),
            Some(found) => {
                anyhow!("{stored} was pushed, but is another receipt afterwards ({found})")
            }
        })
    }

    /// Returns the image that the registry has as the receipt of `mission`.
    fn found(&self, mission: &PushedImage<'_>) -> anyhow::Result<Option<ImageId>> {
        let found = self.seen.of(&mission.host, &mission.receipt())?;
        Ok(found.map(|it| it.config))
    }

    /// Lets the receipt name the published image, and returns whether the registry lacks it.
    fn lacks_receipt(&self, it: &mut Due<'_>) -> anyhow::Result<bool> {
        let PushedImage { host, reference, digest, .. } = &it.mission;
        let Some(receipt) = &mut it.receipt else { return Ok(true) };
        let published = PublishedImage {
            repository: reference.repository.to_string(),
            tag: reference.tag.clone().context("an immutable tag")?,
            digest: digest.clone(),
        };
        if receipts::is_stored(&self.seen, host, receipt, &published)? {
            return Ok(false);
        }
        if !receipt.published.contains(&published) {
            receipt.published.push(published);
        }
        Ok(true)
    }

    fn push_receipt(&mut self, it: &Due<'_>) -> anyhow::Result<Option<ImageId>> {
        let stored = it.mission.receipt();
        self.log.step(&format!("storing the receipt {stored}"));
        let builder = self.builds.builder(it.mission.config)?;
        let receipt = it.receipt.as_ref();
        receipts::push(self.runner, &builder, &it.mission.host, &stored, receipt, &mut self.log)
    }

    /// Moves the tags by which others find images of the same inputs. Registries cannot compare before they
    /// move a tag, so that a reader checks what the tag names, and a refusal does not fail the push.
    fn hint(&mut self, images: &[&PushedImage<'_>]) -> Result<(), Unpublished> {
        let mut pointers = BTreeSet::new();
        for it in images {
            let tag = it.pointer();
            if !pointers.insert(tag.clone()) {
                continue;
            }
            let moved = move_tags(self.runner, &mut self.seen, &[it.to_move(&tag)], &mut self.log);
            match moved {
                Err((_, err)) if failure::status(&err) == 1 => self.warn(&tag, &err),
                Err((_, err)) => return Err(Unpublished::of(&it.of)(err)),
                Ok(_) => (),
            }
        }
        Ok(())
    }

    fn warn(&self, tag: &ImageRef, err: &anyhow::Error) {
        self.runner.ui.say(format!(
            "warning: {tag} was not moved, so that other machines build this image again: {err:#}"
        ));
    }
}
