//! A program that runs while this one looks at what it does. It is killed only where [`Beside::stop`] says so:
//! a killed Helm leaves a lock behind.

use std::{
    process::Stdio,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{
    Cmd, Output, check_interrupted,
    running::{LAST_WORDS, Line, POLL, Running, Stream},
};

/// A program that runs beside this one until it ends by itself.
#[derive(Debug)]
pub(crate) struct Beside {
    child: Running,
    lines: mpsc::Receiver<Line>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    is_told: bool,
}

/// Starts `cmd`, out of reach of a Ctrl-C in the terminal.
pub(crate) fn beside(cmd: &Cmd) -> anyhow::Result<Beside> {
    let mut child = Running::start(cmd, Stdio::null())?;
    let (sender, lines) = mpsc::channel();
    child.listen(&sender)?;
    Ok(Beside { child, lines, stdout: Vec::new(), stderr: Vec::new(), is_told: false })
}

impl Beside {
    /// Returns the output of the program if it has ended. After an interruption of this run the program
    /// gets one SIGINT, and is waited for all the same; in [`super::finishing`] it gets none, so that a
    /// rollback that follows an interruption comes to its end.
    pub(crate) fn ended(&mut self) -> anyhow::Result<Option<Output>> {
        if check_interrupted().is_err() {
            self.interrupt();
        }
        while let Ok(line) = self.lines.try_recv() {
            self.add(line);
        }
        let Some(status) = self.child.ended()? else { return Ok(None) };
        let end = Instant::now() + LAST_WORDS;
        while let Ok(line) = self.lines.recv_timeout(end.saturating_duration_since(Instant::now()))
        {
            self.add(line);
        }
        let text = |it: &[u8]| String::from_utf8_lossy(it).into_owned();
        Ok(Some(Output { status, stdout: text(&self.stdout), stderr: text(&self.stderr) }))
    }

    /// Returns the lines of both outputs since the last call, and whether the program runs. They are not
    /// part of what [`Beside::ended`] returns.
    pub(crate) fn new_lines(&mut self) -> anyhow::Result<(Vec<String>, bool)> {
        // Asked for first: the last lines come before the end.
        let runs = self.child.ended()?.is_none();
        let lines = self.lines.try_iter();
        let text = |(_, it): Line| String::from_utf8_lossy(&it).trim_end().to_owned();
        Ok((lines.map(text).collect(), runs))
    }

    /// Returns what the program wrote to its standard error so far.
    #[cfg(test)]
    pub(crate) fn said(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// Waits at most `limit` for the end of the program.
    pub(crate) fn wait(&mut self, limit: Duration) -> anyhow::Result<Option<Output>> {
        let end = Instant::now() + limit;
        loop {
            let output = self.ended()?;
            if output.is_some() || Instant::now() >= end {
                return Ok(output);
            }
            thread::sleep(POLL.min(limit));
        }
    }

    /// Asks the program by SIGINT, once, to end.
    pub(crate) fn interrupt(&mut self) {
        if !self.is_told {
            self.is_told = true;
            let _ = kill(Pid::from_raw(self.child.child.id().cast_signed()), Signal::SIGINT);
        }
    }

    /// Asks a program that only reads to end, and kills it after `limit`.
    pub(crate) fn stop(&mut self, limit: Duration) {
        self.child.stop(limit);
    }

    fn add(&mut self, (stream, line): Line) {
        match stream {
            Stream::Stdout => self.stdout.extend(line),
            Stream::Stderr => self.stderr.extend(line),
        }
    }
}

/// On a failure of this program, the other one is asked to end, and waited for.
impl Drop for Beside {
    fn drop(&mut self) {
        if let Ok(None) = self.child.ended() {
            self.interrupt();
            let _ = self.child.child.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::process::query;

    /// Longer than these scripts take on any machine.
    const LONG: Duration = Duration::from_secs(600);

    #[test]
    fn a_program_beside_this_one_is_asked_once_and_waited_for() {
        let script =
            "trap 'echo told; sleep 0.3; exit 7' INT; echo ready >&2; while :; do sleep 0.05; done";
        let mut beside = beside(&query!("/", "env --default-signal=INT bash -c {script}")).unwrap();
        while beside.said().is_empty() {
            assert!(beside.wait(Duration::from_millis(10)).unwrap().is_none());
        }
        beside.interrupt();
        beside.interrupt();
        let Output { status, stdout, .. } = beside.wait(LONG).unwrap().unwrap();
        assert_eq!((status, stdout.as_str()), (7, "told\n"));
    }

    #[test]
    fn a_program_beside_this_one_that_does_not_listen_is_killed() {
        let script = "trap '' INT TERM; echo ready >&2; while :; do sleep 0.05; done";
        let mut beside = beside(&query!("/", "bash -c {script}")).unwrap();
        while beside.said().is_empty() {
            assert!(beside.wait(Duration::from_millis(10)).unwrap().is_none());
        }
        beside.stop(Duration::from_millis(50));
        assert_eq!(beside.wait(LONG).unwrap().unwrap().status, 128 + 9);
    }

    #[test]
    fn a_program_beside_this_one_ends_before_a_failure_goes_on() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("made");
        let file = dir.to_string_lossy();
        let script = format!(
            "trap 'sleep 0.2; mkdir {file}; exit 1' INT; echo ready >&2; while :; do sleep 0.05; done"
        );
        let mut beside = beside(&query!("/", "env --default-signal=INT bash -c {script}")).unwrap();
        while beside.said().is_empty() {
            assert!(beside.wait(Duration::from_millis(10)).unwrap().is_none());
        }
        drop(beside);
        assert!(dir.is_dir());
    }
}
