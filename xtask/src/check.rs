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
pub(crate) mod secret_in_layer;
pub(crate) mod private_key;
pub(crate) mod secret_plaintext;
pub(crate) mod decrypted_copy;

use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use fs_err as fs;

use crate::{
    dockerfile::{Model, Sources},
    process::{self, cmd},
    repo::{Mission, Repo},
    report::Finding,
    secrets::plaintext::Named,
};

/// What the rules look at, read before any of them runs.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// What git tracks or would track: everything that is not ignored.
    pub(crate) files: Vec<File>,
    /// What lies in clones of secrets repositories, ignored by their git or not.
    pub(crate) secrets: Vec<File>,
    pub(crate) missions: Vec<MissionFacts>,
}

/// A file of the checkout.
#[derive(Debug, Clone)]
pub(crate) struct File {
    /// Relative to the root.
    pub(crate) path: PathBuf,
    pub(crate) executable: bool,
    /// Empty when it is not UTF-8.
    pub(crate) text: String,
}

/// A mission; see [`Sources::custom`] for one that keeps a Dockerfile of its own.
#[derive(Debug)]
pub(crate) struct MissionFacts {
    pub(crate) sources: Sources,
    /// The sources, understood, or why they are not; no findings for a Dockerfile of its own.
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
    secret_in_layer::RULE,
    private_key::RULE,
    secret_plaintext::RULE,
    decrypted_copy::RULE,
];

/// The rules, as `check --help` lists them.
pub(crate) fn help() -> String {
    let lines = RULES.iter().map(|it| format!("  {:22} {}", it.name, it.about));
    format!("Rules:\n{}", lines.collect::<Vec<_>>().join("\n"))
}

/// What all rules find, sorted.
pub(crate) fn findings(facts: &Facts) -> Vec<Finding> {
    found(facts, |_| true)
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
        for name in process::read(&list)?.split_terminator('\0') {
            let path = repo.root.join(name);
            if path.is_file() {
                files.push(File::read(repo, &path)?);
            }
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files.dedup_by(|a, b| a.path == b.path);
        let missions = repo.missions.iter().map(|it| MissionFacts::read(repo, it));
        let mut secrets = Vec::new();
        collect(repo, &repo.root.join("secrets"), &mut secrets)?;
        Ok(Facts { files, secrets, missions: missions.collect::<anyhow::Result<_>>()? })
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

    /// Dockerfiles and parts of them that people write.
    pub(crate) fn dockerfiles(&self) -> impl Iterator<Item = &File> {
        let is_dockerfile = |it: &&File| {
            let name = it.path.file_name().map_or("".into(), |it| it.to_string_lossy());
            name == "Dockerfile" || name.starts_with("Dockerfile.") && !name.ends_with("ignore")
        };
        let is_generated = |file: &File| {
            let mut missions = self.missions.iter().filter(|it| it.sources.custom.is_some());
            missions.any(|it| it.sources.mission.join("Dockerfile") == file.path)
        };
        self.files.iter().filter(is_dockerfile).filter(move |it| !is_generated(it))
    }
}

impl File {
    fn read(repo: &Repo, path: &Path) -> anyhow::Result<File> {
        Ok(File {
            path: repo.relative(path).to_owned(),
            executable: fs::metadata(path)?.permissions().mode() & 0o111 != 0,
            text: String::from_utf8(fs::read(path)?).unwrap_or_default(),
        })
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
            res.push(File::read(repo, &entry.path())?);
        }
    }
    Ok(())
}

impl MissionFacts {
    fn read(repo: &Repo, mission: &Mission) -> anyhow::Result<MissionFacts> {
        let sources = Sources::read(repo, mission)?;
        let path = mission.dockerfile();
        let dockerfile = if path.is_file() { Some(fs::read_to_string(path)?) } else { None };
        let model = match (&sources.custom, &dockerfile) {
            (None, Some(_)) => Err(Vec::new()),
            _ => sources.model(),
        };
        Ok(MissionFacts { sources, model, dockerfile })
    }
}

#[cfg(test)]
mod tests;
