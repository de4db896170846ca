//! Receipts that a registry has beside images: storing one, and reading back one that certifies
//! an image.
//!
//! What is known by which means: that a digest is the image's, because docker's CLI digests the
//! bytes of the manifest and of the config ([`crate::docker::Docker::remote`]); that the file is what
//! was stored, because the engine digests the layers that it pulls; that the receipt is about this
//! image, complete and passing, because [`check`] looks. Who stored it is not known: whoever may
//! write to the registry may write receipts.

use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use fs_err as fs;

use crate::{
    build::Built,
    config::Config,
    container::Container,
    context::{Context, Entry},
    docker::{LABEL_INPUTS, NAMESPACE, Remote},
    engine::{Engine, Log},
    failure, image, process,
    receipt::Receipt,
    registry::{self, Host},
    unpack::Limits,
};

/// Where the receipt lies in the image that carries it.
const FILE: &str = "receipt.json";

/// A receipt has a line or two for each test and package.
const LIMITS: Limits = Limits { bytes: 64_000_000, entries: 1 };

/// The receipt of `built`: the one that was made here, or else the one that the registry has.
/// That one is kept here from then on. In a dry run no registry is asked.
///
/// # Errors
/// The receipt that was made here is damaged, or the run is interrupted. A registry that does not
/// answer, and a receipt that does not vouch for the image, are told and are no errors.
pub(crate) fn of_built(
    engine: &Engine,
    config: &Config,
    built: &Built,
) -> anyhow::Result<Option<Receipt>> {
    let own = Receipt::read(&engine.repo, &built.name, &built.image.id)?;
    if engine.dry_run || own.as_ref().is_some_and(|it| it.complete) {
        return Ok(own);
    }
    match from_registry(engine, config, built) {
        Ok(None) => Ok(own),
        Ok(Some(mut receipt)) => {
            receipt.refrozen.extend(own.map(|it| it.refrozen).unwrap_or_default());
            receipt.write(&engine.repo)?;
            Ok(Some(receipt))
        }
        Err(err) if failure::status(&err) == 1 => {
            engine.ui.say(format!("{}: no receipt from the registry: {err:#}", built.name));
            Ok(own)
        }
        Err(err) => Err(err),
    }
}

/// `None` when the registry does not run, or has no such image or no receipt of it.
fn from_registry(
    engine: &Engine,
    config: &Config,
    built: &Built,
) -> anyhow::Result<Option<Receipt>> {
    let Some(host) = registry::running(engine, config)? else { return Ok(None) };
    let docker = &engine.docker;
    let Some(remote) = host.remote(docker, &published(&host, built))? else { return Ok(None) };
    let repository = format!("{}/{}", host.name, built.name);
    let stored = format!("{repository}:{}", image::receipt_tag(&remote.digest));
    if remote.config != built.image.id || host.remote(docker, &stored)?.is_none() {
        return Ok(None);
    }
    let receipt = certifying(engine, &repository, &remote.digest)?;
    let inputs = built.image.label(LABEL_INPUTS).unwrap_or_default();
    ensure!(
        receipt.inputs == inputs,
        "{stored} does not count: it names other inputs than the image"
    );
    Ok(Some(receipt))
}

/// The name that a registry has `built` under: its immutable tag.
pub(crate) fn published(host: &Host, built: &Built) -> String {
    format!("{}/{}", host.name, built.reference.trim_start_matches(&format!("{NAMESPACE}/")))
}

/// The receipt stored beside `repository@digest`, which certifies that image. Reads only, so
/// `engine` has to be one that is not in a dry run.
///
/// # Errors
/// There is no such image or no receipt beside it; it is no receipt, about another image, partial,
/// or tells of failures. The registry does not answer.
pub(crate) fn certifying(
    engine: &Engine,
    repository: &str,
    digest: &str,
) -> anyhow::Result<Receipt> {
    let (host, docker) = (Host::of(repository), &engine.docker);
    let image = format!("{repository}@{digest}");
    let remote = host.remote(docker, &image)?;
    let remote = remote.with_context(|| format!("{image}: the registry has no such image"))?;
    let stored = format!("{repository}:{}", image::receipt_tag(digest));
    if host.remote(docker, &stored)?.is_none() {
        bail!("{image}: it is not tested: the registry has no receipt beside it");
    }
    let text = read(engine, &stored)?;
    let receipt = Receipt::parse(&text).with_context(|| format!("{stored}: it is no receipt"))?;
    let mission = repository.rsplit('/').next().unwrap_or_default();
    check(&receipt, mission, digest, &remote)
        .with_context(|| format!("{stored} does not count"))?;
    Ok(receipt)
}

/// Checks that `receipt` certifies `image` of `mission`, whose manifest has this `digest`.
///
/// # Errors
/// The first reason why it does not.
fn check(receipt: &Receipt, mission: &str, digest: &str, image: &Remote) -> anyhow::Result<()> {
    let Receipt { image: tested, platform, .. } = receipt;
    ensure!(receipt.mission == mission, "it is about the mission {}", receipt.mission);
    ensure!(*tested == image.config, "it is about another image ({tested})");
    ensure!(*platform == image.platform, "it is about {platform}, the image {}", image.platform);
    let names_it = receipt.published.iter().any(|it| it.digest == digest);
    ensure!(names_it, "it does not name this digest among those published");
    ensure!(receipt.complete, "it is partial: not all tests were asked for");
    let failed: Vec<String> = receipt.failures().map(|it| it.title()).collect();
    ensure!(failed.is_empty(), "its tests failed ({})", failed.join(", "));
    ensure!(receipt.passed(), "it has no tests");
    Ok(())
}

/// Reads the file of the image `stored`, which is pulled for that and then removed again.
fn read(engine: &Engine, stored: &str) -> anyhow::Result<String> {
    let docker = &engine.docker;
    let dir = tempfile::tempdir().context("cannot make a temporary folder")?;
    process::read(&docker.cmd(["pull", "--quiet", stored]))?;
    let copied = copy(engine, stored, dir.path());
    process::read(&docker.cmd(["image", "rm", stored]))?;
    copied.with_context(|| format!("{stored}: not a receipt"))
}

/// Reads the file from a container that is never started, but has to name a command.
fn copy(engine: &Engine, stored: &str, dir: &Path) -> anyhow::Result<String> {
    let container = Container::new(engine, dir.join("cid"))?;
    process::read(&container.create("receipt").args([stored, FILE]))?;
    let to = dir.join("receipt");
    container.copy(&format!("/{FILE}"), &to, LIMITS)?;
    let file = to.join(FILE);
    ensure!(file.is_file(), "{FILE} is missing, or not a regular file");
    Ok(fs::read_to_string(file)?)
}

/// Stores `receipt` as an image of one file, which any docker can push and pull. `None` stands for
/// one that a dry run cannot have.
///
/// # Errors
/// No CLI can build, or the registry refuses.
pub(crate) fn store(
    engine: &Engine,
    config: &Config,
    stored: &str,
    receipt: Option<&Receipt>,
    log: &mut Log,
) -> anyhow::Result<()> {
    let docker = &engine.docker;
    let name = stored.rsplit('/').next().and_then(|it| it.split(':').next()).unwrap_or_default();
    let dir = engine.target().join("build").join(format!("{name}-receipt"));
    if let Some(receipt) = receipt {
        one_file(receipt)?.stage(&dir)?;
    }
    let builder = docker.builder(config.docker.as_deref())?;
    engine.run(&builder.cmd().args(["--quiet", "--tag", stored]).args([dir]), log)?;
    engine.talk(&docker.cmd(["image", "push", stored]), log)?;
    engine.run(&docker.cmd(["image", "rm", stored]), log)
}

fn one_file(receipt: &Receipt) -> anyhow::Result<Context> {
    let file = |text: String| Entry::File { executable: false, bytes: text.into_bytes() };
    Ok(Context {
        entries: [
            ("Dockerfile".into(), file(format!("FROM scratch\nCOPY {FILE} /\n"))),
            (FILE.into(), file(receipt.to_json()?)),
        ]
        .into(),
    })
}

#[cfg(test)]
mod tests;
