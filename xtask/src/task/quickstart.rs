//! `quickstart`: what a fresh machine needs, then everything for `hello`.

use crate::{
    cli::{ImageBuild, Missions},
    task::{
        Desk,
        doctor::{self, About, Ask, Fix},
        image_all,
    },
};

const MISSION: &str = "hello";

const NEXT: &str = "
Next:
  cargo xtask image-sh hello      look around in the image
  cargo xtask list                the missions there are
  cargo xtask --help              all tasks
  README.md, docs/               what to do each day, and how it works
To make it yours, copy setup-env.template to setup-env: your registry, your base image.";

/// Gives the exit status of the first part that did not succeed.
pub(crate) fn run(desk: &Desk<'_>) -> anyhow::Result<u8> {
    let missions = Missions { missions: vec![MISSION.to_owned()], ..Missions::default() };
    let status = doctor::examine(desk, &missions, About::Images, Ask::MachineOnly, Fix::Always)?;
    if status != 0 {
        return Ok(status);
    }
    let args = ImageBuild { missions, refresh: false, again: false };
    let status = image_all::all(desk, &args)?;
    if status == 0 && !desk.cli.dry_run {
        desk.ui.say(NEXT);
    }
    Ok(status)
}
