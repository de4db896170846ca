//! Writes the contents of a floating image to its mission's frozen specs: all of them or none.

use std::{
    io,
    path::{Path, PathBuf},
    thread,
};

use anyhow::{anyhow, bail};
use fs_err as fs;

use crate::{
    image::{container::Container, runner::Runner},
    mission::{
        checkout::{Environment, Mission},
        frozen_environments,
    },
    run::{
        files,
        printable::Shown as _,
        process::{self, Change, Permit},
        random::random_hex,
        terminal, unified,
    },
    specs::{
        frozen::{self, FrozenSpec, changes},
        problem::Problem,
    },
    tools::docker::Image,
};

/// Freezes every environment of `mission`, unless this very image was frozen before: a frozen spec
/// that somebody reverted since then stays unchanged. Returns the files that changed.
///
/// # Errors
/// An export fails or is damaged; no file is changed then.
pub(crate) fn freeze(
    runner: &Runner,
    mission: &Mission,
    image: &Image,
) -> anyhow::Result<Vec<PathBuf>> {
    if marker(runner, mission, image).exists() {
        return Ok(Vec::new());
    }
    let mut questions = questions(runner, image, &frozen_environments::of(mission))?;
    questions.push(debian(runner, mission, image)?);
    let exports = ask(runner, mission, questions)?;
    let Some(permit) = runner.permit else { return Ok(Vec::new()) };
    let changed = write(permit, &exports)?;
    mark(permit, runner, mission, image)?;
    Ok(changed)
}

/// A file about the contents of an image: its current text, and the text for the image.
#[derive(Debug)]
pub(crate) struct Export {
    /// The environment and the content of its frozen spec; `None` for the list of Debian packages.
    pub(crate) frozen: Option<FrozenSpec>,
    pub(crate) path: PathBuf,
    pub(crate) old: Option<String>,
    pub(crate) new: String,
}

impl Export {
    pub(crate) fn differs(&self) -> bool {
        self.old.as_deref() != Some(&self.new)
    }

    /// Returns the differences from the old frozen spec; all packages when that cannot be read.
    pub(crate) fn changes(&self) -> Vec<changes::Change> {
        let old = self.old.as_ref().and_then(|it| frozen::parse(&self.path, it).ok());
        changes::changes(old.as_ref(), self.frozen.as_ref())
    }

    /// Returns the difference as a unified diff.
    pub(crate) fn diff(&self, name: &Path) -> String {
        unified::diff(name, self.old.as_deref(), &self.new)
    }
}

/// A command whose output is the new text of a file.
pub(crate) struct Question<'a> {
    pub(crate) cmd: Change,
    /// Container of the command.
    container: Container<'a>,
    pub(crate) path: PathBuf,
    /// Environment; `None` for the list of Debian packages.
    environment: Option<String>,
}

impl<'a> Question<'a> {
    /// Prepares the command. The container bypasses the entry point, whose messages are for people,
    /// and has no network, which the command must not need. A program that ignores signals does not
    /// keep docker's CLI from ending.
    fn new(
        runner: &'a Runner,
        image: &Image,
        command: &[&str],
        path: PathBuf,
        environment: Option<&str>,
    ) -> anyhow::Result<Question<'a>> {
        // Other runs may ask the same at the same time.
        let cidfile = runner.target().join(format!("freeze/{}.cid", random_hex()?));
        let container = Container::new(runner, cidfile)?;
        let run = container.run("freeze").without_signals().network("none");
        let cmd = run.entry_point(command[0]).image(&image.id, &command[1..]);
        Ok(Question { cmd, container, path, environment: environment.map(str::to_owned) })
    }

    /// Runs the command, and removes the container.
    fn ask(self, permit: Permit) -> anyhow::Result<Answer> {
        let Question { cmd, container, path, environment } = self;
        let text = process::read(&cmd.permitted(permit));
        drop(container);
        Ok(Answer { cmd, text: text?, path, environment })
    }
}

/// Output of a command.
struct Answer {
    cmd: Change,
    text: String,
    path: PathBuf,
    environment: Option<String>,
}

/// Returns the questions to `image` about `environments`.
pub(crate) fn questions<'a>(
    runner: &'a Runner,
    image: &Image,
    environments: &[&Environment],
) -> anyhow::Result<Vec<Question<'a>>> {
    let question = |it: &&Environment| {
        let command = ["/opt/common-scripts/env-export", &it.name];
        Question::new(runner, image, &command, it.frozen_spec(), Some(&it.name))
    };
    environments.iter().map(question).collect()
}

/// Returns the question to `image` about its Debian packages, which are recorded and not pinned.
pub(crate) fn debian<'a>(
    runner: &'a Runner,
    mission: &Mission,
    image: &Image,
) -> anyhow::Result<Question<'a>> {
    let command = ["dpkg-query", "--show", "--showformat", "${Package}=${Version}\\n"];
    Question::new(runner, image, &command, mission.dir.join("packages-debian.txt"), None)
}

/// Returns the answers to `questions` about `mission`. A dry run prints the questions, and returns
/// nothing.
pub(crate) fn ask(
    runner: &Runner,
    mission: &Mission,
    questions: Vec<Question<'_>>,
) -> anyhow::Result<Vec<Export>> {
    let Some(permit) = runner.permit else {
        questions
            .iter()
            .for_each(|it| terminal::print(format_args!("{} > {}", it.cmd, it.path.shown())));
        return Ok(Vec::new());
    };
    let progress = runner.ui.progress(&format!("freeze-{}", mission.name));
    for it in &questions {
        progress.step(&runner.checkout.relative(&it.path).shown());
    }
    // Starting a container takes longer than its command.
    let answers: Vec<anyhow::Result<Answer>> = thread::scope(|scope| {
        let running: Vec<_> =
            questions.into_iter().map(|it| scope.spawn(move || it.ask(permit))).collect();
        let join = |it: thread::ScopedJoinHandle<'_, _>| {
            it.join().unwrap_or_else(|_| Err(anyhow!("a thread panicked")))
        };
        running.into_iter().map(join).collect()
    });
    let export = |answer: anyhow::Result<Answer>| {
        let Answer { cmd, text: new, path, environment } = answer?;
        let parse = |name: String| {
            frozen::canonical(&path, &new, &name).map_err(|Problem { line, what, .. }| {
                anyhow!("`{cmd}` printed no frozen spec: line {line}: {what}")
            })
        };
        let frozen = environment.map(parse).transpose()?;
        if frozen.is_none() && !is_package_list(&new) {
            bail!(
                "`{cmd}` printed an incomplete list of packages; expected `<package>=<version>` lines"
            );
        }
        Ok(Export { frozen, old: old(&path)?, path, new })
    };
    answers.into_iter().map(export).collect()
}

/// Returns whether each line is a package with its version, and the last one is complete.
fn is_package_list(text: &str) -> bool {
    let is_package =
        |it: &str| it.split_once('=').is_some_and(|(a, b)| !a.is_empty() && !b.is_empty());
    text.ends_with('\n') && text.lines().all(is_package)
}

/// Returns the text of a file, if it exists. A file that is not text counts as missing: it is
/// replaced.
fn old(path: &Path) -> anyhow::Result<Option<String>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(err) => Err(err.into()),
    }
}

/// Writes all that differs, or nothing. Returns the files that changed.
///
/// # Errors
/// A folder cannot be written; no file is changed then.
pub(crate) fn write<'a>(
    permit: Permit,
    exports: impl IntoIterator<Item = &'a Export>,
) -> anyhow::Result<Vec<PathBuf>> {
    let texts = exports.into_iter().map(|it| (it.path.as_path(), it.new.as_bytes()));
    files::write_all(permit, &texts.collect::<Vec<_>>())
}

/// Records that all of `mission` was frozen from `image`.
pub(crate) fn mark(
    permit: Permit,
    runner: &Runner,
    mission: &Mission,
    image: &Image,
) -> anyhow::Result<()> {
    files::write(permit, &marker(runner, mission, image), image.id.to_string().as_bytes())?;
    Ok(())
}

/// Returns the file that exists once the image has been frozen.
fn marker(runner: &Runner, mission: &Mission, image: &Image) -> PathBuf {
    runner.target().join("frozen").join(&mission.name).join(image.id.short())
}

#[test]
fn a_cut_off_list_of_packages_is_noticed() {
    assert!(is_package_list("bash=5.2\nzlib1g=1:1.3\n"));
    for cut in ["", "bash=5.2", "bash=5.2\nzli\n", "bash=\n", "=1\n"] {
        assert!(!is_package_list(cut), "{cut:?}");
    }
}
