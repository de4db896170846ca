//! The platforms that images are built for, as docker writes them.

use std::{fmt, str::FromStr};

use anyhow::bail;

/// A platform: `linux/amd64` or `linux/arm64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Platform {
    Amd64,
    Arm64,
}

impl FromStr for Platform {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Platform> {
        match text {
            "linux/amd64" => Ok(Platform::Amd64),
            "linux/arm64" => Ok(Platform::Arm64),
            _ => bail!("expected linux/amd64 or linux/arm64"),
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Platform::Amd64 => "linux/amd64",
            Platform::Arm64 => "linux/arm64",
        })
    }
}
