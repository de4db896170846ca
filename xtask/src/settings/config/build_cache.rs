//! The settings `BUILD_CACHE` and `BUILDER`.

use std::{fmt, str::FromStr};

use anyhow::{bail, ensure};

/// Value of `BUILD_CACHE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BuildCache {
    /// Published images tell which step made which of their layers.
    Inline,
    /// A tag beside the images has the layers of all stages.
    Registry,
    /// The cache of GitHub Actions has them.
    Gha,
    None,
}

impl FromStr for BuildCache {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<BuildCache> {
        match text {
            "inline" => Ok(BuildCache::Inline),
            "registry" => Ok(BuildCache::Registry),
            "gha" => Ok(BuildCache::Gha),
            "none" => Ok(BuildCache::None),
            _ => bail!("expected inline, registry, gha or none"),
        }
    }
}

impl fmt::Display for BuildCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BuildCache::Inline => "inline",
            BuildCache::Registry => "registry",
            BuildCache::Gha => "gha",
            BuildCache::None => "none",
        })
    }
}

/// Returns the name of a builder.
pub(super) fn builder(text: &str) -> anyhow::Result<String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    let is_valid = !text.starts_with('-') && text.chars().all(is_word);
    ensure!(is_valid, "expected the name of a builder, as `docker buildx ls` lists it");
    Ok(text.to_owned())
}
