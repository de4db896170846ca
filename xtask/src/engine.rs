//! Carries out commands for the tasks: prints them in a dry run, and otherwise runs them with a log
//! of both their streams.

use std::{
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use fs_err as fs;

use crate::{
    docker::Docker,
    process::{self, Cmd},
    repo::Repo,
    ui::{Progress, Ui},
};

/// What tasks act with.
pub(crate) struct Engine {
    pub(crate) repo: Repo,
    pub(crate) docker: Docker,
    pub(crate) ui: Ui,
    /// Commands are printed on stdout and not run.
    pub(crate) dry_run: bool,
}

/// One log file, with what is going on shown as progress.
pub(crate) struct Log {
    pub(crate) path: PathBuf,
    file: Option<File>,
    progress: Progress,
    verbose: bool,
    tail: Vec<String>,
}

/// How many lines of a failed command are shown.
const TAIL: usize = 25;

impl Engine {
    /// A folder of ours that git ignores and that may be removed at any time.
    pub(crate) fn target(&self) -> PathBuf {
        self.repo.root.join("target/xtask")
    }

    /// Starts the log `target/xtask/logs/<name>.log`.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn log(&self, name: &str) -> anyhow::Result<Log> {
        let path = self.target().join("logs").join(format!("{name}.log"));
        let file = if self.dry_run {
            None
        } else {
            fs::create_dir_all(path.parent().context("a log has a folder")?)?;
            Some(File::create(&path).with_context(|| format!("cannot write {}", path.display()))?)
        };
        let progress = self.ui.progress(name);
        Ok(Log { path, file, progress, verbose: self.ui.verbose, tail: Vec::new() })
    }

    /// Runs `cmd`, or prints it in a dry run.
    ///
    /// # Errors
    /// Any status but 0, with the last lines and the log's path.
    pub(crate) fn run(&self, cmd: &Cmd, log: &mut Log) -> anyhow::Result<()> {
        let status = self.status(cmd, log)?;
        if status != 0 {
            bail!("{}", log.failure(cmd, status));
        }
        Ok(())
    }

    /// Runs `cmd`, or prints it in a dry run, and gives its status.
    ///
    /// # Errors
    /// It cannot be started.
    pub(crate) fn status(&self, cmd: &Cmd, log: &mut Log) -> anyhow::Result<u8> {
        if self.dry_run {
            println!("{cmd}");
            return Ok(0);
        }
        log.line(&format!("$ {cmd}"));
        log.tail.clear();
        process::lines(cmd, &mut |line| log.line(line))
    }
}

impl Log {
    /// Adds a line of output.
    pub(crate) fn line(&mut self, line: &str) {
        if let Some(file) = &mut self.file {
            // A log that cannot be written must not fail what it is about.
            let _ = writeln!(file, "{line}");
        }
        if self.verbose {
            eprintln!("{line}");
        }
        if let Some(step) = build_step(line) {
            self.progress.step(&step);
        }
        self.tail.push(line.to_owned());
        if self.tail.len() > 2 * TAIL {
            self.tail.drain(..TAIL);
        }
    }

    /// Shows what is being done now.
    pub(crate) fn step(&self, step: &str) {
        self.progress.step(step);
    }

    /// What to say of a failed command.
    pub(crate) fn failure(&self, cmd: &Cmd, status: u8) -> String {
        let last = &self.tail[self.tail.len().saturating_sub(TAIL)..];
        let path: &Path = &self.path;
        format!("`{cmd}` failed with status {status}\n{}\nlog: {}", last.join("\n"), path.display())
    }
}

/// The step that a line of `docker build --progress plain` starts, in short: `[stage-1 3/7] RUN …`
/// without its mounts. What BuildKit does for itself is left out.
fn build_step(line: &str) -> Option<String> {
    let (number, step) = line.strip_prefix('#')?.split_once(' ')?;
    let is_step = number.bytes().all(|it| it.is_ascii_digit())
        && ((step.starts_with('[') && !step.starts_with("[internal]"))
            || step == "exporting to image");
    if !is_step {
        return None;
    }
    let words = step.split_whitespace().filter(|it| !it.starts_with("--mount="));
    let short = words.collect::<Vec<_>>().join(" ");
    let cut: String = short.chars().take(STEP_WIDTH).collect();
    Some(if cut.len() < short.len() { cut + "…" } else { cut })
}

const STEP_WIDTH: usize = 90;

#[test]
fn steps_of_a_build() {
    let check = |line, step: Option<&str>| assert_eq!(build_step(line).as_deref(), step);
    check(
        "#12 [stage-3 6/6] RUN --mount=type=cache,id=x     pip  install",
        Some("[stage-3 6/6] RUN pip install"),
    );
    check("#1 [internal] load build context", None);
    check("#12 0.555 [not] a step", None);
    check("# comment", None);
    check("#13 exporting to image", Some("exporting to image"));
}
