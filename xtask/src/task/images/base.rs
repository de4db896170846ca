//! `image-base`: the embedded base image.

use crate::{
    image::{
        build::{BuildPolicy, Builds},
        recipe,
    },
    run::failure,
    task::{Session, args::Missions, read_parts, refusals, shared::images, unless_refused},
};

pub(crate) fn run(session: &Session) -> anyhow::Result<u8> {
    let mut named = session.named(&Missions::default()).map_err(failure::request)?;
    let config = named.remove(0).config;
    let runner = session.runner(&config)?;
    let platform = match config.platform {
        Some(platform) => platform,
        None => runner.docker.engine_platform()?,
    };
    let parts = read_parts(&session.checkout).map_err(failure::request)?;
    let refusals = refusals(&session.checkout, &[], &parts)?;
    session.warn_of(&unless_refused("the base image", refusals)?);
    let builds = Builds::new(&runner, BuildPolicy::Build)?;
    let built = builds.chain(&config, &recipe::embedded_base(&config, platform, &parts))?;
    images::summary_of_images(session, &built)
}
