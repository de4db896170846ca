//! `image-push --promote TAG`: moves a human tag to images that are published and tested. Builds
//! nothing, tests nothing, and pushes no image that is not there.

use anyhow::{Context as _, bail, ensure};
use serde::Serialize;

use crate::{
    build::{Builds, Missing},
    docker::Docker,
    engine::{Engine, Log},
    failure, publish,
    receipt::is_digest,
    registry::{self, Host},
    stored_receipt,
    task::{Desk, Named, args::ImagePush},
    terminal,
};

/// A tag and what it is to name.
#[derive(Serialize)]
struct Move {
    #[serde(skip)]
    host: Host,
    mission: String,
    /// `host/mission:tag`.
    tag: String,
    /// `host/mission`.
    #[serde(skip)]
    repository: String,
    digest: String,
}

/// All images are looked up and their receipts verified before the first tag moves.
pub(crate) fn run(desk: &Desk, args: &ImagePush, tag: &str) -> anyhow::Result<u8> {
    let named = desk.named(&args.missions).map_err(failure::request)?;
    check_tag(tag).map_err(failure::request)?;
    let engine = desk.engine(&named[0].config)?;
    let _lock = desk.lock()?;
    let moves = match &args.from {
        Some(from) => named.iter().map(|it| named_by(&engine, it, tag, from)).collect(),
        None => current(desk, &engine, named, tag),
    };
    let moves: Vec<Move> = moves?;
    let mut log = engine.log("image-push")?;
    // Fetched first: an image's labels have to agree with its receipt.
    let sources: Vec<String> =
        moves.iter().map(|it| source(&engine, it, &mut log)).collect::<anyhow::Result<_>>()?;
    for it in &moves {
        stored_receipt::certifying(&engine, &it.host, &it.repository, &it.digest)?;
    }
    for (it, source) in moves.iter().zip(&sources) {
        publish::move_tag(&engine, &it.host, &it.tag, source, &it.digest, &mut log)?;
        desk.ui.say(format!("{} is {}", it.tag, it.digest));
    }
    if desk.flags.json {
        terminal::json(&moves)?;
    }
    Ok(0)
}

/// A name of ours must stay what it is: an immutable tag, and the tag of a receipt.
fn check_tag(tag: &str) -> anyhow::Result<()> {
    let is_plain = |it: char| it.is_ascii_alphanumeric() || "_.-".contains(it);
    let is_tag = !tag.is_empty()
        && tag.len() <= 128
        && !tag.starts_with(['.', '-'])
        && tag.chars().all(is_plain);
    ensure!(is_tag, "`{tag}` is no tag: letters, digits, `_`, `.` and `-`, 128 at most");
    let is_hex = |it: &str| it.len() == 12 && it.bytes().all(|it| it.is_ascii_hexdigit());
    let is_immutable = tag.split_once('-').is_some_and(|(a, b)| is_hex(a) && is_hex(b));
    let is_receipt = tag.starts_with("sha256-");
    ensure!(
        !is_immutable && !is_receipt,
        "`{tag}` is a tag that is never moved; take another name"
    );
    Ok(())
}

/// The images as the working tree has them now.
fn current(
    desk: &Desk,
    engine: &Engine,
    named: Vec<Named>,
    tag: &str,
) -> anyhow::Result<Vec<Move>> {
    let mut builds = Builds::new(engine, Missing::Refuse)?;
    let mut res = Vec::new();
    for it in desk.choose(engine, named)? {
        let chain = builds.chain(&it.config, &it.chain)?;
        let built = chain.last().context("a mission has an image")?;
        let host = host(engine, &it.config)?;
        let reference = stored_receipt::published(&host, built);
        let landed = host.remote(&reference)?;
        match landed.filter(|it| it.config == built.image.id) {
            Some(remote) => res.push(Move::new(host, &built.name, tag, remote.digest)),
            None => bail!("{reference} is not there; run `cargo xtask image-push {}`", built.name),
        }
    }
    Ok(res)
}

/// The image that a mission's repository has under the digest or tag `from`.
fn named_by(engine: &Engine, named: &Named, tag: &str, from: &str) -> anyhow::Result<Move> {
    let (name, host) = (&named.mission.name, host(engine, &named.config)?);
    let separator = if is_digest(from) { '@' } else { ':' };
    let reference = format!("{}/{name}{separator}{from}", host.name);
    let remote = host.remote(&reference)?;
    let remote = remote.with_context(|| format!("{reference}: the registry has no such image"))?;
    Ok(Move::new(host, name, tag, remote.digest))
}

fn host(engine: &Engine, config: &crate::config::Config) -> anyhow::Result<Host> {
    registry::running(engine, config)?
        .context("the registry on this machine does not run; `cargo xtask image-push` starts it")
}

impl Move {
    fn new(host: Host, mission: &str, tag: &str, digest: String) -> Move {
        let repository = format!("{}/{mission}", host.name);
        let (mission, tag) = (mission.to_owned(), format!("{repository}:{tag}"));
        Move { host, mission, tag, repository, digest }
    }
}

/// The image's name on the engine, which fetches it if it is not there: a docker CLI can give a
/// name to what the engine has, and to nothing else.
fn source(engine: &Engine, it: &Move, log: &mut Log) -> anyhow::Result<String> {
    let docker: &Docker = &engine.docker;
    let image = format!("{}@{}", it.repository, it.digest);
    if docker.image(&image)?.is_none() {
        log.step(&format!("fetching {image}"));
        engine.talk(&it.host.pull(&image), log)?;
    }
    Ok(image)
}

#[test]
fn tags_that_may_be_moved() {
    for it in ["v1", "2026.11", "latest-prod", "a_b", "0123456789ab"] {
        check_tag(it).unwrap();
    }
    let (immutable, receipt) = ("0123456789ab-0123456789ab", "sha256-00.receipt");
    for it in ["", "-v1", ".v1", "v 1", "r/v1", "v:1", "ü", &"v".repeat(129), immutable, receipt] {
        check_tag(it).unwrap_err();
    }
}
