//! apt-get, as root.

use std::path::Path;

use crate::run::process::{Change, cmd};

/// Returns the commands that install Debian packages, without the recommended ones.
pub(crate) fn install(root: &Path, packages: &[&str]) -> Vec<Change> {
    let flags = ["--yes", "--no-remove", "--no-install-recommends"];
    after_update(root, cmd!(root, "apt-get install {flags...} {packages...}"))
}

/// Returns the commands that install docker. In Debian 13 the CLI and buildx are separate packages,
/// which are recommended.
pub(crate) fn install_docker(root: &Path) -> Vec<Change> {
    after_update(root, cmd!(root, "apt-get install --yes --no-remove docker.io"))
}

fn after_update(root: &Path, install: Change) -> Vec<Change> {
    vec![cmd!(root, "apt-get update"), install.env("DEBIAN_FRONTEND", "noninteractive")]
}
