//! The arguments of tasks; doc comments are the help.

mod secrets;

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, ValueEnum};

use crate::task::ci::steps::Step;

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

/// Which missions a task is about.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Missions {
    /// Folders under missions/; none means DEPLOYMENT_NAME
    #[arg(value_name = "MISSION")]
    pub(crate) missions: Vec<String>,
    /// Every mission
    #[arg(long, conflicts_with = "missions")]
    pub(crate) all: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    #[command(flatten)]
    pub(crate) missions: Missions,
    /// Install and start what is missing: prints the commands, and asks before it runs them
    #[arg(long)]
    pub(crate) fix: bool,
    /// Run them without asking
    #[arg(long, requires = "fix")]
    pub(crate) yes: bool,
    /// Ask no hosts: neither package indexes nor the registry
    #[arg(long)]
    pub(crate) offline: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ImageUpdate {
    #[command(flatten)]
    pub(crate) missions: Missions,
    /// Change nothing; show the differences and fail if there are any
    #[arg(long)]
    pub(crate) check: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ImageBuild {
    #[command(flatten)]
    pub(crate) missions: Missions,
    /// Build although nothing changed: floating specs are solved again
    #[arg(long)]
    pub(crate) refresh: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ImageAll {
    #[command(flatten)]
    pub(crate) build: ImageBuild,
    /// Test images again that have a passing receipt
    #[arg(long)]
    pub(crate) again: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ImageTest {
    #[command(flatten)]
    pub(crate) missions: Missions,
    /// Test images again that have a passing receipt
    #[arg(long)]
    pub(crate) again: bool,
    /// Only tests of this environment; may be given more than once
    #[arg(long, value_name = "ENV")]
    pub(crate) env: Vec<String>,
    /// Only tests with such a name, e.g. '*.ipynb'; may be given more than once
    #[arg(long, value_name = "GLOB")]
    pub(crate) only: Vec<String>,
    /// Only imports
    #[arg(long)]
    pub(crate) imports: bool,
    /// Only notebooks
    #[arg(long)]
    pub(crate) notebooks: bool,
    /// Only the tests that failed in the last complete run
    #[arg(long)]
    pub(crate) failed: bool,
    /// How many tests of an image run at a time; the engine's cores by default
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) jobs: Option<u16>,
    /// Seconds for each notebook, 600 by default; execution.timeout in its metadata goes before it
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) timeout: Option<u32>,
    /// Test the newest image with the tests and scripts of the working tree
    #[arg(long)]
    pub(crate) dev: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ImagePush {
    #[command(flatten)]
    pub(crate) missions: Missions,
    /// Move this tag to images that are published and tested, and push nothing else
    #[arg(long, value_name = "TAG")]
    pub(crate) promote: Option<String>,
    /// What the tag is moved to, by digest or another tag; the current images when not given
    #[arg(long, value_name = "DIGEST|TAG", requires = "promote")]
    pub(crate) from: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Report {
    #[command(flatten)]
    pub(crate) missions: Missions,
    /// Where to write the page, instead of target/xtask/report.html
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ReceiptShow {
    /// The image, by the digest of its manifest
    #[arg(value_name = "IMAGE@DIGEST")]
    pub(crate) image: String,
}

#[derive(Debug, Args)]
pub(crate) struct Freeze {
    /// As ENV or MISSION/ENV; none means those of DEPLOYMENT_NAME
    #[arg(value_name = "ENV")]
    pub(crate) environments: Vec<String>,
    /// The environments of this mission
    #[arg(short, long)]
    pub(crate) mission: Option<String>,
    /// The environments of every mission
    #[arg(long, conflicts_with_all = ["environments", "mission"])]
    pub(crate) all: bool,
    /// Write nothing: are the frozen specs whole, and what the lists ask for? Needs no engine
    #[arg(long, conflicts_with_all = ["verify", "diff", "markdown", "refresh"])]
    pub(crate) check: bool,
    /// Write nothing: does the image built from the frozen specs give them again?
    #[arg(long, conflicts_with = "markdown")]
    pub(crate) verify: bool,
    /// Show a unified diff instead of a summary
    #[arg(long)]
    pub(crate) diff: bool,
    /// Show the summary as Markdown, for a pull request
    #[arg(long, conflicts_with = "diff")]
    pub(crate) markdown: bool,
    /// Build although nothing changed
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
    /// Only what is found in these files or folders; none means all that git does not ignore
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Mend what needs no decision: outputs, line ends, modes, generated Dockerfiles
    #[arg(long)]
    pub(crate) fix: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Package {
    /// The package's name
    pub(crate) package: String,
    /// Folders under missions/; none means DEPLOYMENT_NAME
    #[arg(value_name = "MISSION")]
    pub(crate) missions: Vec<String>,
    /// Every mission
    #[arg(long, conflicts_with = "missions")]
    pub(crate) all: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// As ENV or MISSION/ENV
    #[arg(value_name = "ENV")]
    pub(crate) environment: String,
    /// Compare with the frozen spec of this commit
    #[arg(long, value_name = "REV", default_value = "HEAD")]
    pub(crate) since: String,
    /// Compare the file with what the image consists of that is built already
    #[arg(long, conflicts_with = "since")]
    pub(crate) image: bool,
    /// Show the summary as Markdown, for a pull request
    #[arg(long)]
    pub(crate) markdown: bool,
}

#[derive(Debug, Args)]
pub(crate) struct MissionNew {
    /// The folder under missions/, and the image
    pub(crate) name: String,
    /// An environment, also its kernel; one of the mission's name when none is given
    #[arg(long = "env", value_name = "ENV")]
    pub(crate) envs: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Complete {
    /// Of the word at the cursor
    pub(crate) index: usize,
    /// The command line so far, beginning with `xtask`
    #[arg(last = true)]
    pub(crate) words: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// Also what takes minutes: empties the builder's cache, removes our images, builds from nothing
    #[arg(long)]
    pub(crate) cold: bool,
    /// Also what takes minutes with a large environment: roman's, in a clone of this repository
    #[arg(long)]
    pub(crate) missions: bool,
    /// Also what takes minutes on a conda base: two missions of the tests, in a clone of this repository
    #[arg(long)]
    pub(crate) conda: bool,
    /// Also what takes minutes: notebooks tested, beside papermill called once for each
    #[arg(long)]
    pub(crate) notebooks: bool,
    /// Also all of `ci` in a clone of this repository, on a private engine that is empty
    #[arg(long)]
    pub(crate) ci: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Ci {
    /// Where images are built and tested; a private engine where that is possible, by default
    #[arg(long, value_name = "ENGINE")]
    pub(crate) engine: Option<EngineOfCi>,
    /// Keep the private engine's data in target/xtask/engine/, and use those of the last such run
    #[arg(long)]
    pub(crate) keep: bool,
    /// Run only this step; may be given more than once
    #[arg(long, value_name = "STEP")]
    pub(crate) only: Vec<Step>,
}

impl Ci {
    pub(crate) fn wants_private(&self) -> bool {
        self.engine == Some(EngineOfCi::Private)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EngineOfCi {
    /// One that this run starts and removes; status 3 where that is not possible
    Private,
    /// The one that the environment names
    Default,
}

#[derive(Debug, Args)]
pub(crate) struct ImageExec {
    /// The mission; DEPLOYMENT_NAME when not given
    #[arg(short, long)]
    pub(crate) mission: Option<String>,
    /// With the scripts and environments of the working tree in place of the image's
    #[arg(long)]
    pub(crate) dev: bool,
    /// The command and its arguments, passed on untouched
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) command: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct ImageSh {
    /// The mission; DEPLOYMENT_NAME when not given
    pub(crate) mission: Option<String>,
    /// With the scripts and environments of the working tree in place of the image's
    #[arg(long)]
    pub(crate) dev: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ImageLab {
    /// The mission; DEPLOYMENT_NAME when not given
    pub(crate) mission: Option<String>,
    /// A folder of this machine as the home, in place of a docker volume
    #[arg(long, value_name = "DIR")]
    pub(crate) home: Option<PathBuf>,
    /// With the scripts and environments of the working tree in place of the image's
    #[arg(long)]
    pub(crate) dev: bool,
}
