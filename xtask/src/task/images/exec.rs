//! `image-exec` and `image-sh`: a command in a throw-away container of a mission's image.

use std::ffi::OsString;

use crate::{
    image::container::Container,
    run::{failure::Failure, process, terminal},
    task::{
        Session, args,
        shared::ready_image::{ReadyImage, ready, working_tree},
    },
};

/// `image-sh`: opens a login shell.
pub(crate) fn shell(session: &Session, args: &args::ImageSh) -> anyhow::Result<u8> {
    let login = ["bash".into(), "-l".into()];
    run(session, args.mission.as_deref(), args.dev, &login)
}

/// Runs `command` and returns its exit status.
pub(crate) fn run(
    session: &Session,
    mission: Option<&str>,
    dev: bool,
    command: &[OsString],
) -> anyhow::Result<u8> {
    if let (None, [first, ..]) = (mission, command)
        && session.checkout.missions.iter().any(|it| first.as_os_str() == it.name.as_str())
    {
        let first = first.to_string_lossy();
        let text = format!("`{first}` is a mission, not a command; pass `--mission {first}`");
        return Err(Failure::Request(text).into());
    }
    let ReadyImage { runner, chosen, built } = ready(session, mission, dev)?;
    let cidfile = runner.target().join(format!("exec/{}-{}.cid", built.name, std::process::id()));
    let container = Container::new(&runner, cidfile)?;
    // The start script's messages are for users who wait for a server.
    let mut run = container.run("exec").interactive().env("JUPYTER_DOCKER_STACKS_QUIET", "1");
    if terminal::has_person() {
        run = run.terminal();
    }
    if dev {
        run = working_tree(run, &runner.checkout.root, &chosen.mission);
    }
    let cmd = run.flags(&chosen.config.run_pars).image(&built.reference, command);
    runner.permitted(&cmd).map_or(Ok(0), |it| process::attached(&it))
}
