//! Linters of this repository, in the versions of `xtask/tools.txt`.

use std::path::{Path, PathBuf};

use crate::run::process::{Change, cmd};

/// Returns the linters' commands; `bin` has the programs.
pub(crate) fn all(
    root: &Path,
    bin: &Path,
    shell: &[PathBuf],
    dockerfiles: &[PathBuf],
) -> [Change; 5] {
    let [shellcheck, ruff, hadolint, pre_commit] =
        ["shellcheck", "ruff", "hadolint", "pre-commit"].map(|it| bin.join(it));
    [
        cmd!(root, "{shellcheck} {shell...}"),
        cmd!(root, "{ruff} check"),
        cmd!(root, "{ruff} format --check"),
        cmd!(root, "{hadolint} {dockerfiles...}"),
        cmd!(root, "{pre_commit} run --all-files"),
    ]
}
