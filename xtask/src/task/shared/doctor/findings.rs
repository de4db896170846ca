//! Turns facts into findings, each with its fix. Pure.

use std::path::Path;

use serde::Serialize;

use super::{
    facts::{Answer, Facts, Problem},
    secrets::MissingTool,
};
use crate::{
    run::process::Change,
    tools::{apt, docker::build::INSTALL_BUILDX, system},
};

/// A problem of this machine that affects the main job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// Name `tools`, `engine`, `buildkit`, `builder`, `rootfs`, `disk`, `registry`, `ca`, `proxy`,
    /// `network`, `clock`, `secrets` or `clusters`.
    pub(crate) name: &'static str,
    pub(crate) what: String,
    /// Fix for a person.
    pub(crate) fix: String,
    /// Commands that `--fix` runs, if it can.
    #[serde(skip)]
    pub(super) commands: Vec<Change>,
}

impl Finding {
    /// Drops commands that were run already without effect.
    pub(super) fn note(&mut self, ran: &[Change]) {
        if self.commands.is_empty() || self.commands.iter().any(|it| !ran.contains(it)) {
            return;
        }
        self.fix = match self.name {
            "engine" => "docker was told to start, and no engine answers: see what was said above, /var/log/docker.log, or `journalctl --unit docker`",
            _ => "its commands were run, and did not help",
        }
        .to_owned();
    }
}

/// Allowed difference of clocks in seconds: certificates and package lists are valid for days.
const SKEW: i64 = 300;

/// Returns all findings, in the order in which to fix them.
pub(super) fn findings(facts: &Facts, root: &Path) -> Vec<Finding> {
    let mut res = Vec::new();
    if !facts.missing_tools.is_empty() {
        let what = format!("not on PATH: {}", facts.missing_tools.join(", "));
        let commands = apt(facts, root, &facts.missing_tools);
        res.push(finding(facts, "tools", &what, "install them", commands));
    }
    res.extend(facts.engine.as_ref().map(|what| engine(facts, root, what)));
    if let Some(what) = &facts.buildkit {
        let packages = || apt(facts, root, &["docker-buildx"]);
        let commands = facts.is_docker_io.then(packages).unwrap_or_default();
        res.push(finding(facts, "buildkit", what, INSTALL_BUILDX, commands));
    }
    if let Some((what, fix)) = &facts.builder {
        res.push(finding(facts, "builder", what, fix, Vec::new()));
    }
    if facts.needs_rootfs && !facts.has_mmdebstrap {
        let what =
            "mmdebstrap is not on PATH; the embedded base's root file system is built with it";
        let fix = "install mmdebstrap, or set DEBIAN_IMAGE=debian:trixie-slim@sha256:<digest> (`docker pull debian:trixie-slim` prints the digest)";
        let packages = ["mmdebstrap", "debian-archive-keyring"];
        res.push(finding(facts, "rootfs", what, fix, apt(facts, root, &packages)));
    }
    if let Some(free) = facts.free.filter(|it| *it < facts.needed) {
        let (free, needed) = (free / 1_000_000, facts.needed / 1_000_000);
        let what = format!(
            "docker has {free} MB of free disk space; the images that are not there yet, and what builds keep, take about {needed}"
        );
        let fix = "make room, for example with `docker system prune`";
        res.push(finding(facts, "disk", &what, fix, Vec::new()));
    }
    if let Some(what) = &facts.registry {
        let fix = "`docker login` to it, or correct REGISTRY";
        res.push(finding(facts, "registry", what, fix, Vec::new()));
    }
    res.extend(facts.answers.iter().filter_map(|it| unreachable(facts, it)));
    if let Some(ahead) = facts.clock.filter(|it| it.abs() > SKEW) {
        let (word, by) = if ahead > 0 { ("ahead", ahead) } else { ("behind", -ahead) };
        let what = format!("this machine's clock is {by} s {word} of others': certificates fail");
        let fix =
            "set it: `timedatectl set-ntp true`; restart a docker that runs in a virtual machine";
        res.push(finding(facts, "clock", &what, fix, Vec::new()));
    }
    let secrets = |it: &MissingTool| {
        let commands = it.package.map(|it| apt(facts, root, &[it])).unwrap_or_default();
        finding(facts, "secrets", &it.what, it.fix, commands)
    };
    res.extend(facts.secrets.iter().map(secrets));
    let clusters = |it: &MissingTool| finding(facts, "clusters", &it.what, it.fix, Vec::new());
    res.extend(facts.clusters.iter().map(clusters));
    res
}

/// Returns advice about a setup that works, and could be faster. These drivers find the changes of
/// a step by a walk through the whole image; the kernel's overlayfs has them in a folder
/// (<https://docs.docker.com/engine/storage/drivers/select-storage-driver/>).
pub(super) fn advice(facts: &Facts) -> Option<String> {
    let driver = &facts.storage_driver;
    matches!(driver.as_str(), "fuse-overlayfs" | "vfs").then(|| {
        format!(
            "note: docker keeps layers with {driver}, which walks through the whole image after each change; with overlay2 an edit of a large mission is built and tested in a third of the time: set `\"storage-driver\": \"overlay2\"` in /etc/docker/daemon.json, where the kernel allows it (images are built again)"
        )
    })
}

fn engine(facts: &Facts, root: &Path, what: &str) -> Finding {
    let mut commands = Vec::new();
    // Docker's CLI prints this for an engine that runs.
    let is_closed = what.contains("permission denied");
    if facts.other_engine.is_none() && facts.has_apt && !is_closed {
        if !facts.has_docker {
            commands = apt::install_docker(root);
        }
        commands.push(system::start_engine(root));
    }
    let fix = match facts.other_engine {
        Some("podman") => "install docker beside podman, whose build cache misses changes of mounted files: https://docs.docker.com/engine/install/".to_owned(),
        Some(name) if !facts.has_docker => format!(
            "install docker's CLI, to talk to the engine that {name} names: the packages docker-ce-cli and docker-buildx-plugin of https://docs.docker.com/engine/install/"
        ),
        Some(name) => format!("start the engine that {name} names, or unset it"),
        None if is_closed => "let root add you to the group docker, whose members can do all that root can, and log in again: `usermod --append --groups docker <you>`".to_owned(),
        None => "install and start docker: https://docs.docker.com/engine/install/".to_owned(),
    };
    finding(facts, "engine", what, &fix, commands)
}

fn unreachable(facts: &Facts, answer: &Answer) -> Option<Finding> {
    let Answer { setting, url, problem } = answer;
    let (name, text, fix) = match problem.as_ref()? {
        Problem::Tls(text) => (
            "ca",
            text.clone(),
            "set CA_BUNDLE to a file with the certificates that your network's proxy signs with"
                .to_owned(),
        ),
        Problem::Proxy(text) => {
            ("proxy", text.clone(), "correct HTTPS_PROXY, HTTP_PROXY and NO_PROXY".to_owned())
        }
        Problem::Network(text) => (
            "network",
            text.clone(),
            format!("set {setting} to a mirror that this machine reaches"),
        ),
        Problem::Status(status) => {
            ("network", format!("status {status}"), format!("correct {setting}"))
        }
    };
    Some(finding(
        facts,
        name,
        &format!("{url} does not answer as it should: {text}"),
        &fix,
        Vec::new(),
    ))
}

fn apt(facts: &Facts, root: &Path, packages: &[&str]) -> Vec<Change> {
    if !facts.has_apt {
        return Vec::new();
    }
    apt::install(root, packages)
}

/// Returns a finding. Only root can run commands that install or start something; other users get
/// instructions.
fn finding(
    facts: &Facts,
    name: &'static str,
    what: &str,
    fix: &str,
    mut commands: Vec<Change>,
) -> Finding {
    let printed = commands.iter().map(|it| format!("\n        {it}")).collect::<String>();
    let fix = match (commands.is_empty(), facts.is_root) {
        (true, _) => fix.to_owned(),
        (false, true) => format!("cargo xtask doctor --fix, which runs{printed}"),
        (false, false) => format!("run as root{printed}"),
    };
    if !facts.is_root {
        commands.clear();
    }
    Finding { name, what: what.to_owned(), fix, commands }
}

#[cfg(test)]
mod tests;
