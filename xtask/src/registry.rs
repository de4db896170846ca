//! Where images are published: a registry of others, or a container of ours on 127.0.0.1.

use std::{
    net::{Ipv4Addr, TcpListener},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};

use crate::{
    config::{Config, Registry},
    docker::{Docker, LABEL_ROLE, Remote},
    engine::Engine,
    process,
};

/// A registry that answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Host {
    /// `host[:port][/path]`, to which `/<mission>` is added.
    pub(crate) name: String,
}

/// Where the container keeps its images.
const VOLUME: &str = "science-platform-registry:/var/lib/registry";
const FIRST_PORT: u16 = 5000;
const PORTS: u16 = 100;

impl Host {
    /// The host of a `reference` with one.
    pub(crate) fn of(reference: &str) -> Host {
        Host { name: reference.split('/').next().unwrap_or_default().to_owned() }
    }

    /// Docker itself takes 127.0.0.0/8 as a place where plain HTTP will do:
    /// <https://docs.docker.com/reference/cli/dockerd/#insecure-registries>.
    fn is_plain_http(&self) -> bool {
        self.name.starts_with("127.") || self.name.starts_with("localhost:")
    }

    /// What the registry has under `repository:tag`.
    ///
    /// # Errors
    /// It does not answer, or refuses.
    pub(crate) fn remote(
        &self,
        docker: &Docker,
        reference: &str,
    ) -> anyhow::Result<Option<Remote>> {
        docker.remote(reference, self.is_plain_http())
    }
}

/// The registry that the settings name, if it is there without our doing: any but our own
/// container, or that one when it runs already.
///
/// # Errors
/// The engine does not answer.
pub(crate) fn running(engine: &Engine, config: &Config) -> anyhow::Result<Option<Host>> {
    match &config.registry {
        Registry::Remote(name) => Ok(Some(Host { name: name.clone() })),
        Registry::Local => Ok(ours(&engine.docker)?.and_then(|it| it.host)),
    }
}

/// Starts our registry from `image`, or starts it again, and waits until it answers.
///
/// # Errors
/// It does not start, or no port is free.
pub(crate) fn start(engine: &Engine, image: &str) -> anyhow::Result<Host> {
    let docker = &engine.docker;
    let mut log = engine.log("registry")?;
    if let Some(container) = ours(docker)? {
        engine.run(&docker.cmd(["container", "start", &container.id]), &mut log)?;
    } else {
        let publish = format!("127.0.0.1:{}:5000", free_port()?);
        let label = format!("{LABEL_ROLE}=registry");
        let run = docker.cmd(["run", "--detach", "--restart", "unless-stopped", "--label", &label]);
        engine.run(&run.args(["--publish", &publish, "--volume", VOLUME, image]), &mut log)?;
    }
    if engine.dry_run {
        return Ok(Host { name: "127.0.0.1:<port>".to_owned() });
    }
    log.step("waiting for its answer");
    let host = ours(docker)?.and_then(|it| it.host).context("the registry's container ended")?;
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut answer = host.remote(docker, &format!("{}/none:none", host.name));
    while answer.is_err() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(200));
        answer = host.remote(docker, &format!("{}/none:none", host.name));
    }
    answer.context("the registry's container does not answer")?;
    Ok(host)
}

/// Our registry's container.
struct Ours {
    id: String,
    /// `None` when it does not run.
    host: Option<Host>,
}

fn ours(docker: &Docker) -> anyhow::Result<Option<Ours>> {
    let label = format!("label={LABEL_ROLE}=registry");
    let format = "{{.ID}}\t{{.Ports}}";
    let ps = ["container", "ls", "--all", "--filter", &label, "--format", format];
    let text = process::read(&docker.cmd(ps))?;
    Ok(text.lines().next().map(parse_container))
}

/// From `0123abcd<tab>127.0.0.1:5000->5000/tcp`; no port is shown for one that does not run.
fn parse_container(line: &str) -> Ours {
    let (id, ports) = line.split_once('\t').unwrap_or((line, ""));
    let host = ports.split(", ").find_map(|it| it.strip_suffix("->5000/tcp"));
    Ours { id: id.to_owned(), host: host.map(|name| Host { name: name.to_owned() }) }
}

fn free_port() -> anyhow::Result<u16> {
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    match (FIRST_PORT..FIRST_PORT + PORTS).find(is_free) {
        Some(port) => Ok(port),
        None => bail!("no port from {FIRST_PORT} to {} is free", FIRST_PORT + PORTS - 1),
    }
}

#[test]
fn containers() {
    let it = parse_container("0123\t127.0.0.1:5001->5000/tcp");
    assert_eq!((it.id.as_str(), it.host.unwrap().name.as_str()), ("0123", "127.0.0.1:5001"));
    assert!(parse_container("0123\t").host.is_none());
}
