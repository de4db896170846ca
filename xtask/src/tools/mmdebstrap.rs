//! mmdebstrap, by way of this repository's `common/base/rootfs`.

use std::path::Path;

use crate::run::process::{Change, Patience, cmd};

/// Returns the command that prints the root file system of the embedded base as a tar archive. A
/// mirror's address may have a password.
pub(crate) fn rootfs(
    root: &Path,
    mirror: Option<&str>,
    proxies: &[(&'static str, String)],
) -> Change {
    let mut res = cmd!(root, "common/base/rootfs").patience(Patience::Work);
    if let Some(mirror) = mirror {
        let security = format!("{}-security", mirror.trim_end_matches('/'));
        res = res.secret_env("ROOTFS_MIRROR", mirror);
        res = res.secret_env("ROOTFS_SECURITY_MIRROR", &security);
    }
    for (name, value) in proxies {
        res = res.secret_env(name, value);
    }
    res
}

#[test]
fn no_password_is_in_the_command_line() {
    let command = rootfs(Path::new("/"), Some("https://me:hunter2@example.org/debian"), &[]);
    let shown = format!("{command} {command:?}");
    assert!(shown.contains("ROOTFS_MIRROR") && !shown.contains("hunter2"), "{shown}");
}
