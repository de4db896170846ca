//! `image-exec` and `image-sh`: a command in a throw-away container of a mission's image.

use std::{ffi::OsString, path::Path};

use anyhow::Context as _;

use crate::{
    build::{Builds, Built, Missing},
    chosen::Chosen,
    cli::Missions,
    container::Container,
    engine::Engine,
    failure, process,
    repo::Mission,
    task::Desk,
    terminal,
};

/// A mission's image that can be started.
pub(crate) struct Ready {
    pub(crate) engine: Engine,
    pub(crate) chosen: Chosen,
    pub(crate) built: Built,
}

/// The image of `mission`, or of `DEPLOYMENT_NAME`; the newest one, whatever it was made from, when
/// the working tree takes the place of much of it.
///
/// # Errors
/// It is not built.
pub(crate) fn ready(desk: &Desk<'_>, mission: Option<&str>, dev: bool) -> anyhow::Result<Ready> {
    let missing = if dev { Missing::TakeNewest } else { Missing::Refuse };
    let missions = mission.map(str::to_owned).into_iter().collect();
    let missions = Missions { missions, ..Missions::default() };
    let named = desk.named(&missions).map_err(failure::request)?;
    let engine = desk.engine(&named[0].config)?;
    let chosen = desk.choose(&engine, named)?.pop().context("one mission is chosen")?;
    let built = Builds::new(&engine, missing)?
        .chain(&chosen.config, &chosen.chain)
        .map_err(failure::request)?
        .pop()
        .context("a chain has an image")?;
    Ok(Ready { engine, chosen, built })
}

/// The flags that put the working tree's scripts and environments in the place of the image's, and
/// give what is written there to the caller. Root's files are for jovyan, who may not become root.
pub(crate) fn working_tree(root: &Path, mission: &Mission) -> Vec<String> {
    let mount = |from: &Path, to: &str| {
        ["--mount".to_owned(), format!("type=bind,source={},target={to}", from.to_string_lossy())]
    };
    let scripts = mount(&root.join("common/image/common-scripts"), "/opt/common-scripts,readonly");
    let environments = mount(&mission.dir.join("environments"), "/opt/environments");
    let mut res = [scripts, environments].concat();
    let uid = nix::unistd::geteuid();
    if !uid.is_root() {
        res.extend(["--user".to_owned(), format!("{uid}:100")]);
    }
    res
}

/// Runs `command` and gives its exit status.
pub(crate) fn run(
    desk: &Desk<'_>,
    mission: Option<&str>,
    dev: bool,
    command: &[OsString],
) -> anyhow::Result<u8> {
    let Ready { engine, chosen, built } = ready(desk, mission, dev)?;
    let cidfile = engine.target().join(format!("exec/{}-{}.cid", built.name, std::process::id()));
    let container = Container::new(&engine, cidfile)?;
    // The start script's words are for those who wait for a server.
    let quiet = "JUPYTER_DOCKER_STACKS_QUIET=1";
    let mut cmd = container.run("exec").args(["--interactive", "--env", quiet]);
    if terminal::has_person() {
        cmd = cmd.args(["--tty"]);
    }
    if dev {
        cmd = cmd.args(working_tree(&engine.repo.root, &chosen.mission));
    }
    let cmd = cmd.args(&chosen.config.run_pars).args([&built.reference]).args(command);
    engine.permitted(&cmd).map_or(Ok(0), |it| process::attached(&it))
}
