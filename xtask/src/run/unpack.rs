//! Unpacks tar streams of containers, which are untrusted: regular files and folders alone, into a
//! new folder, up to a limit. `docker cp` to a folder would keep absolute links, which the next copy
//! into that folder follows, and would create FIFOs.

use std::{
    io::Read,
    path::{Component, Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use fs_err as fs;
use tar::{Archive, Entry, EntryType};

use crate::run::{files, process::Permit};

/// Limits of one stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Total bytes of all files.
    pub(crate) bytes: u64,
    pub(crate) entries: usize,
}

/// Unpacks `stream` into `dir`, whose former content is removed. Returns a line for each skipped
/// entry: a link, a device, a name that leads elsewhere, a second file of the same name.
///
/// # Errors
/// The stream is damaged or exceeds `limits`, or `dir` cannot be written.
pub(crate) fn unpack(
    permit: Permit,
    stream: &mut dyn Read,
    dir: &Path,
    limits: Limits,
) -> anyhow::Result<Vec<String>> {
    clear(permit, dir)?;
    let mut left_out = Vec::new();
    let mut bytes = 0;
    for (index, entry) in Archive::new(stream).entries()?.enumerate() {
        let mut entry = entry.context("the tar stream is damaged")?;
        ensure!(index < limits.entries, "more than {} files", limits.entries);
        bytes += entry.size();
        ensure!(bytes <= limits.bytes, "more than {} MB", limits.bytes / 1_000_000);
        if let Err(why) = take(permit, &mut entry, dir)? {
            left_out.push(format!("{}: {why}", printable(&entry)));
        }
    }
    Ok(left_out)
}

/// Makes `dir` an empty folder; a link in its place is removed, not followed.
fn clear(permit: Permit, dir: &Path) -> anyhow::Result<()> {
    match fs::symlink_metadata(dir) {
        Ok(found) if found.is_dir() => files::remove_tree(permit, dir)?,
        Ok(_) => files::remove(permit, dir)?,
        Err(_) => (),
    }
    files::make_dirs(permit, dir)
}

/// Unpacks one entry, or returns the reason for skipping it.
fn take<R: Read>(
    permit: Permit,
    entry: &mut Entry<'_, R>,
    dir: &Path,
) -> anyhow::Result<Result<(), String>> {
    let Some(path) = inside(entry) else {
        return Ok(Err("not a plain path".to_owned()));
    };
    let path = dir.join(path);
    match entry.header().entry_type() {
        EntryType::Directory => match path.is_dir() || files::make_dirs(permit, &path).is_ok() {
            true => Ok(Ok(())),
            false => Ok(Err("a file has its name".to_owned())),
        },
        EntryType::Regular if fs::symlink_metadata(&path).is_ok() => {
            Ok(Err("a second file of this name".to_owned()))
        }
        EntryType::Regular => {
            let parent = path.parent().context("an entry has a folder")?;
            if files::make_dirs(permit, parent).is_err() {
                return Ok(Err("a file has the name of a folder".to_owned()));
            }
            files::create(permit, &path, entry)?;
            Ok(Ok(()))
        }
        other => Ok(Err(format!("not a regular file or folder ({other:?})"))),
    }
}

/// Returns the entry's path, if each of its parts is a plain name without control characters.
fn inside<R: Read>(entry: &Entry<'_, R>) -> Option<PathBuf> {
    let path = entry.path().ok()?;
    let text = path.to_str()?;
    let is_plain = |it: &Component<'_>| matches!(it, Component::Normal(_) | Component::CurDir);
    let fits = !text.contains(char::is_control) && path.components().all(|it| is_plain(&it));
    fits.then(|| path.components().filter(|it| *it != Component::CurDir).collect())
}

fn printable<R: Read>(entry: &Entry<'_, R>) -> String {
    String::from_utf8_lossy(&entry.path_bytes()).escape_debug().to_string()
}

#[cfg(test)]
mod tests;
