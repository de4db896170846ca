//! `image-all` on an engine without images, of missions that the registry has: nothing is built, pulled or
//! tested.

use std::path::Path;

use super::{Figure, read, seconds, time};
use crate::{
    run::process::{Permit, cmd},
    task::Session,
    tools::docker::Docker,
};

/// Publishes all missions, removes the engine's images, and measures the next run.
pub(super) fn figure(
    permit: Permit,
    session: &Session,
    docker: &Docker,
    exe: &Path,
) -> anyhow::Result<Figure> {
    let image_all = cmd!(session.checkout.root, "{exe} image-all --all");
    read(permit, &image_all)?;
    session.ui.say("removing all images of this project and the build cache");
    // A container of the registry's image runs.
    docker.forget_but("registry")?.iter().try_for_each(|it| read(permit, it).map(drop))?;
    let figure = seconds(
        "image-all --all on an empty engine, all published",
        time(permit, &image_all)?,
        5.0,
    );
    // Later figures need the images.
    read(permit, &image_all.args(["--set", "REUSE=never"]))?;
    Ok(figure)
}
