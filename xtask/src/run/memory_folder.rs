//! Private folders in memory, for content that must never reach a disk, and for the many short-lived files
//! of tests. A folder is removed with its guard; the next run sweeps those of a killed run. They count as
//! this process's own memory, so a command that only reads may use one without a permit.

#![expect(clippy::disallowed_methods, reason = "this is the place for files in memory")]

use std::{
    fs::File,
    io::Write as _,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use fs_err as fs;
use nix::{
    sys::{
        statfs::{TMPFS_MAGIC, statfs},
        statvfs::{FsFlags, statvfs},
    },
    unistd::geteuid,
};
use tempfile::TempDir;

use crate::run::{failure, process::Permit};

/// Where Linux keeps files in memory: shm_overview(7).
const MEMORY: &str = "/dev/shm";

const OF_SECRETS: &str = "xtask-secrets-";
const OF_TESTS: &str = "xtask-tests-";

/// A folder with mode 0700, removed when dropped.
pub(crate) struct MemoryFolder {
    dir: TempDir,
    /// Locked while this process lives.
    _owner: File,
}

impl MemoryFolder {
    pub(crate) fn new() -> anyhow::Result<MemoryFolder> {
        match missing() {
            Some(what) => Err(failure::machine("secrets", what)),
            None => MemoryFolder::with_prefix(OF_SECRETS),
        }
    }

    /// Returns a folder for the files of tests, if there is room for `bytes` and programs in it may run.
    pub(crate) fn for_tests(bytes: u64) -> Option<MemoryFolder> {
        let disk = statvfs(MEMORY).ok().filter(|_| missing().is_none())?;
        let room = disk.blocks_available() * disk.fragment_size();
        let is_fit = room >= bytes && !disk.flags().contains(FsFlags::ST_NOEXEC);
        is_fit.then(|| MemoryFolder::with_prefix(OF_TESTS).ok()).flatten()
    }

    fn with_prefix(prefix: &str) -> anyhow::Result<MemoryFolder> {
        loop {
            let dir = tempfile::Builder::new()
                .prefix(prefix)
                .permissions(PermissionsExt::from_mode(0o700))
                .tempdir_in(MEMORY)
                .with_context(|| format!("cannot make a folder in {MEMORY}"))?;
            let owner = File::open(dir.path());
            // The sweep of another run may have removed the folder meanwhile.
            if let Ok(owner) = owner
                && owner.try_lock().is_ok()
                && dir.path().is_dir()
            {
                return Ok(MemoryFolder { dir, _owner: owner });
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Writes a file with mode 0600.
    pub(crate) fn file(&self, name: &str, text: &str) -> anyhow::Result<PathBuf> {
        let path = self.path().join(name);
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(&path)?;
        file.write_all(text.as_bytes()).with_context(|| format!("cannot write in {MEMORY}"))?;
        Ok(path)
    }

    /// Creates the link `name` to `target`.
    pub(crate) fn link(&self, name: &str, target: &Path) -> anyhow::Result<()> {
        symlink(target, self.path().join(name)).with_context(|| format!("cannot write in {MEMORY}"))
    }
}

/// Returns why this machine cannot have a private folder, if so.
pub(crate) fn missing() -> Option<String> {
    let in_memory = statfs(MEMORY).is_ok_and(|it| it.filesystem_type() == TMPFS_MAGIC);
    (!in_memory).then(|| format!("{MEMORY} is not in memory (a tmpfs)"))
}

/// Removes this user's folders whose owner is gone.
pub(crate) fn sweep(_: Permit) -> anyhow::Result<()> {
    let Ok(entries) = fs::read_dir(MEMORY) else { return Ok(()) };
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_ours = [OF_SECRETS, OF_TESTS].iter().any(|it| name.starts_with(it))
            && fs::symlink_metadata(&path)
                .is_ok_and(|it| it.is_dir() && it.uid() == geteuid().as_raw());
        if let Some(folder) = is_ours.then(|| File::open(&path).ok()).flatten()
            && folder.try_lock().is_ok()
            && path.is_dir()
        {
            let removed = fs::remove_dir_all(&path);
            // Programs of tests may still write there.
            if !name.starts_with(OF_TESTS) {
                removed?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
