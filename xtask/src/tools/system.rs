//! Small programs of the system, one function each.

use std::path::Path;

use crate::run::process::{Change, Cmd, Patience, cmd, query};

/// Returns the command that removes a folder, but nothing of another file system; that of an engine with images
/// takes minutes.
pub(crate) fn remove_tree(dir: &Path) -> Change {
    cmd!("/", "rm --recursive --force --one-file-system {dir}").patience(Patience::Work)
}

/// Returns the command that writes `text` to a file of the kernel.
pub(crate) fn write(file: &Path, text: &str) -> Change {
    cmd!("/", "tee {file}").stdin(text.to_owned())
}

/// Returns the start of a command in a network namespace. Not `ip netns exec`, which hides the
/// cgroups.
pub(crate) fn in_namespace(nsenter: &Path, file: &Path) -> Change {
    let namespace = format!("--net={}", file.to_string_lossy());
    cmd!("/", "{nsenter} {namespace} --")
}

/// Returns the command that starts docker's engine with this machine's service manager.
pub(crate) fn start_engine(root: &Path) -> Change {
    cmd!(root, "service docker start")
}

/// Returns the command that unpacks a tar archive, its stdin, into `dir`.
pub(crate) fn unpack(dir: &Path) -> Change {
    cmd!("/", "tar --extract --no-same-owner --directory {dir}")
}

/// Owner and mode of files in a tar archive.
pub(crate) struct Owned<'a> {
    pub(crate) owner: &'a str,
    pub(crate) group: &'a str,
    pub(crate) mode: &'a str,
}

/// Returns the command that prints the files `names` of `dir` as a tar archive.
pub(crate) fn pack(dir: &Path, names: &[String], owned: &Owned<'_>) -> Cmd {
    let Owned { owner, group, mode } = owned;
    query!(
        dir,
        "tar --create --owner={owner} --group={group} --mode={mode} --exclude=__pycache__ {names...}"
    )
}
