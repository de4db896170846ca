//! python3 of this machine.

use std::path::Path;

use crate::run::process::{Change, Cmd, cmd, query};

/// Returns the command that runs a script, given as text, which only reads; arguments may follow.
pub(crate) fn query(root: &Path, script: &str) -> Cmd {
    query!(root, "python3 -c {script}")
}

/// Returns the command that runs a script, given as text; arguments may follow.
pub(crate) fn text(root: &Path, script: &str) -> Change {
    cmd!(root, "python3 -c {script}")
}

/// Returns the commands that make a virtual environment in `dir` with the packages of a hashed list.
pub(crate) fn venv(root: &Path, dir: &Path, requirements: &str, packages: Packages) -> [Change; 2] {
    let python = dir.join("bin/python");
    let clear = (packages == Packages::Fresh).then_some("--clear");
    let alone = (packages == Packages::Alone).then_some("--no-deps");
    [
        cmd!(root, "python3 -m venv {clear...} {dir}"),
        cmd!(
            root,
            "{python} -m pip install --quiet {alone...} --require-hashes --requirement {requirements}"
        ),
    ]
}

/// How packages get into a virtual environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packages {
    /// After all others were removed.
    Fresh,
    /// Beside those that are there.
    Added,
    /// Without those that they require.
    Alone,
}

/// Returns the command that runs the unit tests of a folder.
pub(crate) fn unittest(root: &Path, dir: &str) -> Change {
    cmd!(root, "python3 -m unittest discover --start-directory {dir}")
}

/// Returns the command that runs a script, by the interpreter of the virtual environment `dir` or of
/// this machine; arguments may follow.
pub(crate) fn script(root: &Path, dir: Option<&Path>, name: &str) -> Change {
    let python = dir.map_or_else(|| "python3".into(), |it| it.join("bin/python"));
    cmd!(root, "{python} {name}")
}
