//! The record of what was tested on one image, and the decision whether that suffices.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use anyhow::{Context as _, ensure};
use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::{
    mission::{checkout::Checkout, expected_tests::ExpectedTest},
    run::{
        files,
        printable::{self, Shown as _},
        process::Permit,
        redact,
    },
    tools::{
        docker::Image,
        image_name::{Digest, ImageId, Tag},
    },
};

mod name;
mod form;
mod about;
mod lacking;
mod verdict;

pub(crate) use about::frozen_specs;
pub(crate) use lacking::untold;
pub(crate) use name::Name;
pub(crate) use verdict::{Shortcoming, shortcoming};

/// What `target/xtask/receipts/<mission>/<image id, 12>.json` says, and `docs/receipt.schema.json`
/// describes for other programs. All fields are there always: a reader need not guess.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Receipt {
    /// The version of this format.
    pub(crate) receipt: u32,
    pub(crate) mission: Name,
    /// The image's id: the digest of its config.
    pub(crate) image: ImageId,
    /// `linux/amd64`.
    pub(crate) platform: String,
    /// The inputs digest.
    pub(crate) inputs: String,
    /// SHA-256 of each environment's frozen spec, if the image was built from them.
    pub(crate) frozen_specs: BTreeMap<Name, String>,
    /// What tests had besides the image, `SOURCE:TARGET`, from `TEST_DATA`.
    #[serde(default)]
    pub(crate) data: Vec<String>,
    /// When the tests began, RFC 3339, UTC.
    pub(crate) started: String,
    pub(crate) seconds: f64,
    /// Whether all tests were asked for; a selection of them proves nothing about the image.
    pub(crate) complete: bool,
    /// What the image said of itself when it was tested.
    pub(crate) contents: Contents,
    pub(crate) tests: Vec<Test>,
    /// Whether freezing this image gave its frozen specs again, by environment; added by
    /// `freeze --verify`.
    pub(crate) refrozen: BTreeMap<Name, Verdict>,
    /// Where the image was published; added by a push.
    pub(crate) published: Vec<PublishedImage>,
}

/// The outcome of one test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Test {
    /// The environment; empty for a test of the mission as a whole.
    pub(crate) environment: String,
    /// `consistency`, `import`, `notebook`, `script`, `tests` or `mission`; of the image as a whole:
    /// `home`, `kernel`, `permissions`, `server` or `shell`.
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) outcome: Outcome,
    pub(crate) seconds: f64,
    /// The last lines of the error, empty when it passed.
    pub(crate) message: String,
    /// The command that runs this test alone in the image.
    #[serde(default)]
    pub(crate) again: String,
}

/// Versions of what an image holds: the file `image.json` among the test results.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Contents {
    /// The version of the package jupyterhub beside the server; empty without one.
    pub(crate) jupyterhub: String,
    pub(crate) environments: BTreeMap<Name, Installed>,
}

/// What is installed in an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Installed {
    /// `3.13.5`.
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

/// How a frozen spec compares with that of the image built from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    Identical,
    Different,
}

/// A name under which a registry has the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PublishedImage {
    /// `host/repository`.
    pub(crate) repository: String,
    /// The immutable tag.
    pub(crate) tag: Tag,
    /// `sha256:…` of the manifest.
    pub(crate) digest: Digest,
}

impl Receipt {
    /// Whether all tests were asked for, and each result is a success. That a test did not run is a
    /// result, too: see [`missing`].
    pub(crate) fn passed(&self) -> bool {
        self.complete
            && !self.tests.is_empty()
            && self.tests.iter().all(|it| it.outcome == Outcome::Passed)
    }

    pub(crate) fn failures(&self) -> impl Iterator<Item = &Test> {
        self.tests.iter().filter(|it| it.outcome == Outcome::Failed)
    }

    /// Reads the receipt of `image` of `mission`, if there is one. One that is about something else,
    /// by whichever field, does not count.
    ///
    /// # Errors
    /// The file is damaged.
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

    /// Reads what a receipt says; `docs/receipt.schema.json` accepts the same texts.
    ///
    /// # Errors
    /// A field is missing, unknown or of another form than it has to be.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Receipt> {
        let receipt: Receipt = serde_json::from_str(&redact::json(text))?;
        form::check(&receipt)?;
        Ok(receipt)
    }

    /// The newest complete receipt of a mission, of whichever image. One that cannot be read, or is
    /// about another mission, does not count: it only says what to run first, or again.
    pub(crate) fn last(checkout: &Checkout, mission: &str) -> Option<Receipt> {
        let files = fs::read_dir(dir(checkout, mission)).ok()?.filter_map(Result::ok);
        let texts = files.filter_map(|it| fs::read_to_string(it.path()).ok());
        let receipts = texts.filter_map(|it| Receipt::parse(&it).ok());
        let complete = receipts.filter(|it| it.complete && *it.mission == *mission);
        complete.max_by(|a, b| a.started.cmp(&b.started))
    }

    /// Writes it atomically.
    ///
    /// # Errors
    /// The target folder cannot be written.
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

fn path(checkout: &Checkout, mission: &str, image: &ImageId) -> PathBuf {
    dir(checkout, mission).join(format!("{}.json", image.short()))
}

fn dir(checkout: &Checkout, mission: &str) -> PathBuf {
    checkout.root.join("target/xtask/receipts").join(mission)
}

/// What one container may leave: bytes of results, and tests.
pub(crate) const LARGEST_RESULTS: u64 = 20_000_000;
const MOST_RESULTS: usize = 5000;

/// Reads what the test scripts wrote: one JSON object per line.
///
/// # Errors
/// A line is not a test in the form that receipts have.
pub(crate) fn parse_results(text: &str) -> anyhow::Result<Vec<Test>> {
    let lines = text.lines().enumerate().filter(|(_, it)| !it.trim().is_empty());
    ensure!(lines.clone().nth(MOST_RESULTS).is_none(), "more than {MOST_RESULTS} results");
    lines
        .map(|(idx, line)| {
            let test = serde_json::from_str(line).map_err(anyhow::Error::from);
            let test = test.and_then(|test: Test| form::test(&test).map(|()| test.redacted()));
            let start: String = redact::json(line).chars().take(200).collect();
            test.with_context(|| format!("results.jsonl:{}: {start}", idx + 1))
        })
        .collect()
}

/// A failure for each expected test that has no result; `why` is the likely reason.
pub(crate) fn missing(expected: &BTreeSet<ExpectedTest>, tests: &[Test], why: &str) -> Vec<Test> {
    let is_missing = |it: &&ExpectedTest| {
        !tests.iter().any(|test| {
            test.environment == it.environment && test.kind == it.kind && test.name == it.name
        })
    };
    let failed = |it: &ExpectedTest| Test {
        environment: it.environment.clone(),
        kind: it.kind.to_owned(),
        name: it.name.clone(),
        outcome: Outcome::Failed,
        seconds: 0.0,
        message: format!("it was not run: {why}"),
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

    /// A test of the mission as a whole that failed.
    pub(crate) fn of_mission(name: &str, message: String) -> Test {
        Test {
            environment: String::new(),
            kind: "mission".to_owned(),
            name: name.to_owned(),
            outcome: Outcome::Failed,
            seconds: 0.0,
            message,
            again: String::new(),
        }
    }

    /// `hello: notebook planck.ipynb`.
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
