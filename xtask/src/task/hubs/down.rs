//! `hub-down`: stops the hub on this machine and removes everything but the homes.

use anyhow::bail;

use crate::{
    hub::local::{Hub, role},
    run::{failure, process, terminal},
    task::{
        Session,
        args::{HubDown, Missions},
    },
    tools::docker::leftover::Kind,
};

pub(crate) fn run(session: &Session, args: &HubDown) -> anyhow::Result<u8> {
    let config = session.named(&Missions::default()).map_err(failure::request)?.remove(0).config;
    let runner = session.runner(&config)?;
    let docker = &runner.docker;
    let hub = Hub::of(&session.checkout.root);
    let homes = if args.volumes { hub.homes(docker)? } else { Vec::new() };
    let Some(permit) = session.permit else {
        let label = hub.label();
        terminal::print(docker.remove(Kind::Container, "<container-id>"));
        terminal::print(docker.remove(Kind::Volume, &hub.state()));
        terminal::print(docker.remove(Kind::Network, &hub.name));
        homes.iter().for_each(|it| terminal::print(docker.remove(Kind::Volume, it)));
        session.ui.say(format!(
            "the objects are those with the label {label}; homes: {}",
            role("hub-home")
        ));
        return Ok(0);
    };
    if !homes.is_empty() && !args.yes {
        ask(session, &homes)?;
    }
    let _lock = session.lock_hub()?;
    let was_there = hub.container(docker)?.is_some();
    let mut is_clean = hub.remove(permit, docker)?;
    if args.volumes {
        is_clean &= hub.remove_homes(permit, docker);
    }
    if !is_clean {
        bail!("not all of the hub could be removed; run `cargo xtask hub-down` again");
    }
    session.ui.say(match (was_there, args.volumes) {
        (_, true) => format!("stopped; {} homes are removed", homes.len()),
        (true, false) => "stopped; homes stay".to_owned(),
        (false, false) => "no hub of this checkout was running".to_owned(),
    });
    Ok(0)
}

/// Asks whether to remove the homes.
fn ask(session: &Session, homes: &[String]) -> anyhow::Result<()> {
    homes.iter().for_each(|it| session.ui.say(it));
    if !terminal::has_person() {
        let text = "stdin is not a terminal; pass `--yes` to remove these homes";
        return Err(failure::request(anyhow::anyhow!(text)));
    }
    session.ui.say(format!("remove these {} homes with all their files? [y/N]", homes.len()));
    match process::read_line()?.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => bail!("nothing was removed"),
    }
}
