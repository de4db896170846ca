//! World of a task, and its state afterwards.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use crate::plan::{FOLDER, Recorded};

/// A scratch folder with a checkout in it.
pub(crate) trait World: Send + Sync {
    fn dir(&self) -> PathBuf;

    /// Returns the tool in this world.
    fn command(&self, args: &[&str]) -> Command;

    /// Returns another world with the same files.
    fn copy(&self) -> Box<dyn World>;

    fn look(&self) -> Snapshot;
}

/// State after a run.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Snapshot {
    /// Files of the checkout except `target`.
    pub(crate) files: BTreeMap<PathBuf, Vec<u8>>,
    /// Purpose of the task, in words that are equal in each run.
    pub(crate) outcome: BTreeMap<String, String>,
    /// Human tags in registries, and their problems: without receipt or immutable tag.
    pub(crate) human_tags: BTreeMap<String, (String, Option<String>)>,
    /// Receipts that certify an image whose tests did not all run.
    pub(crate) false_receipts: Vec<String>,
    /// Objects that a run must remove or name.
    pub(crate) leftovers: Vec<String>,
}

/// Returns the folder of the stand-in's calls and faults.
pub(crate) fn faults(world: &dyn World) -> PathBuf {
    world.dir().join("state").join(FOLDER)
}

/// Returns the calls of the last run.
pub(crate) fn calls(world: &dyn World) -> Vec<Recorded> {
    let text = fs::read_to_string(faults(world).join("calls")).unwrap_or_default();
    text.lines().map(|it| serde_json::from_str(it).unwrap()).collect()
}

/// Puts the stand-in before `programs` in `bin`: pairs of a name and the real program.
pub(crate) fn wrap(dir: &Path, bin: &str, programs: &[(&str, PathBuf)]) {
    let real = dir.join("state").join(FOLDER).join("real");
    fs::create_dir_all(&real).unwrap();
    fs::create_dir_all(dir.join(bin)).unwrap();
    for (name, path) in programs {
        symlink(path, real.join(name)).unwrap();
        let link = dir.join(bin).join(name);
        let _ = fs::remove_file(&link);
        symlink(env!("CARGO_BIN_EXE_stand-in"), link).unwrap();
    }
}

/// Returns all files below `dir` by their relative paths, without the folders `without`.
pub(crate) fn files(dir: &Path, without: &[&str]) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut res = BTreeMap::new();
    collect(dir, dir, without, &mut res);
    res
}

fn collect(top: &Path, dir: &Path, without: &[&str], res: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = path.strip_prefix(top).unwrap().to_owned();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() && !without.iter().any(|it| Path::new(it) == name) {
            collect(top, &path, without, res);
        } else if kind.is_file() {
            res.insert(name, fs::read(&path).unwrap_or_default());
        }
    }
}
