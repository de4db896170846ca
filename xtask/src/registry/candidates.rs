//! Candidates: images that a registry has only to be tested. Nothing certifies them, so they are found
//! for tests and pushes alone.

use anyhow::{Context as _, ensure};

use super::{
    Host,
    api::{Access, Api, Manifest},
    published,
    reuse::checked,
};
use crate::{
    image::{recipe::Recipe, short_chain::Published},
    settings::config::Config,
    tools::{
        docker::{Image, LABEL_INPUTS, LABEL_PARENT},
        image_name::{ImageId, Tag},
    },
};

/// A mission's image that is not tested, and the image below it.
pub(crate) struct Candidate {
    pub(crate) below: Published,
    pub(crate) own: Published,
}

/// Returns the candidate of the recipe `own`, which is built on `below`: the newest one, or the newest
/// that `is_preferred`. What only looks like one does not count.
pub(crate) fn find(
    config: &Config,
    host: &Host,
    [below, own]: [&Recipe; 2],
    is_preferred: impl Fn(&Image) -> bool,
) -> anyhow::Result<Option<Candidate>> {
    let api = published::api(config, host, &own.name, Access::Read)?;
    let is_of = |it: &Tag| it.of_candidate().is_some_and(|it| it.is_of_inputs(&own.inputs));
    let tags: Vec<Tag> = api.tags()?.into_iter().filter(is_of).collect();
    let mut found: Vec<(Manifest, Image)> = images(&api, &tags)?;
    found.retain(|(_, image)| checked(image.clone(), own).is_ok());
    let newest = found.into_iter().max_by_key(|(_, it)| (is_preferred(it), it.created.clone()));
    let Some((manifest, image)) = newest else { return Ok(None) };
    let parent = image.label(LABEL_PARENT).and_then(|it| it.parse().ok());
    let parent: ImageId = parent.context("a candidate's label of the image below is missing")?;
    let below = of_id(config, host, below, &parent)?;
    Ok(Some(Candidate { below, own: named(host, &own.name, &manifest, image) }))
}

/// Returns the image of `recipe` with this id: a published one, or a candidate.
fn of_id(config: &Config, host: &Host, recipe: &Recipe, id: &ImageId) -> anyhow::Result<Published> {
    let Recipe { name, inputs, .. } = recipe;
    let api = published::api(config, host, name, Access::Read)?;
    let tag = Tag::immutable(inputs, id);
    let mut found = images(&api, &[tag.clone(), tag.candidate()])?;
    found.retain(|(manifest, _)| manifest.config == *id);
    let (manifest, image) = found.pop().with_context(|| {
        format!("a candidate was built on {name} {}, which is not in the registry", id.short())
    })?;
    let is_it = image.label(LABEL_INPUTS) == Some(inputs);
    ensure!(is_it, "a candidate was built on {name} {}, which has other inputs", id.short());
    Ok(named(host, name, &manifest, image))
}

/// Returns the images under those of `tags` that name one.
fn images(api: &Api, tags: &[Tag]) -> anyhow::Result<Vec<(Manifest, Image)>> {
    let manifests: Vec<Manifest> = api.manifests(tags)?.into_iter().flatten().collect();
    let configs = api.blobs(manifests.iter().map(|it| it.config.to_string()))?;
    let described = manifests.into_iter().zip(configs).map(|(manifest, config)| {
        let image = published::image(&manifest, &config?)?;
        anyhow::Ok((manifest, image))
    });
    Ok(described.filter_map(anyhow::Result::ok).collect())
}

fn named(host: &Host, name: &str, manifest: &Manifest, image: Image) -> Published {
    let reference = host.repository(name).at(&manifest.digest);
    Published { docker: host.docker.clone(), reference, image }
}
