//! `image-exec` and `image-sh`: a command in a throw-away container of a mission's image.

use std::ffi::OsString;

use anyhow::Context as _;

use crate::{
    build::{Builds, Built, Missing},
    cli::Missions,
    container::Container,
    engine::Engine,
    failure, process,
    task::{Chosen, Desk},
};

/// A mission's image that can be started.
pub(crate) struct Ready {
    pub(crate) engine: Engine,
    pub(crate) chosen: Chosen,
    pub(crate) built: Built,
}

/// The image of `mission`, or of `DEPLOYMENT_NAME`.
///
/// # Errors
/// It is not built.
pub(crate) fn ready(desk: &Desk<'_>, mission: Option<&str>) -> anyhow::Result<Ready> {
    let missions = mission.map(str::to_owned).into_iter().collect();
    let missions = Missions { missions, ..Missions::default() };
    let named = desk.named(&missions).map_err(failure::request)?;
    let engine = desk.engine(&named[0].config)?;
    let chosen = desk.choose(&engine, named)?.pop().context("one mission is chosen")?;
    let built = Builds::new(&engine, Missing::Refuse)?
        .chain(&chosen.config, &chosen.chain)
        .map_err(failure::request)?
        .pop()
        .context("a chain has an image")?;
    Ok(Ready { engine, chosen, built })
}

/// Runs `command` and gives its exit status.
pub(crate) fn run(
    desk: &Desk<'_>,
    mission: Option<&str>,
    command: &[OsString],
) -> anyhow::Result<u8> {
    let Ready { engine, chosen, built } = ready(desk, mission)?;
    let cidfile = engine.target().join(format!("exec/{}-{}.cid", built.name, std::process::id()));
    let container = Container::new(&engine, cidfile)?;
    let mut cmd = container.run("exec").args(["--interactive"]);
    if process::at_a_terminal() {
        cmd = cmd.args(["--tty"]);
    }
    let cmd = cmd.args(&chosen.config.run_pars).args([&built.reference]).args(command);
    if engine.dry_run {
        println!("{cmd}");
        return Ok(0);
    }
    process::attached(&cmd)
}
