//! `doctor`: what this machine lacks for the main job, and the command that mends it.

use std::{env, path::Path};

use anyhow::Context as _;
use serde::Serialize;

use crate::{
    cli::Missions,
    config::{Base, Config},
    docker::Docker,
    failure,
    process::{self, Cmd, cmd},
    task::Desk,
    ui::Colour,
};

/// Something that is not as the main job needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// `tools`, `engine`, `buildkit`, `rootfs` or `disk`.
    pub(crate) name: &'static str,
    pub(crate) what: String,
    /// For a person.
    pub(crate) fix: String,
    /// What `--fix` runs, where it can.
    #[serde(skip)]
    commands: Vec<Cmd>,
}

/// What was found on this machine.
#[derive(Debug)]
struct Facts {
    /// Those of [`TOOLS`] that are not on `PATH`.
    missing_tools: Vec<&'static str>,
    /// Why no engine answers, if none does.
    engine: Option<String>,
    /// Why no CLI can build, if none can.
    buildkit: Option<String>,
    /// Whether the embedded base's root file system has to be made here.
    needs_rootfs: bool,
    has_mmdebstrap: bool,
    /// Bytes, where docker keeps its images; unknown on a remote engine.
    free: Option<u64>,
    /// Root on Debian or Ubuntu: packages can be installed.
    has_apt: bool,
    has_docker: bool,
    /// Whether settings, environment or contexts name an engine: then starting one is no help.
    names_an_engine: bool,
}

/// Programs that tasks start, which are packages of the same name in Debian.
const TOOLS: &[&str] = &["git", "python3"];

/// The embedded base, the common image and `hello`, with the builder's cache.
const NEEDED: u64 = 6_000_000_000;

/// Reports, mends if asked to, and gives the exit status.
pub(crate) fn run(desk: &Desk<'_>, fix: bool) -> anyhow::Result<u8> {
    let config = config(desk)?;
    let mut findings = findings(&gather(desk, &config)?, &desk.repo.root);
    if fix && findings.iter().any(|it| !it.commands.is_empty()) {
        mend(desk, &findings)?;
        if desk.cli.dry_run {
            return Ok(0);
        }
        findings = self::findings(&gather(desk, &config)?, &desk.repo.root);
    }
    if desk.cli.json {
        println!("{}", serde_json::to_string_pretty(&findings).context("findings are plain data")?);
    }
    for it in &findings {
        let name = desk.ui.paint(Colour::Red, it.name);
        desk.ui.say(format!("{name}: {}\n    fix: {}", it.what, it.fix));
    }
    if findings.is_empty() {
        desk.ui.say("nothing is missing");
    }
    Ok(if findings.is_empty() { 0 } else { 3 })
}

fn config(desk: &Desk<'_>) -> anyhow::Result<Config> {
    let named = desk.named(&Missions::default()).map_err(failure::request)?;
    Ok(named.into_iter().next().context("a task is about a mission")?.config)
}

fn gather(desk: &Desk<'_>, config: &Config) -> anyhow::Result<Facts> {
    let docker = Docker::find(config.docker.as_deref(), &desk.repo.root);
    let text = |err: anyhow::Error| failure::text(&err);
    let (engine, buildkit, has_images) = match &docker {
        Err(err) => (Some(failure::text(err)), None, false),
        Ok(docker) => (
            docker.engine_platform().err().map(text),
            docker.builder(config.docker.as_deref()).err().map(text),
            docker.image("science-platform/rootfs:latest").is_ok_and(|it| it.is_some()),
        ),
    };
    let is_local = config.base == Base::Embedded && config.debian_image.is_none();
    Ok(Facts {
        missing_tools: TOOLS.iter().filter(|it| !on_path(it)).copied().collect(),
        free: match (&engine, &docker) {
            (None, Ok(docker)) => free_space(docker)?,
            _ => None,
        },
        engine,
        buildkit,
        needs_rootfs: is_local && !has_images,
        has_mmdebstrap: on_path("mmdebstrap"),
        has_apt: on_path("apt-get") && nix::unistd::geteuid().is_root(),
        has_docker: docker.is_ok(),
        names_an_engine: env::var_os("DOCKER_HOST").is_some()
            || env::var_os("DOCKER_CONTEXT").is_some(),
    })
}

fn findings(facts: &Facts, root: &Path) -> Vec<Finding> {
    let mut res = Vec::new();
    let apt = |packages: &[&str]| {
        let install = cmd!(root, "apt-get install --yes --no-install-recommends {packages...}")
            .env("DEBIAN_FRONTEND", "noninteractive");
        if facts.has_apt { vec![cmd!(root, "apt-get update"), install] } else { Vec::new() }
    };
    if !facts.missing_tools.is_empty() {
        let what = format!("not on PATH: {}", facts.missing_tools.join(", "));
        res.push(finding("tools", &what, "install them", apt(&facts.missing_tools)));
    }
    if let Some(what) = &facts.engine {
        let start = cmd!(root, "service docker start");
        let mut commands = if facts.has_docker { Vec::new() } else { apt(&["docker.io"]) };
        if facts.has_apt {
            commands.push(start);
        }
        if facts.names_an_engine {
            commands.clear();
        }
        let fix = "install and start docker: https://docs.docker.com/engine/install/";
        res.push(finding("engine", what, fix, commands));
    }
    if let Some(what) = &facts.buildkit {
        let fix = "install the buildx plugin: https://docs.docker.com/build/install-buildx/";
        res.push(finding("buildkit", what, fix, Vec::new()));
    }
    if facts.needs_rootfs && !facts.has_mmdebstrap {
        let what = "mmdebstrap is not on PATH; it makes the embedded base's root file system";
        let fix = "install mmdebstrap, or set DEBIAN_IMAGE=debian:trixie-slim@sha256:<digest> (`docker pull debian:trixie-slim` prints the digest)";
        let packages = ["mmdebstrap", "debian-archive-keyring"];
        res.push(finding("rootfs", what, fix, apt(&packages)));
    }
    if let Some(free) = facts.free.filter(|it| *it < NEEDED) {
        let what = format!(
            "docker has {} MB of free disk space, a first build takes {}",
            free / 1_000_000,
            NEEDED / 1_000_000
        );
        res.push(finding(
            "disk",
            &what,
            "make room, for example with `docker system prune`",
            Vec::new(),
        ));
    }
    res
}

fn finding(name: &'static str, what: &str, fix: &str, commands: Vec<Cmd>) -> Finding {
    let printed = commands.iter().map(|it| format!("\n        {it}")).collect::<String>();
    let fix = match commands.is_empty() {
        true => fix.to_owned(),
        false => format!("cargo xtask doctor --fix, which runs{printed}"),
    };
    Finding { name, what: what.to_owned(), fix, commands }
}

/// Runs the commands of all findings, each printed first.
///
/// # Errors
/// One of them fails; the finding then stays, so the status is 3.
pub(crate) fn mend(desk: &Desk<'_>, findings: &[Finding]) -> anyhow::Result<()> {
    for it in findings.iter().flat_map(|it| &it.commands) {
        desk.ui.say(format!("$ {it}"));
        if desk.cli.dry_run {
            continue;
        }
        let status = process::lines(it, &mut |line| {
            if desk.ui.verbose {
                desk.ui.say(line);
            }
        })?;
        if status != 0 {
            return Err(failure::machine("tools", format!("`{it}` failed with status {status}")));
        }
    }
    Ok(())
}

fn on_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|it| it.join(program).is_file())
}

/// Free bytes where the engine keeps its images, when that is on this machine.
fn free_space(docker: &Docker) -> anyhow::Result<Option<u64>> {
    let root = process::read(&docker.cmd(["info", "--format", "{{.DockerRootDir}}"]))?;
    let root = Path::new(root.trim());
    let Ok(stat) = nix::sys::statvfs::statvfs(root) else { return Ok(None) };
    Ok(Some(stat.blocks_available() * stat.fragment_size()))
}

#[cfg(test)]
mod tests;
