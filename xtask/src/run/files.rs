//! Writes and removes files and folders. Files of the working tree are written whole or not at all.

#![expect(clippy::disallowed_methods, reason = "this is the place for them")]

use std::{
    env,
    ffi::OsStr,
    fs::{File, Permissions},
    io::{self, Read, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use fs_err as fs;
use nix::sys::signal::{Signal, raise};
use tempfile::{NamedTempFile, TempDir};

use crate::run::{printable::Shown as _, process::Permit};

/// Writes `text` to a temporary file beside `path` and renames it, so that a reader sees the old
/// text or the new one. Returns whether anything changed; an equal file is left untouched.
///
/// # Errors
/// The folder cannot be written, or `path` is a folder or a device; nothing is changed then.
pub(crate) fn write(permit: Permit, path: &Path, text: &[u8]) -> anyhow::Result<bool> {
    Ok(!write_all(permit, &[(path, text)])?.is_empty())
}

/// Writes like [`write`], with a mode that lets nobody else read the file.
pub(crate) fn write_private(_: Permit, path: &Path, text: &[u8]) -> anyhow::Result<()> {
    let file = stage(path, text, 0o600)?;
    file.persist(path).with_context(|| format!("cannot replace {}", path.shown()))?;
    Ok(())
}

/// Writes like [`write`], for files that belong together: all are written before the first is
/// renamed. Returns the paths that changed.
///
/// # Errors
/// A folder cannot be written, or a path is a folder or a device; all files are then unchanged.
pub(crate) fn write_all(_: Permit, files: &[(&Path, &[u8])]) -> anyhow::Result<Vec<PathBuf>> {
    let mut staged = Vec::new();
    for (path, text) in files {
        let found = fs::symlink_metadata(path).ok();
        let is_fit = found.is_none_or(|it| it.is_file() || it.is_symlink());
        ensure!(is_fit, "{}: not a regular file; nothing is written", path.shown());
        if has(path, text) {
            continue;
        }
        let mode = fs::metadata(path).map_or(0o644, |it| it.permissions().mode() & 0o777);
        staged.push((stage(path, text, mode)?, path.to_path_buf()));
    }
    let mut res = Vec::new();
    for (file, path) in staged {
        fault("before-rename");
        file.persist(&path).with_context(|| format!("cannot replace {}", path.shown()))?;
        fault("after-rename");
        res.push(path);
    }
    Ok(res)
}

/// Returns whether the file has this text. A device may have no end.
fn has(path: &Path, text: &[u8]) -> bool {
    let has_length = |it: std::fs::Metadata| it.is_file() && it.len() == text.len() as u64;
    fs::metadata(path).is_ok_and(has_length) && fs::read(path).is_ok_and(|old| old == text)
}

/// Checks the name of a result, from the command line.
///
/// # Errors
/// `path` is a folder, a device, or a link, in place of which a file would come.
pub(crate) fn check_result(path: &Path) -> anyhow::Result<()> {
    let is_fit = fs::symlink_metadata(path).ok().is_none_or(|it| it.is_file());
    ensure!(
        is_fit,
        "{}: not a regular file\n    fix: name a new file, or one to be replaced",
        path.shown()
    );
    Ok(())
}

/// Copies `from` to the new file `path`, readable by all users.
///
/// # Errors
/// `path` exists already, also as a link, or cannot be written.
pub(crate) fn create(_: Permit, path: &Path, from: &mut dyn Read) -> anyhow::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).open(path)?;
    io::copy(from, &mut file).with_context(|| format!("cannot write {}", path.shown()))?;
    Ok(())
}

/// Reads a file that another program or person wrote.
///
/// # Errors
/// `path` is not a regular file, cannot be read, or has more than `limit` bytes.
pub(crate) fn read_foreign(path: &Path, limit: u64) -> anyhow::Result<Vec<u8>> {
    let metadata = fs::symlink_metadata(path)?;
    ensure!(metadata.is_file(), "{}: not a regular file", path.shown());
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    let has_all = bytes.len() as u64 <= limit;
    ensure!(has_all, "{}: larger than {} MB", path.shown(), limit / 1_000_000);
    Ok(bytes)
}

/// Reads like [`read_foreign`]; the file must be UTF-8.
pub(crate) fn read_foreign_text(path: &Path, limit: u64) -> anyhow::Result<String> {
    let text = String::from_utf8(read_foreign(path, limit)?);
    text.with_context(|| format!("{}: not UTF-8", path.shown()))
}

/// Makes `path` executable for everybody who may read it.
pub(crate) fn make_executable(_: Permit, path: &Path) -> anyhow::Result<()> {
    let mode = fs::metadata(path)?.permissions().mode();
    Ok(fs::set_permissions(path, Permissions::from_mode(mode | (mode & 0o444) >> 2))?)
}

/// Sets the permissions of `path`.
pub(crate) fn set_mode(_: Permit, path: &Path, mode: u32) -> anyhow::Result<()> {
    Ok(fs::set_permissions(path, Permissions::from_mode(mode))?)
}

/// Creates the new link `path` to `target`.
///
/// # Errors
/// `path` exists, or cannot be created.
pub(crate) fn link(_: Permit, target: &Path, path: &Path) -> anyhow::Result<()> {
    let made = symlink(target, path);
    made.with_context(|| format!("cannot make the link {}", path.shown()))
}

/// Renames `from` to `to` on the same file system.
///
/// # Errors
/// `to` is a folder that is not empty, or cannot be created.
pub(crate) fn rename(_: Permit, from: &Path, to: &Path) -> anyhow::Result<()> {
    Ok(fs::rename(from, to)?)
}

/// Creates `dir` and its missing parents.
pub(crate) fn make_dirs(_: Permit, dir: &Path) -> anyhow::Result<()> {
    Ok(fs::create_dir_all(dir)?)
}

/// Removes the file or link `path`, if it exists.
pub(crate) fn remove(_: Permit, path: &Path) -> anyhow::Result<()> {
    unless_missing(fs::remove_file(path))
}

/// Removes the folder `dir` with its content, if it exists.
pub(crate) fn remove_tree(_: Permit, dir: &Path) -> anyhow::Result<()> {
    unless_missing(fs::remove_dir_all(dir))
}

/// Removes the folder `dir`, if it exists and is empty.
pub(crate) fn remove_empty(_: Permit, dir: &Path) {
    let _ = fs::remove_dir(dir);
}

fn unless_missing(res: io::Result<()>) -> anyhow::Result<()> {
    match res {
        Err(err) if err.kind() != io::ErrorKind::NotFound => Err(err.into()),
        _ => Ok(()),
    }
}

/// Opens `path` for locking or as a log; creates an empty file if it is missing.
pub(crate) fn open(_: Permit, path: &Path) -> anyhow::Result<File> {
    fs::create_dir_all(path.parent().context("a file has a folder")?)?;
    let file = File::options().create(true).append(true).open(path);
    file.with_context(|| format!("cannot write {}", path.shown()))
}

/// Opens like [`open`], and truncates the file.
pub(crate) fn open_empty(permit: Permit, path: &Path) -> anyhow::Result<File> {
    let file = open(permit, path)?;
    file.set_len(0)?;
    Ok(file)
}

/// Creates the new file `path`, readable by this user alone.
///
/// # Errors
/// `path` exists, or cannot be written.
pub(crate) fn open_new(_: Permit, path: &Path) -> anyhow::Result<File> {
    let mut options = File::options();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    file.with_context(|| format!("cannot write {}", path.shown()))
}

/// Creates a temporary folder with this name prefix and mode, in `dir` or in the system's temporary
/// folder. The folder is removed when dropped.
pub(crate) fn temporary(
    _: Permit,
    dir: Option<&Path>,
    prefix: &str,
    mode: u32,
) -> anyhow::Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    let builder = builder.prefix(prefix).permissions(Permissions::from_mode(mode));
    let temp = env::temp_dir();
    let dir = dir.unwrap_or(&temp);
    builder.tempdir_in(dir).with_context(|| format!("cannot make a folder in {}", dir.shown()))
}

/// Writes a temporary file beside `path`, which is removed unless it is renamed.
fn stage(path: &Path, text: &[u8], mode: u32) -> anyhow::Result<NamedTempFile> {
    let dir = path.parent().context("a file has a folder")?;
    let name = path.file_name().context("a file has a name")?.to_string_lossy();
    let prefix = format!(".{name}.");
    fs::create_dir_all(dir)?;
    remove_leftovers(dir, &prefix)?;
    fault("before-write");
    let mut file = tempfile::Builder::new()
        .prefix(&prefix)
        .suffix(SUFFIX)
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(dir)
        .with_context(|| format!("cannot write in {}", dir.shown()))?;
    file.write_all(text).with_context(|| format!("cannot write {}", path.shown()))?;
    fault("after-write");
    Ok(file)
}

const SUFFIX: &str = ".new";

/// Removes the temporary files of a killed run.
fn remove_leftovers(dir: &Path, prefix: &str) -> anyhow::Result<()> {
    let is_ours = |name: &OsStr| {
        let name = name.to_string_lossy();
        name.starts_with(prefix) && name.ends_with(SUFFIX)
    };
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if is_ours(&entry.file_name()) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Kills this process where a test asks for it, like a loss of power: `XTASK_FAULT=before-write`.
fn fault(point: &str) {
    if env::var_os("XTASK_FAULT").is_some_and(|it| it == point) {
        // No code after this runs.
        let _ = raise(Signal::SIGKILL);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn what_is_no_file_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (socket, other) = (dir.path().join("socket"), dir.path().join("other"));
        let _listener = UnixListener::bind(&socket).unwrap();
        let files: [(&Path, &[u8]); 2] = [(&other, b"a"), (&socket, b"a")];
        let said = write_all(Permit::of_test(), &files).unwrap_err().to_string();
        assert!(said.ends_with("socket: not a regular file; nothing is written"), "{said}");
        assert!(!other.exists() && UnixListener::bind(&socket).is_err());
    }
}
