//! The standard streams; no other module writes to them. Untrusted text (tests, file names, other
//! programs) does not control the terminal. When a reader closes its pipe early, the rest of the
//! output is dropped in silence, and the status stays that of the work.

#![expect(clippy::disallowed_methods, reason = "this is the place for them")]

use std::{
    env,
    fmt::{self, Display},
    io::{self, ErrorKind, IsTerminal as _, Write},
    sync::{LazyLock, OnceLock},
    time::Duration,
};

use anyhow::Context as _;
use indicatif::{MultiProgress, ProgressBar, ProgressState, ProgressStyle};
use serde::Serialize;

use crate::run::{
    printable,
    redact::{self, redact},
};

/// Whether a runner of GitHub Actions reads what is printed.
pub(crate) static ON_GITHUB: LazyLock<bool> =
    LazyLock::new(|| env::var_os("GITHUB_ACTIONS").is_some_and(|it| it == "true"));

/// Why a result could not be written.
static LOST: OnceLock<io::Error> = OnceLock::new();

/// Prints a result, which may have several lines, on stdout.
pub(crate) fn print(text: impl Display) {
    result(shown(&text.to_string()));
}

/// Prints a result as JSON on stdout.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(value).context("a result is plain data")?;
    result(printable::json(&redact::json(&text)));
    Ok(())
}

/// Prints `value` on stdout unchanged, credentials included; on a terminal without control
/// characters.
pub(crate) fn exact(value: &str) {
    if io::stdout().is_terminal() {
        return result(printable::text(value));
    }
    write(value.as_bytes());
}

/// Prints a message on stderr.
pub(crate) fn say(text: impl Display) {
    message(&(shown(&text.to_string()) + "\n"));
}

/// Prints a command for the runner of GitHub Actions, one line, on stderr.
pub(crate) fn command(line: &str) {
    message(&(redact::text(line) + "\n"));
}

/// Prints a message on stderr with its start in a colour, `31` or `32` (ECMA-48, 8.3.117).
pub(crate) fn say_in(colour: u8, start: &str, rest: &str) {
    let (start, rest) = (shown(start), shown(rest));
    message(&format!("\x1b[{colour}m{start}\x1b[0m{rest}\n"));
}

/// Returns whether stderr is a terminal that can move its cursor: `TERM` is set, and not `dumb`.
pub(crate) fn has_live_lines() -> bool {
    !LIVE.is_hidden()
}

/// All live lines, below what is printed.
static LIVE: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// How often a live line is drawn.
const BEAT: Duration = Duration::from_millis(250);

/// A line at the end of stderr, a terminal: the elapsed time and a text, cut to the terminal's
/// width. The line is removed when this is dropped.
pub(crate) struct LiveLine(ProgressBar);

impl LiveLine {
    /// Shows `text` beside a time that starts at `since`.
    pub(crate) fn new(text: &str, since: Duration) -> LiveLine {
        let time = |state: &ProgressState, line: &mut dyn fmt::Write| {
            let _ = line.write_str(&elapsed(state.elapsed()));
        };
        let style = ProgressStyle::with_template("{time} {wide_msg}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_spinner());
        let bar = ProgressBar::no_length().with_elapsed(since);
        let res = LiveLine(LIVE.add(bar.with_style(style.with_key("time", time))));
        res.set(text);
        res.0.enable_steady_tick(BEAT);
        res
    }

    pub(crate) fn set(&self, text: &str) {
        self.0.set_message(redact(&printable::line(text)));
    }
}

impl Drop for LiveLine {
    fn drop(&mut self) {
        self.0.finish_and_clear();
        LIVE.remove(&self.0);
    }
}

/// Returns a time as `0:07` or `12:34`.
pub(crate) fn elapsed(time: Duration) -> String {
    format!("{}:{:02}", time.as_secs() / 60, time.as_secs() % 60)
}

/// Returns whether stdin and stdout are terminals, so that a person can answer.
pub(crate) fn has_person() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Fails when a result could not be written for another reason than a closed pipe.
pub(crate) fn check() -> anyhow::Result<()> {
    if let Some(err) = LOST.get() {
        return Err(io::Error::new(err.kind(), format!("cannot write to stdout: {err}")).into());
    }
    Ok(())
}

/// Returns text of whatever origin as it is printed.
fn shown(text: &str) -> String {
    let text = redact::text(text);
    if *ON_GITHUB { without_commands(&text) } else { text }
}

/// Returns `text` without what GitHub's runner takes for commands: `::name::` at the start of a line, also after
/// blanks, and the older `##[name]` anywhere.
fn without_commands(text: &str) -> String {
    let line = |it: &str| {
        let it = it.replace("##[", "## [");
        let (blanks, rest) = it.split_at(it.len() - it.trim_start().len());
        rest.strip_prefix("::").map_or(it.clone(), |rest| format!("{blanks}: :{rest}"))
    };
    text.split('\n').map(line).collect::<Vec<String>>().join("\n")
}

fn result(mut text: String) {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    write(text.as_bytes());
}

fn write(bytes: &[u8]) {
    let written = above_live_lines(|| {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes).and_then(|()| stdout.flush())
    });
    if let Err(err) = written
        && err.kind() != ErrorKind::BrokenPipe
    {
        let _ = LOST.set(err);
    }
}

/// Prints a message; an error of stderr itself cannot be reported.
fn message(text: &str) {
    if cfg!(test) {
        #[expect(clippy::print_stderr, reason = "tests capture the output of this macro alone")]
        return eprint!("{text}");
    }
    let _ = above_live_lines(|| {
        let mut stderr = io::stderr().lock();
        stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush())
    });
}

/// Calls `write` while no live line is shown.
fn above_live_lines<T>(write: impl FnOnce() -> T) -> T {
    if has_live_lines() { LIVE.suspend(write) } else { write() }
}

#[test]
fn no_line_is_a_command() {
    let text = "a: ::b::c\n  ::error file=a::b\n::add-mask::x\nx ##[error]y\n\n";
    let expect = "a: ::b::c\n  : :error file=a::b\n: :add-mask::x\nx ## [error]y\n\n";
    assert_eq!(without_commands(text), expect);
}
