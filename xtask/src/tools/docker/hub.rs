//! Containers of the hub on this machine, as docker describes them.

use std::collections::BTreeMap;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::{Docker, LABEL_HUB_CHOICE, LABEL_HUB_CHOICES, LABEL_HUB_USER, leftover::Kind};
use crate::run::{failure, printable, process};

/// Port of the hub in its container.
const PORT: &str = "8000/tcp";

/// A container, in any state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HubContainer {
    pub(crate) id: String,
    /// Id of its image.
    pub(crate) image: String,
    /// State such as `running`, `healthy` or `exited`.
    pub(crate) state: String,
    pub(crate) is_running: bool,
    pub(crate) restarts: u64,
    /// Address `127.0.0.1:<port>` of the hub's port.
    pub(crate) address: Option<String>,
    labels: BTreeMap<String, String>,
}

impl HubContainer {
    pub(crate) fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }

    pub(crate) fn user(&self) -> &str {
        self.label(LABEL_HUB_USER)
    }

    pub(crate) fn choice(&self) -> &str {
        self.label(LABEL_HUB_CHOICE)
    }

    /// Returns what users of the hub may start.
    pub(crate) fn choices(&self) -> anyhow::Result<Vec<Served>> {
        serde_json::from_str(self.label(LABEL_HUB_CHOICES))
            .context("the hub's container has no list of choices")
    }
}

/// What users may start, in the label of the hub's container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Served {
    pub(crate) id: String,
    pub(crate) mission: String,
    /// Id of the image.
    pub(crate) image: String,
}

/// Relevant part of `docker container inspect`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    id: String,
    image: String,
    #[serde(default)]
    restart_count: u64,
    state: State,
    config: Made,
    network_settings: Network,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    status: String,
    running: bool,
    health: Option<Health>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Health {
    status: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Made {
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Network {
    ports: Option<BTreeMap<String, Option<Vec<Address>>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Address {
    host_ip: String,
    host_port: String,
}

impl Docker {
    /// Returns the containers with all of `labels`, in any state.
    pub(crate) fn hub_containers(&self, labels: &[String]) -> anyhow::Result<Vec<HubContainer>> {
        let mut res = Vec::new();
        for id in self.all_with(Kind::Container, labels)? {
            let output = process::output(&self.query(["container", "inspect", &id]))?;
            // Between the two commands a container may be removed.
            if output.status == 0 {
                res.extend(parse(&output.stdout)?);
            }
        }
        res.sort_by(|a, b| (a.user(), &a.id).cmp(&(b.user(), &b.id)));
        Ok(res)
    }

    /// Returns the names of all objects with these labels, even after an interruption.
    ///
    /// # Errors
    /// The engine does not answer.
    pub(crate) fn all_with(&self, kind: Kind, labels: &[String]) -> anyhow::Result<Vec<String>> {
        let text = "no docker engine answers";
        self.labelled(kind, labels).ok_or_else(|| failure::machine("engine", text))
    }
}

/// Reason for a `docker run` that failed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unstarted {
    /// What it mounts is missing.
    NoSuchFile,
    /// The last line of docker or of the container.
    Other(String),
}

/// Returns the reason from the standard error of a `docker run`.
pub(crate) fn why_not_run(stderr: &str) -> Unstarted {
    if stderr.contains("bind source path does not exist") {
        return Unstarted::NoSuchFile;
    }
    let is_advice = |it: &&str| it.trim().is_empty() || it.contains("'docker run --help'");
    let said = stderr.lines().rfind(|it| !is_advice(it)).unwrap_or("no output");
    let prefixes = ["docker: ", "Error response from daemon: "];
    let said = prefixes.iter().fold(said, |said, it| said.strip_prefix(it).unwrap_or(said));
    Unstarted::Other(printable::line(said.trim().trim_end_matches('.')))
}

fn parse(text: &str) -> anyhow::Result<Vec<HubContainer>> {
    let read: Vec<Inspected> = serde_json::from_str(text)
        .context("`docker container inspect` printed something unexpected")?;
    let container = |it: Inspected| {
        let ports = it.network_settings.ports.unwrap_or_default().remove(PORT).flatten();
        let address = ports.into_iter().flatten().next();
        let health = it.state.health.map(|it| it.status).filter(|it| it != "none");
        HubContainer {
            id: it.id,
            image: it.image,
            state: health.filter(|_| it.state.running).unwrap_or(it.state.status),
            is_running: it.state.running,
            restarts: it.restart_count,
            address: address.map(|it| format!("{}:{}", it.host_ip, it.host_port)),
            labels: it.config.labels.unwrap_or_default(),
        }
    };
    Ok(read.into_iter().map(container).collect())
}

#[test]
fn the_state_of_a_container() {
    let inspected = |health: &str, running: bool| {
        format!(
            r#"[{{"Id": "0123", "Image": "sha256:0", "RestartCount": 1,
            "State": {{"Status": "exited", "Running": {running}{health}}},
            "Config": {{"Labels": {{"science-platform.hub-user": "ann"}}}},
            "NetworkSettings": {{"Ports": {{"8000/tcp": [{{"HostIp": "127.0.0.1", "HostPort": "8001"}}]}}}}}}]"#
        )
    };
    let healthy = r#", "Health": {"Status": "healthy"}"#;
    let state = |health, running| parse(&inspected(health, running)).unwrap().remove(0);
    assert_eq!(state(healthy, true).state, "healthy");
    assert_eq!(state(healthy, false).state, "exited");
    let it = state("", true);
    assert_eq!((it.state.as_str(), it.user(), it.restarts), ("exited", "ann", 1));
    assert_eq!(it.address.as_deref(), Some("127.0.0.1:8001"));
}

#[test]
fn reasons_of_docker_run() {
    let mount = concat!(
        "docker: Error response from daemon: invalid mount config for type \"bind\": ",
        "bind source path does not exist: /a.\nSee 'docker run --help'.\n"
    );
    assert_eq!(why_not_run(mount), Unstarted::NoSuchFile);
    let full = concat!(
        "docker: Error response from daemon: no space left on device.\n",
        "\nRun 'docker run --help' for more information\n"
    );
    let other = |it: &str| Unstarted::Other(it.to_owned());
    assert_eq!(why_not_run(full), other("no space left on device"));
    assert_eq!(why_not_run("not a socket\n"), other("not a socket"));
    assert_eq!(why_not_run(""), other("no output"));
}
