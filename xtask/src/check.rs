//! `check`: everything about this repository that can be checked without an engine. Each rule is a
//! pure function over [`Facts`], in a file of its own; add it to [`RULES`].

pub(crate) mod dockerfile;
pub(crate) mod run_chain;
pub(crate) mod environment_steps;
pub(crate) mod spec_never_installed;
pub(crate) mod spec_lines;
pub(crate) mod frozen_spec;
pub(crate) mod nothing_tested;
pub(crate) mod notebook_missing;
pub(crate) mod generated_dockerfile;
pub(crate) mod script_strict;
pub(crate) mod setup_env_untracked;
pub(crate) mod dockerignore_literal;
pub(crate) mod private_key;
pub(crate) mod secret_plaintext;
pub(crate) mod decrypted_copy;
pub(crate) mod flag_first;
pub(crate) mod download_unchecked;
pub(crate) mod secret_in_layer;
pub(crate) mod notebook;
pub(crate) mod notebook_valid;
pub(crate) mod notebook_outputs;
pub(crate) mod notebook_kernel;
pub(crate) mod settings_template;
pub(crate) mod file_kind;
pub(crate) mod file_name;
pub(crate) mod text_file;
pub(crate) mod large_file;
pub(crate) mod mission_name;
pub(crate) mod switch;
pub(crate) mod fix;

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    os::unix::{ffi::OsStrExt as _, fs::PermissionsExt as _},
    path::{Path, PathBuf},
};

use fs_err as fs;

use crate::{
    dockerfile::{
        Model, Sources,
        parse::{Dockerfile, parse},
    },
    process::{self, cmd},
    repo::{Mission, Repo},
    report::Finding,
    secrets::plaintext::Named,
    tree::{self, Content},
};

/// What the rules look at, read before any of them runs.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// What git tracks or would track: everything that is not ignored. Sorted.
    pub(crate) files: Vec<File>,
    /// What lies in clones of secrets repositories, ignored by their git or not.
    pub(crate) secrets: Vec<File>,
    pub(crate) missions: Vec<MissionFacts>,
    /// Folders whose names no mission or environment may have.
    pub(crate) refused: Vec<Finding>,
}

/// A file of the checkout.
#[derive(Debug, Clone, Default)]
pub(crate) struct File {
    /// Relative to the root.
    pub(crate) path: PathBuf,
    pub(crate) executable: bool,
    pub(crate) is_link: bool,
    pub(crate) size: u64,
    /// Empty when [`File::unreadable`] says why, and for links.
    pub(crate) text: String,
    /// See [`Content::unreadable`].
    pub(crate) unreadable: Option<Finding>,
}

/// A mission; see [`Sources::custom`] for one that keeps a Dockerfile of its own.
#[derive(Debug)]
pub(crate) struct MissionFacts {
    pub(crate) sources: Sources,
    /// The sources, understood, or why they are not; for a Dockerfile of its own, what is wrong with it.
    pub(crate) model: Result<Model, Vec<Finding>>,
    /// The Dockerfile as it is; `None` when there is none.
    pub(crate) dockerfile: Option<String>,
}

/// One kind of mistake.
pub(crate) struct Rule {
    pub(crate) name: &'static str,
    /// What must hold.
    pub(crate) about: &'static str,
    /// Whether a mission with such a finding is refused before it is built.
    pub(crate) refuses: bool,
    pub(crate) check: fn(&Facts) -> Vec<Finding>,
}

/// All rules, in the order of `check --help`.
pub(crate) const RULES: &[Rule] = &[
    dockerfile::RULE,
    run_chain::RULE,
    environment_steps::RULE,
    spec_never_installed::RULE,
    spec_lines::RULE,
    frozen_spec::RULE,
    nothing_tested::RULE,
    notebook_missing::RULE,
    generated_dockerfile::RULE,
    script_strict::RULE,
    setup_env_untracked::RULE,
    dockerignore_literal::RULE,
    private_key::RULE,
    secret_plaintext::RULE,
    decrypted_copy::RULE,
    flag_first::RULE,
    download_unchecked::RULE,
    secret_in_layer::RULE,
    notebook_valid::RULE,
    notebook_outputs::RULE,
    notebook_kernel::RULE,
    settings_template::RULE,
    mission_name::RULE,
    file_name::RULE,
    file_kind::RULE,
    text_file::RULE,
    large_file::RULE,
    switch::RULE,
];

/// The rules, as `check --help` lists them.
pub(crate) fn help() -> String {
    let lines = RULES.iter().map(|it| format!("  {:22} {}", it.name, it.about));
    format!("Rules:\n{}", lines.collect::<Vec<_>>().join("\n"))
}

/// What all rules find and no file switches off, sorted.
pub(crate) fn findings(facts: &Facts) -> Vec<Finding> {
    let mut res = switch::apply(facts, found(facts, |_| true));
    res.sort();
    res
}

/// Why `mission` must not be built.
///
/// # Errors
/// A file that cannot be read.
pub(crate) fn refusals(repo: &Repo, mission: &Mission) -> anyhow::Result<Vec<Finding>> {
    let missions = vec![MissionFacts::read(repo, mission)?];
    let facts = Facts { missions, ..Facts::default() };
    Ok(found(&facts, |rule| rule.refuses))
}

fn found(facts: &Facts, wanted: impl Fn(&Rule) -> bool) -> Vec<Finding> {
    let rules = RULES.iter().filter(|it| wanted(it));
    let mut res: Vec<Finding> = rules.flat_map(|it| (it.check)(facts)).collect();
    res.sort();
    res.dedup();
    res
}

impl Facts {
    /// # Errors
    /// This is no git checkout, or a file cannot be read.
    pub(crate) fn read(repo: &Repo) -> anyhow::Result<Facts> {
        let list = cmd!(repo.root, "git ls-files -z --cached --others --exclude-standard");
        let mut files = Vec::new();
        for name in process::bytes(&list)?.split(|it| *it == 0).filter(|it| !it.is_empty()) {
            files.extend(File::read(&repo.root, Path::new(OsStr::from_bytes(name)))?);
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files.dedup_by(|a, b| a.path == b.path);
        let missions = repo.missions.iter().map(|it| MissionFacts::read(repo, it));
        let missions = missions.collect::<anyhow::Result<_>>()?;
        let mut secrets = Vec::new();
        collect(repo, &repo.root.join("secrets"), &mut secrets)?;
        Ok(Facts { files, secrets, missions, refused: repo.refused.clone() })
    }

    /// Paths and texts of this repository and of the secrets clones, for rules about secrets.
    pub(crate) fn named(&self) -> Vec<Named<'_>> {
        let files = self.files.iter().chain(&self.secrets);
        files.map(|it| (it.path.as_path(), it.text.as_str())).collect()
    }

    /// The sources that are understood; what is wrong with the others is rule `dockerfile`'s.
    pub(crate) fn models(&self) -> impl Iterator<Item = (&Sources, &Model)> {
        self.missions.iter().filter_map(|it| Some((&it.sources, it.model.as_ref().ok()?)))
    }

    /// Whether there is a file `path`, or a folder with files.
    pub(crate) fn has(&self, path: &Path) -> bool {
        let first = self.files.partition_point(|it| it.path.as_path() < path);
        self.files.get(first).is_some_and(|it| it.path.starts_with(path))
    }

    /// The file `path`, if git has it.
    pub(crate) fn file(&self, path: &Path) -> Option<&File> {
        let at = self.files.binary_search_by(|it| it.path.as_path().cmp(path));
        at.ok().map(|it| &self.files[it])
    }

    /// Dockerfiles and parts of them that people write.
    pub(crate) fn dockerfiles(&self) -> impl Iterator<Item = &File> {
        let is_dockerfile = |it: &&File| {
            let name = it.path.file_name().map_or("".into(), |it| it.to_string_lossy());
            name == "Dockerfile" || name.starts_with("Dockerfile.") && !name.ends_with("ignore")
        };
        let generated = self.generated();
        self.files.iter().filter(is_dockerfile).filter(move |it| !generated.contains(&it.path))
    }

    /// What `check` finds in those that can be read; the rule `dockerfile` tells of others.
    pub(crate) fn of_dockerfiles(&self, check: fn(&Dockerfile) -> Vec<Finding>) -> Vec<Finding> {
        let parsed = self.dockerfiles().filter_map(|it| parse(&it.path, &it.text).ok());
        parsed.flat_map(|it| check(&it)).collect()
    }

    /// The Dockerfiles that nobody writes.
    pub(crate) fn generated(&self) -> BTreeSet<PathBuf> {
        let missions = self.missions.iter().map(|it| &it.sources);
        let custom = missions.filter(|it| it.custom.is_some());
        custom.map(|it| it.mission.join("Dockerfile")).collect()
    }
}

impl File {
    /// Reads `path`, which is relative to `root`; `None` when git knows it and it is gone, and for a
    /// repository of its own.
    fn read(root: &Path, path: &Path) -> anyhow::Result<Option<File>> {
        let Ok(metadata) = fs::symlink_metadata(root.join(path)) else { return Ok(None) };
        if metadata.is_dir() {
            return Ok(None);
        }
        let Content { size, text, is_link, unreadable } = Content::read(root, path)?;
        let executable = metadata.is_file() && metadata.permissions().mode() & 0o111 != 0;
        Ok(Some(File { path: path.to_owned(), executable, is_link, size, text, unreadable }))
    }

    /// Something is wrong with this file, as a whole or in a line.
    pub(crate) fn finding(
        &self,
        rule: &'static str,
        line: Option<usize>,
        what: impl Into<String>,
        fix: impl Into<String>,
    ) -> Finding {
        let file = tree::shown(&self.path);
        Finding { file, line, rule, what: what.into(), fix: fix.into() }
    }
}

/// All files below `dir`, but git's own and clones that are being made.
fn collect(repo: &Repo, dir: &Path, res: &mut Vec<File>) -> anyhow::Result<()> {
    if !dir.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_hidden_folder = name == ".git" || name.to_string_lossy().starts_with(".clone-");
        if entry.file_type()?.is_dir() && !is_hidden_folder {
            collect(repo, &entry.path(), res)?;
        } else if entry.file_type()?.is_file() {
            res.extend(File::read(&repo.root, repo.relative(&entry.path()))?);
        }
    }
    Ok(())
}

impl MissionFacts {
    /// Whether it keeps a Dockerfile of its own.
    pub(crate) fn is_by_hand(&self) -> bool {
        self.sources.custom.is_none() && self.dockerfile.is_some()
    }

    fn read(repo: &Repo, mission: &Mission) -> anyhow::Result<MissionFacts> {
        let sources = Sources::read(repo, mission)?;
        let path = mission.dockerfile();
        let relative = repo.relative(&path);
        let content = Content::follow(&repo.root, relative)?;
        let dockerfile = path.is_file().then_some(content.text.clone());
        let model = match (&sources.custom, &dockerfile) {
            (None, Some(text)) => {
                let own = content.unreadable.into_iter().chain(dockerfile::own(relative, text));
                Err(sources.unreadable.iter().cloned().chain(own).collect())
            }
            _ => sources.model(),
        };
        Ok(MissionFacts { sources, model, dockerfile })
    }
}

#[cfg(test)]
mod tests;
