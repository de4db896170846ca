//! Child processes: started, followed until they end, and stopped with all that they started.

use std::{
    env,
    fs::{self, File},
    io::{BufRead as _, BufReader, Read, Write as _},
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{LazyLock, mpsc},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};

use crate::run::ui::Heartbeat;

use super::{Cmd, check_interrupted, code, not_started};

/// Interval between checks of a silent child.
pub(super) const POLL: Duration = Duration::from_millis(50);

/// Time a child has to end after a request: cleaning up after mmdebstrap takes long.
pub(super) const STOP: Duration = Duration::from_secs(10);

/// Time an interruption waits for a command that makes something or cleans up.
const GRACE: Duration = Duration::from_secs(10);

/// Time streams may stay open after the child has ended: its own children may hold them for ever.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy)]
pub(super) enum Stream {
    Stdout,
    Stderr,
}

/// Time limit for children.
#[derive(Debug, Clone, Copy)]
pub(super) enum Limit {
    /// Limit without a line of output.
    Silence(Duration),
    /// Limit from start to end.
    Whole(Duration),
}

/// A child process; its own children are in its process group.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) child: Child,
    pub(super) cmd: Cmd,
    /// Whether the child's own children are stopped with it.
    leads_group: bool,
}

impl Running {
    /// Starts `cmd` with pipes for its output.
    pub(super) fn start(cmd: &Cmd, stdin: Stdio) -> anyhow::Result<Running> {
        let stdin = if cmd.stdin.is_some() { Stdio::piped() } else { stdin };
        let mut command = cmd.command()?;
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        check_interrupted()?;
        let mut res = Running::spawn(cmd, &mut command)?;
        res.feed();
        Ok(res)
    }

    /// Starts `command`, made from `cmd`. A program that may ask a person stays in the terminal's
    /// foreground process group. Other programs cannot read from the terminal, and a Ctrl-C reaches
    /// them only through this process.
    pub(super) fn spawn(cmd: &Cmd, command: &mut Command) -> anyhow::Result<Running> {
        let leads_group = !(cmd.asks && has_terminal());
        if leads_group {
            command.process_group(0);
        }
        let child = command.spawn().map_err(|err| not_started(cmd, err))?;
        Ok(Running { child, cmd: cmd.clone(), leads_group })
    }

    /// Starts `cmd` with the streams of this process.
    pub(super) fn attached(cmd: &Cmd) -> anyhow::Result<Running> {
        let mut command = cmd.command()?;
        let leads_group = !has_terminal();
        if leads_group {
            command.process_group(0);
        }
        let child = command.spawn().map_err(|err| not_started(cmd, err))?;
        Ok(Running { child, cmd: cmd.clone(), leads_group })
    }

    /// Starts `cmd`, whose output goes to `log`. A stop request goes to the daemon alone: daemons
    /// stop their own children.
    pub(super) fn daemon(cmd: &Cmd, log: File) -> anyhow::Result<Running> {
        let mut command = cmd.command()?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0);
        let child = command.spawn().map_err(|err| not_started(cmd, err))?;
        Ok(Running { child, cmd: cmd.clone(), leads_group: false })
    }

    /// Writes the command's stdin. A command that does not read all of it reports the reason by its
    /// status.
    fn feed(&mut self) {
        if let (Some(mut pipe), Some(text)) = (self.child.stdin.take(), self.cmd.stdin.clone()) {
            thread::spawn(move || pipe.write_all(text.as_bytes()));
        }
    }

    /// Sends each line of both streams until they are closed.
    pub(super) fn listen(&mut self, sender: &mpsc::Sender<Line>) -> anyhow::Result<()> {
        let stdout = self.child.stdout.take();
        let stderr = self.child.stderr.take().context("a piped child has a standard error")?;
        if let Some(stdout) = stdout {
            let sender = sender.clone();
            thread::spawn(move || send_lines(stdout, Stream::Stdout, &sender));
        }
        let sender = sender.clone();
        thread::spawn(move || send_lines(stderr, Stream::Stderr, &sender));
        Ok(())
    }

    /// Returns the status of a child that has ended.
    pub(super) fn ended(&mut self) -> anyhow::Result<Option<u8>> {
        Ok(self.child.try_wait()?.map(code))
    }

    /// Asks the child and its own children to end, and kills them after `limit`.
    pub(super) fn stop(&mut self, limit: Duration) {
        let pid = Pid::from_raw(self.child.id().cast_signed());
        let send = |signal: Option<Signal>| match self.leads_group {
            true => killpg(pid, signal),
            false => kill(pid, signal),
        };
        let deadline = Instant::now() + limit;
        let _ = send(Some(Signal::SIGTERM));
        // The group exists as long as one of its processes does, waited for or not.
        loop {
            let has_ended = matches!(self.child.try_wait(), Ok(Some(_)));
            if has_ended && (!self.leads_group || send(None).is_err()) {
                return;
            }
            if Instant::now() > deadline {
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
        let _ = send(Some(Signal::SIGKILL));
        let _ = self.child.wait();
    }
}

/// A line of a child's output.
pub(super) type Line = (Stream, Vec<u8>);

/// Longest line in bytes; a longer one comes in pieces, so that a line without an end does not use
/// all memory.
const LONGEST_LINE: u64 = 1 << 20;

fn send_lines(stream: impl Read, kind: Stream, sender: &mpsc::Sender<Line>) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = Vec::new();
        match reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line) {
            Ok(n) if n > 0 && sender.send((kind, line)).is_ok() => (),
            _ => return,
        }
    }
}

/// Passes the output of `children` to `on_line` until all have ended. Returns `false` when they
/// exceeded `limit` and were stopped.
pub(super) fn follow(
    children: &mut [Running],
    receiver: &mpsc::Receiver<Line>,
    limit: Limit,
    on_line: &mut dyn FnMut(Stream, &[u8]),
) -> anyhow::Result<bool> {
    let stop = |children: &mut [Running]| children.iter_mut().for_each(|it| it.stop(STOP));
    let (started, mut heard, mut ended) = (Instant::now(), Instant::now(), None);
    let mut interruption = Interruption::default();
    let mut heartbeat =
        Heartbeat::new(children.iter().map(|it| it.cmd.in_short()).collect::<Vec<_>>().join(" | "));
    loop {
        let received = receiver.recv_timeout(POLL);
        heartbeat.tick();
        if let Ok((stream, line)) = &received {
            heartbeat.rest();
            heard = Instant::now();
            on_line(*stream, line);
        }
        let is_closed = matches!(received, Err(mpsc::RecvTimeoutError::Disconnected));
        let mut has_ended = true;
        for child in children.iter_mut() {
            has_ended &= child.ended()?.is_some();
        }
        if has_ended {
            let since: &mut Instant = ended.get_or_insert_with(Instant::now);
            if is_closed || since.elapsed() > LAST_WORDS {
                // Ctrl-C in a terminal may reach the child as well: its message about that is not a
                // failure of its own.
                check_interrupted()?;
                return Ok(true);
            }
        } else if is_closed {
            thread::sleep(Duration::from_millis(2));
        }
        if let Err(err) = children.iter().try_for_each(|it| interruption.check(it)) {
            stop(children);
            return Err(err);
        }
        let is_over = match limit {
            Limit::Silence(limit) => heard.elapsed() > limit,
            Limit::Whole(limit) => started.elapsed() > limit,
        };
        if is_over && !has_ended || children.iter().any(|it| is_given_up(it.child.id())) {
            stop(children);
            return Ok(false);
        }
    }
}

/// Time of the interruption, as the wait for one command saw it.
#[derive(Default)]
pub(super) struct Interruption(Option<Instant>);

impl Interruption {
    /// Fails like [`check_interrupted`], but not while the command makes something.
    pub(super) fn check(&mut self, child: &Running) -> anyhow::Result<()> {
        let is_waited_for = child.cmd.is_making();
        self.check_while(is_waited_for && !is_given_up(child.child.id()))
    }

    /// Fails like [`check_interrupted`], but only after a grace period if `is_waited_for`.
    pub(super) fn check_while(&mut self, is_waited_for: bool) -> anyhow::Result<()> {
        check_interrupted().or_else(|err| {
            let since = self.0.get_or_insert_with(Instant::now);
            if is_waited_for && since.elapsed() < GRACE { Ok(()) } else { Err(err) }
        })
    }
}

/// Returns whether a test stops the child before its limit: the file that `XTASK_GIVE_UP` names
/// contains its process id.
pub(super) fn is_given_up(pid: u32) -> bool {
    static FILE: LazyLock<Option<PathBuf>> =
        LazyLock::new(|| env::var_os("XTASK_GIVE_UP").map(PathBuf::from));
    let named = || fs::read_to_string(FILE.as_ref()?).ok()?.trim().parse().ok();
    named() == Some(pid)
}

/// Returns whether a person can be asked at a terminal.
pub(super) fn has_terminal() -> bool {
    File::open("/dev/tty").is_ok()
}

#[test]
fn a_line_without_an_end_comes_in_pieces() {
    let (sender, receiver) = mpsc::channel();
    send_lines(std::io::repeat(b'a').take(LONGEST_LINE + 1), Stream::Stdout, &sender);
    drop(sender);
    let lengths: Vec<u64> = receiver.iter().map(|(_, it)| it.len() as u64).collect();
    assert_eq!(lengths, [LONGEST_LINE, 1]);
}
