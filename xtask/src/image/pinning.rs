//! Bases that are named by a tag: frozen builds refuse them, and other commands explain how to name
//! them by digest.

use std::{collections::BTreeSet, time::Duration};

use anyhow::bail;

use crate::{
    settings::config::{Config, Mode, UnpinnedImage},
    tools::docker::Docker,
};

/// Time limit of the engine for an answer that only improves a message.
const PATIENCE: Duration = Duration::from_secs(5);

/// Returns the images that make frozen builds of `configs` impossible.
pub(crate) fn refused<'a>(configs: impl Iterator<Item = &'a Config>) -> BTreeSet<UnpinnedImage> {
    configs.filter(|it| it.mode == Mode::Frozen).filter_map(|it| it.unpinned.clone()).collect()
}

/// Refuses to build frozen images on a tag.
///
/// # Errors
/// One of `configs` is frozen, and its base is not named by digest.
pub(crate) fn require<'a>(
    docker: &Docker,
    configs: impl Iterator<Item = &'a Config>,
) -> anyhow::Result<()> {
    match refused(configs).first() {
        Some(unpinned) => bail!("{}", refusal(Some(docker), unpinned)),
        None => Ok(()),
    }
}

/// Returns the refusal of a frozen build on a base without a digest.
pub(crate) fn refusal(docker: Option<&Docker>, unpinned: &UnpinnedImage) -> String {
    let UnpinnedImage { setting, reference, origin } = unpinned;
    let hint = hint(docker, unpinned);
    format!(
        "{setting}={reference} ({origin}): a frozen build needs the base by digest; write the digest, or set USE_FROZEN=0\n{hint}"
    )
}

/// Returns the warning of a floating build on a base without a digest.
pub(crate) fn warning(unpinned: &UnpinnedImage) -> String {
    let UnpinnedImage { setting, reference, origin } = unpinned;
    format!("{setting}={reference} ({origin}): a tag, which may move; frozen builds refuse it")
}

/// Returns the setting with its digest, if the engine has the image, or else the commands that
/// print it. Works without an engine.
pub(crate) fn hint(docker: Option<&Docker>, unpinned: &UnpinnedImage) -> String {
    let UnpinnedImage { setting, reference, .. } = unpinned;
    let image = docker.and_then(|it| it.image_within(reference, PATIENCE));
    match image.as_ref().map(|it| it.repo_digest(reference)) {
        Some(Some(digest)) => format!("    fix: {setting}={reference}@{digest}"),
        Some(None) => format!(
            "    fix: {reference} was built on this machine and has no digest; push it to a registry"
        ),
        None => format!(
            "    fix: add the digest that these commands print: {setting}={reference}@sha256:…\n        docker pull {reference}\n        docker image inspect --format '{{{{index .RepoDigests 0}}}}' {reference}"
        ),
    }
}
