//! The record of an image's tests, and the decision whether they suffice.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use anyhow::{Context as _, anyhow, ensure};
use fs_err as fs;
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};

use crate::{
    mission::{checkout::Checkout, expected_tests::ExpectedTest, test_kind::TestKind},
    run::{
        files,
        printable::{self, Shown as _},
        process::Permit,
        redact,
    },
    testing::shard::Shard,
    tools::{
        docker::Image,
        image_name::{Digest, ImageId, Tag},
    },
};

mod name;
mod form;
mod about;
mod carried;
mod lacking;
mod merge;
mod verdict;

pub(crate) use about::frozen_specs;
pub(crate) use carried::{Dependencies, Origin};
pub(crate) use lacking::untold;
pub(crate) use merge::{PartReceipt, merge};
pub(crate) use name::Name;
pub(crate) use verdict::{Shortcoming, open_network, shortcoming};

/// Content of `target/xtask/receipts/<mission>/<image id, 12>.json`, which
/// `docs/receipt.schema.json` describes for other programs. All fields are always present: a reader
/// need not guess.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Receipt {
    /// Version of this format.
    pub(crate) receipt: u32,
    pub(crate) mission: Name,
    /// Id of the image: the digest of its config.
    pub(crate) image: ImageId,
    /// Platform, like `linux/amd64`.
    pub(crate) platform: String,
    /// Inputs digest.
    pub(crate) inputs: String,
    /// Commit of the checkout that the image was built in, with `-dirty` if files differed from it;
    /// empty outside of git, and in receipts of earlier versions.
    #[serde(default)]
    pub(crate) commit: String,
    /// SHA-256 of each environment's frozen spec, if the image was built from them.
    pub(crate) frozen_specs: BTreeMap<Name, String>,
    /// Data of the tests besides the image, `SOURCE:TARGET`, from `TEST_DATA`.
    #[serde(default)]
    pub(crate) data: Vec<String>,
    /// Start of the tests, RFC 3339, UTC.
    pub(crate) started: String,
    pub(crate) seconds: f64,
    /// Whether all tests were requested; a selection proves nothing about the image.
    pub(crate) complete: bool,
    /// Contents that the image reported when it was tested.
    pub(crate) contents: Contents,
    pub(crate) tests: Vec<Test>,
    /// What the tests of environments depend on, where it is known, and which results carried over
    /// from other images; empty in receipts of earlier versions.
    #[serde(default)]
    pub(crate) dependencies: BTreeMap<Name, Dependencies>,
    /// Whether freezing this image reproduced its frozen specs, by environment; added by
    /// `freeze --verify`.
    pub(crate) refrozen: BTreeMap<Name, Verdict>,
    /// Places where the image was published; added by a push.
    pub(crate) published: Vec<PublishedImage>,
    /// Network of tests that must run without one, where they had one; missing in other receipts.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub(crate) network: Option<OpenNetwork>,
    /// The part of the tests that this is about; missing in a receipt of all tests or a selection.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub(crate) shard: Option<Shard>,
}

/// Outcome of one test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Test {
    /// Environment; empty for a test of the mission as a whole.
    pub(crate) environment: String,
    pub(crate) kind: TestKind,
    pub(crate) name: String,
    pub(crate) outcome: Outcome,
    pub(crate) seconds: f64,
    /// Last lines of the error, empty after a success.
    pub(crate) message: String,
    /// Command that runs this test alone in the image.
    #[serde(default)]
    pub(crate) again: String,
}

/// Versions of an image's contents: the file `image.json` among the test results.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Contents {
    /// Version of the package jupyterhub beside the server; empty without one.
    pub(crate) jupyterhub: String,
    pub(crate) environments: BTreeMap<Name, Installed>,
    /// Versions of Debian packages, by name; empty in receipts of earlier versions.
    #[serde(default)]
    pub(crate) debian: BTreeMap<String, String>,
}

/// Packages of an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Installed {
    /// Version of Python, like `3.13.5`.
    pub(crate) python: String,
    /// Versions of Python distributions, by normalised name.
    pub(crate) packages: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    Passed,
    Failed,
}

/// A network that tests had though they must run without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OpenNetwork {
    /// That of a cluster, which enforces no policy.
    Cluster,
}

/// Result of comparing a frozen spec with that of the image built from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    Identical,
    Different,
}

/// A name of the image in a registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PublishedImage {
    /// Repository of the form `host/repository`.
    pub(crate) repository: String,
    /// Immutable tag.
    pub(crate) tag: Tag,
    /// Digest `sha256:…` of the manifest.
    pub(crate) digest: Digest,
}

impl Receipt {
    /// Returns whether all tests were requested and ran as they must, and each result is a success. A
    /// test that did not run is a result, too: see [`missing`].
    pub(crate) fn passed(&self) -> bool {
        self.complete
            && self.network.is_none()
            && !self.tests.is_empty()
            && self.tests.iter().all(|it| it.outcome == Outcome::Passed)
    }

    pub(crate) fn failures(&self) -> impl Iterator<Item = &Test> {
        self.tests.iter().filter(|it| it.outcome == Outcome::Failed)
    }

    /// Reads the receipt of `image` of `mission`, if it exists. A receipt with a field about
    /// another image does not count.
    pub(crate) fn read(
        checkout: &Checkout,
        mission: &str,
        image: &Image,
    ) -> anyhow::Result<Option<Receipt>> {
        let path = path(checkout, mission, &image.id);
        if !path.exists() {
            return Ok(None);
        }
        let text = fs::read_to_string(&path)?;
        let receipt = Receipt::parse(&text)
            .with_context(|| format!("{}: damaged; remove it and run image-test", path.shown()))?;
        Ok(Some(receipt).filter(|it| it.check_about(mission, image).is_ok()))
    }

    /// Parses a receipt; `docs/receipt.schema.json` accepts the same texts.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Receipt> {
        let length = text.len() as u64;
        ensure!(length <= LARGEST_RESULTS, "larger than {} MB", LARGEST_RESULTS / 1_000_000);
        // Redaction takes much longer.
        parsed::<Receipt>(text)?;
        let receipt = parsed(&redact::json(text))?;
        form::check(&receipt)?;
        Ok(receipt)
    }

    /// Returns the receipts of a mission in this checkout. What cannot be read, or belongs to another mission,
    /// does not count: they only determine which tests to run first, or again, or not at all. Each takes
    /// milliseconds.
    pub(crate) fn all(checkout: &Checkout, mission: &str) -> impl Iterator<Item = Receipt> {
        all(checkout, mission)
    }

    /// Returns the complete one of `receipts` that started last, of any image.
    pub(crate) fn last(receipts: &[Receipt]) -> Option<&Receipt> {
        receipts.iter().filter(|it| it.complete).max_by(|a, b| a.started.cmp(&b.started))
    }

    /// Returns the receipt of the newest published image of a mission other than `image`, among the
    /// receipts of this checkout.
    pub(crate) fn last_published(
        checkout: &Checkout,
        mission: &str,
        image: &ImageId,
    ) -> Option<Receipt> {
        let published = all(checkout, mission).filter(|it| !it.published.is_empty());
        published.filter(|it| it.image != *image).max_by(|a, b| a.started.cmp(&b.started))
    }

    /// Writes the receipt atomically.
    pub(crate) fn write(&self, permit: Permit, checkout: &Checkout) -> anyhow::Result<PathBuf> {
        let path = path(checkout, &self.mission, &self.image);
        files::write(permit, &path, self.to_json()?.as_bytes())?;
        Ok(path)
    }

    pub(crate) fn to_json(&self) -> anyhow::Result<String> {
        let text = serde_json::to_string_pretty(self).context("a receipt is plain data")?;
        Ok(redact::json(&text) + "\n")
    }
}

/// Reads a field that is missing or has a value, and is never `null`.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

/// Returns the receipts of a mission in this checkout that can be read.
fn all(checkout: &Checkout, mission: &str) -> impl Iterator<Item = Receipt> {
    let files = fs::read_dir(dir(checkout, mission)).into_iter().flatten().filter_map(Result::ok);
    let texts = files.filter_map(|it| fs::read_to_string(it.path()).ok());
    let receipts = texts.filter_map(|it| Receipt::parse(&it).ok());
    receipts.filter(move |it| *it.mission == *mission)
}

fn path(checkout: &Checkout, mission: &str, image: &ImageId) -> PathBuf {
    dir(checkout, mission).join(format!("{}.json", image.short()))
}

fn dir(checkout: &Checkout, mission: &str) -> PathBuf {
    checkout.root.join("target/xtask/receipts").join(mission)
}

/// Largest results of one container: bytes, and tests.
pub(crate) const LARGEST_RESULTS: u64 = 20_000_000;
const MOST_RESULTS: usize = 5000;

/// Parses the output of the test scripts: one JSON object per line.
pub(crate) fn parse_results(text: &str) -> anyhow::Result<Vec<Test>> {
    let lines = text.lines().enumerate().filter(|(_, it)| !it.trim().is_empty());
    ensure!(lines.clone().nth(MOST_RESULTS).is_none(), "more than {MOST_RESULTS} results");
    lines
        .map(|(idx, line)| {
            let test = parsed(line);
            let test = test.and_then(|test: Test| form::test(&test).map(|()| test.redacted()));
            let start: String = redact::json(line).chars().take(200).collect();
            test.with_context(|| format!("results.jsonl:{}: {start}", idx + 1))
        })
        .collect()
}

/// Reads JSON of others; the parser's messages have names from it as they are.
fn parsed<T: DeserializeOwned>(text: &str) -> anyhow::Result<T> {
    serde_json::from_str(text).map_err(|err| anyhow!("{}", printable::excerpt(&err.to_string())))
}

/// Returns a failure for each expected test without a result; `why` is the likely reason.
pub(crate) fn missing(expected: &BTreeSet<ExpectedTest>, tests: &[Test], why: &str) -> Vec<Test> {
    let is_missing = |it: &&ExpectedTest| {
        !tests.iter().any(|test| {
            test.environment == it.environment && test.kind == it.kind && test.name == it.name
        })
    };
    let failed = |it: &ExpectedTest| Test {
        environment: it.environment.clone(),
        kind: it.kind,
        name: it.name.clone(),
        outcome: Outcome::Failed,
        seconds: 0.0,
        message: format!("not run: {why}"),
        again: String::new(),
    };
    expected.iter().filter(is_missing).map(failed).collect()
}

impl Test {
    /// Returns the test without credentials in the texts that people read.
    fn redacted(self) -> Test {
        let (message, again) = (redact::redact(&self.message), redact::redact(&self.again));
        Test { message, again, ..self }
    }

    /// Returns a failed test of the mission as a whole.
    pub(crate) fn of_mission(name: &str, message: String) -> Test {
        Test {
            environment: String::new(),
            kind: TestKind::Mission,
            name: name.to_owned(),
            outcome: Outcome::Failed,
            seconds: 0.0,
            message,
            again: String::new(),
        }
    }

    /// Returns a title like `hello: notebook planck.ipynb`.
    pub(crate) fn title(&self) -> String {
        let title = match self.environment.as_str() {
            "" => format!("{} {}", self.kind, self.name),
            environment => format!("{environment}: {} {}", self.kind, self.name),
        };
        redact::redact(&printable::line(&title))
    }
}

#[cfg(test)]
pub(crate) mod tests;
