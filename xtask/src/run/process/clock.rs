//! Time in which all threads wait for other programs.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::Cmd;

/// Waits of all threads of one kind.
struct Clock(Mutex<Waits>);

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
        let mut waits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waits.now += 1;
        waits.since.get_or_insert_with(Instant::now);
        Waiting(self)
    }

    fn total(&self) -> Duration {
        let waits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waits.total + waits.since.map_or(Duration::ZERO, |it| it.elapsed())
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let Waiting(clock) = self;
        let mut waits = clock.0.lock().unwrap_or_else(PoisonError::into_inner);
        waits.now -= 1;
        if waits.now == 0 {
            let time = waits.since.take().map_or(Duration::ZERO, |it| it.elapsed());
            waits.total += time;
        }
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

    #[test]
    fn time_of_waits_at_once_counts_once() {
        let clock = Clock::new();
        let started = Instant::now();
        let (first, second) = (clock.start(), clock.start());
        drop(first);
        let so_far = clock.total();
        drop(second);
        let total = clock.total();
        assert!(so_far <= total && total <= started.elapsed());
        assert_eq!(clock.total(), total, "nobody waits");
    }
}
