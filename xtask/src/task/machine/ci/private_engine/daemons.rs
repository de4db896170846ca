//! A plan's containerd and dockerd while they run.

use std::{
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::bail;
use fs_err as fs;

use super::plan::{Plan, Programs};
use crate::{
    run::{
        files,
        printable::Shown as _,
        process::{self, Background, Change, Permit},
    },
    tools::docker::Docker,
};

/// How long each may take to end; dockerd stops containers meanwhile.
const STOP: Duration = Duration::from_secs(20);

/// How long one question to dockerd may take.
const ANSWER: Duration = Duration::from_secs(10);

/// How many lines of its log are shown of a daemon that ended.
const TAIL: usize = 5;

#[derive(Debug, Default)]
pub(super) struct Daemons(Vec<Daemon>);

#[derive(Debug)]
struct Daemon {
    name: &'static str,
    log: PathBuf,
    running: Background,
}

impl Daemons {
    /// Starts both, with logs in `logs`.
    ///
    /// # Errors
    /// One of them cannot be started.
    pub(super) fn start(
        &mut self,
        permit: Permit,
        plan: &Plan,
        programs: &Programs,
        driver: Option<&str>,
        logs: &Path,
    ) -> anyhow::Result<()> {
        files::make_dirs(permit, logs)?;
        self.add(permit, "containerd", &plan.containerd(programs), logs)?;
        self.add(permit, "dockerd", &plan.dockerd(programs, driver), logs)
    }

    fn add(
        &mut self,
        permit: Permit,
        name: &'static str,
        cmd: &Change,
        logs: &Path,
    ) -> anyhow::Result<()> {
        let log = logs.join(format!("{name}.log"));
        let running = process::background(permit, cmd, &log)?;
        self.0.push(Daemon { name, log, running });
        Ok(())
    }

    /// Waits until dockerd answers, as long as both run and neither's log stands still for `patience`.
    ///
    /// # Errors
    /// One of them ended, both are silent, or the run was interrupted.
    pub(super) fn wait(
        &mut self,
        docker: &Docker,
        host: &str,
        patience: Duration,
    ) -> anyhow::Result<()> {
        let version = docker.query(["version"]).env("DOCKER_HOST", host);
        let (mut written, mut since) = (0, Instant::now());
        loop {
            if process::output_within(&version, ANSWER)?.is_some_and(|it| it.status == 0) {
                return Ok(());
            }
            self.survived()?;
            let now = self.0.iter().map(Daemon::written).sum();
            if now != written {
                (written, since) = (now, Instant::now());
            }
            if since.elapsed() > patience {
                bail!("dockerd does not answer\n{}", self.tails());
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// # Errors
    /// One of them ended by itself.
    pub(super) fn survived(&mut self) -> anyhow::Result<()> {
        for it in &mut self.0 {
            if let Some(status) = it.running.ended()? {
                bail!("{} ended with status {status}\n{}", it.name, it.tail());
            }
        }
        Ok(())
    }

    /// Stops both, dockerd first.
    pub(super) fn stop(&mut self) {
        self.0.iter_mut().rev().for_each(|it| it.running.stop(STOP));
    }

    fn tails(&self) -> String {
        self.0.iter().map(Daemon::tail).collect::<Vec<_>>().join("\n")
    }
}

impl Daemon {
    /// How many bytes it has printed.
    fn written(&self) -> u64 {
        fs::metadata(&self.log).map_or(0, |it| it.len())
    }

    fn tail(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let last = process::last_lines(&String::from_utf8_lossy(&text), TAIL);
        format!("{last}\nlog: {}", self.log.shown())
    }
}
