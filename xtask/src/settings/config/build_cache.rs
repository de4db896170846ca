//! The setting `BUILD_CACHE`.

use std::str::FromStr;

use anyhow::bail;

/// Value of `BUILD_CACHE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BuildCache {
    /// Published images tell which step made which of their layers.
    Inline,
    None,
}

impl FromStr for BuildCache {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<BuildCache> {
        match text {
            "inline" => Ok(BuildCache::Inline),
            "none" => Ok(BuildCache::None),
            _ => bail!("expected inline or none"),
        }
    }
}
