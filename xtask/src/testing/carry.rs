//! Results that carry over from earlier images of a mission: those of an environment whose tests
//! depend on the same files, image config, platform, settings and tester. The tester digests the
//! image's files in a container (`platform_env/testing/dependencies.py`); the rest is digested here.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::OnceLock,
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, bail, ensure};
use serde::Serialize;
use serde_json::Value;

use crate::{
    image::{build_context::BuildContext, mission_images::MissionImages},
    mission::{checkout::Checkout, expected_tests::ExpectedTest},
    run::files,
    settings::config::Network,
    testing::{
        image_test::tester,
        receipt::{self, Dependencies, Name, Origin, Outcome, Receipt, Test},
    },
    tools::{
        docker::Image,
        image_name::{ImageId, is_hex_digest},
    },
};

/// Version of these rules: results of another one do not carry over.
const VERSION: u32 = 2;

/// Name of the file with digests of the image's files, by environment, among a container's results.
const FILE: &str = "dependencies.json";

/// Name of the file with the reason why there are none.
const REASON: &str = "dependencies.txt";

/// Largest size of these files in bytes.
const LARGEST: u64 = 1_000_000;

/// Number of characters of a reason that are shown.
const LONGEST_REASON: usize = 300;

/// Returns a digest of each environment's own files, as sent to docker.
pub(crate) fn sources(chosen: &MissionImages) -> BTreeMap<Name, String> {
    let Some(own) = chosen.chain.last() else { return BTreeMap::new() };
    let digest = |name: &str| {
        let dir = Path::new("environments").join(name);
        let mut hasher = blake3::Hasher::new();
        own.context.as_ref().clone().without(|it| !it.starts_with(&dir)).hash(&mut hasher);
        Some((Name::try_from(name).ok()?, hasher.finalize().to_hex().to_string()))
    };
    chosen.mission.environments.iter().filter_map(|it| digest(&it.name)).collect()
}

/// Digest of what results depend on besides the image's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Basis(String);

#[derive(Serialize)]
struct Parts<'a> {
    version: u32,
    platform: String,
    config: BTreeMap<&'a str, Value>,
    /// Options of the container: its limits, capabilities, mounts and variables.
    container: String,
    disk: u64,
    timeout: Option<u32>,
    tester: String,
}

impl Basis {
    /// Returns the digest for the tests of `image`; `None` if no result may carry over: their
    /// network and their data are not known well enough.
    pub(crate) fn new(
        checkout: &Checkout,
        chosen: &MissionImages,
        image: &Image,
        timeout: Option<u32>,
    ) -> anyhow::Result<Option<Basis>> {
        let testing = &chosen.config.testing;
        let is_closed = testing.network == Network::None && testing.data.is_empty();
        if testing.max_age.is_zero() || !is_closed {
            return Ok(None);
        }
        let parts = Parts {
            version: VERSION,
            platform: chosen.platform.to_string(),
            config: image.config.seen_by_tests(),
            container: tester::options(testing),
            disk: testing.disk,
            timeout,
            tester: tester(&checkout.root, &chosen.shared.tester)?,
        };
        let text = serde_json::to_string(&parts).context("settings are plain data")?;
        Ok(Some(Basis(blake3::hash(text.as_bytes()).to_hex().to_string())))
    }

    /// Returns the digest of all that an environment's results depend on; `files` is that of the
    /// image's files.
    pub(crate) fn with(&self, files: &str) -> String {
        let Basis(rest) = self;
        blake3::hash(format!("{rest} {files}").as_bytes()).to_hex().to_string()
    }
}

/// Returns the digest of the scripts that test, which is made once for all missions.
fn tester(root: &Path, known: &OnceLock<String>) -> anyhow::Result<String> {
    if let Some(known) = known.get() {
        return Ok(known.clone());
    }
    let scripts = BuildContext::read_files(&root.join("common/image"), &["common-scripts"])?;
    let mut hasher = blake3::Hasher::new();
    scripts.without(|it| it.iter().any(|it| it == "__pycache__")).hash(&mut hasher);
    Ok(known.get_or_init(|| hasher.finalize().to_hex().to_string()).clone())
}

/// Reads the digests of the image's files among a container's results; none if the tester left none.
///
/// # Errors
/// The digests are damaged, or the tester could not make them.
pub(crate) fn read(results: &Path) -> anyhow::Result<BTreeMap<Name, String>> {
    let (path, reason) = (results.join(FILE), results.join(REASON));
    if !path.is_file() {
        if reason.is_file() {
            let said = files::read_foreign_text(&reason, LARGEST)?;
            let said: String = said.chars().take(LONGEST_REASON).collect();
            bail!("the image's files have no digest: {}", said.trim());
        }
        return Ok(BTreeMap::new());
    }
    parse(&files::read_foreign_text(&path, LARGEST)?).context("dependencies.json of the results")
}

pub(crate) fn parse(text: &str) -> anyhow::Result<BTreeMap<Name, String>> {
    let res: BTreeMap<Name, String> = serde_json::from_str(text)?;
    for (name, digest) in &res {
        ensure!(is_hex_digest(digest), "{name}: expected 64 hex digits");
    }
    Ok(res)
}

/// Results of an environment that carry over, and where they are from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Carried {
    pub(crate) origin: Origin,
    pub(crate) tests: Vec<Test>,
}

/// Receipts that results may carry over from, and the largest age of results.
#[derive(Debug)]
pub(crate) struct Former {
    receipts: Vec<Receipt>,
    /// Image that is tested.
    image: Option<ImageId>,
    now: SystemTime,
    max_age: Duration,
}

impl Former {
    /// Returns those of `receipts` with results that may carry over to `image`; none unless one of them has
    /// results of an environment whose own files are the same: `sources` are the digests of these files.
    pub(crate) fn new(
        receipts: &[Receipt],
        sources: &BTreeMap<Name, String>,
        image: &Image,
        now: SystemTime,
        max_age: Duration,
    ) -> Former {
        let image = Some(image.id.clone());
        let mut res = Former { receipts: Vec::new(), image, now, max_age };
        let may_be = |it: &Receipt| {
            let mut origins = it.dependencies.keys().map(|name| it.origin_of(name));
            it.complete && origins.any(|it| res.is_recent(&it))
        };
        let receipts: Vec<Receipt> = receipts.iter().filter(|it| may_be(it)).cloned().collect();
        let is_same = |(name, it): (&Name, &Dependencies)| {
            it.sources.as_ref().is_some_and(|it| sources.get(name) == Some(it))
        };
        if receipts.iter().flat_map(|it| &it.dependencies).any(is_same) {
            res.receipts = receipts;
        }
        res
    }

    /// Returns no receipts.
    pub(crate) fn none() -> Former {
        let (now, max_age) = (SystemTime::UNIX_EPOCH, Duration::ZERO);
        Former { receipts: Vec::new(), image: None, now, max_age }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.receipts.is_empty()
    }

    /// Returns the newest results of an environment with this digest, if they are of another image; all of
    /// `expected` must be among them, and all must have passed. Older results do not count beside a failure.
    pub(crate) fn carried(
        &self,
        environment: &Name,
        digest: &str,
        expected: &BTreeSet<ExpectedTest>,
    ) -> Option<Carried> {
        let expected: BTreeSet<ExpectedTest> =
            expected.iter().filter(|it| *it.environment == **environment).cloned().collect();
        let known =
            |it: &&Receipt| it.dependencies.get(environment).is_some_and(|it| it.digest == digest);
        let own = |it: &&Test| *it.environment == **environment && it.may_carry_over();
        let passed =
            |it: &Receipt| it.tests.iter().filter(own).all(|it| it.outcome == Outcome::Passed);
        let found = self.receipts.iter().filter(known).map(|it| (it.origin_of(environment), it));
        // Times are whole seconds; a failure counts as the newer one.
        let newest = |(origin, it): &(Origin, &Receipt)| (origin.started.clone(), !passed(it));
        let (origin, receipt) = found.max_by_key(newest)?;
        if self.image.as_ref() == Some(&origin.image) || !self.is_recent(&origin) {
            return None;
        }
        let tests: Vec<Test> = receipt.tests.iter().filter(own).cloned().collect();
        let passed = passed(receipt);
        let complete = !tests.is_empty() && receipt::missing(&expected, &tests, "").is_empty();
        (passed && complete).then_some(Carried { origin, tests })
    }

    /// Returns whether results are not too old; those of the future are not known well enough.
    fn is_recent(&self, origin: &Origin) -> bool {
        let started = humantime::parse_rfc3339(&origin.started).ok();
        let age = started.and_then(|it| self.now.duration_since(it).ok());
        age.is_some_and(|it| it <= self.max_age)
    }
}

#[cfg(test)]
mod tests;
