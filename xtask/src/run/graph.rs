//! A graph of work, done by several threads at once within limits.

use std::{
    panic::{self, AssertUnwindSafe},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::anyhow;

use crate::run::{
    failure,
    process::{self, Stop},
};

/// A piece of work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    /// Earlier nodes that must be done before.
    pub(crate) needs: Vec<usize>,
    /// Bytes of memory that it may use.
    pub(crate) memory: u64,
}

/// Limits of the nodes that run at once.
pub(crate) struct Limits<'a> {
    pub(crate) jobs: usize,
    /// Returns the bytes for all; called when a second node wants memory. One node may exceed them alone.
    pub(crate) memory: &'a dyn Fn() -> u64,
    /// Whether the first failure stops everything.
    pub(crate) fail_fast: bool,
}

/// What became of a node.
#[derive(Debug)]
pub(crate) enum End<T> {
    Done(T),
    /// Its error, and the time until then.
    Failed(anyhow::Error, Duration),
    /// A node that it needs failed, or was not started itself.
    Blocked,
    /// Everything was stopped before.
    NotStarted,
}

/// Does the work of all nodes, in their order as far as limits and needs allow; one job at a time runs in this
/// thread. After an error that is more than a failure of the work, nothing is started, and what runs is
/// stopped; with `fail_fast` also after a result that `is_failure`.
pub(crate) fn run<T: Send>(
    nodes: &[Node],
    limits: &Limits<'_>,
    is_failure: impl Fn(&T) -> bool,
    work: impl Fn(usize) -> anyhow::Result<T> + Sync,
) -> Vec<End<T>> {
    let mut schedule = Schedule::new(nodes, limits);
    let stop = Stop;
    let is_last = |res: &anyhow::Result<T>| match res {
        Ok(it) => limits.fail_fast && is_failure(it),
        Err(err) => limits.fail_fast || failure::status(err) != 1,
    };
    let end = |schedule: &mut Schedule<'_, T>, node, res| {
        if is_last(&res) {
            schedule.stopped = true;
            if schedule.running > 1 {
                stop.request();
            }
        }
        schedule.end(node, res);
    };
    if limits.jobs <= 1 {
        while let Some(node) = schedule.start() {
            end(&mut schedule, node, work(node));
        }
        return schedule.ends();
    }
    let (sender, receiver) = mpsc::channel();
    let work = &work;
    thread::scope(|scope| {
        loop {
            while let Some(node) = schedule.start() {
                let sender = sender.clone();
                scope.spawn(move || {
                    let res = panic::catch_unwind(AssertUnwindSafe(|| work(node)));
                    let res = res.unwrap_or_else(|_| Err(anyhow!("a thread panicked")));
                    let _ = sender.send((node, res));
                });
            }
            if schedule.running == 0 {
                return;
            }
            if let Ok((node, res)) = receiver.recv() {
                end(&mut schedule, node, res);
            }
        }
    });
    schedule.ends()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Running,
    Over,
}

/// Nodes with their states, and what the running ones use.
struct Schedule<'a, T> {
    nodes: &'a [Node],
    limits: &'a Limits<'a>,
    states: Vec<State>,
    started: Vec<Option<Instant>>,
    ends: Vec<Option<End<T>>>,
    /// All nodes before it were started.
    first: usize,
    running: usize,
    memory: u64,
    total: Option<u64>,
    stopped: bool,
}

impl<'a, T> Schedule<'a, T> {
    fn new(nodes: &'a [Node], limits: &'a Limits<'a>) -> Schedule<'a, T> {
        Schedule {
            nodes,
            limits,
            states: vec![State::Waiting; nodes.len()],
            started: vec![None; nodes.len()],
            ends: nodes.iter().map(|_| None).collect(),
            first: 0,
            running: 0,
            memory: 0,
            total: None,
            stopped: false,
        }
    }

    /// Starts the first node that may run now.
    fn start(&mut self) -> Option<usize> {
        if self.running >= self.limits.jobs.max(1) || self.stopped {
            return None;
        }
        if process::check_interrupted().is_err() {
            self.stopped = true;
            return None;
        }
        while self.states.get(self.first).is_some_and(|it| *it != State::Waiting) {
            self.first += 1;
        }
        let node = (self.first..self.nodes.len()).find(|it| self.may_start(*it))?;
        self.states[node] = State::Running;
        self.started[node] = Some(Instant::now());
        self.running += 1;
        self.memory += self.nodes[node].memory;
        Some(node)
    }

    /// Returns whether a node may run beside those that do; one that needs a failed node ends here.
    fn may_start(&mut self, node: usize) -> bool {
        if self.states[node] != State::Waiting {
            return false;
        }
        let Node { needs, memory } = &self.nodes[node];
        if needs.iter().any(|it| self.states[*it] != State::Over) {
            return false;
        }
        if needs.iter().any(|it| !matches!(self.ends[*it], Some(End::Done(_)))) {
            self.states[node] = State::Over;
            self.ends[node] = Some(End::Blocked);
            return false;
        }
        if *memory == 0 || self.memory == 0 {
            return true;
        }
        let total = *self.total.get_or_insert_with(self.limits.memory);
        self.memory + memory <= total
    }

    fn end(&mut self, node: usize, res: anyhow::Result<T>) {
        self.states[node] = State::Over;
        let time = self.started[node].map_or(Duration::ZERO, |it| it.elapsed());
        self.ends[node] = Some(res.map_or_else(|err| End::Failed(err, time), End::Done));
        self.running -= 1;
        self.memory -= self.nodes[node].memory;
    }

    fn ends(self) -> Vec<End<T>> {
        self.ends.into_iter().map(|it| it.unwrap_or(End::NotStarted)).collect()
    }
}

#[cfg(test)]
mod tests;
