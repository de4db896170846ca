//! The standard streams: the only module that writes to them. Nothing that was read elsewhere (tests,
//! names of files, other programs) controls the terminal. A reader that closes its pipe early has read
//! enough: what is left is dropped in silence, and the status stays that of the work.

#![expect(clippy::disallowed_methods, reason = "this is the place for them")]

use std::{
    fmt::Display,
    io::{self, ErrorKind, IsTerminal as _, Write},
    sync::OnceLock,
};

use anyhow::Context as _;
use serde::Serialize;

use crate::{
    printable,
    redact::{self, redact},
};

/// Why a result could not be written.
static LOST: OnceLock<io::Error> = OnceLock::new();

/// Prints a result, which may have several lines, on stdout.
pub(crate) fn print(text: impl Display) {
    result(redact::text(&text.to_string()));
}

/// Prints a result as JSON on stdout.
///
/// # Errors
/// `value` has keys that are not text.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(value).context("a result is plain data")?;
    result(printable::json(&redact::json(&text)));
    Ok(())
}

/// Prints `value` on stdout as it is, credentials included; a terminal gets it without what would
/// control it.
pub(crate) fn exact(value: &str) {
    if io::stdout().is_terminal() {
        return result(printable::text(value));
    }
    write(value.as_bytes());
}

/// Prints a message on stderr.
pub(crate) fn say(text: impl Display) {
    message(&(redact::text(&text.to_string()) + "\n"));
}

/// Prints a message on stderr whose start is in a colour, `31` or `32` (ECMA-48, 8.3.117).
pub(crate) fn say_in(colour: u8, start: &str, rest: &str) {
    let (start, rest) = (redact::text(start), redact::text(rest));
    message(&format!("\x1b[{colour}m{start}\x1b[0m{rest}\n"));
}

/// Replaces the live line on stderr, a terminal; by nothing if `line` is empty.
pub(crate) fn redraw(line: &str) {
    message(&format!("\r\x1b[2K{}", redact(&printable::line(line))));
}

/// Whether stderr is a terminal.
pub(crate) fn has_live_line() -> bool {
    io::stderr().is_terminal()
}

/// Whether a person sits at both ends.
pub(crate) fn has_person() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Fails when a result could not be written for another reason than a closed pipe.
///
/// # Errors
/// It could not: the disk of the file that stdout leads to is full, for example.
pub(crate) fn check() -> anyhow::Result<()> {
    if let Some(err) = LOST.get() {
        return Err(io::Error::new(err.kind(), format!("cannot write to stdout: {err}")).into());
    }
    Ok(())
}

fn result(mut text: String) {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    write(text.as_bytes());
}

fn write(bytes: &[u8]) {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
    if let Err(err) = written
        && err.kind() != ErrorKind::BrokenPipe
    {
        let _ = LOST.set(err);
    }
}

/// Nobody can be told of a message that could not be written.
fn message(text: &str) {
    if cfg!(test) {
        #[expect(clippy::print_stderr, reason = "tests capture the output of this macro alone")]
        return eprint!("{text}");
    }
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}
