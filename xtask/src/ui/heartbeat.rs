//! What a terminal shows while a program says nothing and no progress is shown: that it is waited for.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use super::elapsed;
use crate::terminal;

/// How many [`super::Progress`] draw the live line.
pub(super) static DRAWN: AtomicUsize = AtomicUsize::new(0);

/// How long a program may say nothing before the terminal tells so.
const QUIET: Duration = Duration::from_secs(1);
/// How often the line is drawn.
const BEAT: Duration = Duration::from_millis(250);

/// The live line about one program; it goes when this is dropped.
pub(crate) struct Heartbeat {
    label: String,
    heard: Instant,
    drawn: Option<Instant>,
}

impl Heartbeat {
    pub(crate) fn new(label: String) -> Heartbeat {
        Heartbeat { label, heard: Instant::now(), drawn: None }
    }

    /// Draws the line if it is time to.
    pub(crate) fn tick(&mut self) {
        let is_due = self.heard.elapsed() > QUIET
            && self.drawn.is_none_or(|it| it.elapsed() > BEAT)
            && DRAWN.load(Ordering::SeqCst) == 0
            && terminal::has_live_line();
        if is_due {
            self.drawn = Some(Instant::now());
            let line = format!("{} {}", elapsed(self.heard.elapsed()), self.label);
            terminal::redraw(&line.chars().take(100).collect::<String>());
        }
    }

    /// Removes the line: the program says something.
    pub(crate) fn rest(&mut self) {
        self.heard = Instant::now();
        if self.drawn.take().is_some() {
            terminal::redraw("");
        }
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.rest();
    }
}
