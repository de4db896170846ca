//! `image-base`: the embedded base image.

use crate::{
    build::{Builds, Missing},
    failure, image,
    task::{Desk, args::Missions, read_parts, refuse, shared::images},
};

pub(crate) fn run(desk: &Desk) -> anyhow::Result<u8> {
    let mut named = desk.named(&Missions::default()).map_err(failure::request)?;
    let config = named.remove(0).config;
    let engine = desk.engine(&config)?;
    let platform = match config.platform {
        Some(platform) => platform,
        None => engine.docker.engine_platform()?,
    };
    let parts = read_parts(&desk.repo).map_err(failure::request)?;
    desk.warn_of(&refuse(&desk.repo, None, &parts, None)?);
    let _lock = desk.lock()?;
    let mut builds = Builds::new(&engine, Missing::Build)?;
    let built = builds.chain(&config, &image::embedded_base(&config, platform, &parts))?;
    images::summary(desk, built.iter().map(images::Row::of_image).collect())
}
