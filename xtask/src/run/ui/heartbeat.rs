//! Signs of life of a running program: a live line while nothing else is shown, and without a
//! terminal a plain line now and then.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use crate::run::terminal::{self, LiveLine};

/// Number of [`super::Progress`] with a live line.
pub(super) static SHOWN: AtomicUsize = AtomicUsize::new(0);

/// Time a program may be silent before the terminal shows the wait.
const QUIET: Duration = Duration::from_secs(1);

/// Interval of lines about a running program where no terminal shows the time.
const STILL: Duration = Duration::from_secs(60);

/// Live line of one program, removed when this is dropped.
pub(crate) struct Heartbeat {
    label: String,
    started: Instant,
    heard: Instant,
    /// Time of the last plain line.
    said: Instant,
    line: Option<LiveLine>,
}

impl Heartbeat {
    pub(crate) fn new(label: String) -> Heartbeat {
        let now = Instant::now();
        Heartbeat { label, started: now, heard: now, said: now, line: None }
    }

    /// Shows the line when it is due.
    pub(crate) fn tick(&mut self) {
        if !terminal::has_live_lines() {
            self.still(Instant::now()).into_iter().for_each(terminal::say);
            return;
        }
        let is_due = self.line.is_none()
            && self.heard.elapsed() > QUIET
            && SHOWN.load(Ordering::SeqCst) == 0;
        if is_due {
            self.line = Some(LiveLine::new(&self.label, self.heard.elapsed()));
        }
    }

    /// Returns the plain line that is due at `now`.
    fn still(&mut self, now: Instant) -> Option<String> {
        if now.duration_since(self.said) < STILL {
            return None;
        }
        self.said = now;
        let time = terminal::elapsed(now.duration_since(self.started));
        Some(format!("still running after {time}: {}", self.label))
    }

    /// Removes the line before the program prints something.
    pub(crate) fn rest(&mut self) {
        self.heard = Instant::now();
        self.line = None;
    }
}

#[test]
fn a_line_a_minute() {
    let mut beat = Heartbeat::new("docker build".to_owned());
    let at = |seconds| beat.started + Duration::from_secs(seconds);
    let times = [1, 59, 61, 62, 119, 122].map(at);
    let lines: Vec<String> = times.into_iter().filter_map(|it| beat.still(it)).collect();
    let expected =
        ["still running after 1:01: docker build", "still running after 2:02: docker build"];
    assert_eq!(lines, expected);
}
