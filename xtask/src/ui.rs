//! What a person sees: on a terminal one live line with the step and the elapsed time, on a pipe
//! plain lines. Human text goes to stderr, results to stdout.

mod heartbeat;

use std::{
    fmt::Display,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::{printable, redact::redact, terminal};

pub(crate) use heartbeat::Heartbeat;

/// How to show things to whoever reads stderr.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ui {
    pub(crate) verbose: bool,
    terminal: bool,
}

impl Ui {
    pub(crate) fn new(verbose: bool) -> Ui {
        Ui { verbose, terminal: terminal::has_live_line() }
    }

    /// A line for the reader.
    pub(crate) fn say(self, text: impl Display) {
        terminal::say(text);
    }

    /// A line for the reader whose `start` is in a colour, where there are colours.
    pub(crate) fn say_in(self, colour: Colour, start: &str, rest: &str) {
        if !self.terminal || std::env::var_os("NO_COLOR").is_some() {
            return terminal::say(format_args!("{start}{rest}"));
        }
        terminal::say_in(colour as u8, start, rest);
    }

    /// Starts to show the progress of `label`.
    pub(crate) fn progress(self, label: &str) -> Progress {
        let state = State {
            label: label.to_owned(),
            step: String::new(),
            started: Instant::now(),
            last: None,
        };
        let state = Arc::new(Mutex::new(state));
        if self.terminal && !self.verbose {
            heartbeat::DRAWN.fetch_add(1, Ordering::SeqCst);
            let weak = Arc::downgrade(&state);
            thread::spawn(move || {
                while let Some(state) = weak.upgrade() {
                    redraw(&lock(&state));
                    drop(state);
                    thread::sleep(Duration::from_millis(250));
                }
            });
        }
        Progress { ui: self, state }
    }
}

/// The codes: ECMA-48, 8.3.117.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Colour {
    Red = 31,
    Green = 32,
}

/// One thing that is being done; its line goes when this is dropped.
pub(crate) struct Progress {
    ui: Ui,
    state: Arc<Mutex<State>>,
}

struct State {
    label: String,
    step: String,
    started: Instant,
    /// How long the same took last time.
    last: Option<Duration>,
}

impl Progress {
    /// Shows what is being done now; the same step again is not shown twice.
    pub(crate) fn step(&self, step: &str) {
        let mut state = lock(&self.state);
        if state.step == step {
            return;
        }
        step.clone_into(&mut state.step);
        if !self.ui.terminal || self.ui.verbose {
            terminal::say(format_args!("{}: {}", state.label, printable::line(step)));
        }
    }
}

impl Progress {
    /// Shows beside the elapsed time how long the same took last time.
    pub(crate) fn expect(&self, last: Option<Duration>) {
        lock(&self.state).last = last;
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.ui.terminal && !self.ui.verbose {
            heartbeat::DRAWN.fetch_sub(1, Ordering::SeqCst);
            // Under the lock, so that the other thread does not draw the line again.
            let mut state = lock(&self.state);
            state.label.clear();
            terminal::redraw("");
        }
    }
}

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn redraw(state: &State) {
    if state.label.is_empty() {
        return;
    }
    let last = state.last.map(|it| format!(" of {}", elapsed(it))).unwrap_or_default();
    let time = elapsed(state.started.elapsed());
    let line = format!("{} {time}{last} {}", state.label, state.step);
    terminal::redraw(&line.chars().take(100).collect::<String>());
}

/// `0:07`, `12:34`.
pub(crate) fn elapsed(time: Duration) -> String {
    format!("{}:{:02}", time.as_secs() / 60, time.as_secs() % 60)
}

/// Rows under their heads, columns aligned; each row is one line, and the last column is not padded.
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

/// `512 MB`, as docker counts: decimal.
pub(crate) fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes / 1_000_000)
}
