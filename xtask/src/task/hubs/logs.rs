//! `hub-logs`: what the hub on this machine logs.

use anyhow::Context as _;

use crate::{
    hub::local::Hub,
    run::{failure, printable, process, terminal},
    task::{
        Session,
        args::{HubLogs, Missions},
    },
    tools::docker::Docker,
};

pub(crate) fn run(session: &Session, args: &HubLogs) -> anyhow::Result<u8> {
    let config = session.named(&Missions::default()).map_err(failure::request)?.remove(0).config;
    let docker = Docker::find(config.docker.as_deref(), &session.checkout.root)?;
    let hub = Hub::of(&session.checkout.root).container(&docker)?;
    let hub = hub.context("no hub of this checkout; `cargo xtask hub-up` starts one")?;
    let logs = docker.logs(&hub.id, args.follow);
    process::lines(&logs, &mut |line| terminal::print(printable::line(line)))
}
