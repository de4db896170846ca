//! Registries for published images: a remote one, or this tool's container on 127.0.0.1.

pub(crate) mod api;
pub(crate) mod candidates;
mod container;
mod login;
pub(crate) mod receipts;
pub(crate) mod seen;
pub(crate) mod earlier;
pub(crate) mod publish;
pub(crate) mod published;
mod reader;
pub(crate) mod retag;
pub(crate) mod reuse;
pub(crate) mod tag_moves;

use std::{
    net::{Ipv4Addr, TcpListener},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{anyhow, bail};

use self::{
    container::{Container, NAME},
    login::Login,
};
use crate::{
    image::runner::{Log, Runner},
    run::{
        failure, files,
        process::{self, Change},
        random::random_hex,
        terminal,
    },
    settings::config::{Config, Registry},
    tools::{
        docker::{Docker, RemoteImage},
        image_name::{ImageRef, Repository, Tag},
        retries::patience,
    },
};

/// A registry, and a docker CLI that is logged in there.
#[derive(Clone)]
pub(crate) struct Host {
    /// Name `host[:port][/path]`, to which `/<mission>` is added.
    pub(crate) name: String,
    docker: Docker,
    /// Login of the local registry; removed when the last copy is dropped.
    login: Option<Arc<Login>>,
}

/// Addresses on the loopback that are not the local registry's, by their engine, as far as this run knows.
static OTHERS: Mutex<Vec<(Docker, String)>> = Mutex::new(Vec::new());

/// File in a checkout's target folder with the password, for people.
const PASSWORD: &str = "registry.password";

const FIRST_PORT: u16 = 5000;
const PORTS: u16 = 100;

impl Host {
    /// Returns the registry `name`, with or without a repository. The local registry is recognised
    /// by its address: commands for it get its password, and the user's own logins are not changed.
    pub(crate) fn new(docker: &Docker, name: &str) -> anyhow::Result<Host> {
        let address = name.split('/').next().unwrap_or_default();
        let others = || OTHERS.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (docker.clone(), address.to_owned());
        if is_plain_http(address) && !others().contains(&key) {
            let found = Container::find(docker)?;
            match found {
                Some(it) if it.address.as_deref() == Some(address) => {
                    return Host::ours(docker, &it, name);
                }
                // Another checkout may start it at this address.
                Some(it) if it.address.is_none() => (),
                _ => others().push(key),
            }
        }
        Ok(Host { name: name.to_owned(), docker: docker.clone(), login: None })
    }

    fn ours(docker: &Docker, container: &Container, name: &str) -> anyhow::Result<Host> {
        let address = container.address.as_deref().unwrap_or_default();
        let login = Login::new(address, container.password.as_deref().unwrap_or_default())?;
        let docker = docker.with_config(login.dir());
        Ok(Host { name: name.to_owned(), docker, login: Some(Arc::new(login)) })
    }

    /// Returns whether this is the registry on this machine.
    pub(crate) fn is_local(&self) -> bool {
        self.login.is_some()
    }

    /// Returns the registry's repository of the images called `name`.
    pub(crate) fn repository(&self, name: &str) -> Repository {
        Repository::below(&self.name, name)
    }

    /// Returns the command that pushes the engine's image `reference`.
    pub(crate) fn push(&self, reference: &ImageRef) -> Change {
        self.docker.push(reference)
    }

    /// Returns the command that pulls an image, named by digest, to the engine.
    pub(crate) fn pull(&self, image: &ImageRef) -> Change {
        self.docker.pull(image)
    }

    /// Writes the password of the local registry to a file for people.
    pub(crate) fn keep_password(&self, runner: &Runner) -> anyhow::Result<()> {
        let (Some(login), Some(permit)) = (&self.login, runner.permit) else { return Ok(()) };
        files::write_private(permit, &runner.target().join(PASSWORD), login.password.as_bytes())
    }

    /// Asks the registry for an image that does not exist.
    pub(crate) fn ping(&self) -> anyhow::Result<()> {
        self.remote(&self.nothing()).map(drop)
    }

    /// Returns the name of an image that does not exist.
    fn nothing(&self) -> ImageRef {
        self.repository("none").tagged(&Tag::none())
    }

    /// Returns what the registry has under `repository:tag` or `repository@digest`.
    pub(crate) fn remote(&self, reference: &ImageRef) -> anyhow::Result<Option<RemoteImage>> {
        self.docker.remote(reference, is_plain_http(&self.name))
    }
}

/// Returns whether docker itself uses plain HTTP for the name, as for 127.0.0.0/8:
/// <https://docs.docker.com/reference/cli/dockerd/#insecure-registries>.
fn is_plain_http(name: &str) -> bool {
    name.starts_with("127.") || name.starts_with("localhost:")
}

/// Returns whether a registry is on this machine's loopback.
pub(crate) fn is_loopback(name: &str) -> bool {
    is_plain_http(name)
        || name.starts_with("[::1]")
        || name == "localhost"
        || name.starts_with("localhost/")
}

/// Returns the registry that the settings name, unless it is the local one and does not run.
pub(crate) fn running(runner: &Runner, config: &Config) -> anyhow::Result<Option<Host>> {
    let docker = &runner.docker;
    match &config.registry {
        Registry::Remote(name) => Ok(Some(Host::new(docker, name)?)),
        Registry::Local => match Container::find(docker)?.filter(Container::is_ready) {
            Some(it) => {
                Ok(Some(Host::ours(docker, &it, it.address.as_deref().unwrap_or_default())?))
            }
            None => Ok(None),
        },
    }
}

/// Returns the registry that the settings name, unless it is the local one and does not answer.
pub(crate) fn answering(runner: &Runner, config: &Config) -> anyhow::Result<Option<Host>> {
    let Some(host) = running(runner, config)? else { return Ok(None) };
    if matches!(config.registry, Registry::Remote(_)) {
        return Ok(Some(host));
    }
    match seen::under(&host, config, &host.nothing()) {
        Err(err) if failure::status(&err) == 1 => Ok(None),
        answer => answer.map(|_| Some(host)),
    }
}

/// Refuses to start the registry on the engine's machine if that is another one: its address is on the
/// loopback there, so that nothing here reaches it.
pub(crate) fn check_is_here(docker: &Docker) -> anyhow::Result<()> {
    match docker.elsewhere()? {
        None => Ok(()),
        Some(engine) => bail!(
            "REGISTRY=local: the engine is on another machine ({engine}), whose 127.0.0.1 is not this machine's\nfix: set REGISTRY to a registry that both machines reach"
        ),
    }
}

/// Returns the ids of local registries that earlier versions of this tool started, and that anybody on the
/// machine may write to.
pub(crate) fn of_earlier_versions(runner: &Runner) -> anyhow::Result<Vec<String>> {
    container::of_earlier_versions(&runner.docker)
}

/// Removes registries of earlier versions. Their images stay: the next push starts a new registry on the
/// same volume.
pub(crate) fn retire(runner: &Runner, ids: &[String]) -> anyhow::Result<()> {
    let Some(permit) = runner.permit else { return Ok(()) };
    for id in ids {
        container::remove(permit, &runner.docker, id)?;
        terminal::say(
            "removed the registry of an earlier version, which had no password; its images stay",
        );
    }
    Ok(())
}

/// Number of times the container may be found in a state that must change: another checkout may
/// start it, or replace it, at the same time.
const ROUNDS: u32 = 10;

/// Number of times a container is replaced that does not start or does not answer.
const REPLACED: u32 = 2;

/// Starts the local registry from `image`, or starts it again, and waits until it answers. The name
/// of its container is the lock: of several runs one creates it, and the others wait.
pub(crate) fn start(runner: &Runner, image: &ImageRef) -> anyhow::Result<Host> {
    let docker = &runner.docker;
    let mut log = runner.log("registry")?;
    let Some(permit) = runner.permit else {
        create(runner, image, "", &mut log)?;
        let (name, docker) = ("127.0.0.1:<port>".to_owned(), docker.with_config("<config>"));
        return Ok(Host { name, docker, login: None });
    };
    let mut password = random_hex()?;
    let mut replaced = 0;
    let mut failed = anyhow!("{NAME} is removed again and again by another run");
    for _ in 0..ROUNDS {
        process::check_interrupted()?;
        let Some(found) = Container::find(docker)? else {
            failed = create(runner, image, &password, &mut log).err().unwrap_or(failed);
            continue;
        };
        let res = match found.is_ready() {
            true => wait(docker, &found, &mut log),
            false => found.start(runner, &mut log).map(|()| None),
        };
        match res {
            Ok(Some(host)) => return Ok(host),
            Ok(None) => (),
            Err(err) if failure::status(&err) != 1 => return Err(err),
            Err(err) if replaced == REPLACED => {
                failed = err;
                break;
            }
            // Half created, or another program uses its port now: its images are in the volume.
            Err(err) => {
                (failed, replaced) = (err, replaced + 1);
                password = found.password.clone().unwrap_or(password);
                container::remove(permit, docker, &found.id)?;
            }
        }
    }
    Err(failed.context("the registry on this machine does not start"))
}

/// Creates and starts the container. Another run that was first is not a failure.
fn create(runner: &Runner, image: &ImageRef, password: &str, log: &mut Log) -> anyhow::Result<()> {
    let network = container::network(runner, log)?;
    let run = container::run(&runner.docker, image, &network, free_port()?, password);
    match runner.run(&run, log) {
        Err(err) if failure::status(&err) != 1 || Container::find(&runner.docker)?.is_none() => {
            Err(err)
        }
        _ => Ok(()),
    }
}

/// Waits until the registry answers. Returns `None` when another run replaced its container
/// meanwhile.
fn wait(docker: &Docker, container: &Container, log: &mut Log) -> anyhow::Result<Option<Host>> {
    log.step("waiting for the registry's answer");
    let host = Host::ours(docker, container, container.address.as_deref().unwrap_or_default())?;
    let deadline = Instant::now() + patience();
    loop {
        match host.ping() {
            Ok(()) => return Ok(Some(host)),
            Err(err) if failure::status(&err) != 1 => return Err(err),
            Err(err) if Instant::now() > deadline => {
                let seconds = patience().as_secs();
                return Err(err.context(format!("{NAME} does not answer after {seconds} s")));
            }
            Err(_) if Container::find(docker)?.is_none_or(|it| it.id != container.id) => {
                return Ok(None);
            }
            Err(_) => thread::sleep(Duration::from_millis(200)),
        }
    }
}

fn free_port() -> anyhow::Result<u16> {
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    match (FIRST_PORT..FIRST_PORT + PORTS).find(is_free) {
        Some(port) => Ok(port),
        None => bail!("no port from {FIRST_PORT} to {} is free", FIRST_PORT + PORTS - 1),
    }
}
