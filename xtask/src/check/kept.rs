//! Files of the checkout that git tracks or would track, in submodules too.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use fs_err as fs;

use crate::tools::git;

/// Files of the checkout and of its submodules that git keeps.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) files: BTreeSet<PathBuf>,
    pub(super) empty_submodules: Vec<PathBuf>,
}

impl Kept {
    pub(super) fn read(root: &Path) -> anyhow::Result<Kept> {
        let mut res = Kept::default();
        res.add(root, Path::new(""))?;
        Ok(res)
    }

    /// Adds the files of the repository at `dir`, which is relative to `root`.
    fn add(&mut self, root: &Path, dir: &Path) -> anyhow::Result<()> {
        let is_nested = dir != Path::new("");
        let git::Kept { files, submodules } = git::kept(&root.join(dir), is_nested)?;
        self.files.extend(files.iter().map(|it| dir.join(it)));
        for path in submodules.iter().map(|it| dir.join(it)) {
            let folder = root.join(&path);
            if folder.join(".git").exists() {
                self.add(root, &path)?;
            } else if !folder.is_dir() || fs::read_dir(&folder)?.next().is_none() {
                self.empty_submodules.push(path);
            }
        }
        Ok(())
    }
}
