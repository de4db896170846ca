//! mmdebstrap, by way of this repository's `common/base/rootfs`.

use std::path::Path;

use crate::run::process::{Change, Patience, cmd};

/// Returns the command that prints the root file system of the embedded base as a tar archive.
pub(crate) fn rootfs(
    root: &Path,
    mirror: Option<&str>,
    proxies: &[(&'static str, String)],
) -> Change {
    let mut res = cmd!(root, "common/base/rootfs").patience(Patience::Work);
    if let Some(mirror) = mirror {
        let security = format!("{}-security", mirror.trim_end_matches('/'));
        res = res.args(["--mirror", mirror, "--security-mirror", &security]);
    }
    for (name, value) in proxies {
        res = res.secret_env(name, value);
    }
    res
}
