//! Unattended programs: they have a time limit, and their own children end with them.

use std::{
    ops::ControlFlow,
    process::Stdio,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use crate::run::ui::Heartbeat;

use super::{
    Cmd, check_interrupted,
    running::{POLL, Running, STOP, is_given_up},
};

/// Time the last output may take after the end of the program: on a busy machine it is still on its
/// way, and a child of the program may hold its streams open for ever.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// How an unattended program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProcessEnd {
    /// Exit status as a shell reports it.
    Status(u8),
    TimedOut,
    /// The caller stopped the program.
    Stopped,
}

/// Runs `cmd` with an empty stdin until it ends, `limit` is exceeded, or `on_line`, which gets each
/// line of stdout and stderr, breaks. All its child processes are stopped then.
pub(crate) fn unattended(
    cmd: &Cmd,
    limit: Duration,
    on_line: &mut dyn FnMut(&str) -> ControlFlow<()>,
) -> anyhow::Result<ProcessEnd> {
    listened(cmd, limit, LAST_WORDS, on_line)
}

fn listened(
    cmd: &Cmd,
    limit: Duration,
    last_words: Duration,
    on_line: &mut dyn FnMut(&str) -> ControlFlow<()>,
) -> anyhow::Result<ProcessEnd> {
    let mut child = Running::start(cmd, Stdio::null())?;
    let res = watch(&mut child, limit, last_words, on_line);
    child.stop(STOP);
    res
}

fn watch(
    child: &mut Running,
    limit: Duration,
    last_words: Duration,
    on_line: &mut dyn FnMut(&str) -> ControlFlow<()>,
) -> anyhow::Result<ProcessEnd> {
    let mut deadline = Instant::now() + limit;
    let (sender, receiver) = mpsc::channel();
    child.listen(&sender)?;
    drop(sender);
    let mut ended = None;
    let mut heartbeat = Heartbeat::new(child.cmd.in_short());
    loop {
        let received = receiver.recv_timeout(POLL);
        heartbeat.tick();
        if received.is_ok() {
            heartbeat.rest();
        }
        match received {
            Ok((_, line)) if on_line(String::from_utf8_lossy(&line).trim_end()).is_break() => {
                return Ok(ProcessEnd::Stopped);
            }
            Ok(_) => (),
            // A program that has closed its streams may still run.
            Err(RecvTimeoutError::Disconnected) if ended.is_some() => deadline = Instant::now(),
            Err(RecvTimeoutError::Disconnected) => thread::sleep(Duration::from_millis(2)),
            Err(RecvTimeoutError::Timeout) => (),
        }
        if ended.is_none() {
            ended = child.ended()?;
            if ended.is_some() {
                deadline = Instant::now() + last_words;
            }
        }
        check_interrupted()?;
        if Instant::now() >= deadline || is_given_up(child.child.id()) {
            return Ok(ended.map_or(ProcessEnd::TimedOut, ProcessEnd::Status));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::process::query;

    /// Longer than these scripts take on any machine.
    const LONG: Duration = Duration::from_secs(600);

    /// Runs `script`, and returns how it ended and its last line.
    fn run(script: &str, last_words: Duration) -> (ProcessEnd, String) {
        let cmd = query!("/", "bash -c {script}");
        let mut said = String::new();
        let ended = listened(&cmd, LONG, last_words, &mut |line| {
            line.clone_into(&mut said);
            ControlFlow::Continue(())
        });
        (ended.unwrap(), said)
    }

    #[test]
    fn last_words_may_come_after_the_end() {
        let (ended, said) = run("(sleep 0.2; echo last) & exit 7", LONG);
        assert_eq!((ended, said.as_str()), (ProcessEnd::Status(7), "last"));
    }

    #[test]
    fn what_it_leaves_behind_is_not_waited_for() {
        let (ended, _) = run("(while sleep 0.1; do echo more; done) & exit 7", LAST_WORDS);
        assert_eq!(ended, ProcessEnd::Status(7));
    }
}
