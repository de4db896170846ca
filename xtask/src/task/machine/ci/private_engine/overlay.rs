//! Whether dockerd's driver overlay2 works on a disk: tests the features that it needs. Reference:
//! <https://docs.docker.com/engine/storage/drivers/overlayfs-driver/>.

use std::{
    os::unix::fs::{FileTypeExt as _, MetadataExt as _},
    path::Path,
};

use anyhow::{Context as _, ensure};
use fs_err as fs;
use nix::{
    dir::Dir,
    fcntl::OFlag,
    mount::{MntFlags, MsFlags, mount, umount2},
    sys::stat::Mode,
};

use crate::run::{files, process::Permit};

/// Mounts an overlay in a folder of `dir` and changes files in it.
pub(super) fn probe(permit: Permit, dir: &Path) -> anyhow::Result<()> {
    files::make_dirs(permit, dir)?;
    let dir = files::temporary(permit, Some(dir), "overlay-", 0o700)?;
    let dir = dir.path();
    for name in ["lower", "upper", "work", "merged"] {
        files::make_dirs(permit, &dir.join(name))?;
    }
    for name in ["kept", "removed"] {
        files::open(permit, &dir.join("lower").join(name))?;
    }
    ensure!(tells_types(&dir.join("lower"))?, "its folders do not tell the types of files");
    let place = |name: &str| dir.join(name).to_string_lossy().into_owned();
    let (lower, upper, work) = (place("lower"), place("upper"), place("work"));
    let options = format!("lowerdir={lower},upperdir={upper},workdir={work}");
    let (kind, merged) = (Some("overlay"), dir.join("merged"));
    mount(kind, &merged, kind, MsFlags::empty(), Some(options.as_str()))
        .context("cannot mount an overlay")?;
    let res = changes(permit, dir);
    umount2(&merged, MntFlags::MNT_DETACH).context("cannot unmount an overlay")?;
    res
}

/// Removes a file of the lower folder and changes another: the upper folder then contains the
/// content of a layer.
fn changes(permit: Permit, dir: &Path) -> anyhow::Result<()> {
    files::remove(permit, &dir.join("merged/removed"))?;
    files::open(permit, &dir.join("merged/kept"))?.set_len(1)?;
    let whiteout = fs::symlink_metadata(dir.join("upper/removed"))?;
    let is_whiteout = whiteout.file_type().is_char_device() && whiteout.rdev() == 0;
    ensure!(is_whiteout, "a removed file leaves no whiteout");
    ensure!(fs::metadata(dir.join("upper/kept"))?.len() == 1, "a changed file is not copied up");
    Ok(())
}

/// Returns whether a folder's entries have types in readdir(3).
fn tells_types(dir: &Path) -> anyhow::Result<bool> {
    let mut dir = Dir::open(dir, OFlag::O_RDONLY | OFlag::O_DIRECTORY, Mode::empty())?;
    let mut entries = dir.iter();
    Ok(entries.all(|it| it.is_ok_and(|it| it.file_type().is_some())))
}
