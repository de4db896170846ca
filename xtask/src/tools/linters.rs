//! Linters of this repository, in the versions of `xtask/tools.txt`.

use std::path::{Path, PathBuf};

use crate::run::process::{Change, cmd};

/// Files of CI servers.
#[derive(Debug)]
pub(crate) struct Pipelines {
    pub(crate) github: Vec<PathBuf>,
    pub(crate) gitlab: Vec<PathBuf>,
}

/// Returns the linters' commands; `bin` has the programs.
pub(crate) fn all(
    root: &Path,
    bin: &Path,
    shell: &[PathBuf],
    dockerfiles: &[PathBuf],
    Pipelines { github, gitlab }: &Pipelines,
) -> [Change; 8] {
    let [shellcheck, ruff, hadolint, pre_commit, zizmor, schema] =
        ["shellcheck", "ruff", "hadolint", "pre-commit", "zizmor", "check-jsonschema"]
            .map(|it| bin.join(it));
    [
        cmd!(root, "{shellcheck} {shell...}"),
        cmd!(root, "{ruff} check"),
        cmd!(root, "{ruff} format --check"),
        cmd!(root, "{hadolint} {dockerfiles...}"),
        cmd!(root, "{zizmor} --offline --no-progress {github...}"),
        cmd!(root, "{schema} --builtin-schema vendor.github-workflows {github...}"),
        cmd!(root, "{schema} --builtin-schema vendor.gitlab-ci {gitlab...}"),
        cmd!(root, "{pre_commit} run --all-files"),
    ]
}
