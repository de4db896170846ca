//! The containerd and dockerd of a plan while they run.

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

/// Time each daemon may take to end; dockerd stops containers meanwhile.
const STOP: Duration = Duration::from_secs(20);

/// Time dockerd may take to answer a question.
const ANSWER: Duration = Duration::from_secs(10);

/// Number of log lines shown for a daemon that ended.
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
    /// Starts both daemons, with logs in `logs`.
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

    /// Waits until dockerd answers, while both run and at least one log grows within `patience`.
    pub(super) fn wait(&mut self, docker: &Docker, patience: Duration) -> anyhow::Result<()> {
        let (mut written, mut since) = (0, Instant::now());
        loop {
            if docker.answers_within(ANSWER)? {
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

    pub(super) fn survived(&mut self) -> anyhow::Result<()> {
        for it in &mut self.0 {
            if let Some(status) = it.running.ended()? {
                bail!("{} ended with status {status}\n{}", it.name, it.tail());
            }
        }
        Ok(())
    }

    /// Stops both daemons, dockerd first.
    pub(super) fn stop(&mut self) {
        self.0.iter_mut().rev().for_each(|it| it.running.stop(STOP));
    }

    fn tails(&self) -> String {
        self.0.iter().map(Daemon::tail).collect::<Vec<_>>().join("\n")
    }
}

impl Daemon {
    /// Returns the number of bytes that the daemon has printed.
    fn written(&self) -> u64 {
        fs::metadata(&self.log).map_or(0, |it| it.len())
    }

    fn tail(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let last = process::last_lines(&String::from_utf8_lossy(&text), TAIL);
        format!("{last}\nlog: {}", self.log.shown())
    }
}
