//! Settings of test containers: `TEST_…` and `PATIENCE`.

use std::{fmt, str::FromStr, time::Duration};

use anyhow::{bail, ensure};

/// Limits of a test container, and the resources of a mission's tests besides the image.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Testing {
    /// Value of `docker run --memory`.
    pub(crate) memory: String,
    /// Bytes of memory for the containers that run at once, if set.
    pub(crate) total_memory: Option<u64>,
    /// Bytes that the tests may leave on the disk.
    pub(crate) disk: u64,
    pub(crate) network: Network,
    pub(crate) data: Vec<Data>,
    /// Largest age of results that carry over from another image; none do if it is zero.
    pub(crate) max_age: Duration,
    /// Factor of all time limits.
    pub(crate) patience: f64,
}

impl Testing {
    /// Returns the limit of a container's memory in bytes.
    pub(crate) fn memory_bytes(&self) -> u64 {
        bytes(&self.memory).unwrap_or(u64::MAX / 4)
    }
}

/// Value of `TEST_NETWORK`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Network {
    None,
    /// Default bridge of the engine.
    Egress,
}

impl Network {
    /// Returns the value of the setting.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Network::None => "none",
            Network::Egress => "egress",
        }
    }
}

impl FromStr for Network {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Network> {
        match text {
            "none" => Ok(Network::None),
            "egress" => Ok(Network::Egress),
            _ => bail!("expected `none` or `egress`"),
        }
    }
}

/// An entry of `TEST_DATA`, mounted read-only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Data {
    /// Folder on the engine's machine, or a volume.
    pub(crate) source: String,
    pub(crate) target: String,
}

/// Paths that tests use for something else.
const TAKEN: &[&str] =
    &["/opt/conda", "/opt/environments", "/home/jovyan", "/tmp", "/proc", "/sys", "/dev", "/etc"];

impl fmt::Display for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.source, self.target)
    }
}

impl FromStr for Data {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Data> {
        let parts: Vec<&str> = text.split(':').collect();
        let [source, target] = parts.as_slice() else {
            bail!("`{text}`: expected SOURCE:TARGET, as in /data/crds:/opt/crds");
        };
        let is_plain = |it: &str| !it.is_empty() && !it.contains([',', '"', '\\']);
        ensure!(
            is_plain(source) && is_plain(target),
            "`{text}`: docker's --mount takes no comma, quote or backslash"
        );
        ensure!(
            source.starts_with('/') || !source.contains('/') && !source.starts_with('-'),
            "`{text}`: expected an absolute path or the name of a volume before the colon"
        );
        let is_absolute = target.starts_with('/') && !target.split('/').any(|it| it == "..");
        ensure!(
            is_absolute && target.len() > 1,
            "`{text}`: expected an absolute path after the colon"
        );
        let below = |place: &&&str| {
            target.strip_prefix(**place).is_some_and(|it| it.is_empty() || it.starts_with('/'))
        };
        if let Some(place) = TAKEN.iter().find(below) {
            bail!("`{text}`: would hide {place} of the image; choose another target");
        }
        Ok(Data { source: (*source).to_owned(), target: (*target).to_owned() })
    }
}

/// Parses bytes like `500m` or `10g`, in decimal units.
pub(super) fn size(text: &str) -> anyhow::Result<u64> {
    let (number, unit) = text.split_at(text.len() - text.ends_with(['m', 'g', 't']) as usize);
    let unit: u64 = match unit {
        "m" => 1_000_000,
        "g" => 1_000_000_000,
        "t" => 1_000_000_000_000,
        _ => bail!("expected a whole number with a unit, as in 500m, 10g or 1t"),
    };
    match number.parse::<u64>().ok().and_then(|it| it.checked_mul(unit)).filter(|it| *it > 0) {
        Some(bytes) => Ok(bytes),
        None => bail!("expected a whole number with a unit, as in 500m, 10g or 1t"),
    }
}

/// Least memory of a container that docker accepts, in bytes.
const LEAST_MEMORY: u64 = 6 << 20;

/// Checks a limit as `docker run --memory` takes it: bytes, or a number with a binary unit.
pub(super) fn memory(text: &str) -> anyhow::Result<String> {
    if bytes(text).is_none_or(|it| it < LEAST_MEMORY) {
        bail!("expected a whole number with a unit, at least 6m, as in 500m or 4g");
    }
    Ok(text.to_owned())
}

/// Checks a limit like [`memory`], and returns its bytes.
pub(super) fn total_memory(text: &str) -> anyhow::Result<u64> {
    memory(text).map(|it| bytes(&it).unwrap_or_default())
}

/// Returns the bytes of a number with a binary unit.
fn bytes(text: &str) -> Option<u64> {
    let number = text.trim_end_matches(['b', 'k', 'm', 'g', 'B', 'K', 'M', 'G']);
    let shift = match text[number.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => Some(0),
        "k" => Some(10),
        "m" => Some(20),
        "g" => Some(30),
        _ => None,
    };
    number.parse::<u64>().ok().zip(shift).and_then(|(it, by)| it.checked_mul(1 << by))
}

/// Parses an age like `30d`.
pub(super) fn age(text: &str) -> anyhow::Result<Duration> {
    let (number, unit) = text.split_at(text.len() - text.ends_with(['h', 'd', 'w']) as usize);
    let hours = match unit {
        "h" => Some(1),
        "d" => Some(24),
        "w" => Some(24 * 7),
        _ => (number == "0").then_some(0),
    };
    let is_plain = number.bytes().all(|it| it.is_ascii_digit());
    match number.parse::<u32>().ok().filter(|_| is_plain).zip(hours) {
        Some((number, hours)) => Ok(Duration::from_secs(u64::from(number) * hours * 3600)),
        None => bail!("expected a whole number with a unit, as in 12h, 30d or 8w, or 0"),
    }
}

/// Parses a factor for time limits.
pub(super) fn factor(text: &str) -> anyhow::Result<f64> {
    match text.parse::<f64>() {
        Ok(factor) if (0.1..=1000.0).contains(&factor) => Ok(factor),
        _ => bail!("expected a number from 0.1 to 1000"),
    }
}
