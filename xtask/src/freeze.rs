//! Writes what a floating image consists of to its mission's frozen specs: all of them or none.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    thread,
};

use anyhow::anyhow;
use fs_err as fs;

use crate::{
    docker::Image,
    engine::Engine,
    files,
    frozen::{self, Frozen, changes},
    process::{self, Cmd},
    repo::{Environment, Mission},
    specs::{self, problem::Problem},
};

/// Freezes every environment of `mission`, unless this very image was frozen before: a frozen spec
/// that somebody took back since then stays as it is. Gives the files that changed.
///
/// # Errors
/// An export fails or is damaged; no file was changed then.
pub(crate) fn freeze(
    engine: &Engine,
    mission: &Mission,
    image: &Image,
) -> anyhow::Result<Vec<PathBuf>> {
    if marker(engine, mission, image).exists() {
        return Ok(Vec::new());
    }
    let mut questions = questions(engine, image, &environments(mission));
    questions.push(debian(engine, mission, image));
    let changed = write(&ask(engine, mission, questions)?)?;
    mark(engine, mission, image)?;
    Ok(changed)
}

/// The environments of `mission` that are frozen: not `base`, which the base image's digest pins.
pub(crate) fn environments(mission: &Mission) -> Vec<&Environment> {
    mission.environments.iter().filter(|it| it.name != specs::BASE).collect()
}

/// A file that says what is in an image, as it is and as the image wants it.
#[derive(Debug)]
pub(crate) struct Export {
    /// The environment and what its frozen spec says; `None` for the list of Debian packages.
    pub(crate) frozen: Option<Frozen>,
    pub(crate) path: PathBuf,
    pub(crate) old: Option<String>,
    pub(crate) new: String,
}

impl Export {
    pub(crate) fn differs(&self) -> bool {
        self.old.as_deref() != Some(&self.new)
    }

    /// What differs from the old frozen spec, or from nothing when that cannot be read.
    pub(crate) fn changes(&self) -> Vec<changes::Change> {
        let old = self.old.as_ref().and_then(|it| frozen::parse(&self.path, it).ok());
        changes::changes(old.as_ref(), self.frozen.as_ref())
    }

    /// As a unified diff.
    pub(crate) fn diff(&self, name: &Path) -> String {
        let name = name.display().to_string();
        let before = if self.old.is_some() { name.as_str() } else { "/dev/null" };
        similar::TextDiff::from_lines(self.old.as_deref().unwrap_or_default(), &self.new)
            .unified_diff()
            .header(before, &name)
            .to_string()
    }
}

/// A command whose output is what a file has to say.
pub(crate) struct Question {
    pub(crate) cmd: Cmd,
    pub(crate) path: PathBuf,
    /// `None` for the list of Debian packages.
    environment: Option<String>,
}

/// What to ask `image` about `environments`.
pub(crate) fn questions(
    engine: &Engine,
    image: &Image,
    environments: &[&Environment],
) -> Vec<Question> {
    let question = |it: &&Environment| Question {
        cmd: command(engine, image, "/opt/common-scripts/env-export").args([&it.name]),
        path: it.frozen_spec(),
        environment: Some(it.name.clone()),
    };
    environments.iter().map(question).collect()
}

/// What to ask `image` about its Debian packages, which are recorded and not pinned.
pub(crate) fn debian(engine: &Engine, mission: &Mission, image: &Image) -> Question {
    let args = ["--show", "--showformat", "${Package}=${Version}\\n"];
    Question {
        cmd: command(engine, image, "dpkg-query").args(args),
        path: mission.dir.join("packages-debian.txt"),
        environment: None,
    }
}

/// Past the entry point, whose messages are for people; without a network, which it must not need.
fn command(engine: &Engine, image: &Image, program: &str) -> Cmd {
    let flags = ["run", "--rm", "--network", "none", "--entrypoint", program, &image.id];
    engine.docker.cmd(flags)
}

/// The answers to `questions` about `mission`. In a dry run prints these, and gives none.
///
/// # Errors
/// An export fails or is damaged.
pub(crate) fn ask(
    engine: &Engine,
    mission: &Mission,
    questions: Vec<Question>,
) -> anyhow::Result<Vec<Export>> {
    if engine.dry_run {
        questions.iter().for_each(|it| println!("{} > {}", it.cmd, it.path.display()));
        return Ok(Vec::new());
    }
    let progress = engine.ui.progress(&format!("freeze-{}", mission.name));
    for it in &questions {
        progress.step(&engine.repo.relative(&it.path).display().to_string());
    }
    // Starting a container takes longer than what runs in it.
    let texts: Vec<anyhow::Result<String>> = thread::scope(|scope| {
        let read = |it: &'_ Question| process::read(&it.cmd);
        let running: Vec<_> = questions.iter().map(|it| scope.spawn(move || read(it))).collect();
        let join = |it: thread::ScopedJoinHandle<'_, _>| {
            it.join().unwrap_or_else(|_| Err(anyhow!("a thread panicked")))
        };
        running.into_iter().map(join).collect()
    });
    let answer = |(Question { cmd, path, environment }, text): (Question, _)| {
        let new: String = text?;
        let parse = |name: String| {
            frozen::canonical(&path, &new, &name).map_err(|Problem { line, what, .. }| {
                anyhow!("`{cmd}` printed no frozen spec: line {line}: {what}")
            })
        };
        let frozen = environment.map(parse).transpose()?;
        Ok(Export { frozen, old: old(&path)?, path, new })
    };
    questions.into_iter().zip(texts).map(answer).collect()
}

/// The text of a file, if there is one. One that is no text is as good as none: it is replaced.
fn old(path: &Path) -> anyhow::Result<Option<String>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(err) => Err(err.into()),
    }
}

/// Writes all that differs, or nothing. Gives the files that changed.
///
/// # Errors
/// A folder cannot be written; no file was changed then.
pub(crate) fn write<'a>(
    exports: impl IntoIterator<Item = &'a Export>,
) -> anyhow::Result<Vec<PathBuf>> {
    let texts = exports.into_iter().map(|it| (it.path.as_path(), it.new.as_bytes()));
    files::write_all(&texts.collect::<Vec<_>>())
}

/// Notes that all of `mission` was frozen from `image`.
///
/// # Errors
/// The target folder cannot be written.
pub(crate) fn mark(engine: &Engine, mission: &Mission, image: &Image) -> anyhow::Result<()> {
    if !engine.dry_run {
        files::write(&marker(engine, mission, image), image.id.as_bytes())?;
    }
    Ok(())
}

/// Exists once the image has been frozen.
fn marker(engine: &Engine, mission: &Mission, image: &Image) -> PathBuf {
    let id: String = image.id.trim_start_matches("sha256:").chars().take(12).collect();
    engine.target().join("frozen").join(&mission.name).join(id)
}

/// SHA-256 of each frozen spec of `mission`, by environment.
///
/// # Errors
/// One is not there.
pub(crate) fn digests(mission: &Mission) -> anyhow::Result<BTreeMap<String, String>> {
    use sha2::Digest as _;
    let digest = |path: PathBuf| -> anyhow::Result<String> {
        let hash = sha2::Sha256::digest(fs::read(path)?);
        Ok(hash.iter().map(|it| format!("{it:02x}")).collect())
    };
    let environments = environments(mission).into_iter();
    environments.map(|it| Ok((it.name.clone(), digest(it.frozen_spec())?))).collect()
}
