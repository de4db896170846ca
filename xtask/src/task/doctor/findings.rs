//! From what was found to what is missing, and what mends it. Pure.

use std::path::Path;

use serde::Serialize;

use super::{
    facts::{Answer, Facts, Problem},
    secrets::Lack,
};
use crate::process::{Cmd, cmd};

/// Something that is not as the main job needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// `tools`, `engine`, `buildkit`, `rootfs`, `disk`, `registry`, `ca`, `proxy`, `network`, `clock`,
    /// `secrets`.
    pub(crate) name: &'static str,
    pub(crate) what: String,
    /// For a person.
    pub(crate) fix: String,
    /// What `--fix` runs, where it can.
    #[serde(skip)]
    pub(super) commands: Vec<Cmd>,
}

/// Seconds by which clocks may differ: certificates and package lists are valid for days.
const SKEW: i64 = 300;

/// Everything that is missing, in the order in which to mend it.
pub(super) fn findings(facts: &Facts, root: &Path) -> Vec<Finding> {
    let mut res = Vec::new();
    if !facts.missing_tools.is_empty() {
        let what = format!("not on PATH: {}", facts.missing_tools.join(", "));
        let commands = apt(facts, root, &facts.missing_tools);
        res.push(finding("tools", &what, "install them", commands));
    }
    res.extend(facts.engine.as_ref().map(|what| engine(facts, root, what)));
    if let Some(what) = &facts.buildkit {
        let fix = "install the buildx plugin: https://docs.docker.com/build/install-buildx/";
        res.push(finding("buildkit", what, fix, Vec::new()));
    }
    if facts.needs_rootfs && !facts.has_mmdebstrap {
        let what = "mmdebstrap is not on PATH; it makes the embedded base's root file system";
        let fix = "install mmdebstrap, or set DEBIAN_IMAGE=debian:trixie-slim@sha256:<digest> (`docker pull debian:trixie-slim` prints the digest)";
        let packages = ["mmdebstrap", "debian-archive-keyring"];
        res.push(finding("rootfs", what, fix, apt(facts, root, &packages)));
    }
    if let Some(free) = facts.free.filter(|it| *it < facts.needed) {
        let (free, needed) = (free / 1_000_000, facts.needed / 1_000_000);
        let what = format!(
            "docker has {free} MB of free disk space; the images that are not there yet, and what builds keep, take about {needed}"
        );
        let fix = "make room, for example with `docker system prune`";
        res.push(finding("disk", &what, fix, Vec::new()));
    }
    if let Some(what) = &facts.registry {
        let fix = "`docker login` to it, or correct REGISTRY";
        res.push(finding("registry", what, fix, Vec::new()));
    }
    res.extend(facts.answers.iter().filter_map(unreachable));
    if let Some(ahead) = facts.clock.filter(|it| it.abs() > SKEW) {
        let (word, by) = if ahead > 0 { ("ahead", ahead) } else { ("behind", -ahead) };
        let what = format!("this machine's clock is {by} s {word} of others': certificates fail");
        let fix =
            "set it: `timedatectl set-ntp true`; restart a docker that runs in a virtual machine";
        res.push(finding("clock", &what, fix, Vec::new()));
    }
    let secrets = |it: &Lack| {
        let commands = it.package.map(|it| apt(facts, root, &[it])).unwrap_or_default();
        finding("secrets", &it.what, it.fix, commands)
    };
    res.extend(facts.secrets.iter().map(secrets));
    res
}

fn engine(facts: &Facts, root: &Path, what: &str) -> Finding {
    let mut commands = Vec::new();
    if facts.other_engine.is_none() && facts.has_apt {
        if !facts.has_docker {
            commands = apt(facts, root, &["docker.io"]);
        }
        commands.push(cmd!(root, "service docker start"));
    }
    let fix = match facts.other_engine {
        Some("podman") => "install docker beside podman, whose build cache misses changes of mounted files: https://docs.docker.com/engine/install/".to_owned(),
        Some(name) => format!("start the engine that {name} names, or unset it"),
        None => "install and start docker: https://docs.docker.com/engine/install/".to_owned(),
    };
    finding("engine", what, &fix, commands)
}

fn unreachable(answer: &Answer) -> Option<Finding> {
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
    Some(finding(name, &format!("{url} does not answer as it should: {text}"), &fix, Vec::new()))
}

fn apt(facts: &Facts, root: &Path, packages: &[&str]) -> Vec<Cmd> {
    if !facts.has_apt {
        return Vec::new();
    }
    let install = cmd!(root, "apt-get install --yes --no-install-recommends {packages...}");
    vec![cmd!(root, "apt-get update"), install.env("DEBIAN_FRONTEND", "noninteractive")]
}

fn finding(name: &'static str, what: &str, fix: &str, commands: Vec<Cmd>) -> Finding {
    let printed = commands.iter().map(|it| format!("\n        {it}")).collect::<String>();
    let fix = match commands.is_empty() {
        true => fix.to_owned(),
        false => format!("cargo xtask doctor --fix, which runs{printed}"),
    };
    Finding { name, what: what.to_owned(), fix, commands }
}

#[cfg(test)]
mod tests;
