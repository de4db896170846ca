//! The container of the local registry. Users of the engine can read its password there, like
//! everything else; users with access only to its port or its network cannot.

use anyhow::{bail, ensure};

use crate::{
    image::runner::{Log, Runner},
    run::process::{self, Change, Permit},
    tools::{
        docker::{
            Docker, LABEL_ROLE,
            container::{FoundContainer, NO_ARGS},
        },
        image_name::ImageRef,
    },
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
        docker.container(NAME)?.map(Container::new).transpose()
    }

    fn new(found: FoundContainer) -> anyhow::Result<Container> {
        if found.label(LABEL_ROLE) != Some(ROLE) {
            bail!(
                "the container {NAME} is not this tool's\nfix: `docker rename {NAME} <another name>`"
            );
        }
        Ok(Container {
            is_running: found.is_running(),
            address: found.address(PORT),
            password: found.env(PASSWORD).map(str::to_owned),
            id: found.id,
        })
    }

    /// Returns whether it has an address where it should answer.
    pub(super) fn is_ready(&self) -> bool {
        self.is_running && self.address.is_some() && self.password.is_some()
    }

    /// Starts the container again.
    pub(super) fn start(&self, runner: &Runner, log: &mut Log) -> anyhow::Result<()> {
        // A container that runs without an address or a password is recreated.
        ensure!(!self.is_running && self.password.is_some(), "{NAME} is not as this tool makes it");
        runner.run(&runner.docker.start(&self.id), log)
    }
}

/// Returns the ids of registries with another name, which earlier versions created.
pub(super) fn of_earlier_versions(docker: &Docker) -> anyhow::Result<Vec<String>> {
    let found = docker.containers_with(&label())?.into_iter();
    Ok(found.filter(|(_, name)| name != NAME).map(|(id, _)| id).collect())
}

/// Removes a container, which another run may remove as well, and checks that it is gone.
pub(super) fn remove(permit: Permit, docker: &Docker, id: &str) -> anyhow::Result<()> {
    let output = process::output(&docker.remove_container(id).permitted(permit))?;
    if docker.has_container(id)? {
        let said = process::last_lines(&output.stderr, 3);
        bail!("the container {id} could not be removed\n{said}\nfix: `docker rm --force {id}`");
    }
    Ok(())
}

/// Returns the id of the registry's own network, which other containers do not reach; creates it if
/// it is missing. Two runs may create one each: all use the one with the smallest id.
pub(super) fn network(runner: &Runner, log: &mut Log) -> anyhow::Result<String> {
    let docker = &runner.docker;
    if let Some(id) = docker.network_with(&label())? {
        return Ok(id);
    }
    let make = runner.run(&docker.make_network(NAME, &[&label()]), log);
    if runner.permit.is_none() {
        return Ok("<network>".to_owned());
    }
    match docker.network_with(&label())? {
        Some(id) => Ok(id),
        None => make.and_then(|()| bail!("the network {NAME} was made, but is not there")),
    }
}

/// Returns the command that creates and starts it. The password is in no process list.
pub(super) fn run(
    docker: &Docker,
    image: &ImageRef,
    network: &str,
    port: u16,
    password: &str,
) -> Change {
    docker
        .run()
        .detached()
        .kept(NAME)
        .label(&label())
        .network(network)
        .publish(&format!("127.0.0.1:{port}:5000"))
        .volume(NAME, "/var/lib/registry")
        .secret_env(PASSWORD, password)
        .image(image, NO_ARGS)
}

fn label() -> String {
    format!("{LABEL_ROLE}={ROLE}")
}

#[cfg(test)]
mod tests {
    use super::Container;
    use crate::tools::docker::container::FoundContainer;

    fn parse(text: &str) -> anyhow::Result<Container> {
        Container::new(FoundContainer::parse(text)?)
    }

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
