//! Human tags that move to images which a registry has, and no engine needs: the registry gets the same
//! manifest under another name.

use anyhow::{Context as _, anyhow};

use super::{
    Host,
    api::{Access, Api, Manifest, each},
    publish::Unpublished,
    published,
};
use crate::{
    image::runner::Runner,
    run::terminal,
    settings::config::Config,
    tools::image_name::{Digest, ImageRef},
};

/// A tag, and the manifest in the same repository that it must name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Retag {
    pub(crate) tag: ImageRef,
    pub(crate) digest: Digest,
}

/// Moves the tags that name something else, and returns for each whether it moved.
///
/// # Errors
/// The registry refuses, or shows another image under the tag afterwards.
pub(crate) fn move_tags(
    runner: &Runner,
    config: &Config,
    host: &Host,
    tags: &[Retag],
) -> Result<Vec<bool>, Unpublished> {
    let is_there = are_there(config, host, tags)?;
    let due: Vec<&Retag> = tags.iter().zip(&is_there).filter(|it| !it.1).map(|it| it.0).collect();
    put(runner, config, host, &due)?;
    if runner.permit.is_some() && !due.is_empty() {
        let after = are_there(config, host, tags)?;
        if let Some((it, _)) = tags.iter().zip(after).find(|it| !it.1) {
            let Retag { tag, digest } = it;
            let err = anyhow!(
                "{tag} was moved, but is not {digest} afterwards: another run may move it, too"
            );
            return Err(Unpublished::of(&[tag.repository.name()])(err));
        }
    }
    Ok(is_there.into_iter().map(|it| !it).collect())
}

/// Returns whether each of `tags`, all in one registry, names its manifest.
pub(crate) fn are_there(config: &Config, host: &Host, tags: &[Retag]) -> anyhow::Result<Vec<bool>> {
    let network = published::network(config, host)?;
    let repositories: Vec<_> = tags.iter().map(|it| it.tag.repository.clone()).collect();
    named(&Api::each(host, &network, &repositories, Access::Read)?, tags)
}

/// Returns whether each tag names its manifest.
fn named(apis: &[Api], tags: &[Retag]) -> anyhow::Result<Vec<bool>> {
    let name = |it: &Retag| it.tag.tag.clone().context("a tag");
    let names = tags.iter().map(name).collect::<anyhow::Result<Vec<_>>>()?;
    let found = each::manifests(apis.iter().zip(names))?;
    let is_it = |(found, it): (anyhow::Result<Option<Manifest>>, &Retag)| {
        found.ok().flatten().is_some_and(|found| found.digest == it.digest)
    };
    Ok(found.into_iter().zip(tags).map(is_it).collect())
}

/// Moves tags, with one login for all of them.
fn put(runner: &Runner, config: &Config, host: &Host, due: &[&Retag]) -> Result<(), Unpublished> {
    let Some(permit) = runner.permit else {
        due.iter().for_each(|it| terminal::print(format_args!("PUT {} {}", it.tag, it.digest)));
        return Ok(());
    };
    let repositories: Vec<_> = due.iter().map(|it| it.tag.repository.clone()).collect();
    let apis = Api::each(host, &published::network(config, host)?, &repositories, Access::Write)?;
    for (Retag { tag, digest }, api) in due.iter().zip(apis) {
        let of = Unpublished::of(&[tag.repository.name()]);
        let status = api.put(permit, tag.tag.as_ref().context("a tag")?, digest).map_err(&of)?;
        if !matches!(status, 200..=204) {
            return Err(of(anyhow!(
                "{tag}: the registry refuses to move it (status {status}); fix: `docker login` as a user who may push"
            )));
        }
    }
    Ok(())
}
