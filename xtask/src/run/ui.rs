//! Output for people: on a terminal a live line for each piece of work, with its step and the
//! elapsed time; on a pipe plain lines. Human text goes to stderr, results to stdout.

mod heartbeat;

use std::{
    fmt::Display,
    sync::{Mutex, PoisonError, atomic::Ordering},
    time::Duration,
};

use crate::run::{
    printable,
    redact::redact,
    terminal::{self, LiveLine},
};

pub(crate) use crate::run::terminal::elapsed;
pub(crate) use heartbeat::Heartbeat;

/// How to show messages to the reader of stderr.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ui {
    pub(crate) verbose: bool,
    terminal: bool,
}

impl Ui {
    pub(crate) fn new(verbose: bool) -> Ui {
        Ui { verbose, terminal: terminal::has_live_lines() }
    }

    /// Prints a line for the reader.
    pub(crate) fn say(self, text: impl Display) {
        terminal::say(text);
    }

    /// Prints a line for the reader with `start` in a colour, where colours are on.
    pub(crate) fn say_in(self, colour: Colour, start: &str, rest: &str) {
        if !self.terminal || std::env::var_os("NO_COLOR").is_some() {
            return terminal::say(format_args!("{start}{rest}"));
        }
        terminal::say_in(colour as u8, start, rest);
    }

    /// Starts to show the progress of `label`.
    pub(crate) fn progress(self, label: &str) -> Progress {
        let is_live = self.terminal && !self.verbose;
        let line = is_live.then(|| {
            heartbeat::SHOWN.fetch_add(1, Ordering::SeqCst);
            LiveLine::new(label, Duration::ZERO)
        });
        Progress { label: label.to_owned(), line, state: Mutex::default() }
    }
}

/// Colours; their codes: ECMA-48, 8.3.117.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Colour {
    Red = 31,
    Green = 32,
}

/// Progress of one piece of work; its live line is removed when this is dropped.
pub(crate) struct Progress {
    label: String,
    /// `None` without a terminal, and where all output is shown.
    line: Option<LiveLine>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    step: String,
    /// Duration of the same work last time.
    last: Option<Duration>,
}

impl Progress {
    /// Shows the current step; the same step again is not shown twice.
    pub(crate) fn step(&self, step: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.step == step {
            return;
        }
        step.clone_into(&mut state.step);
        match &self.line {
            Some(line) => line.set(&text(&self.label, &state)),
            None => terminal::say(format_args!("{}: {}", self.label, printable::line(step))),
        }
    }

    /// Shows beside the elapsed time how long the same work took last time.
    pub(crate) fn expect(&self, last: Option<Duration>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.last = last;
        self.line.iter().for_each(|it| it.set(&text(&self.label, &state)));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.line.take().is_some() {
            heartbeat::SHOWN.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// Returns what follows the elapsed time on a live line.
fn text(label: &str, state: &State) -> String {
    let last = state.last.map(|it| format!("of {} ", elapsed(it))).unwrap_or_default();
    format!("{last}{label} {}", state.step)
}

/// Returns rows under their heads with aligned columns; each row is one line, and the last column
/// is not padded.
pub(crate) fn table(heads: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|it| redact(&printable::line(it))).collect())
        .collect();
    let mut widths: Vec<usize> = heads.iter().map(|it| it.chars().count()).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: Vec<&str>| {
        let padded = cells.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    let head = line(heads.to_vec());
    rows.iter().fold(head, |text, row| text + &line(row.iter().map(String::as_str).collect()))
}

/// Returns a size as `512 MB`, decimal like docker's.
pub(crate) fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes / 1_000_000)
}
