//! `image-push --promote TAG`: moves a human tag to images that are published and tested. Builds
//! nothing, tests nothing, and pushes only images that the registry has.

use anyhow::{Context as _, bail, ensure};
use serde::Serialize;

use crate::{
    image::{
        build::{BuildPolicy, Builds},
        runner::{Log, Runner},
    },
    registry::{
        self, Host, receipts,
        seen::Seen,
        tag_moves::{self, TagMove},
    },
    run::{failure, terminal},
    settings::config::Config,
    task::{
        MissionConfig, Session,
        args::ImagePush,
        shared::reuse::{self, Place},
    },
    tools::{
        docker::Docker,
        image_name::{Digest, ImageRef, Tag},
    },
};

/// A tag and its new target.
#[derive(Serialize)]
struct Move {
    #[serde(skip)]
    host: Host,
    #[serde(skip)]
    config: Config,
    mission: String,
    /// Tag of the form `host/mission:tag`.
    #[serde(serialize_with = "as_text")]
    tag: ImageRef,
    digest: Digest,
    /// The image that the tag named before, if another one.
    replaced: Option<Digest>,
}

fn as_text<S: serde::Serializer>(it: &ImageRef, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(it)
}

/// Moves the tag, after all images were found and their receipts verified.
pub(crate) fn run(session: &Session, args: &ImagePush, tag: &str) -> anyhow::Result<u8> {
    let named = session.named(&args.missions).map_err(failure::request)?;
    let tag = &movable(tag).map_err(failure::request)?;
    let runner = session.runner(&named[0].config)?;
    let _lock = session.lock_registry()?;
    let moves = match &args.from {
        Some(from) => named.iter().map(|it| named_by(&runner, it, tag, from)).collect(),
        None => current(session, &runner, named, tag),
    };
    let mut moves: Vec<Move> = moves?;
    let mut log = runner.log("image-push")?;
    // Pulled first: an image's labels must agree with its receipt.
    let sources: Vec<ImageRef> =
        moves.iter().map(|it| source(&runner, it, &mut log)).collect::<anyhow::Result<_>>()?;
    for it in &moves {
        receipts::certifying(&runner, &it.host, &it.tag.repository, &it.digest)?;
    }
    let mut seen = Seen::default();
    // What was moved is told before another one fails.
    for (it, source) in moves.iter_mut().zip(&sources) {
        let moved = tag_moves::move_tags(&runner, &mut seen, &[it.of_tag(source)], &mut log);
        let mut moved = moved.map_err(|it| it.1)?;
        it.replaced = moved.pop().and_then(|it| it.replaced);
        if session.permit.is_some() {
            let was = it.replaced.as_ref().map(|it| format!(", and was {it}")).unwrap_or_default();
            session.ui.say(format!("{} is {}{was}", it.tag, it.digest));
        }
    }
    if session.flags.json {
        terminal::json(&moves)?;
    }
    Ok(0)
}

/// Parses a tag that may be moved: not an immutable one, nor a receipt's.
fn movable(text: &str) -> anyhow::Result<Tag> {
    let tag: Tag = text.parse().with_context(|| format!("--promote {text}"))?;
    ensure!(
        !tag.is_reserved(),
        "`{tag}` is a tag for images of this tool alone; take another name"
    );
    Ok(tag)
}

/// Returns the current images of the working tree.
fn current(
    session: &Session,
    runner: &Runner,
    named: Vec<MissionConfig>,
    tag: &Tag,
) -> anyhow::Result<Vec<Move>> {
    let builds = Builds::new(runner, BuildPolicy::Refuse)?;
    let mut res = Vec::new();
    let chosen = session.choose(runner, named)?;
    let published = reuse::look(runner, chosen, BuildPolicy::Refuse, Place::Registry)?;
    for it in &published.reused {
        let host = host(runner, &it.chosen.config)?;
        let digest = it.offer.reference.digest.clone().context("a digest")?;
        res.push(Move::new(host, &it.chosen.config, tag, digest));
    }
    for it in &published.chosen {
        let chain = builds.chain(&it.config, &it.chain)?;
        let built = chain.last().context("a mission has an image")?;
        let host = host(runner, &it.config)?;
        let reference = receipts::published(&host, built);
        let landed = host.remote(&reference)?;
        match landed.filter(|it| it.config == built.image.id) {
            Some(remote) => res.push(Move::new(host, &it.config, tag, remote.digest)),
            None => bail!("{reference} is not there; run `cargo xtask image-push {}`", built.name),
        }
    }
    Ok(res)
}

/// Returns the image in a mission's repository under the digest or tag `from`.
fn named_by(runner: &Runner, named: &MissionConfig, tag: &Tag, from: &str) -> anyhow::Result<Move> {
    let (name, host) = (&named.mission.name, host(runner, &named.config)?);
    let repository = host.repository(name);
    let reference = match from.parse() {
        Ok(digest) => repository.at(&digest),
        Err(_) => repository.tagged(&from.parse().map_err(failure::request)?),
    };
    let remote = host.remote(&reference)?;
    let remote = remote.with_context(|| format!("{reference}: the registry has no such image"))?;
    Ok(Move::new(host, &named.config, tag, remote.digest))
}

fn host(runner: &Runner, config: &Config) -> anyhow::Result<Host> {
    registry::running(runner, config)?
        .context("the registry on this machine does not run; `cargo xtask image-push` starts it")
}

impl Move {
    fn new(host: Host, config: &Config, tag: &Tag, digest: Digest) -> Move {
        let (config, mission) = (config.clone(), config.mission.clone());
        let tag = host.repository(&mission).tagged(tag);
        Move { host, config, mission, tag, digest, replaced: None }
    }

    fn of_tag<'a>(&'a self, source: &'a ImageRef) -> TagMove<'a> {
        let Move { host, config, tag, digest, .. } = self;
        TagMove { host, config, tag, source, digest }
    }
}

/// Returns the image's name on the engine, which pulls it if it is missing: a docker CLI can name
/// only images that the engine has.
fn source(runner: &Runner, it: &Move, log: &mut Log) -> anyhow::Result<ImageRef> {
    let docker: &Docker = &runner.docker;
    let image = it.tag.repository.at(&it.digest);
    if docker.image(&image)?.is_none() {
        log.step(&format!("fetching {image}"));
        runner.talk(&it.host.pull(&image), log)?;
    }
    Ok(image)
}
