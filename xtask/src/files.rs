//! Writes files of the working tree: whole or not at all.

use std::{
    env,
    ffi::OsStr,
    fs::Permissions,
    io::{self, Read, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use fs_err as fs;
use nix::sys::signal::{Signal, raise};
use tempfile::NamedTempFile;

use crate::printable::Shown as _;

/// Writes `text` to a temporary file beside `path` and renames it, so that a reader sees the old
/// text or the new one. Says whether anything changed; an equal file is left untouched.
///
/// # Errors
/// The folder cannot be written; the file is then as it was.
pub(crate) fn write(path: &Path, text: &[u8]) -> anyhow::Result<bool> {
    Ok(!write_all(&[(path, text)])?.is_empty())
}

/// As [`write`], for a secret: nobody else may read the file.
///
/// # Errors
/// As for [`write`].
pub(crate) fn write_private(path: &Path, text: &[u8]) -> anyhow::Result<()> {
    let file = stage(path, text, 0o600)?;
    file.persist(path).with_context(|| format!("cannot replace {}", path.shown()))?;
    Ok(())
}

/// As [`write`], for files that belong together: none is renamed before all are written. Gives
/// those that changed.
///
/// # Errors
/// A folder cannot be written; all files are then as they were.
pub(crate) fn write_all(files: &[(&Path, &[u8])]) -> anyhow::Result<Vec<PathBuf>> {
    let differs = |(path, text): &&(&Path, &[u8])| fs::read(path).map_or(true, |old| old != *text);
    let mut staged = Vec::new();
    for (path, text) in files.iter().filter(differs) {
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

/// Copies `from` to the new file `path`, which is readable by all.
///
/// # Errors
/// `path` exists already, also as a link, or cannot be written.
pub(crate) fn create(path: &Path, from: &mut dyn Read) -> anyhow::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).open(path)?;
    io::copy(from, &mut file).with_context(|| format!("cannot write {}", path.shown()))?;
    Ok(())
}

/// Reads a file that others wrote.
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

/// As [`read_foreign`]; the file has to be UTF-8.
///
/// # Errors
/// As for [`read_foreign`].
pub(crate) fn read_foreign_text(path: &Path, limit: u64) -> anyhow::Result<String> {
    let text = String::from_utf8(read_foreign(path, limit)?);
    text.with_context(|| format!("{}: not UTF-8", path.shown()))
}

/// Lets everybody execute `path` who may read it.
///
/// # Errors
/// It is not ours.
pub(crate) fn make_executable(path: &Path) -> anyhow::Result<()> {
    let mode = fs::metadata(path)?.permissions().mode();
    Ok(fs::set_permissions(path, Permissions::from_mode(mode | (mode & 0o444) >> 2))?)
}

/// A temporary file beside `path`, removed unless it is renamed.
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

/// What a run left that was killed.
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

/// Where a test lets this process be killed, as by a loss of power: `XTASK_FAULT=before-write`.
fn fault(point: &str) {
    if env::var_os("XTASK_FAULT").is_some_and(|it| it == point) {
        // Nothing after this runs.
        let _ = raise(Signal::SIGKILL);
    }
}
