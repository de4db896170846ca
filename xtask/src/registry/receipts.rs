//! Receipts beside images in a registry: storing one, and reading back one that certifies an image.
//!
//! Guarantees and their sources: a digest is the image's, because docker's CLI digests the bytes of
//! the manifest and of the config ([`crate::tools::docker::Docker::remote`]), and `seen` those of the
//! manifest alone, to read back a push; the file is the
//! stored one, because the engine digests the layers that it pulls; the receipt belongs to this
//! image, complete and passing, because [`check`] verifies it. The author of a receipt is not
//! known: everybody with write access to the registry may write receipts.

use std::fmt;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use fs_err as fs;

use crate::{
    image::{
        build::BuiltImage,
        build_context::{BuildContext, Entry},
        container::Container,
        runner::{Log, Runner},
    },
    registry::{
        self, Host,
        seen::{self, Found, Seen},
    },
    run::{
        failure, files,
        process::{self, Permit},
        terminal,
        unpack::Limits,
    },
    settings::config::Config,
    testing::receipt::{PublishedImage, Receipt},
    tools::{
        docker::{RemoteImage, build::Builder},
        image_name::{Digest, ImageId, ImageRef, Repository, Tag},
    },
};

/// Path of the receipt in the image that carries it.
pub(super) const FILE: &str = "receipt.json";

/// Limits of a receipt, which has a line or two for each test and package.
const LIMITS: Limits = Limits { bytes: 64_000_000, entries: 1 };

/// Returns the receipt of `built`: the one made here, or else the registry's, which is then kept
/// here. A dry run asks no registry.
///
/// # Errors
/// The receipt that was made here is damaged, or the run is interrupted. A registry that does not
/// answer, and a receipt that does not certify the image, are reported and are not errors.
pub(crate) fn of_built(
    runner: &Runner,
    config: &Config,
    built: &BuiltImage,
) -> anyhow::Result<Option<Receipt>> {
    let own = Receipt::read(&runner.checkout, &built.name, &built.image)?;
    let is_enough = own.as_ref().is_some_and(|it| it.complete && it.network.is_none());
    let Some(permit) = runner.permit.filter(|_| !is_enough) else {
        return Ok(own);
    };
    match from_registry(runner, config, built) {
        Ok(None) => Ok(own),
        Ok(Some(mut receipt)) => {
            receipt.refrozen.extend(own.map(|it| it.refrozen).unwrap_or_default());
            receipt.write(permit, &runner.checkout)?;
            Ok(Some(receipt))
        }
        Err(err) if failure::status(&err) == 1 => {
            runner.ui.say(format!("{}: no receipt from the registry: {err:#}", built.name));
            Ok(own)
        }
        Err(err) => Err(err),
    }
}

/// Returns `None` when the registry does not run, or lacks the image or its receipt.
fn from_registry(
    runner: &Runner,
    config: &Config,
    built: &BuiltImage,
) -> anyhow::Result<Option<Receipt>> {
    let Some(host) = registry::running(runner, config)? else { return Ok(None) };
    let (repository, name) = (host.repository(&built.name), published(&host, built));
    let Some(remote) = seen::under(&host, config, &name)? else { return Ok(None) };
    let stored = repository.tagged(&Tag::of_receipt(&remote.digest));
    if remote.config != built.image.id || host.remote(&stored)?.is_none() {
        return Ok(None);
    }
    let Some(receipt) = certifying(runner, &host, &repository, &remote.digest)? else {
        return Ok(None);
    };
    let checked = receipt.check_about(&built.name, &built.image);
    checked.with_context(|| format!("{stored} does not count"))?;
    Ok(Some(receipt))
}

/// Returns the name of `built` in a registry: its immutable tag.
pub(crate) fn published(host: &Host, built: &BuiltImage) -> ImageRef {
    ImageRef { repository: host.repository(&built.name), ..built.reference.clone() }
}

/// State of an image's immutable tag in a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Landing {
    /// The registry has the image with this manifest digest.
    There(Digest),
    /// The tag belongs to another image, with this id.
    Taken(ImageId),
    Due,
}

/// Returns the state of the immutable tag of the image `id`, under which the registry has `found`.
pub(crate) fn landing(found: Option<Found>, id: &ImageId) -> Landing {
    match found {
        Some(found) if found.config == *id => Landing::There(found.digest),
        Some(found) => Landing::Taken(found.config),
        None => Landing::Due,
    }
}

/// Returns the names of the receipts of `receipt`'s image in `repository`, as far as it lists them.
pub(crate) fn stored<'a>(
    repository: &'a Repository,
    receipt: &'a Receipt,
) -> impl Iterator<Item = ImageRef> + 'a {
    let name = repository.to_string();
    let published = receipt.published.iter().filter(move |it| it.repository == name);
    published.map(|it| repository.tagged(&Tag::of_receipt(&it.digest)))
}

/// Returns whether `receipt` names `published`, and the registry has a receipt beside that image.
pub(crate) fn is_stored(
    seen: &Seen,
    host: &Host,
    receipt: &Receipt,
    published: &PublishedImage,
) -> anyhow::Result<bool> {
    let mission = receipt.mission.to_string();
    let stored = host.repository(&mission).tagged(&Tag::of_receipt(&published.digest));
    Ok(receipt.published.contains(published) && seen.of(host, &stored)?.is_some())
}

/// Returns the receipt stored beside `repository@digest`, which certifies that image. The receipt
/// must be pulled: a dry run prints that, and returns `None`.
///
/// # Errors
/// The image or its receipt does not exist; the receipt is malformed, belongs to another image, is
/// partial, or records failures. The registry does not answer.
pub(crate) fn certifying(
    runner: &Runner,
    host: &Host,
    repository: &Repository,
    digest: &Digest,
) -> anyhow::Result<Option<Receipt>> {
    let image = repository.at(digest);
    let remote = host.remote(&image)?;
    let remote = remote.with_context(|| format!("{image}: the registry has no such image"))?;
    let stored = repository.tagged(&Tag::of_receipt(digest));
    let Some(carrier) = host.remote(&stored)? else {
        bail!("{image} is not tested: the registry has no receipt beside it");
    };
    let carrier = repository.at(&carrier.digest);
    let Some(permit) = runner.permit else {
        terminal::print(host.pull(&carrier));
        runner.ui.say(format!(
            "note: a dry run does not read the receipt {stored}; the run refuses if it does not certify the image"
        ));
        return Ok(None);
    };
    let text = read(permit, runner, host, &carrier);
    let text = text.with_context(|| format!("{stored}: not a receipt"))?;
    let receipt =
        Receipt::parse(&text).with_context(|| format!("{stored}: not a valid receipt"))?;
    let checked = check(&receipt, repository.name(), digest, &remote)
        .and_then(|()| check_labels(runner, &receipt, [&image, &remote.config]));
    checked.with_context(|| format!("{stored} does not count"))?;
    Ok(Some(receipt))
}

/// Compares `receipt` with the labels of its image, if the engine has that image under one of
/// `names`.
fn check_labels(
    runner: &Runner,
    receipt: &Receipt,
    names: [&dyn fmt::Display; 2],
) -> anyhow::Result<()> {
    for name in names {
        if let Some(image) = runner.docker.image(name)? {
            return receipt.check_labels(&image);
        }
    }
    runner.ui.say(format!(
        "note: {} is not on this engine: the inputs and frozen specs of its receipt are not compared with it",
        names[0]
    ));
    Ok(())
}

/// Checks that `receipt` certifies `image` of `mission`, whose manifest has this `digest`.
///
/// # Errors
/// The first reason why it does not.
pub(super) fn check(
    receipt: &Receipt,
    mission: &str,
    digest: &Digest,
    image: &RemoteImage,
) -> anyhow::Result<()> {
    let Receipt { image: tested, platform, .. } = receipt;
    ensure!(*receipt.mission == *mission, "the receipt is about the mission {}", receipt.mission);
    ensure!(*tested == image.config, "the receipt is about another image ({tested})");
    ensure!(
        *platform == image.platform,
        "the receipt is about {platform}, the image {}",
        image.platform
    );
    let names_it = receipt.published.iter().any(|it| it.digest == *digest);
    ensure!(names_it, "the receipt does not list this digest as published");
    ensure!(receipt.complete, "partial: not all tests were requested");
    let failed: Vec<String> = receipt.failures().map(|it| it.title()).collect();
    ensure!(failed.is_empty(), "its tests failed ({})", failed.join(", "));
    ensure!(
        receipt.network.is_none(),
        "its tests ran in a cluster with an open network, and must run without one"
    );
    ensure!(receipt.passed(), "no tests");
    Ok(())
}

/// Reads the file of the image `carrier`, named by digest, which is pulled and removed again,
/// unless another run has done so.
pub(super) fn read(
    permit: Permit,
    runner: &Runner,
    host: &Host,
    carrier: &ImageRef,
) -> anyhow::Result<String> {
    let dir = files::temporary(permit, None, "receipt-", 0o700)?;
    let mut log = runner.log(&format!("receipt-{}", carrier.repository.name()))?;
    runner.talk(&host.pull(carrier), &mut log)?;
    let copied = copy(permit, runner, carrier, dir.path());
    remove(permit, runner, carrier)?;
    copied
}

/// Removes a name from the engine, if it still exists.
pub(super) fn remove(permit: Permit, runner: &Runner, name: &ImageRef) -> anyhow::Result<()> {
    let docker = &runner.docker;
    let output = process::output(&docker.remove_name(name).permitted(permit))?;
    if output.status != 0 && docker.image(name)?.is_some() {
        let said = process::last_lines(&output.stderr, 3);
        runner.ui.say(format!("warning: the image {name} could not be removed: {said}"));
    }
    Ok(())
}

/// Reads the file from a container that is never started, but must name a command.
fn copy(permit: Permit, runner: &Runner, stored: &ImageRef, dir: &Path) -> anyhow::Result<String> {
    let container = Container::new(runner, dir.join("cid"))?;
    process::read(&container.create("receipt").image(stored, [FILE]).permitted(permit))?;
    let to = dir.join("receipt");
    container.copy(permit, &format!("/{FILE}"), &to, LIMITS)?;
    let file = to.join(FILE);
    ensure!(file.is_file(), "{FILE} is missing, or not a regular file");
    Ok(fs::read_to_string(file)?)
}

/// Pushes `receipt` as an image of one file, which any docker can push and pull, and returns that image's
/// id; `None` in a dry run, which may lack the receipt. Another run of this engine may give the name to its
/// own receipt, or remove it.
pub(crate) fn push(
    runner: &Runner,
    builder: &Builder,
    host: &Host,
    stored: &ImageRef,
    receipt: Option<&Receipt>,
    log: &mut Log,
) -> anyhow::Result<Option<ImageId>> {
    let name = stored.repository.name();
    let build = runner.target().join("build");
    let (dir, id) =
        (build.join(format!("{name}-receipt")), build.join(format!("{name}-receipt.iid")));
    if let (Some(receipt), Some(permit)) = (receipt, runner.permit) {
        one_file(receipt)?.stage(permit, &dir)?;
    }
    let build = builder.build().quiet().tag(stored).context(&id, None, &dir);
    runner.run(&build, log)?;
    runner.talk(&host.push(stored), log)?;
    if runner.permit.is_none() {
        runner.run(&runner.docker.remove_name(stored), log)?;
        return Ok(None);
    }
    let id = fs::read_to_string(&id)?;
    id.trim().parse().map(Some).with_context(|| format!("{stored}: not an image id"))
}

fn one_file(receipt: &Receipt) -> anyhow::Result<BuildContext> {
    let file = |text: String| Entry::File { executable: false, bytes: text.into_bytes().into() };
    Ok(BuildContext {
        entries: [
            ("Dockerfile".into(), file(format!("FROM scratch\nCOPY {FILE} /\n"))),
            (FILE.into(), file(receipt.to_json()?)),
        ]
        .into(),
    })
}

#[cfg(test)]
mod tests;
