//! The built image of a mission, for tasks that start it.

use std::path::Path;

use anyhow::Context as _;

use crate::{
    image::{
        build::{BuildPolicy, Builds, BuiltImage},
        mission_images::MissionImages,
        runner::Runner,
    },
    mission::checkout::Mission,
    run::failure,
    task::{
        Session,
        args::Missions,
        shared::reuse::{self, Place},
    },
    tools::docker::container::NewContainer,
};

/// A mission's image that can be started.
pub(crate) struct ReadyImage {
    pub(crate) runner: Runner,
    pub(crate) chosen: MissionImages,
    pub(crate) built: BuiltImage,
}

/// Returns the image of `mission`, or of `DEPLOYMENT_NAME`; the newest one, whatever it was made
/// from, when the working tree replaces much of it.
pub(crate) fn ready(
    session: &Session,
    mission: Option<&str>,
    dev: bool,
) -> anyhow::Result<ReadyImage> {
    let missing = if dev { BuildPolicy::TakeNewest } else { BuildPolicy::Refuse };
    let missions = mission.map(str::to_owned).into_iter().collect();
    let missions = Missions { missions, ..Missions::default() };
    let named = session.named(&missions).map_err(failure::request)?;
    let runner = session.runner(&named[0].config)?;
    let chosen = session.choose(&runner, named)?;
    let mut published = reuse::look(&runner, chosen, missing, Place::Engine)?;
    published.keep_receipts(&runner)?;
    let chosen = published.chosen.pop().context("one mission is chosen")?;
    let built = Builds::new(&runner, missing)?
        .chain(&chosen.config, &chosen.chain)?
        .pop()
        .context("a chain has an image")?;
    Ok(ReadyImage { runner, chosen, built })
}

/// Replaces the image's scripts and environments by the working tree's, and makes the caller the
/// owner of files written there.
pub(crate) fn working_tree(
    container: NewContainer,
    root: &Path,
    mission: &Mission,
) -> NewContainer {
    let scripts = root.join("common/image/common-scripts");
    container
        .data(&scripts.to_string_lossy(), "/opt/common-scripts")
        .folder(&mission.dir.join("environments"), "/opt/environments")
        .owned_by_caller()
}
