//! The image of a mission that is built already, for tasks that start it.

use std::path::Path;

use anyhow::Context as _;

use crate::{
    build::{Builds, Built, Missing},
    chosen::Chosen,
    engine::Engine,
    failure,
    repo::Mission,
    task::{Desk, args::Missions},
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
pub(crate) fn ready(desk: &Desk, mission: Option<&str>, dev: bool) -> anyhow::Result<Ready> {
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
