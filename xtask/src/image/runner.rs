//! Runs commands for the tasks: prints them in a dry run, and otherwise runs them with a log of
//! stdout and stderr.

use std::{
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    mission::checkout::Checkout,
    run::{
        files,
        printable::Shown as _,
        process::{self, Change, Cmd, Permit},
        redact, terminal,
        ui::{Progress, Ui},
    },
    tools::{
        docker::{self, Docker, build_log},
        retries::{self, FailedAttempt, Unanswered, patience},
    },
};
use anyhow::bail;

/// Context of tasks that change something.
pub(crate) struct Runner {
    pub(crate) checkout: Checkout,
    pub(crate) docker: Docker,
    pub(crate) ui: Ui,
    /// `None` in a dry run: changing commands are printed on stdout and not run.
    pub(crate) permit: Option<Permit>,
}

/// A log file, with the current step shown as progress.
pub(crate) struct Log {
    pub(crate) path: PathBuf,
    file: Option<File>,
    progress: Progress,
    verbose: bool,
    tail: Vec<String>,
}

/// Number of lines of a failed command that are shown, and number of lines kept to choose from.
const TAIL: usize = 25;
const KEPT: usize = 400;

impl Runner {
    /// Returns this tool's folder, which git ignores and which may be removed at any time.
    pub(crate) fn target(&self) -> PathBuf {
        self.checkout.root.join("target/xtask")
    }

    /// Starts the log `target/xtask/logs/<name>.log`.
    pub(crate) fn log(&self, name: &str) -> anyhow::Result<Log> {
        let path = self.target().join("logs").join(format!("{name}.log"));
        let file = self.permit.map(|it| files::open_empty(it, &path)).transpose()?;
        let progress = self.ui.progress(name);
        Ok(Log { path, file, progress, verbose: self.ui.verbose, tail: Vec::new() })
    }

    /// Returns `cmd` in a form that can be run; a dry run prints it and returns `None`.
    pub(crate) fn permitted(&self, cmd: &Change) -> Option<Cmd> {
        if self.permit.is_none() {
            terminal::print(cmd);
        }
        self.permit.map(|it| cmd.permitted(it))
    }

    /// Runs `from | to` and returns what `to` prints; a dry run prints both and returns `None`.
    ///
    /// # Errors
    /// Either fails: [`process::Failed`].
    pub(crate) fn pipe(
        &self,
        from: &Change,
        to: &Change,
        log: &mut Log,
    ) -> anyhow::Result<Option<String>> {
        let Some(permit) = self.permit else {
            terminal::print(redact::redact(&format!("{from} | {to}")));
            return Ok(None);
        };
        log.line(&format!("$ {from} | {to}"));
        let (from, to) = (from.permitted(permit), to.permitted(permit));
        process::pipe(&from, &to, &mut |line| log.line(line)).map(Some)
    }

    /// Runs `cmd`, or prints it in a dry run.
    ///
    /// # Errors
    /// Any status but 0, with the last lines and the log's path.
    pub(crate) fn run(&self, cmd: &Change, log: &mut Log) -> anyhow::Result<()> {
        match self.status(cmd, log)? {
            None | Some(0) => Ok(()),
            Some(status) => bail!("{}", log.failure(cmd, status)),
        }
    }

    /// Runs `cmd` and returns its status; a dry run prints it and returns `None`.
    pub(crate) fn status(&self, cmd: &Change, log: &mut Log) -> anyhow::Result<Option<u8>> {
        self.status_of_tests(cmd, log, |_| None)
    }

    /// Like [`Runner::status`]; `shown` returns what people are told of a line, if anything.
    pub(crate) fn status_of_tests(
        &self,
        cmd: &Change,
        log: &mut Log,
        shown: impl Fn(&str) -> Option<&str>,
    ) -> anyhow::Result<Option<u8>> {
        let Some(cmd) = self.permitted(cmd) else { return Ok(None) };
        log.line(&format!("$ {cmd}"));
        log.tail.clear();
        let on_line = &mut |line: &str| {
            log.line(line);
            shown(line).into_iter().for_each(|it| log.step(it));
        };
        process::lines(&cmd, on_line).map(Some)
    }
}

impl Runner {
    /// Runs `cmd`, which contacts a registry, with retries and a time limit. Prints it in a dry
    /// run.
    ///
    /// # Errors
    /// The last attempt failed, or showed no progress for a minute.
    pub(crate) fn talk(&self, cmd: &Change, log: &mut Log) -> anyhow::Result<()> {
        let Some(cmd) = &self.permitted(cmd) else { return Ok(()) };
        let failed = retries::attempts(|| {
            log.line(&format!("$ {cmd}"));
            log.tail.clear();
            let status = process::watched(cmd, patience(), &mut |line| log.line(line))?;
            Ok(match status {
                Some(0) => Ok(()),
                Some(status) => Err(FailedAttempt::Said(log.failure(cmd, status))),
                None => Err(FailedAttempt::Hangs),
            })
        })?;
        failed.map_err(|it| {
            let text = it.text(|seconds| {
                format!("`{}` showed no progress for {seconds} s, and was ended", cmd.in_short())
            });
            Unanswered(text).into()
        })
    }
}

impl Log {
    /// Adds a line of output, without credentials and without terminal control characters.
    pub(crate) fn line(&mut self, line: &str) {
        let line = redact::text(line);
        if let Some(file) = &mut self.file {
            // A log that cannot be written must not fail the work that it records.
            let _ = writeln!(file, "{line}");
        }
        if self.verbose {
            terminal::say(&line);
        }
        if let Some(step) = build_log::step(&line) {
            self.progress.step(&step);
        }
        self.tail.push(line);
        if self.tail.len() > 2 * KEPT {
            self.tail.drain(..KEPT);
        }
    }

    /// Returns the last lines that steps of a `docker build` printed.
    pub(crate) fn of_steps(&self) -> Vec<&str> {
        build_log::outputs(&self.tail)
    }

    /// Returns why a `docker build` could not store its layers elsewhere.
    pub(crate) fn failed_export(&self) -> Option<&str> {
        build_log::failed_export(&self.tail)
    }

    /// Shows the current step.
    pub(crate) fn step(&self, step: &str) {
        self.progress.step(step);
    }

    /// Shows beside the elapsed time how many seconds the same work took last time, if known.
    pub(crate) fn expect(&self, seconds: Option<f64>) {
        self.progress.expect(seconds.map(Duration::from_secs_f64));
    }

    /// Returns the message about a failed command: its last output, and the path of the log.
    pub(crate) fn failure<E>(&self, cmd: &Cmd<E>, status: u8) -> String {
        let last = || self.tail[self.tail.len().saturating_sub(TAIL)..].join("\n");
        let said = build_log::failed_step(&self.tail, TAIL).unwrap_or_else(last);
        let path: &Path = &self.path;
        let log = format!("log: {}", path.shown());
        let how = if status == 0 { "ended" } else { "failed" };
        let fix = docker::remedy(&self.tail).map_or(String::new(), |it| format!("\nfix: {it}"));
        format!("`{}` {how} with status {status}\n{said}\n{log}{fix}", cmd.in_short())
    }
}
