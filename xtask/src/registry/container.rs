//! The container of the local registry. Users of the engine can read its password there, like
//! everything else; users with access only to its port or its network cannot.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail, ensure};
use serde::Deserialize;

use crate::{
    image::runner::{Log, Runner},
    run::process::{self, Change, Permit},
    tools::docker::{Docker, LABEL_ROLE},
};

/// Name of the container, its network and its volume.
pub(super) const NAME: &str = "science-platform-registry";

/// Variable from which `common/registry/start` reads the password.
const PASSWORD: &str = "XTASK_REGISTRY_PASSWORD";

const ROLE: &str = "registry";
const PORT: &str = "5000/tcp";

/// The container, in any state.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Container {
    pub(super) id: String,
    is_running: bool,
    /// Address `127.0.0.1:<port>`; `None` when it does not run.
    pub(super) address: Option<String>,
    pub(super) password: Option<String>,
}

impl Container {
    /// Returns the container, if it exists.
    pub(super) fn find(docker: &Docker) -> anyhow::Result<Option<Container>> {
        let output = process::output(&docker.query(["container", "inspect", NAME]))?;
        if output.status != 0 && output.stderr.to_lowercase().contains("no such container") {
            return Ok(None);
        }
        ensure!(
            output.status == 0,
            "cannot inspect the container {NAME}: {}",
            process::last_lines(&output.stderr, 3)
        );
        parse(&output.stdout).map(Some)
    }

    /// Returns whether it has an address where it should answer.
    pub(super) fn is_ready(&self) -> bool {
        self.is_running && self.address.is_some() && self.password.is_some()
    }

    /// Starts the container again.
    pub(super) fn start(&self, runner: &Runner, log: &mut Log) -> anyhow::Result<()> {
        // A container that runs without an address or a password is recreated.
        ensure!(!self.is_running && self.password.is_some(), "{NAME} is not as this tool makes it");
        runner.run(&runner.docker.change(["container", "start", &self.id]), log)
    }
}

/// Relevant part of `docker container inspect`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    id: String,
    state: State,
    config: Made,
    network_settings: Network,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    running: bool,
    #[serde(default)]
    paused: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Made {
    env: Option<Vec<String>>,
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

fn parse(text: &str) -> anyhow::Result<Container> {
    let read: Vec<Inspected> = serde_json::from_str(text)
        .context("`docker container inspect` printed something unexpected")?;
    let Inspected { id, state, config, network_settings } =
        read.into_iter().next().context("`docker container inspect` printed nothing")?;
    let labels = config.labels.unwrap_or_default();
    if labels.get(LABEL_ROLE).map(String::as_str) != Some(ROLE) {
        bail!(
            "the container {NAME} is not this tool's\nfix: `docker rename {NAME} <another name>`"
        );
    }
    let ports = network_settings.ports.unwrap_or_default().remove(PORT).flatten();
    let address = ports.into_iter().flatten().next();
    let of_password = |it: &String| Some(it.strip_prefix(PASSWORD)?.strip_prefix('=')?.to_owned());
    Ok(Container {
        id,
        is_running: state.running && !state.paused,
        address: address.map(|it| format!("{}:{}", it.host_ip, it.host_port)),
        password: config.env.iter().flatten().find_map(of_password),
    })
}

/// Returns the ids of registries with another name, which earlier versions created.
pub(super) fn of_earlier_versions(docker: &Docker) -> anyhow::Result<Vec<String>> {
    let label = format!("label={LABEL_ROLE}={ROLE}");
    let format = "{{.ID}}\t{{.Names}}";
    let ls = ["container", "ls", "--all", "--no-trunc", "--filter", &label, "--format", format];
    let text = process::read(&docker.query(ls))?;
    let lines = text.lines().filter_map(|it| it.split_once('\t'));
    Ok(lines.filter(|(_, name)| *name != NAME).map(|(id, _)| id.to_owned()).collect())
}

/// Removes a container, which another run may remove as well, and checks that it is gone.
pub(super) fn remove(permit: Permit, docker: &Docker, id: &str) -> anyhow::Result<()> {
    let remove = docker.change(["container", "rm", "--force", id]);
    let output = process::output(&remove.permitted(permit))?;
    let filter = format!("id={id}");
    let ls = ["container", "ls", "--all", "--quiet", "--no-trunc", "--filter", &filter];
    if !process::read(&docker.query(ls))?.trim().is_empty() {
        let said = process::last_lines(&output.stderr, 3);
        bail!("the container {id} could not be removed\n{said}\nfix: `docker rm --force {id}`");
    }
    Ok(())
}

/// Returns the id of the registry's own network, which other containers do not reach; creates it if
/// it is missing. Two runs may create one each: all use the one with the smallest id.
pub(super) fn network(runner: &Runner, log: &mut Log) -> anyhow::Result<String> {
    let docker = &runner.docker;
    let label = format!("{LABEL_ROLE}={ROLE}");
    let filter = format!("label={label}");
    let ls = ["network", "ls", "--quiet", "--no-trunc", "--filter", &filter];
    let known = || anyhow::Ok(process::read(&docker.query(ls))?.lines().min().map(str::to_owned));
    if let Some(id) = known()? {
        return Ok(id);
    }
    let make = runner.run(&docker.change(["network", "create", "--label", &label, NAME]), log);
    if runner.permit.is_none() {
        return Ok("<network>".to_owned());
    }
    match known()? {
        Some(id) => Ok(id),
        None => make.and_then(|()| bail!("the network {NAME} was made, but is not there")),
    }
}

/// Returns the command that creates and starts it, without the image. The password is in no process
/// list.
pub(super) fn run(docker: &Docker, network: &str, port: u16, password: &str) -> Change {
    let label = format!("{LABEL_ROLE}={ROLE}");
    let publish = format!("127.0.0.1:{port}:5000");
    let volume = format!("{NAME}:/var/lib/registry");
    docker
        .change([
            "run",
            "--detach",
            "--name",
            NAME,
            "--restart",
            "unless-stopped",
            "--label",
            &label,
        ])
        .args(["--network", network, "--publish", &publish, "--volume", &volume])
        .args(["--env", PASSWORD])
        .secret_env(PASSWORD, password)
}

#[cfg(test)]
mod tests {
    use super::{Container, parse};

    fn inspected(state: &str, env: &str, ports: &str, role: &str) -> String {
        format!(
            r#"[{{"Id": "0123", "Name": "/science-platform-registry", "State": {{{state}}},
            "Config": {{"Env": [{env}], "Labels": {{"science-platform.role": "{role}"}}}},
            "NetworkSettings": {{"Ports": {{{ports}}}}}}}]"#
        )
    }

    #[test]
    fn states() {
        let password = r#""PATH=/bin", "XTASK_REGISTRY_PASSWORD=abc""#;
        let ports = r#""5000/tcp": [{"HostIp": "127.0.0.1", "HostPort": "5001"}]"#;
        let running = r#""Running": true, "Paused": false"#;
        let it = parse(&inspected(running, password, ports, "registry")).unwrap();
        assert!(it.is_ready());
        assert_eq!(it.address.as_deref(), Some("127.0.0.1:5001"));
        assert_eq!(it.password.as_deref(), Some("abc"));
        let is_ready = |it: String| parse(&it).as_ref().is_ok_and(Container::is_ready);
        for (state, env, ports) in [
            (r#""Running": false"#, password, ""),
            (r#""Running": true, "Paused": true"#, password, ports),
            (running, "", ports),
            (running, password, r#""5000/tcp": null"#),
        ] {
            let text = inspected(state, env, ports, "registry");
            assert!(parse(&text).is_ok() && !is_ready(text), "{state} {env} {ports}");
        }
        let err = parse(&inspected(running, password, ports, "web")).unwrap_err().to_string();
        assert!(err.contains("is not this tool's"), "{err}");
    }
}
