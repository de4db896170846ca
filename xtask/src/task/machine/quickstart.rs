//! `quickstart`: installs the requirements of a fresh machine, then runs everything for `hello`.

use crate::{
    image::build::BuildPolicy,
    run::{process, terminal},
    task::{
        Session,
        args::{HubUp, LOOPBACK, Missions, Parallel},
        shared::{
            doctor::{self, About, FixPolicy, Probes},
            images::{self, Push, Request},
            local_hub,
        },
    },
    testing::image_test::TestRequest,
};

const MISSION: &str = "hello";

const NEXT: &str = "
Next:
  cargo xtask image-lab hello         the image in a browser, until Ctrl-C
  cargo xtask hub-up                  a JupyterHub on this machine with the image, until Ctrl-C
  cargo xtask mission-new euclid      begins a mission of your own, under any name, and says how to go on
  cargo xtask --help                  all tasks; docs/missions.md and README.md say what to do each day
To make it yours, copy setup-env.template to setup-env: your registry, your base image.";

/// Runs all parts and returns the exit status of the first that fails.
pub(crate) fn run(session: &Session) -> anyhow::Result<u8> {
    let missions = Missions { missions: vec![MISSION.to_owned()], ..Missions::default() };
    let status =
        doctor::examine(session, &missions, About::Images, Probes::MachineOnly, FixPolicy::Always)?;
    if status != 0 {
        return Ok(status);
    }
    let test = Some(TestRequest::all(false));
    let parallel = Parallel::default();
    let request = Request { missing: BuildPolicy::Build, test, push: Push::Tested, parallel };
    let status = images::run(session, &missions, &request)?;
    if status != 0 || session.permit.is_none() {
        return Ok(status);
    }
    session.ui.say(NEXT);
    if wants_hub(session)? { local_hub::up(session, &hub()) } else { Ok(0) }
}

/// Asks a person whether to start a hub; others read the command above.
fn wants_hub(session: &Session) -> anyhow::Result<bool> {
    if !terminal::has_person() {
        return Ok(false);
    }
    session.ui.say("\nstart a JupyterHub on this machine now, until Ctrl-C? [y/N]");
    Ok(matches!(process::read_line()?.trim(), "y" | "Y" | "yes"))
}

fn hub() -> HubUp {
    HubUp {
        missions: vec![MISSION.to_owned()],
        detach: false,
        dev: false,
        bind: LOOPBACK.to_owned(),
        insecure: false,
    }
}
