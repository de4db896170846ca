//! Layers that builds take from published images, and what they leave in images for others. A hint: inputs
//! digests and labels are the same with and without.

use super::Step;
use crate::{image::recipe::Layer, settings::config::BuildCache, tools::docker::build::Build};

/// Adds the layers that `build` may take, and lets it leave its own if its image is one that is published.
pub(super) fn add(build: Build, step: &Step<'_>) -> Build {
    let is_published = matches!(step.recipe.layer, Layer::Common | Layer::Mission);
    let leaves = is_published && step.config.build_cache == BuildCache::Inline;
    let build = if leaves { build.inline_cache() } else { build };
    match &step.recipe.cache {
        _ if step.refresh => build.without_cache(),
        Some(image) => build.cache_from(image),
        None => build,
    }
}
