//! Files of a mission that shells in its image read: hooks of the start script, and profile scripts
//! of login shells.

use std::path::{Path, PathBuf};

use crate::{
    mission::{
        checkout::{Checkout, Mission},
        dockerfile::{parse::RULE, spec_stages::copy, walk},
    },
    run::finding::Finding,
};

/// A folder in a mission's folder, and the folder of the image that gets its files.
pub(crate) struct Folder {
    pub(crate) name: &'static str,
    target: &'static str,
    mode: &'static str,
    /// Folder of this repository with the common image's own files for `target`.
    common: &'static str,
}

pub(crate) const FOLDERS: [Folder; 2] = [
    Folder {
        name: "before-notebook.d",
        target: "/usr/local/bin/before-notebook.d",
        mode: "0755",
        common: "common/image/before-notebook.d",
    },
    Folder {
        name: "profile.d",
        target: "/etc/profile.d",
        mode: "0644",
        common: "common/image/etc/profile.d",
    },
];

/// Files in [`FOLDERS`] of a mission.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Hooks {
    /// Relative to the mission's folder, sorted.
    pub(crate) files: Vec<PathBuf>,
    /// Files that the image would not get, or not read.
    pub(crate) findings: Vec<Finding>,
}

impl Hooks {
    /// `ignore` is the text of the mission's `.dockerignore`.
    ///
    /// # Errors
    /// A folder cannot be read.
    pub(crate) fn read(
        checkout: &Checkout,
        mission: &Mission,
        ignore: &str,
    ) -> anyhow::Result<Hooks> {
        let mut res = Hooks::default();
        let root = checkout.relative(&mission.dir);
        for folder in &FOLDERS {
            let mut files: Vec<PathBuf> = walk(&mission.dir.join(folder.name), |_| false)?
                .iter()
                .map(|it| it.strip_prefix(&mission.dir).unwrap_or(it).to_owned())
                .collect();
            files.sort();
            if !files.is_empty() && !admits(ignore, folder.name) {
                let what = format!("builds do not get the folder {}", folder.name);
                let fix = format!("add the line `!{}`", folder.name);
                res.findings.push(finding(root.join(".dockerignore"), what, fix));
            }
            let common = checkout.root.join(folder.common);
            let problems = files.iter().filter_map(|it| {
                let (what, fix) = problem(it, &common)?;
                Some(finding(root.join(it), what.to_owned(), fix.to_owned()))
            });
            res.findings.extend(problems);
            res.files.extend(files);
        }
        Ok(res)
    }

    /// Returns the instructions that copy the files.
    pub(crate) fn instructions(&self) -> String {
        let mut res = String::new();
        for folder in &FOLDERS {
            let files = self.files.iter().filter(|it| it.starts_with(folder.name));
            let files: Vec<String> = files.map(|it| it.to_string_lossy().into_owned()).collect();
            if !files.is_empty() {
                let instruction = format!("COPY --chmod={}", folder.mode);
                res += &copy(&instruction, files, Path::new(folder.target));
            }
        }
        res
    }
}

/// Returns whether `path`, relative to the root of the checkout, is a file of [`Hooks`].
pub(crate) fn is_hook(path: &Path) -> bool {
    let parts: Vec<_> = path.iter().collect();
    let [first, _, folder, _] = parts[..] else { return false };
    first == "missions" && FOLDERS.iter().any(|it| folder == it.name)
}

/// Returns whether shells read the hook, instead of running it.
pub(crate) fn is_sourced(path: &Path) -> bool {
    is_hook(path) && path.extension().is_some_and(|it| it == "sh")
}

/// Returns whether a `.dockerignore` of literal names admits `folder`.
fn admits(ignore: &str, folder: &str) -> bool {
    let mut names = ignore.lines().filter_map(|it| it.trim().strip_prefix('!'));
    names.any(|it| it.trim_matches('/') == folder)
}

/// Returns the problem of `file`, relative to the mission's folder, and its fix.
fn problem(file: &Path, common: &Path) -> Option<(&'static str, &'static str)> {
    let name = file.file_name().unwrap_or_default();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if file.components().count() > 2 {
        return Some(("only files directly in the folder are read", "move it there"));
    }
    if !name.to_string_lossy().chars().all(is_plain) {
        return Some((
            "the name cannot be that of a hook",
            "write letters, digits, `.`, `_` and `-`",
        ));
    }
    if file.starts_with("profile.d") && file.extension().is_none_or(|it| it != "sh") {
        return Some(("login shells read `*.sh` alone", "rename or remove it"));
    }
    common
        .join(name)
        .exists()
        .then_some(("replaces the common image's file of this name", "choose another name"))
}

fn finding(file: PathBuf, what: String, fix: String) -> Finding {
    Finding { file, line: None, rule: RULE, what, fix }
}
