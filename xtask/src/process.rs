//! Starts programs: the only module that does. A command is an argument array, never a shell line;
//! each runs in a directory that its maker named, and is printed as something one could paste.

#![expect(clippy::disallowed_methods, reason = "this is the place for them")]

mod background;
mod command;
mod unattended;
mod watched;

use std::{
    cell::Cell,
    fmt,
    io::{self, BufRead as _, BufReader, Read, Write as _},
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use nix::{
    sys::{
        resource::{Resource, getrlimit, setrlimit},
        signal::{Signal, kill},
    },
    unistd::Pid,
};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::failure::{self, Failure};

pub(crate) use background::{Background, background};
pub(crate) use command::{Cmd, cmd, quoted};
pub(crate) use unattended::{Ended, unattended};
pub(crate) use watched::watched;

/// What a program said, and how it ended.
#[derive(Debug)]
pub(crate) struct Output {
    /// As a shell reports it: 128 and the signal's number when one ended it.
    pub(crate) status: u8,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs `cmd` and gives its output, whatever its status.
///
/// # Errors
/// It is not on `PATH`, does not write UTF-8, or was interrupted.
pub(crate) fn output(cmd: &Cmd) -> anyhow::Result<Output> {
    let (status, stdout, stderr) = both(cmd)?;
    let stdout =
        String::from_utf8(stdout).ok().with_context(|| format!("`{cmd}` wrote no UTF-8"))?;
    Ok(Output { status, stdout, stderr })
}

/// As [`output`]; `None` when it has not ended within `limit`, and was ended.
///
/// # Errors
/// As for [`output`].
pub(crate) fn output_within(cmd: &Cmd, limit: Duration) -> anyhow::Result<Option<Output>> {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let mut on_line = |stream, line: &[u8]| match stream {
        Stream::Stdout => stdout.extend_from_slice(line),
        Stream::Stderr => stderr.extend_from_slice(line),
    };
    let deadline = Instant::now() + limit;
    let status = waiting(|| run_until(cmd, Stdio::null(), Some(deadline), &mut on_line))?;
    let text = |it: Vec<u8>| String::from_utf8_lossy(&it).into_owned();
    Ok(status.map(|status| Output { status, stdout: text(stdout), stderr: text(stderr) }))
}

fn both(cmd: &Cmd) -> anyhow::Result<(u8, Vec<u8>, String)> {
    let mut stdout = Vec::new();
    let mut stderr = Vec::new();
    let status = run(cmd, Stdio::null(), &mut |stream, line| match stream {
        Stream::Stdout => stdout.extend_from_slice(line),
        Stream::Stderr => stderr.extend_from_slice(line),
    })?;
    Ok((status, stdout, String::from_utf8_lossy(&stderr).into_owned()))
}

/// Runs `cmd` and gives its standard output, which may be anything.
///
/// # Errors
/// It is not on `PATH`, was interrupted, or ends with any status but 0.
pub(crate) fn bytes(cmd: &Cmd) -> anyhow::Result<Vec<u8>> {
    let (status, stdout, stderr) = both(cmd)?;
    if status != 0 {
        bail!("`{cmd}` failed with status {status}\n{}", last_lines(&stderr, 15));
    }
    Ok(stdout)
}

/// Runs `cmd` and gives its standard output.
///
/// # Errors
/// As for [`output`], and any status but 0, with what it said last.
pub(crate) fn read(cmd: &Cmd) -> anyhow::Result<String> {
    let output = output(cmd)?;
    if output.status != 0 {
        let said = last_lines(&output.stderr, 15);
        bail!("`{}` failed with status {}\n{said}", cmd.in_short(), output.status);
    }
    Ok(output.stdout)
}

/// Runs `cmd`, hands each line of both its streams to `on_line`, and gives its status.
///
/// # Errors
/// It is not on `PATH`, or was interrupted.
pub(crate) fn lines(cmd: &Cmd, on_line: &mut dyn FnMut(&str)) -> anyhow::Result<u8> {
    run(cmd, Stdio::null(), &mut |_, line| on_line(String::from_utf8_lossy(line).trim_end()))
}

/// A part of a pipe that failed.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) cmd: Cmd,
    pub(crate) status: u8,
}

impl std::error::Error for Failed {}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` failed with status {}", self.cmd, self.status)
    }
}

/// Runs `from | to` and gives the standard output of `to`; `on_line` gets all other lines.
///
/// # Errors
/// Either fails: [`Failed`].
pub(crate) fn pipe(from: &Cmd, to: &Cmd, on_line: &mut dyn FnMut(&str)) -> anyhow::Result<String> {
    let mut source = spawn(from.command()?.stdin(Stdio::null()), from)?;
    let stdin = source.stdout.take().context("a piped child has a standard output")?;
    let stderr = source.stderr.take().context("a piped child has a standard error")?;
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || send_lines(stderr, Stream::Stderr, &sender));
    let mut stdout = String::new();
    let status = run(to, Stdio::from(stdin), &mut |stream, line| match stream {
        Stream::Stdout => stdout.push_str(&String::from_utf8_lossy(line)),
        Stream::Stderr => on_line(String::from_utf8_lossy(line).trim_end()),
    });
    let from_status = match &status {
        Ok(_) => code(source.wait()?),
        Err(_) => stop(&mut source),
    };
    receiver.iter().for_each(|(_, line)| on_line(String::from_utf8_lossy(&line).trim_end()));
    for (cmd, status) in [(from, from_status), (to, status?)] {
        if status != 0 {
            return Err(Failed { cmd: cmd.clone(), status }.into());
        }
    }
    Ok(stdout)
}

/// Runs a command that saves or cleans up: even when the run was interrupted, and whatever it says.
/// Gives its status.
///
/// # Errors
/// It cannot be started.
pub(crate) fn last_words(cmd: &Cmd) -> anyhow::Result<u8> {
    let null = || Stdio::null();
    let mut command = cmd.command()?;
    // Out of reach of another Ctrl-C.
    command.stdin(null()).stdout(null()).stderr(null()).process_group(0);
    Ok(code(command.status()?))
}

/// As [`last_words`], but hands the standard output of `cmd` to `take`. Returns the status and what
/// `take` made of it; `cmd` is ended when `take` fails.
///
/// # Errors
/// It cannot be started, or `take` fails.
pub(crate) fn last_stream<T>(
    cmd: &Cmd,
    take: impl FnOnce(&mut dyn Read) -> anyhow::Result<T>,
) -> anyhow::Result<(u8, T)> {
    let mut command = cmd.command()?;
    let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|err| not_started(cmd, err))?;
    let mut stdout = child.stdout.take().context("a piped child has a standard output")?;
    let taken = take(&mut stdout).inspect_err(|_| _ = child.kill());
    drop(stdout);
    let status = code(child.wait()?);
    Ok((status, taken?))
}

/// Hands the terminal to `cmd` and gives its status.
///
/// # Errors
/// It is not on `PATH`, or was interrupted.
pub(crate) fn attached(cmd: &Cmd) -> anyhow::Result<u8> {
    attached_within(cmd, STOP)
}

/// As [`attached`]; after an interruption `cmd` has `limit` to end by itself.
///
/// # Errors
/// As for [`attached`].
pub(crate) fn attached_within(cmd: &Cmd, limit: Duration) -> anyhow::Result<u8> {
    let mut child = cmd.command()?.spawn().map_err(|err| not_started(cmd, err))?;
    let mut status = child.try_wait()?;
    let mut interruption = Interruption::default();
    while status.is_none() {
        interruption.check(cmd).inspect_err(|_| _ = stop_within(&mut child, limit))?;
        thread::sleep(Duration::from_millis(20));
        status = child.try_wait()?;
    }
    Ok(status.map_or(1, code))
}

/// Whether `PATH` has `program`.
pub(crate) fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|it| it.join(program).is_file())
}

/// All of this process's standard input, which must be UTF-8.
///
/// # Errors
/// It is not, or the run was interrupted while it waited.
pub(crate) fn read_stdin() -> anyhow::Result<String> {
    from_stdin(|text| io::stdin().read_to_string(text))
}

/// A line of this process's standard input, with its end.
///
/// # Errors
/// As for [`read_stdin`].
pub(crate) fn read_line() -> anyhow::Result<String> {
    from_stdin(|text| io::stdin().read_line(text))
}

/// A signal does not end a read, so another thread reads.
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

/// From here on neither this process nor its children leave a core dump, which would hold secrets.
/// One byte, not none: it is too short for a file, and the kernel hands a dump to no program at
/// this limit, which it does at zero (core(5), and `RLIMIT_CORE` in its coredump.c).
///
/// # Errors
/// The system refuses.
pub(crate) fn no_core_dumps() -> anyhow::Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_CORE)?;
    let limit = hard.min(1);
    setrlimit(Resource::RLIMIT_CORE, limit, limit).context("cannot switch core dumps off")
}

/// Set by the signal handler; whoever waits for a child looks at it.
static INTERRUPTED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// From here on SIGINT, SIGTERM and SIGHUP end the running child and fail the run with status 130,
/// so that every guard on the way out does its work.
///
/// # Errors
/// The system refuses the handler.
pub(crate) fn handle_signals() -> anyhow::Result<()> {
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&INTERRUPTED))
            .context("cannot handle signals")?;
    }
    Ok(())
}

/// For loops that wait for something else than a child.
///
/// # Errors
/// The run was interrupted.
pub(crate) fn check_interrupted() -> anyhow::Result<()> {
    if INTERRUPTED.load(Ordering::SeqCst) {
        return Err(Failure::Interrupted.into());
    }
    Ok(())
}

/// Runs `work`, which computes with what others wrote, in a thread of its own: an interruption does not
/// wait for it.
///
/// # Errors
/// The run was interrupted.
pub(crate) fn interruptible<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> anyhow::Result<T> {
    unless(check_interrupted, work)
}

fn unless<T: Send + 'static>(
    interrupted: impl Fn() -> anyhow::Result<()>,
    work: impl FnOnce() -> T + Send + 'static,
) -> anyhow::Result<T> {
    let (sender, receiver) = mpsc::channel();
    let worker = thread::Builder::new().stack_size(STACK).spawn(move || sender.send(work()))?;
    loop {
        match receiver.recv_timeout(Duration::from_millis(50)) {
            Ok(done) => return Ok(done),
            Err(mpsc::RecvTimeoutError::Timeout) => interrupted()?,
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                let panic = worker.join().err().context("the work ended without a result")?;
                std::panic::resume_unwind(panic);
            }
        }
    }
}

/// As the first thread has it.
const STACK: usize = 8 << 20;

/// How long an interruption waits for a command that makes something.
const GRACE: Duration = Duration::from_secs(10);

/// When the run was interrupted, as its wait for one command saw it.
#[derive(Default)]
struct Interruption(Option<Instant>);

impl Interruption {
    /// As [`check_interrupted`], but not while `cmd` makes something.
    fn check(&mut self, cmd: &Cmd) -> anyhow::Result<()> {
        check_interrupted().or_else(|err| {
            let since = self.0.get_or_insert_with(Instant::now);
            if cmd.is_making() && since.elapsed() < GRACE { Ok(()) } else { Err(err) }
        })
    }
}

thread_local! {
    static WAITED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// How long this thread has waited for other programs.
pub(crate) fn time_in_children() -> Duration {
    WAITED.get()
}

/// Counts the time of `wait` as time in other programs.
pub(crate) fn waiting<T>(wait: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let res = wait();
    WAITED.set(WAITED.get() + started.elapsed());
    res
}

/// The last `n` lines of `text`.
pub(crate) fn last_lines(text: &str, n: usize) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(n)..].join("\n")
}

#[derive(Debug, Clone, Copy)]
enum Stream {
    Stdout,
    Stderr,
}

/// Writes what `cmd` is to read. A child that does not want it all says why by its status.
fn feed(child: &mut Child, cmd: &Cmd) {
    if let (Some(mut pipe), Some(text)) = (child.stdin.take(), cmd.stdin.clone()) {
        thread::spawn(move || pipe.write_all(text.as_bytes()));
    }
}

fn run(cmd: &Cmd, stdin: Stdio, on_line: &mut dyn FnMut(Stream, &[u8])) -> anyhow::Result<u8> {
    let status = waiting(|| run_until(cmd, stdin, None, on_line))?;
    status.context("a program without a time limit ends")
}

/// `None` when it had not ended at `deadline`.
fn run_until(
    cmd: &Cmd,
    stdin: Stdio,
    deadline: Option<Instant>,
    on_line: &mut dyn FnMut(Stream, &[u8]),
) -> anyhow::Result<Option<u8>> {
    let stdin = if cmd.stdin.is_some() { Stdio::piped() } else { stdin };
    let mut child = spawn(cmd.command()?.stdin(stdin), cmd)?;
    feed(&mut child, cmd);
    let receiver = listen(&mut child)?;
    let mut interruption = Interruption::default();
    loop {
        match receiver.recv_timeout(Duration::from_millis(100)) {
            Ok((stream, line)) => on_line(stream, &line),
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => (),
        }
        interruption.check(cmd).inspect_err(|_| _ = stop(&mut child))?;
        if deadline.is_some_and(|it| Instant::now() > it) {
            stop(&mut child);
            return Ok(None);
        }
    }
    let status = code(child.wait()?);
    // Ctrl-C in a terminal reaches the child as well: what it says of that is no failure of its own.
    check_interrupted()?;
    Ok(Some(status))
}

fn spawn(command: &mut Command, cmd: &Cmd) -> anyhow::Result<Child> {
    check_interrupted()?;
    if cmd.makes.is_some() {
        command.process_group(0);
    }
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    child.map_err(|err| not_started(cmd, err))
}

fn not_started(cmd: &Cmd, err: io::Error) -> anyhow::Error {
    let program = cmd.program.to_string_lossy();
    if err.kind() == io::ErrorKind::NotFound {
        let finding = if ["sops", "aws"].contains(&&*program) { "secrets" } else { "tools" };
        return failure::machine(finding, format!("`{program}` is not on PATH"));
    }
    anyhow::Error::new(err).context(format!("cannot start `{cmd}`"))
}

/// How long a child that was asked to end may take.
const STOP: Duration = Duration::from_secs(5);

/// Asks the child to end, and kills it after [`STOP`].
fn stop(child: &mut Child) -> u8 {
    stop_within(child, STOP)
}

fn stop_within(child: &mut Child, limit: Duration) -> u8 {
    let pid = i32::try_from(child.id()).map(Pid::from_raw);
    let _ = pid.map(|pid| kill(pid, Signal::SIGTERM));
    let deadline = Instant::now() + limit;
    while Instant::now() < deadline {
        if let Ok(Some(status)) = child.try_wait() {
            return code(status);
        }
        thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    child.wait().map_or(137, code)
}

/// Sends each line of both streams of a child until it has closed them.
fn listen(child: &mut Child) -> anyhow::Result<mpsc::Receiver<(Stream, Vec<u8>)>> {
    let (sender, receiver) = mpsc::channel();
    let stdout = child.stdout.take().context("a piped child has a standard output")?;
    let stderr = child.stderr.take().context("a piped child has a standard error")?;
    let other = sender.clone();
    thread::spawn(move || send_lines(stdout, Stream::Stdout, &sender));
    thread::spawn(move || send_lines(stderr, Stream::Stderr, &other));
    Ok(receiver)
}

/// A longer line comes in pieces, so that one without an end does not take all memory.
const LONGEST_LINE: u64 = 1 << 20;

fn send_lines(stream: impl Read, kind: Stream, sender: &mpsc::Sender<(Stream, Vec<u8>)>) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = Vec::new();
        match reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line) {
            Ok(n) if n > 0 && sender.send((kind, line)).is_ok() => (),
            _ => return,
        }
    }
}

fn code(status: ExitStatus) -> u8 {
    let signal = || status.signal().map(|it| 128 + it);
    status.code().or_else(signal).and_then(|it| u8::try_from(it).ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interruption_does_not_wait_for_a_computation() {
        let (_never, forever) = mpsc::channel::<()>();
        let interrupted = || Err(Failure::Interrupted.into());
        let err = unless(interrupted, move || forever.recv()).unwrap_err();
        assert_eq!(failure::status(&err), 130);
        assert_eq!(interruptible(|| 1).unwrap(), 1);
    }

    #[test]
    fn a_line_without_an_end_comes_in_pieces() {
        let (sender, receiver) = mpsc::channel();
        send_lines(io::repeat(b'a').take(LONGEST_LINE + 1), Stream::Stdout, &sender);
        drop(sender);
        let lengths: Vec<u64> = receiver.iter().map(|(_, it)| it.len() as u64).collect();
        assert_eq!(lengths, [LONGEST_LINE, 1]);
    }
}
