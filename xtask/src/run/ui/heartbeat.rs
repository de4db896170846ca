//! Live line of a program that is silent while no other progress is shown.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use crate::run::terminal::{self, LiveLine};

/// Number of [`super::Progress`] with a live line.
pub(super) static SHOWN: AtomicUsize = AtomicUsize::new(0);

/// Time a program may be silent before the terminal shows the wait.
const QUIET: Duration = Duration::from_secs(1);

/// Live line of one program, removed when this is dropped.
pub(crate) struct Heartbeat {
    label: String,
    heard: Instant,
    line: Option<LiveLine>,
}

impl Heartbeat {
    pub(crate) fn new(label: String) -> Heartbeat {
        Heartbeat { label, heard: Instant::now(), line: None }
    }

    /// Shows the line when it is due.
    pub(crate) fn tick(&mut self) {
        let is_due = self.line.is_none()
            && self.heard.elapsed() > QUIET
            && SHOWN.load(Ordering::SeqCst) == 0
            && terminal::has_live_lines();
        if is_due {
            self.line = Some(LiveLine::new(&self.label, self.heard.elapsed()));
        }
    }

    /// Removes the line before the program prints something.
    pub(crate) fn rest(&mut self) {
        self.heard = Instant::now();
        self.line = None;
    }
}
