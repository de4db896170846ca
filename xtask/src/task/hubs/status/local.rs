//! The address of the hub on this machine, its users and their servers.

use anyhow::bail;
use serde::Serialize;

use crate::{
    hub::local::{CLIENT, Hub},
    run::{
        failure,
        process::{self, Permit},
        terminal, ui,
    },
    task::{
        Session,
        args::{HubStatus, Missions},
    },
    tools::{
        docker::{
            Docker,
            hub::{HubContainer, Served},
        },
        image_name::short,
    },
};

/// Output of `--json`.
#[derive(Debug, Serialize)]
struct Status {
    address: String,
    /// State of the hub's container.
    state: String,
    /// Whether the hub answers.
    healthy: bool,
    /// What users may start.
    choices: Vec<Served>,
    servers: Vec<Server>,
    /// Volumes with homes, of users with and without a server.
    homes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Server {
    user: String,
    choice: String,
    image: String,
    state: String,
    /// Whether users who start one now get another image.
    old_image: bool,
}

pub(super) fn run(session: &Session, args: &HubStatus) -> anyhow::Result<u8> {
    let config = session.named(&Missions::default()).map_err(failure::request)?.remove(0).config;
    let docker = Docker::find(config.docker.as_deref(), &session.checkout.root)?;
    let hub = Hub::of(&session.checkout.root);
    let Some(container) = hub.container(&docker)? else {
        bail!("no hub of this checkout; `cargo xtask hub-up` starts one");
    };
    if args.password {
        terminal::exact(&(hub.password()? + "\n"));
        return Ok(0);
    }
    let status = status(session.permit, &docker, &hub, &container)?;
    if session.flags.json {
        terminal::json(&status)?;
    } else {
        print(session, &status);
    }
    Ok(u8::from(!status.healthy))
}

fn status(
    permit: Option<Permit>,
    docker: &Docker,
    hub: &Hub,
    container: &HubContainer,
) -> anyhow::Result<Status> {
    let choices = container.choices()?;
    let now = |id: &str| choices.iter().find(|it| it.id == id).map(|it| it.image.as_str());
    let server = |it: &HubContainer| Server {
        user: it.user().to_owned(),
        choice: it.choice().to_owned(),
        image: short(&it.image),
        state: it.state.clone(),
        old_image: now(it.choice()) != Some(it.image.as_str()),
    };
    let servers = hub.servers(docker)?.iter().map(server).collect();
    let client = docker.exec(&container.id, &["python", CLIENT, "health", "0"]);
    let healthy = match permit {
        Some(permit) if container.is_running => {
            process::output(&client.permitted(permit))?.status == 0
        }
        _ => false,
    };
    let address = container.address.as_deref().map(|it| hub.url(it)).unwrap_or_default();
    let (state, homes) = (container.state.clone(), hub.homes(docker)?);
    Ok(Status { address, state, healthy, choices, servers, homes })
}

fn print(session: &Session, status: &Status) {
    terminal::print(&status.address);
    let health = if status.healthy { "answers" } else { "does not answer" };
    session.ui.say(format!("hub: {}, {health}; homes: {}", status.state, status.homes.len()));
    let row = |it: &Server| {
        let old = if it.old_image { "an earlier one" } else { "current" };
        let image = format!("{} ({old})", it.image);
        vec![it.user.clone(), it.choice.clone(), it.state.clone(), image]
    };
    if status.servers.is_empty() {
        session.ui.say("no server runs");
    } else {
        let rows: Vec<Vec<String>> = status.servers.iter().map(row).collect();
        terminal::print(ui::table(&["USER", "SERVER", "STATE", "IMAGE"], &rows).trim_end());
    }
}
