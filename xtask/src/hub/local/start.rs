//! Starts the hub's container, in place of an earlier one.

use std::{
    net::{IpAddr, Ipv4Addr, TcpListener},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, anyhow, bail};
use serde_json::json;

use super::{CLIENT, Hub, SMOKE_USER, STOP, Secrets, choices::Choice, role, socket};
use crate::{
    image::{
        leftovers::Record,
        runner::{Log, Runner},
    },
    run::{
        failure, files,
        process::{self, Permit},
        terminal,
    },
    tools::{
        docker::{
            Docker, LABEL_HUB_CHOICES, LABEL_HUB_INPUTS, LABEL_RUN,
            container::{NO_ARGS, NewContainer},
            hub::HubContainer,
            leftover::Kind,
        },
        system::{self, Owned},
    },
};

/// Everything that the hub's container is made from, besides the secrets.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) hub: Hub,
    /// Id of the hub's image.
    pub(crate) image: String,
    pub(crate) socket: socket::Socket,
    pub(crate) bind: String,
    /// Port from the settings; the first free one if `None`.
    pub(crate) port: Option<u16>,
    pub(crate) choices: Vec<Choice>,
    /// Seconds that a server may take to start.
    pub(crate) start_timeout: u64,
    /// Time that the hub may take to answer.
    pub(crate) patience: Duration,
}

const FIRST_PORT: u16 = 8000;
const PORTS: u16 = 100;

/// Lines of a hub that does not start that are shown.
const LINES: usize = 10;

impl Plan {
    /// Returns a digest of what an unchanged hub has in common with this plan.
    pub(crate) fn inputs(&self) -> String {
        let Plan { image, socket, bind, port, choices, start_timeout, .. } = self;
        let text = format!("{image} {socket:?} {bind} {port:?} {start_timeout}");
        let choices = serde_json::to_string(choices).unwrap_or_default();
        blake3::hash((text + &choices).as_bytes()).to_hex().to_string()
    }

    /// Returns whether `running` is the hub of this plan.
    pub(crate) fn is(&self, running: &HubContainer) -> bool {
        let has_password = self.hub.password_file().is_file();
        running.is_running
            && running.address.is_some()
            && has_password
            && running.label(LABEL_HUB_INPUTS) == self.inputs()
    }

    /// Returns the port to publish: that of the hub which this one replaces, if no other is set.
    ///
    /// # Errors
    /// The port is in use on this machine, unless the engine is on another one.
    fn port(&self, replaced: Option<&HubContainer>) -> anyhow::Result<u16> {
        let held = replaced.and_then(|it| it.address.as_deref()).and_then(port_of);
        let address: IpAddr = self.bind.parse().unwrap_or(Ipv4Addr::LOCALHOST.into());
        let is_free = |port: u16| {
            self.socket.elsewhere.is_some()
                || held == Some(port)
                || TcpListener::bind((address, port)).is_ok()
        };
        match self.port.or(held) {
            Some(port) if is_free(port) => Ok(port),
            Some(port) => Err(in_use(&self.bind, port)),
            None => (FIRST_PORT..FIRST_PORT + PORTS)
                .find(|it| is_free(*it))
                .with_context(|| format!("no port from {FIRST_PORT} to {}", FIRST_PORT + PORTS - 1))
                .context("all ports are in use; fix: `--set HUB_PORT=<port>`"),
        }
    }

    fn settings(&self, secrets: &Secrets, run_label: &str) -> String {
        json!({
            "name": self.hub.name,
            "base_url": self.hub.base_url,
            "password": secrets.password,
            "smoke_token": secrets.smoke_token,
            "smoke_user": SMOKE_USER,
            "run_label": run_label,
            "start_timeout": self.start_timeout,
            "choices": self.choices,
        })
        .to_string()
    }
}

fn port_of(address: &str) -> Option<u16> {
    address.rsplit_once(':')?.1.parse().ok()
}

fn in_use(bind: &str, port: u16) -> anyhow::Error {
    failure::request(anyhow!(
        "port {port} of {bind} is in use by another program\nfix: `--set HUB_PORT=<another port>`, or leave it empty"
    ))
}

/// Replaces the hub's container by one of `plan`, and returns its id and the record of what was made,
/// which ends with the hub unless it is kept. `None` in a dry run.
///
/// # Errors
/// The hub does not answer; its container and what else this run made is removed.
pub(crate) fn start(
    runner: &Runner,
    plan: &Plan,
    replaced: Option<&HubContainer>,
    log: &mut Log,
) -> anyhow::Result<Option<(HubContainer, Record)>> {
    let docker = &runner.docker;
    let port = plan.port(replaced)?;
    let record = runner.permit.map(|it| Record::new(it, docker, &runner.target())).transpose()?;
    let label = record.as_ref().map_or_else(|| format!("{LABEL_RUN}=<run>"), Record::label);
    shared_objects(runner, &plan.hub, &label, log)?;
    if let Some(replaced) = replaced {
        log.step("removing the earlier hub");
        runner.status(&docker.stop(std::slice::from_ref(&replaced.id), STOP), log)?;
        runner.run(&docker.remove(Kind::Container, &replaced.id), log)?;
    }
    log.step("starting the hub");
    let cidfile = runner.target().join("hub.cid");
    if let Some(permit) = runner.permit {
        files::remove(permit, &cidfile)?;
    }
    let create = create(docker, plan, port, &label).cidfile(&cidfile).image(&plan.image, NO_ARGS);
    runner.run(&create, log)?;
    let id = match runner.permit {
        Some(_) => fs_err::read_to_string(&cidfile)?.trim().to_owned(),
        None => "<container-id>".to_owned(),
    };
    send_settings(runner, plan, &label, &id, log)?;
    let started = runner.run(&docker.start(&id), log);
    started.map_err(|err| of_port(err, &plan.bind, port))?;
    let (Some(permit), Some(record)) = (runner.permit, record) else { return Ok(None) };
    files::remove(permit, &cidfile)?;
    log.step("waiting for the hub's answer");
    wait(permit, docker, plan, &id)?;
    let container = plan.hub.container(docker)?.filter(|it| it.id == id);
    Ok(Some((container.context("the hub was removed meanwhile")?, record)))
}

/// Creates the network and the volume of the hub's state, unless they exist.
fn shared_objects(runner: &Runner, hub: &Hub, run: &str, log: &mut Log) -> anyhow::Result<()> {
    let docker = &runner.docker;
    let (own, state) = (hub.label(), role("hub-state"));
    if docker.network_with(&own)?.is_none() {
        runner.run(&docker.make_network(&hub.name, &[&own, run]), log)?;
    }
    let name = hub.state();
    let labels = [own.clone(), state.clone()];
    if !docker.all_with(Kind::Volume, &labels)?.contains(&name) {
        runner.run(&docker.make_volume(&name, &[&own, &state, run]), log)?;
    }
    Ok(())
}

fn create(docker: &Docker, plan: &Plan, port: u16, run: &str) -> NewContainer {
    let Plan { hub, bind, .. } = plan;
    let bind = if bind.contains(':') { format!("[{bind}]") } else { bind.clone() };
    let served = |it: &Choice| json!({"id": it.id, "mission": it.mission, "image": it.image});
    let shown: Vec<_> = plan.choices.iter().map(served).collect();
    let labels = [
        hub.label(),
        role("hub"),
        run.to_owned(),
        format!("{LABEL_HUB_INPUTS}={}", plan.inputs()),
        format!("{LABEL_HUB_CHOICES}={}", serde_json::Value::from(shown)),
    ];
    let container = labels.iter().fold(docker.create(), |res, it| res.label(it));
    container
        .restarted(&format!("{}-hub", hub.name))
        .network(&hub.name)
        .init(&hub.name)
        .without_health_check()
        .publish(&format!("{bind}:{port}:8000"))
        .folder(Path::new(&plan.socket.path), socket::SOCKET)
        .group(plan.socket.group)
        .volume(&hub.state(), "/srv/hub")
}

/// Sends the settings, with the secrets, as a file that the hub's user alone may read.
fn send_settings(
    runner: &Runner,
    plan: &Plan,
    run_label: &str,
    id: &str,
    log: &mut Log,
) -> anyhow::Result<()> {
    let file = plan.hub.settings_file();
    let name = file.file_name().context("the settings are a file")?.to_string_lossy().into_owned();
    let dir = file.parent().context("a file has a folder")?;
    let to = runner.docker.unpack(id, "/etc/hub");
    let owned = Owned { owner: "1000", group: "100", mode: "u=r" };
    let Some(permit) = runner.permit else {
        terminal::print(format_args!("{} | {to}", system::pack(dir, &[name], &owned)));
        return Ok(());
    };
    let secrets = plan.hub.secrets(permit)?;
    files::write_private(permit, &file, plan.settings(&secrets, run_label).as_bytes())?;
    let from = system::pack(dir, &[name], &owned);
    log.line(&format!("$ {from} | {to}"));
    let sent = process::pipe(&from, &to.permitted(permit), &mut |line| log.line(line));
    files::remove(permit, &file)?;
    sent.map(drop)
}

/// Waits until the hub answers.
fn wait(permit: Permit, docker: &Docker, plan: &Plan, id: &str) -> anyhow::Result<()> {
    let health = docker.exec(id, &["python", CLIENT, "health", "5"]).permitted(permit);
    let deadline = Instant::now() + plan.patience;
    loop {
        if process::output(&health)?.status == 0 {
            return Ok(());
        }
        let it = plan.hub.container(docker)?.filter(|it| it.id == id);
        let it = it.context("the hub was removed meanwhile")?;
        if it.restarts > 0 || !it.is_running {
            let said = process::last_lines(&docker.last_lines(id), LINES);
            bail!("the hub ended while it started\n{said}");
        }
        if Instant::now() > deadline {
            let said = process::last_lines(&docker.last_lines(id), LINES);
            let seconds = plan.patience.as_secs();
            bail!(
                "the hub does not answer after {seconds} s; PATIENCE in setup-env stretches that\n{said}"
            );
        }
        process::check_interrupted()?;
        thread::sleep(Duration::from_millis(200));
    }
}

/// Returns the error of a start that failed, with a fix if the port is in use.
fn of_port(err: anyhow::Error, bind: &str, port: u16) -> anyhow::Error {
    let text = format!("{err:#}");
    let taken = ["port is already allocated", "address already in use"];
    if taken.iter().any(|it| text.contains(it)) { in_use(bind, port) } else { err }
}
