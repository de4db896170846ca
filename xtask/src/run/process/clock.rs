//! Time in which all threads wait for other programs.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::Cmd;

/// Waits of all threads of one kind.
struct Clock(Mutex<Waits>);

#[derive(Default)]
struct Waits {
    /// Threads that wait now, and since when at least one does.
    now: usize,
    since: Option<Instant>,
    /// Time in which at least one thread waited.
    total: Duration,
}

/// Waits for any program.
static CHILDREN: Clock = Clock::new();

/// Waits for programs that change something.
static CHANGES: Clock = Clock::new();

/// A wait, which ends when this is dropped.
struct Waiting<'a>(&'a Clock);

impl Clock {
    const fn new() -> Clock {
        Clock(Mutex::new(Waits { now: 0, since: None, total: Duration::ZERO }))
    }

    fn start(&self) -> Waiting<'_> {
        self.waits().start(Instant::now());
        Waiting(self)
    }

    fn total(&self) -> Duration {
        self.waits().until(Instant::now())
    }

    fn waits(&self) -> MutexGuard<'_, Waits> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waits {
    fn start(&mut self, at: Instant) {
        self.now += 1;
        self.since.get_or_insert(at);
    }

    fn end(&mut self, at: Instant) {
        self.now -= 1;
        if self.now == 0 {
            self.total = self.until(at);
            self.since = None;
        }
    }

    fn until(&self, at: Instant) -> Duration {
        self.total + self.since.map_or(Duration::ZERO, |it| at.saturating_duration_since(it))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waits().end(Instant::now());
    }
}

/// Returns how long at least one thread has waited for other programs.
pub(crate) fn time_in_children() -> Duration {
    CHILDREN.total()
}

/// Returns how long at least one thread has waited for programs that change something.
pub(crate) fn time_in_changes() -> Duration {
    CHANGES.total()
}

/// Counts the time of `wait` as time in these programs.
pub(super) fn waiting<T>(cmds: &[&Cmd], wait: impl FnOnce() -> T) -> T {
    let _children = CHILDREN.start();
    let _changes = cmds.iter().any(|it| it.changes).then(|| CHANGES.start());
    wait()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::process::{Permit, cmd, query};

    #[test]
    fn time_of_waits_at_once_counts_once() {
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let mut waits = Waits::default();
        waits.start(at(1));
        waits.start(at(2));
        waits.end(at(4));
        assert_eq!(waits.until(at(5)), Duration::from_secs(4));
        waits.end(at(6));
        waits.start(at(9));
        waits.end(at(10));
        assert_eq!(waits.until(at(99)), Duration::from_secs(5 + 1));
    }

    #[test]
    fn what_is_permitted_changes_something() {
        let permit = Permit::of_test();
        assert!(cmd!("/", "true").permitted(permit).changes && !query!("/", "true").changes);
    }
}
