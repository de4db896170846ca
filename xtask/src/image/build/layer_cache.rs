//! Layers that builds take from elsewhere, and what they leave for others. A hint: inputs digests and labels
//! are the same with and without.

use crate::{
    image::recipe::{Layer, Recipe},
    run::failure::Failure,
    settings::config::{BuildCache, Config, Registry, Reuse},
    tools::{
        docker::build::{self, Build, Builder, BuilderKind, LayerStore},
        image_name::{Repository, Tag},
    },
};

use super::Step;

/// Refuses a setting `BUILD_CACHE` that `builder` does not know, or for which this machine lacks something.
///
/// # Errors
/// The machine lacks a builder or variables.
pub(crate) fn check(config: &Config, builder: &Builder) -> anyhow::Result<()> {
    let cache = config.build_cache;
    if !matches!(cache, BuildCache::Registry | BuildCache::Gha) {
        return Ok(());
    }
    let lack = |text: String, fix: &str| {
        let text = format!("BUILD_CACHE={cache}: {text}");
        Err(Failure::Machine { text, fix: fix.to_owned() }.into())
    };
    if builder.kind == BuilderKind::BuiltIn {
        return lack(
            "the BuildKit of this docker CLI does not store layers elsewhere".to_owned(),
            "install the buildx plugin (https://docs.docker.com/build/install-buildx/) and set BUILDER (docs/ci.md); or BUILD_CACHE=inline",
        );
    }
    if !builder.is_separate() {
        return lack(
            "the engine's own builder does not store layers elsewhere".to_owned(),
            "`docker buildx create --name layers --driver docker-container` and BUILDER=layers; or BUILD_CACHE=inline",
        );
    }
    match build::lacking_for_github().filter(|_| cache == BuildCache::Gha) {
        Some(name) => lack(
            format!("{name} is not set"),
            "let the workflow pass it to this step (docs/ci.md), or set another BUILD_CACHE",
        ),
        None => Ok(()),
    }
}

/// Adds the layers that `build` may take, and lets it leave its own if its image is one that others build.
pub(super) fn add(build: Build, step: &Step<'_>) -> Build {
    let Step { config, recipe, .. } = *step;
    let build = if step.refresh { build.without_cache() } else { build };
    match store(config, recipe) {
        Some(store) => {
            let build = match config.reuse {
                Reuse::Registry if !step.refresh => build.layers_from(&store),
                _ => build,
            };
            if stores(step) { build.layers_to(&store) } else { build }
        }
        None => {
            let is_published = matches!(recipe.layer, Layer::Common | Layer::Mission);
            let leaves = is_published && config.build_cache == BuildCache::Inline;
            let build = if leaves { build.inline_cache() } else { build };
            match &recipe.cache {
                Some(image) if !step.refresh => build.cache_from(image),
                _ => build,
            }
        }
    }
}

/// Returns whether a build stores its layers elsewhere: not in a job for a pull request.
pub(super) fn stores(step: &Step<'_>) -> bool {
    !step.config.is_pull_request && store(step.config, step.recipe).is_some()
}

/// Returns the place for the layers of `recipe` by `BUILD_CACHE`. The registry on this machine has no other
/// layers than the builder.
fn store(config: &Config, recipe: &Recipe) -> Option<LayerStore> {
    let is_shared = matches!(recipe.layer, Layer::Base | Layer::Common | Layer::Mission);
    match (config.build_cache, &config.registry) {
        (BuildCache::Registry, Registry::Remote(host)) if is_shared => {
            let repository = Repository::below(host, &recipe.name);
            Some(LayerStore::Registry(repository.tagged(&Tag::of_layers())))
        }
        (BuildCache::Gha, _) if is_shared => {
            Some(LayerStore::GitHub { scope: recipe.name.clone() })
        }
        _ => None,
    }
}

/// Returns where a build of `recipe` takes layers from, for people.
pub(crate) fn source(config: &Config, recipe: &Recipe) -> Option<String> {
    let store = store(config, recipe).filter(|_| config.reuse == Reuse::Registry);
    match store {
        Some(LayerStore::Registry(name)) => Some(name.to_string()),
        Some(LayerStore::GitHub { .. }) => Some("the cache of GitHub Actions".to_owned()),
        None => recipe.cache.as_ref().map(ToString::to_string),
    }
}
