//! Writes files of the working tree: whole or not at all.

use std::{io::Write as _, path::Path};

use anyhow::Context as _;
use fs_err as fs;

/// Writes `text` to a temporary file beside `path` and renames it, so that a reader sees the old
/// text or the new one. Says whether anything changed; an equal file is left untouched.
///
/// # Errors
/// The folder cannot be written; the file is then as it was.
pub(crate) fn write(path: &Path, text: &[u8]) -> anyhow::Result<bool> {
    if fs::read(path).is_ok_and(|old| old == text) {
        return Ok(false);
    }
    let dir = path.parent().context("a file has a folder")?;
    fs::create_dir_all(dir)?;
    let mut file = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(dir)
        .with_context(|| format!("cannot write in {}", dir.display()))?;
    file.write_all(text).with_context(|| format!("cannot write {}", path.display()))?;
    file.persist(path).with_context(|| format!("cannot replace {}", path.display()))?;
    Ok(true)
}
