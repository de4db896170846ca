//! Starts programs; no other module does. A command is an argument array, never a shell line; each
//! runs in an explicit directory, and is printed in a form that can be pasted into a shell.

#![expect(clippy::disallowed_methods, reason = "this is the place for them")]

mod background;
mod beside;
mod clock;
mod command;
mod permit;
mod running;
mod pipe;
mod last;
mod unattended;
mod watched;
mod computation;

use std::{
    cell::Cell,
    fmt,
    io::{self, Read as _},
    os::unix::process::ExitStatusExt as _,
    process::{ExitStatus, Stdio},
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use anyhow::{Context as _, bail};
use nix::sys::{
    resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit},
    time::{TimeVal, TimeValLike as _},
};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::run::failure::{self, Failure};

use clock::waiting;
use running::{Interruption, Limit, Running, STOP, Stream, follow};

pub(crate) use background::{Background, background};
pub(crate) use beside::{Beside, beside};
pub(crate) use clock::{time_in_changes, time_in_children};
pub(crate) use command::{Change, Cmd, Patience, cmd, query, quoted};
pub(crate) use computation::interruptible;
pub(crate) use last::{last_stream, last_words};
pub(crate) use permit::Permit;
pub(crate) use pipe::{Failed, pipe};
pub(crate) use unattended::{ProcessEnd, unattended};
pub(crate) use watched::watched;

/// Output and exit status of a program.
#[derive(Debug)]
pub(crate) struct Output {
    /// Exit status as a shell reports it: 128 plus the signal's number after a signal.
    pub(crate) status: u8,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs `cmd` and returns its output, whatever its status.
pub(crate) fn output(cmd: &Cmd) -> anyhow::Result<Output> {
    let (status, stdout, stderr) = both(cmd)?;
    let stdout =
        String::from_utf8(stdout).ok().with_context(|| format!("`{cmd}` wrote no UTF-8"))?;
    Ok(Output { status, stdout, stderr })
}

/// Runs like [`output`]; returns `None` for a command that was stopped because it exceeded `limit`.
pub(crate) fn output_within(cmd: &Cmd, limit: Duration) -> anyhow::Result<Option<Output>> {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let mut on_line = |stream, line: &[u8]| match stream {
        Stream::Stdout => stdout.extend_from_slice(line),
        Stream::Stderr => stderr.extend_from_slice(line),
    };
    let status = waiting(&[cmd], || one(cmd, Limit::Whole(limit), &mut on_line))?;
    let text = |it: Vec<u8>| String::from_utf8_lossy(&it).into_owned();
    Ok(status.map(|status| Output { status, stdout: text(stdout), stderr: text(stderr) }))
}

fn both(cmd: &Cmd) -> anyhow::Result<(u8, Vec<u8>, String)> {
    let mut stdout = Vec::new();
    let mut stderr = Vec::new();
    let status = run(cmd, &mut |stream, line| match stream {
        Stream::Stdout => stdout.extend_from_slice(line),
        Stream::Stderr => stderr.extend_from_slice(line),
    })?;
    Ok((status, stdout, String::from_utf8_lossy(&stderr).into_owned()))
}

/// Runs `cmd` and returns its standard output as bytes.
pub(crate) fn bytes(cmd: &Cmd) -> anyhow::Result<Vec<u8>> {
    let (status, stdout, stderr) = both(cmd)?;
    if status != 0 {
        bail!("`{cmd}` failed with status {status}\n{}", last_lines(&stderr, 15));
    }
    Ok(stdout)
}

/// Runs `cmd` and returns its standard output.
///
/// # Errors
/// As for [`output`], and any status but 0, with the last lines of its output.
pub(crate) fn read(cmd: &Cmd) -> anyhow::Result<String> {
    let output = output(cmd)?;
    if output.status != 0 {
        let said = last_lines(&output.stderr, 15);
        bail!("`{}` failed with status {}\n{said}", cmd.in_short(), output.status);
    }
    Ok(output.stdout)
}

/// Runs `cmd`, passes each line of stdout and stderr to `on_line`, and returns its status.
pub(crate) fn lines(cmd: &Cmd, on_line: &mut dyn FnMut(&str)) -> anyhow::Result<u8> {
    run(cmd, &mut |_, line| on_line(String::from_utf8_lossy(line).trim_end()))
}

/// Runs `cmd`, passes each line of its stdout to `on_line`, and returns its status and stderr.
pub(crate) fn stdout_lines(
    cmd: &Cmd,
    on_line: &mut dyn FnMut(&str),
) -> anyhow::Result<(u8, String)> {
    let mut stderr = Vec::new();
    let status = run(cmd, &mut |stream, line| match stream {
        Stream::Stdout => on_line(String::from_utf8_lossy(line).trim_end()),
        Stream::Stderr => stderr.extend_from_slice(line),
    })?;
    Ok((status, String::from_utf8_lossy(&stderr).into_owned()))
}

/// Runs `cmd` attached to the terminal and returns its status.
pub(crate) fn attached(cmd: &Cmd) -> anyhow::Result<u8> {
    attached_within(cmd, STOP)
}

/// Runs like [`attached`]; after an interruption `cmd` has `limit` to end by itself.
pub(crate) fn attached_within(cmd: &Cmd, limit: Duration) -> anyhow::Result<u8> {
    let mut child = Running::attached(cmd)?;
    let mut interruption = Interruption::default();
    loop {
        if let Some(status) = child.ended()? {
            return Ok(status);
        }
        interruption.check(&child).inspect_err(|_| child.stop(limit))?;
        thread::sleep(Duration::from_millis(20));
    }
}

/// Returns whether `program` is on `PATH`.
pub(crate) fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|it| it.join(program).is_file())
}

/// Reads all of stdin, which must be UTF-8.
pub(crate) fn read_stdin() -> anyhow::Result<String> {
    from_stdin(|text| io::stdin().read_to_string(text))
}

/// Reads a line of stdin, with its line end.
pub(crate) fn read_line() -> anyhow::Result<String> {
    from_stdin(|text| io::stdin().read_line(text))
}

/// Reads stdin in a thread of its own, because a signal does not end a read.
fn from_stdin(
    read: impl FnOnce(&mut String) -> io::Result<usize> + Send + 'static,
) -> anyhow::Result<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut text = String::new();
        let _ = sender.send(read(&mut text).map(|_| text));
    });
    loop {
        match receiver.recv_timeout(Duration::from_millis(50)) {
            Ok(text) => return text.context("cannot read standard input"),
            Err(_) => check_interrupted()?,
        }
    }
}

/// Stops this process and its children from leaving a core dump, which would hold secrets. The
/// limit is one byte, not zero: one byte is too short for a file, and only at zero does the kernel
/// still pipe the dump to a program (core(5), and `RLIMIT_CORE` in its coredump.c).
pub(crate) fn no_core_dumps() -> anyhow::Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_CORE)?;
    let limit = hard.min(1);
    setrlimit(Resource::RLIMIT_CORE, limit, limit).context("cannot switch core dumps off")
}

/// Set by the signal handler; loops that wait for a child check it.
static INTERRUPTED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// Makes SIGINT, SIGTERM and SIGHUP end the running child and fail the run with status 130, so that
/// every guard still cleans up.
pub(crate) fn handle_signals() -> anyhow::Result<()> {
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&INTERRUPTED))
            .context("cannot handle signals")?;
    }
    Ok(())
}

/// Fails after an interruption, for loops that wait for something other than a child.
pub(crate) fn check_interrupted() -> anyhow::Result<()> {
    if (was_interrupted() || is_stopped()) && !FINISHING.get() {
        return Err(Failure::Interrupted.into());
    }
    Ok(())
}

/// Returns whether a signal asked this run to end.
fn was_interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// Set while the threads of a [`Stop`] are stopped.
static STOPPED: AtomicBool = AtomicBool::new(false);

/// Returns whether a [`Stop`] ends this thread's work.
pub(crate) fn is_stopped() -> bool {
    STOPPED.load(Ordering::SeqCst) && !was_interrupted()
}

/// A way to end all threads as an interruption does, until this is dropped; the run goes on then.
pub(crate) struct Stop;

impl Stop {
    /// Ends the children of all threads, and lets every guard clean up.
    #[expect(clippy::unused_self, reason = "only its owner may stop threads")]
    pub(crate) fn request(&self) {
        STOPPED.store(true, Ordering::SeqCst);
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        STOPPED.store(false, Ordering::SeqCst);
    }
}

/// Does `work` to its end, also after an interruption: what saves or cleans up, by commands that have
/// limits of their own.
pub(crate) fn finishing<T>(work: impl FnOnce() -> T) -> T {
    struct Restored(bool);
    impl Drop for Restored {
        fn drop(&mut self) {
            FINISHING.set(self.0);
        }
    }
    let _restored = Restored(FINISHING.replace(true));
    work()
}

thread_local! {
    static FINISHING: Cell<bool> = const { Cell::new(false) };
}

/// Returns the processor time of all programs that ended, and of theirs.
pub(crate) fn cpu_of_children() -> anyhow::Result<Duration> {
    let used = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let seconds = |it: TimeVal| Duration::from_micros(it.num_microseconds().unsigned_abs());
    Ok(seconds(used.user_time()) + seconds(used.system_time()))
}

/// Returns the last `n` lines of `text`.
pub(crate) fn last_lines(text: &str, n: usize) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(n)..].join("\n")
}

/// A command that was stopped after too long without output.
#[derive(Debug)]
pub(crate) struct Silent {
    cmd: String,
    limit: Duration,
}

impl std::error::Error for Silent {}

impl fmt::Display for Silent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Silent { cmd, limit } = self;
        write!(f, "`{cmd}`: no output for {} s, stopped", limit.as_secs())
    }
}

/// Runs `cmd`, which may be silent for as long as its [`Patience`].
fn run(cmd: &Cmd, on_line: &mut dyn FnMut(Stream, &[u8])) -> anyhow::Result<u8> {
    let limit = cmd.patience.limit();
    let status = waiting(&[cmd], || one(cmd, Limit::Silence(limit), on_line))?;
    status.ok_or_else(|| Silent { cmd: cmd.in_short(), limit }.into())
}

/// Runs one command; returns `None` when the limit was exceeded.
fn one(
    cmd: &Cmd,
    limit: Limit,
    on_line: &mut dyn FnMut(Stream, &[u8]),
) -> anyhow::Result<Option<u8>> {
    let (sender, receiver) = mpsc::channel();
    let mut children = [Running::start(cmd, Stdio::null())?];
    children.iter_mut().try_for_each(|it| it.listen(&sender))?;
    drop(sender);
    let ended = follow(&mut children, &receiver, limit, on_line)?;
    Ok(if ended { children[0].ended()? } else { None })
}

fn not_started(cmd: &Cmd, err: io::Error) -> anyhow::Error {
    let program = cmd.program.to_string_lossy();
    if err.kind() == io::ErrorKind::NotFound {
        return failure::machine(cmd.finding, format!("`{program}` is not on PATH"));
    }
    anyhow::Error::new(err).context(format!("cannot start `{cmd}`"))
}

fn code(status: ExitStatus) -> u8 {
    let signal = || status.signal().map(|it| 128 + it);
    status.code().or_else(signal).and_then(|it| u8::try_from(it).ok()).unwrap_or(1)
}
