//! Publishes what has a complete, passing receipt: immutable tags and receipts of all
//! missions first, then all human tags.

use anyhow::{Context as _, bail};

use crate::{
    build::{Builds, Built, Missing},
    chosen::Chosen,
    engine::{Engine, Log},
    image_name::{Digest, ImageRef, Tag},
    receipt::{self, Published, Receipt, Shortcoming},
    registry::{self, Host},
    stored_receipt::{self, Landing},
};

/// A mission's image, what it was built on, and the proof that it was tested.
pub(crate) struct Tested<'a> {
    pub(crate) chosen: &'a Chosen,
    /// The last two of its chain.
    pub(crate) common: &'a Built,
    pub(crate) mission: &'a Built,
}

/// One image under its immutable tag in a registry.
struct Landed {
    reference: ImageRef,
    digest: Digest,
    /// Its name on the engine.
    source: ImageRef,
}

/// Publishes all of `tested`. Gives the missions' immutable references, in their order.
///
/// # Errors
/// A receipt is missing or not passing: nothing is pushed then. The registry fails: no human tag is
/// moved then.
pub(crate) fn push(
    engine: &Engine,
    builds: &mut Builds<'_>,
    tested: &[Tested<'_>],
) -> anyhow::Result<Vec<ImageRef>> {
    let receipts =
        tested.iter().map(|it| receipt(engine, it)).collect::<anyhow::Result<Vec<_>>>()?;
    let mut log = engine.log("image-push")?;
    let mut res = Vec::new();
    let mut human: Vec<(Host, ImageRef, Landed)> = Vec::new();
    for (it, receipt) in tested.iter().zip(receipts) {
        let host = host(engine, builds, it.chosen)?;
        let mut push = Push { engine, host: &host, log: &mut log };
        let common = push.land(it.common)?;
        let mission = push.land(it.mission)?;
        push.store(it, &mission, receipt)?;
        res.push(mission.reference.clone());
        let tag = |name: &str, tag: &Tag| host.repository(name).tagged(tag);
        let config = &it.chosen.config;
        human.push((host.clone(), tag(&it.common.name, &config.common_tag), common));
        human.push((host.clone(), tag(&it.mission.name, &config.image_tag), mission));
    }
    for (host, tag, it) in human {
        move_tag(engine, &host, &tag, &it.source, &it.digest, &mut log)?;
    }
    Ok(res)
}

/// The receipt that certifies the image. `None` in a dry run of what is not built yet.
fn receipt(engine: &Engine, tested: &Tested<'_>) -> anyhow::Result<Option<Receipt>> {
    let name = &tested.mission.name;
    let mission = &tested.chosen.mission;
    let receipt = stored_receipt::of_built(engine, &tested.chosen.config, tested.mission)?;
    match receipt::shortcoming(mission, receipt.as_ref())? {
        None => Ok(receipt),
        Some(Shortcoming::Lacks(titles)) => bail!(
            "{name}: its receipt lacks tests ({}); run `cargo xtask image-test {name}`",
            titles[0]
        ),
        Some(_) if engine.permit.is_none() => Ok(None),
        Some(Shortcoming::Failed(titles)) => {
            bail!("{name}: its tests failed ({}); nothing is pushed", titles.join(", "))
        }
        Some(Shortcoming::NotTested) => {
            bail!("{name}: it is not tested; run `cargo xtask image-test {name}`")
        }
    }
}

/// The registry to push to. Our own is built and started if it is not there, whatever was asked for.
fn host(engine: &Engine, builds: &mut Builds<'_>, chosen: &Chosen) -> anyhow::Result<Host> {
    let host = match registry::answering(engine, &chosen.config)? {
        Some(host) => host,
        None => {
            let images =
                builds.missing(Missing::Build).chain(&chosen.config, &chosen.registry_chain)?;
            let image = images.last().context("a registry has an image")?;
            registry::start(engine, &image.reference)?
        }
    };
    host.keep_password(engine)?;
    Ok(host)
}

/// One registry, as a destination.
struct Push<'a> {
    engine: &'a Engine,
    host: &'a Host,
    log: &'a mut Log,
}

impl Push<'_> {
    /// Makes sure that the registry has `built` under its immutable tag; never over another image.
    fn land(&mut self, built: &Built) -> anyhow::Result<Landed> {
        let Push { engine, host, log } = self;
        let docker = &engine.docker;
        let reference = stored_receipt::published(host, built);
        let landed =
            |reference, digest| Landed { reference, digest, source: built.reference.clone() };
        if !reference.is_known() {
            engine.run(&docker.tag(&built.reference, &reference), log)?;
            engine.talk(&host.push(&reference), log)?;
            return Ok(landed(reference, Digest::unknown()));
        }
        match stored_receipt::landing(host, &reference, &built.image.id)? {
            Landing::There(digest) => return Ok(landed(reference, digest)),
            Landing::Taken(id) => {
                bail!("{reference} is another image already ({id}); it is never replaced")
            }
            Landing::Due => (),
        }
        log.step(&format!("pushing {reference}"));
        engine.run(&docker.tag(&built.reference, &reference), log)?;
        engine.talk(&host.push(&reference), log)?;
        if engine.permit.is_none() {
            return Ok(landed(reference, Digest::unknown()));
        }
        match stored_receipt::landing(host, &reference, &built.image.id)? {
            Landing::There(digest) => Ok(landed(reference, digest)),
            Landing::Taken(id) => bail!("{reference} arrived as another image ({id})"),
            Landing::Due => bail!("{reference} was pushed, but is not there"),
        }
    }

    /// Records the digest in the receipt, and stores the receipt beside the image. A dry run may
    /// have no receipt yet.
    fn store(
        &mut self,
        tested: &Tested<'_>,
        landed: &Landed,
        mut receipt: Option<Receipt>,
    ) -> anyhow::Result<()> {
        let name = &tested.mission.name;
        let reference = self.host.repository(name).tagged(&Tag::of_receipt(&landed.digest));
        let published = Published {
            repository: landed.reference.repository.to_string(),
            tag: landed.reference.tag.clone().context("an immutable tag")?,
            digest: landed.digest.clone(),
        };
        if let Some(receipt) = &mut receipt {
            if stored_receipt::is_stored(self.host, receipt, &published)? {
                return Ok(());
            }
            if !receipt.published.contains(&published) {
                receipt.published.push(published);
            }
        }
        self.log.step(&format!("storing the receipt {reference}"));
        let (engine, config) = (self.engine, &tested.chosen.config);
        stored_receipt::store(engine, config, self.host, &reference, receipt.as_ref(), self.log)?;
        if let (Some(receipt), Some(permit)) = (receipt, self.engine.permit) {
            receipt.write(permit, &self.engine.repo)?;
        }
        Ok(())
    }
}

/// How often a tag is moved that another run of this engine moves at the same time.
const ATTEMPTS: u32 = 3;

/// Points a human tag at an image that is in its registry under another name, and on the engine as
/// `source`, and reads it back. Runs of other checkouts give the engine's images the same name: what
/// arrived may be theirs.
///
/// # Errors
/// The registry refuses, or shows another image under the tag afterwards.
pub(crate) fn move_tag(
    engine: &Engine,
    host: &Host,
    tag: &ImageRef,
    source: &ImageRef,
    digest: &Digest,
    log: &mut Log,
) -> anyhow::Result<()> {
    let is_known = digest.is_known() && tag.is_known();
    let mut found = if is_known { host.remote(tag)? } else { None };
    for _ in 0..ATTEMPTS {
        if found.as_ref().is_some_and(|it| it.digest == *digest) {
            return Ok(());
        }
        log.step(&format!("moving {tag}"));
        engine.run(&engine.docker.tag(source, tag), log)?;
        engine.talk(&host.push(tag), log)?;
        if engine.permit.is_none() {
            return Ok(());
        }
        found = host.remote(tag)?;
    }
    match found {
        Some(it) if it.digest == *digest => Ok(()),
        Some(it) => bail!(
            "{tag} was pushed, but is {} afterwards; expected {digest}: another run may move it, too",
            it.digest
        ),
        None => bail!("{tag} was pushed, but is not there; expected {digest}"),
    }
}
