//! A mission's Dockerfile: the author's part, parsed, and the file generated from it.
//!
//! Authors write plain `RUN /opt/common-scripts/env-update …`. The generated file adds mounts,
//! build arguments and the stages that hold spec files; see [`generate`].

pub(crate) mod shell;
pub(crate) mod parse;
pub(crate) mod calls;
pub(crate) mod programs;
pub(crate) mod stages;
pub(crate) mod mounts;
pub(crate) mod apt;
pub(crate) mod refusals;
pub(crate) mod spec_stages;
pub(crate) mod hooks;
pub(crate) mod generate;
pub(crate) mod update;
pub(crate) mod asked;
pub(crate) mod lists;
pub(crate) mod trial;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use fs_err as fs;

use crate::{
    mission::{
        checkout::{Checkout, Mission},
        dockerfile::{hooks::Hooks, parse::Dockerfile, spec_stages::StepFiles, stages::Stages},
        expected_tests,
        file_content::{self, Content},
    },
    run::finding::Finding,
    specs,
};

/// File with the last steps of every mission's image.
pub(crate) const TRAILER: &str = "common/image/Dockerfile.trailer";

/// Variables that build steps see and images do not keep: certificates, package indexes and caches.
/// One ARG instruction, since BuildKit's cache identifies steps by their whole environment.
///
/// Without `PYTHONDONTWRITEBYTECODE`, root's steps leave `__pycache__` folders that are closed to
/// the group in a base without bytecode. Bytecode that pip, uv and conda compile for a package is
/// not affected.
pub(crate) const BUILD_ARGS: &str = "\
ARG SSL_CERT_FILE=/etc/image-build/ca.crt PIP_CERT=/etc/image-build/ca.crt \
REQUESTS_CA_BUNDLE=/etc/image-build/ca.crt CURL_CA_BUNDLE=/etc/image-build/ca.crt \
GIT_SSL_CAINFO=/etc/image-build/ca.crt NODE_EXTRA_CA_CERTS=/etc/image-build/ca.crt \
CONDA_SSL_VERIFY=/etc/image-build/ca.crt APT_CONFIG=/etc/image-build/apt.conf \
WGETRC=/etc/image-build/wgetrc PIP_CONFIG_FILE=/etc/image-build/pip.conf \
UV_CONFIG_FILE=/etc/image-build/uv.toml CONDARC=/etc/image-build/condarc \
PIP_CACHE_DIR=/var/cache/image-build/pip UV_CACHE_DIR=/var/cache/image-build/uv \
CONDA_PKGS_DIRS=/var/cache/image-build/conda UV_LINK_MODE=copy \
PYTHONDONTWRITEBYTECODE=1";

/// A file and its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text {
    /// Path relative to the root of the checkout.
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// Sources of a generated Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sources {
    /// Folder `missions/<name>`.
    pub(crate) mission: PathBuf,
    /// Author's part; `None` for a mission with its own Dockerfile.
    pub(crate) custom: Option<Text>,
    pub(crate) trailer: Text,
    /// Debian packages; see [`apt`].
    pub(crate) apt: Option<Text>,
    pub(crate) hooks: Hooks,
    /// Names of the folders below `environments/`.
    pub(crate) environments: Vec<String>,
    /// Every file below `environments/`, relative to it. With its text if it may be a list; files
    /// of tests, other than [`expected_tests::LISTS`], have an empty text.
    pub(crate) files: BTreeMap<PathBuf, String>,
    /// Files below `default-home-contents/`, relative to it.
    pub(crate) home: Vec<PathBuf>,
    /// Reasons for texts that are empty.
    pub(crate) unreadable: Vec<Finding>,
}

/// The sources, parsed.
#[derive(Debug)]
pub(crate) struct Model {
    /// Author's part, then the trailer.
    pub(crate) files: [Dockerfile; 2],
    pub(crate) stages: Stages,
    /// Files of each RUN step that calls environment scripts, in order.
    pub(crate) steps: Vec<StepFiles>,
    /// Debian packages to install before all steps.
    pub(crate) apt: BTreeSet<String>,
    /// Whether all steps and their calls are known.
    pub(crate) is_whole: bool,
}

impl Sources {
    /// Reads the sources. A file that is not text, is missing or leads out of the tree becomes a
    /// finding.
    pub(crate) fn read(checkout: &Checkout, mission: &Mission) -> anyhow::Result<Sources> {
        let mut unreadable = Vec::new();
        let mut content = |path: &Path, needs_text: bool| {
            let content = Content::follow(&checkout.root, checkout.relative(path))?;
            let is_text_needed = |it: &Finding| needs_text || it.rule == file_content::KIND;
            unreadable.extend(content.unreadable.filter(is_text_needed));
            anyhow::Ok(content.text)
        };
        let mut text = |path: &Path| -> anyhow::Result<Text> {
            Ok(Text { path: checkout.relative(path).to_owned(), text: content(path, true)? })
        };
        let custom = mission.custom().map(|it| text(&it)).transpose()?;
        let trailer = text(&checkout.root.join(TRAILER))?;
        let apt = Some(mission.dir.join(apt::FILE)).filter(|it| it.is_file());
        let apt = apt.map(|it| text(&it)).transpose()?;
        let ignore = Some(mission.dir.join(".dockerignore")).filter(|it| it.is_file());
        let ignore = ignore.map(|it| text(&it)).transpose()?;
        let ignore = ignore.as_ref().map_or("", |it| &it.text);
        let hooks = Hooks::read(checkout, mission, ignore)?;
        let environments = mission.dir.join("environments");
        let home = mission.dir.join("default-home-contents");
        let mut files = BTreeMap::new();
        for path in self::files(&environments)? {
            if checkout.is_refused(&path) {
                continue;
            }
            let name = PathBuf::from(relative(&path, &environments).to_string_lossy().as_ref());
            // A floating build replaces frozen specs, whatever their content.
            let is_frozen = name == specs::frozen(specs::environment(&name));
            let text = match is_list(&name) {
                true => content(&path, file_content::is_text(&name) && !is_frozen)?,
                false => String::new(),
            };
            files.insert(name, text);
        }
        Ok(Sources {
            mission: checkout.relative(&mission.dir).to_owned(),
            custom,
            trailer,
            apt,
            hooks,
            environments: mission.environments.iter().map(|it| it.name.clone()).collect(),
            files,
            home: walk(&home, |_| false)?.iter().map(|it| relative(it, &home)).collect(),
            unreadable,
        })
    }

    /// # Errors
    /// Everything that no builder would accept, or that the generator cannot follow.
    pub(crate) fn model(&self) -> Result<Model, Vec<Finding>> {
        match self.look() {
            (Some(model), findings) if findings.is_empty() => Ok(model),
            (_, findings) => Err(findings),
        }
    }

    /// Returns the sources, parsed as far as they can be, and everything that no builder would
    /// accept, or that the generator cannot follow.
    pub(crate) fn look(&self) -> (Option<Model>, Vec<Finding>) {
        let Some(custom) = &self.custom else { return (None, vec![self.lacks_custom()]) };
        let mut findings = self.unreadable.clone();
        let paths = [&custom.path, &self.trailer.path];
        if findings.iter().any(|it| paths.contains(&&it.file)) {
            return (None, findings);
        }
        let (custom, wrong) = parse::read(&custom.path, &custom.text);
        let (trailer, wrong_too) = parse::read(&self.trailer.path, &self.trailer.text);
        let files = [custom, trailer];
        let stages = Stages::read(&files);
        let is_parsed = wrong.is_empty() && wrong_too.is_empty();
        let is_whole = is_parsed && stages.findings.is_empty() && !stages.stages.is_empty();
        findings.extend([wrong, wrong_too, stages.findings.clone()].concat());
        if is_parsed {
            findings.extend(refusals::refusals(&files, &stages));
        }
        findings.extend(spec_stages::bad_names(self));
        let steps =
            stages.steps().map(|it| StepFiles::new(self, &files, it, &mut findings)).collect();
        findings.extend(self.hooks.findings.iter().cloned());
        let apt = self.apt.as_ref().map_or(Ok(BTreeSet::new()), apt::packages);
        let apt = apt.unwrap_or_else(|it| {
            findings.extend(it);
            BTreeSet::new()
        });
        (Some(Model { files, stages, steps, apt, is_whole }), findings)
    }

    /// Returns findings about files that only a generated Dockerfile uses, for a mission with its
    /// own.
    pub(crate) fn unused(&self) -> impl Iterator<Item = Finding> {
        let apt = self.apt.iter().map(|it| it.path.clone());
        let hooks = self.hooks.files.iter().map(|it| self.mission.join(it));
        apt.chain(hooks).map(|file| Finding {
            file,
            line: None,
            rule: parse::RULE,
            what: "the mission's own Dockerfile does not use this file".to_owned(),
            fix: "write Dockerfile.custom instead of Dockerfile, or remove the file".to_owned(),
        })
    }

    fn lacks_custom(&self) -> Finding {
        Finding {
            file: self.mission.clone(),
            line: None,
            rule: parse::RULE,
            what: "missing Dockerfile.custom".to_owned(),
            fix: "write one; missions/hello has an example".to_owned(),
        }
    }

    /// Returns all lists of packages, of both modes, relative to `environments/`.
    pub(crate) fn specs(&self) -> BTreeSet<PathBuf> {
        specs::all(&self.files)
    }

    /// Returns whether the text of a file below `environments/` could not be read.
    pub(crate) fn is_unreadable(&self, file: &Path) -> bool {
        let path = self.path_of(file);
        self.unreadable.iter().any(|it| it.file == path)
    }

    /// Returns the path of a file below `environments/`, relative to the root of the checkout.
    pub(crate) fn path_of(&self, file: &Path) -> PathBuf {
        self.mission.join("environments").join(file)
    }
}

/// Returns whether the generator reads the file: a list, or a file that a list may include.
fn is_list(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default();
    let is_named = expected_tests::LISTS.iter().any(|it| name == *it);
    let names_tests = file.components().count() == 3 && is_named;
    names_tests || !specs::is_test(file)
}

fn relative(path: &Path, dir: &Path) -> PathBuf {
    path.strip_prefix(dir).unwrap_or(path).to_owned()
}

/// Returns whether an editor or file manager left a file of this name.
fn is_hidden(name: &str) -> bool {
    name.starts_with('.')
}

/// Returns the files of a mission's `environments/` that the generator sees.
pub(crate) fn files(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    walk(dir, is_hidden)
}

/// Returns the files below `dir`, links included, without files that Python and Jupyter leave
/// behind and without names that `skip` matches. Empty when `dir` does not exist.
fn walk(dir: &Path, skip: fn(&str) -> bool) -> anyhow::Result<Vec<PathBuf>> {
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    let mut res = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name == "__pycache__" || name == ".ipynb_checkpoints" || skip(&name) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            res.extend(walk(&entry.path(), skip)?);
        } else {
            res.push(entry.path());
        }
    }
    Ok(res)
}

#[cfg(test)]
pub(crate) mod tests;
