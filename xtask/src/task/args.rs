//! The arguments of tasks; doc comments are the help.

mod hubs;
mod secrets;

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, ValueEnum};

use crate::{task::machine::ci::steps::Step, testing::shard::Part};

pub(crate) use hubs::{
    DeployedHub, HubDeploy, HubDown, HubLogs, HubRollback, HubSmoke, HubStatus, HubUp, LOOPBACK,
};
pub(crate) use secrets::{
    SecretsCat, SecretsDiff, SecretsEdit, SecretsInit, SecretsOf, SecretsSet,
};

/// The common flags that tasks look at.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flags {
    pub(crate) json: bool,
    pub(crate) verbose: bool,
    /// Settings, as `--set` takes them.
    pub(crate) set: Vec<String>,
}

/// Missions of a task.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Missions {
    /// Folders under missions/; DEPLOYMENT_NAME by default
    #[arg(value_name = "MISSION")]
    pub(crate) missions: Vec<String>,
    /// Every mission
    #[arg(long, conflicts_with = "missions")]
    pub(crate) all: bool,
}

/// How much a task does at once.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Parallel {
    /// Number of images that are built or tested at a time; this machine's cores by default
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) jobs: Option<u16>,
    /// Stop all other builds and tests after the first failure
    #[arg(long)]
    pub(crate) fail_fast: bool,
}

/// Hub of a task.
#[derive(Debug, Args)]
pub(crate) struct HubOf {
    /// Mission; DEPLOYMENT_NAME by default
    pub(crate) mission: Option<String>,
    /// Environment with values in missions/<mission>/hub/; ENVIRONMENT by default
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Option<String>,
    /// Leave the secrets of the environment out
    #[arg(long)]
    pub(crate) without_secrets: bool,
}

#[derive(Debug, Args)]
pub(crate) struct HubValues {
    #[command(flatten)]
    pub(crate) of: HubOf,
    /// Print the file and line that set each value, and the lists that a later layer replaced
    #[arg(long)]
    pub(crate) origin: bool,
}

#[derive(Debug, Args)]
pub(crate) struct HubRender {
    #[command(flatten)]
    pub(crate) of: HubOf,
    /// Print what changed since this commit, with a summary
    #[arg(long, value_name = "REV")]
    pub(crate) since: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct HubChart {
    /// Version of the chart; the newest release by default
    pub(crate) version: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ImageDiff {
    /// Mission
    pub(crate) mission: String,
    /// Tag or digest of the older image
    pub(crate) old: String,
    /// Tag or digest of the newer image
    pub(crate) new: String,
}

#[derive(Debug, Args)]
pub(crate) struct ImagePrune {
    /// Missions whose images are removed; all, and the images below them, by default
    #[arg(value_name = "MISSION")]
    pub(crate) missions: Vec<String>,
    /// Remove images from the registry instead of the engine
    #[arg(long)]
    pub(crate) registry: bool,
    /// Number of certified images of each mission that stay, the newest
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(crate) keep: usize,
    /// Images younger than D days stay; 30 in the registry, 1 on the engine by default
    #[arg(long, value_name = "D")]
    pub(crate) days: Option<u32>,
    /// Remove without asking
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    #[command(flatten)]
    pub(crate) missions: Missions,
    /// Install and start what is missing; prints the commands and asks before running them
    #[arg(long)]
    pub(crate) fix: bool,
    /// Run the commands without asking
    #[arg(long, requires = "fix")]
    pub(crate) yes: bool,
    /// Skip the checks of package indexes and the registry
    #[arg(long)]
    pub(crate) offline: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ImageUpdate {
    #[command(flatten)]
    pub(crate) missions: Missions,
    /// Write nothing; print the differences and fail if there are any
    #[arg(long)]
    pub(crate) check: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ImageBuild {
    #[command(flatten)]
    pub(crate) missions: Missions,
    /// Build even if nothing changed; solves floating specs again
    #[arg(long)]
    pub(crate) refresh: bool,
    #[command(flatten)]
    pub(crate) parallel: Parallel,
}

#[derive(Debug, Args)]
pub(crate) struct ImageAll {
    #[command(flatten)]
    pub(crate) build: ImageBuild,
    /// Run all tests, also of images that have a passing receipt
    #[arg(long)]
    pub(crate) again: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ImageTest {
    #[command(flatten)]
    pub(crate) missions: Missions,
    /// Run all tests, also of images that have a passing receipt
    #[arg(long)]
    pub(crate) again: bool,
    /// Run only tests of this environment; may be repeated
    #[arg(long, value_name = "ENV")]
    pub(crate) env: Vec<String>,
    /// Run only tests whose name matches, e.g. '*.ipynb'; may be repeated
    #[arg(long, value_name = "GLOB")]
    pub(crate) only: Vec<String>,
    /// Run only import tests
    #[arg(long)]
    pub(crate) imports: bool,
    /// Run only notebooks
    #[arg(long)]
    pub(crate) notebooks: bool,
    /// Run only tests that failed in the last complete run
    #[arg(long)]
    pub(crate) failed: bool,
    /// Number of images that are tested at a time, this machine's cores by default, and of tests of an image
    /// that run at a time, the engine's cores by default
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) jobs: Option<u16>,
    /// Time limit of each notebook, 600 by default; overridden by execution.timeout in its metadata
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) timeout: Option<u32>,
    /// Stop all other tests after the first image that fails
    #[arg(long)]
    pub(crate) fail_fast: bool,
    /// Test the newest image, with the tests and scripts of the working tree
    #[arg(long)]
    pub(crate) dev: bool,
    /// Run only part I of N (at most 99) of the tests, and write its receipt for `receipt merge`
    #[arg(
        long,
        value_name = "I/N",
        conflicts_with_all = ["again", "env", "only", "imports", "notebooks", "failed", "dev", "hub"],
    )]
    pub(crate) shard: Option<Part>,
    /// Run all tests of pushed images as Jobs in the cluster of the mission's hub in ENVIRONMENT
    #[arg(
        long,
        value_name = "PLACE",
        value_parser = ["kubernetes"],
        conflicts_with_all = ["env", "only", "imports", "notebooks", "failed", "fail_fast", "dev", "hub", "shard"],
    )]
    pub(crate) on: Option<String>,
    /// Number of parts (at most 99) that run at a time in the cluster, 1 by default
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u16).range(1..=99),
        requires = "on",
    )]
    pub(crate) shards: Option<u16>,
    /// Also run hub-smoke for images that passed, on a hub that is started for it if none runs
    #[arg(long, conflicts_with = "dev")]
    pub(crate) hub: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Try {
    /// Mission; DEPLOYMENT_NAME by default
    pub(crate) mission: Option<String>,
    /// Environment to try; by default all whose lists differ from their frozen specs; may be repeated
    #[arg(long, value_name = "ENV")]
    pub(crate) env: Vec<String>,
    /// Line to add to the environment's last .pip list if all tests pass; may be repeated
    #[arg(long, value_name = "PACKAGE")]
    pub(crate) add: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ImagePush {
    #[command(flatten)]
    pub(crate) missions: Missions,
    /// Move this tag to published, tested images, and push nothing else
    #[arg(long, value_name = "TAG")]
    pub(crate) promote: Option<String>,
    /// Target of the tag: a digest or another tag; the current images by default
    #[arg(long, value_name = "DIGEST|TAG", requires = "promote")]
    pub(crate) from: Option<String>,
    /// Push images that are not tested, as candidates: only to be tested on other machines
    #[arg(long, conflicts_with_all = ["promote", "from"])]
    pub(crate) candidate: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Report {
    #[command(flatten)]
    pub(crate) missions: Missions,
    /// File to write; target/xtask/report.html by default
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Also print a summary as Markdown, for a pull request: tests, sizes and changed versions
    #[arg(long)]
    pub(crate) markdown: bool,
}

#[derive(Debug, Args)]
pub(crate) struct OneMission {
    /// Mission; DEPLOYMENT_NAME by default
    pub(crate) mission: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ReceiptShow {
    /// Image, by the digest of its manifest
    #[arg(value_name = "IMAGE@DIGEST")]
    pub(crate) image: String,
}

#[derive(Debug, Args)]
pub(crate) struct ReceiptMerge {
    /// Receipts of all parts of the tests of one image, from `image-test --shard`
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Freeze {
    /// ENV or MISSION/ENV; those of DEPLOYMENT_NAME by default
    #[arg(value_name = "ENV")]
    pub(crate) environments: Vec<String>,
    /// Freeze all environments of this mission
    #[arg(short, long)]
    pub(crate) mission: Option<String>,
    /// Freeze all environments of every mission
    #[arg(long, conflicts_with_all = ["environments", "mission"])]
    pub(crate) all: bool,
    /// Write nothing; check that the frozen specs are complete and match the lists, without an engine
    #[arg(long, conflicts_with_all = ["verify", "diff", "markdown", "refresh"])]
    pub(crate) check: bool,
    /// Write nothing; check that freezing the frozen image yields the same specs
    #[arg(long, conflicts_with = "markdown")]
    pub(crate) verify: bool,
    /// Print a unified diff instead of a summary
    #[arg(long)]
    pub(crate) diff: bool,
    /// Print the summary as Markdown, for a pull request
    #[arg(long, conflicts_with = "diff")]
    pub(crate) markdown: bool,
    /// Build even if nothing changed
    #[arg(long)]
    pub(crate) refresh: bool,
}

impl Freeze {
    /// The setting that the image needs, as `--set` takes it.
    pub(crate) fn mode(&self) -> Option<&'static str> {
        match (self.check, self.verify) {
            (true, _) => None,
            (_, true) => Some("USE_FROZEN=1"),
            _ => Some("USE_FROZEN=0"),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Report findings in these files or folders only; all that git does not ignore by default
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Fix findings that need no decision: outputs, line ends, modes, generated Dockerfiles
    #[arg(long)]
    pub(crate) fix: bool,
    /// Leave out the comparison of frozen specs with the lists
    #[arg(long)]
    pub(crate) no_freeze: bool,
    /// Also print annotations for GitHub Actions; on by default where GITHUB_ACTIONS is `true`
    #[arg(long)]
    pub(crate) annotate: bool,
    /// Also write the findings to this file, as SARIF 2.1.0
    #[arg(long, value_name = "FILE")]
    pub(crate) sarif: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct CiMatrix {
    /// Compare with this commit
    #[arg(long, value_name = "REV")]
    pub(crate) since: String,
}

#[derive(Debug, Args)]
pub(crate) struct Package {
    /// Name of the package
    pub(crate) package: String,
    /// Folders under missions/; DEPLOYMENT_NAME by default
    #[arg(value_name = "MISSION")]
    pub(crate) missions: Vec<String>,
    /// Every mission
    #[arg(long, conflicts_with = "missions")]
    pub(crate) all: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// ENV or MISSION/ENV
    #[arg(value_name = "ENV")]
    pub(crate) environment: String,
    /// Compare with the frozen spec of this commit
    #[arg(long, value_name = "REV", default_value = "HEAD")]
    pub(crate) since: String,
    /// Compare the file with the contents of the current image
    #[arg(long, conflicts_with = "since")]
    pub(crate) image: bool,
    /// Print the summary as Markdown, for a pull request
    #[arg(long)]
    pub(crate) markdown: bool,
}

#[derive(Debug, Args)]
pub(crate) struct MissionNew {
    /// Name of the folder under missions/ and of the image
    pub(crate) name: String,
    /// Environment and its kernel; named like the mission by default; may be repeated
    #[arg(long = "env", value_name = "ENV")]
    pub(crate) envs: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Complete {
    /// Index of the word at the cursor
    pub(crate) index: usize,
    /// The command line so far, beginning with `xtask`
    #[arg(last = true)]
    pub(crate) words: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// Also time a build from nothing; removes the images of this repository and empties the builder's cache
    #[arg(long)]
    pub(crate) cold: bool,
    /// Time builds of roman, a large environment, in a clone of this repository
    #[arg(long)]
    pub(crate) missions: bool,
    /// Time builds and tests of two missions at once, in a clone of this repository
    #[arg(long)]
    pub(crate) parallel: bool,
    /// Time all missions, published, on an engine without images; removes the images of this repository
    #[arg(long)]
    pub(crate) reuse: bool,
    /// Time image-all beside the docker commands that it runs, and beside a script's sequence of build, tests
    /// and push; removes the images of missions and empties the builder's cache
    #[arg(long)]
    pub(crate) compare: bool,
    /// Time two missions on a conda base, in a clone of this repository
    #[arg(long)]
    pub(crate) conda: bool,
    /// Time the hub on this machine and hub-render, which needs Helm, in a clone of this repository
    #[arg(long)]
    pub(crate) hubs: bool,
    /// Time `ci --cluster`, and how soon a deployment ends there whose image does not exist
    #[arg(long)]
    pub(crate) cluster: bool,
    /// Time tests of notebooks, beside one call of papermill for each
    #[arg(long)]
    pub(crate) notebooks: bool,
    /// Time `ci` in a clone of this repository, on an empty private engine
    #[arg(long)]
    pub(crate) ci: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Ci {
    /// Engine that builds and tests images; a private one by default, where that is possible
    #[arg(long, value_name = "ENGINE")]
    pub(crate) engine: Option<EngineOfCi>,
    /// Keep the data of the private engine in target/xtask/engine/ for the next run with --keep
    #[arg(long)]
    pub(crate) keep: bool,
    /// Run only this step; may be repeated
    #[arg(long, value_name = "STEP")]
    pub(crate) only: Vec<Step>,
    /// Run only the tests of hubs on Kubernetes, in new namespaces of the cluster that KUBECONFIG names
    #[arg(long, conflicts_with_all = ["engine", "keep", "only"])]
    pub(crate) cluster: bool,
}

impl Ci {
    pub(crate) fn wants_private(&self) -> bool {
        self.engine == Some(EngineOfCi::Private)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EngineOfCi {
    /// Start an engine and remove it at the end; status 3 where that is not possible
    Private,
    /// Use the engine of the environment
    Default,
}

#[derive(Debug, Args)]
pub(crate) struct ImageExec {
    /// Mission; DEPLOYMENT_NAME by default
    #[arg(short, long)]
    pub(crate) mission: Option<String>,
    /// Use the scripts and environments of the working tree instead of the image's
    #[arg(long)]
    pub(crate) dev: bool,
    /// Command and arguments, passed on unchanged
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) command: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct ImageSh {
    /// Mission; DEPLOYMENT_NAME by default
    pub(crate) mission: Option<String>,
    /// Use the scripts and environments of the working tree instead of the image's
    #[arg(long)]
    pub(crate) dev: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ImageLab {
    /// Mission; DEPLOYMENT_NAME by default
    pub(crate) mission: Option<String>,
    /// Use a folder of this machine as the home instead of a docker volume
    #[arg(long, value_name = "DIR")]
    pub(crate) home: Option<PathBuf>,
    /// Use the scripts and environments of the working tree instead of the image's
    #[arg(long)]
    pub(crate) dev: bool,
}
