//! What is kept of a pod that is not ready: the reason, its last events, and the last lines of its logs.

use std::{collections::BTreeSet, fmt, time::Instant};

use super::{Source, pods::Pod, shown};

/// Most events of a pod.
const EVENTS: usize = 6;

/// Most lines of a log.
pub(super) const LINES: usize = 20;

/// Most pods whose logs are read.
const PODS: usize = 6;

/// A pod that is not ready, and why. All texts are lines for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) pod: String,
    /// Whether the pod was not there before the run.
    pub(crate) is_new: bool,
    /// `None` as long as no node is found.
    pub(crate) node: Option<String>,
    /// `None` for the pod as a whole.
    pub(crate) container: Option<String>,
    /// In Kubernetes' words, such as `ErrImagePull`.
    pub(crate) reason: String,
    pub(crate) message: String,
    /// Oldest first.
    pub(crate) events: Vec<String>,
    pub(crate) logs: Vec<Log>,
    /// Logs that have not been read: the container, and whether before its last restart.
    unread: Vec<(String, bool)>,
}

/// The end of a container's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Log {
    pub(crate) container: String,
    /// Whether it is that before the last restart.
    pub(crate) is_previous: bool,
    pub(crate) lines: Vec<String>,
}

impl Problem {
    pub(super) fn new(
        pod: &Pod,
        container: Option<String>,
        reason: String,
        message: String,
    ) -> Problem {
        let events = &pod.events[pod.events.len().saturating_sub(EVENTS)..];
        let started = pod.containers.iter().filter(|it| it.has_started && !it.is_ready);
        let unread = started.flat_map(|it| {
            let previous = (it.restarts > 0).then(|| (it.name.clone(), true));
            previous.into_iter().chain([(it.name.clone(), false)])
        });
        Problem {
            pod: pod.name.clone(),
            is_new: pod.is_new,
            node: pod.node.clone(),
            container,
            reason,
            message,
            events: events.iter().map(super::pods::Event::line).collect(),
            logs: Vec::new(),
            unread: unread.collect(),
        }
    }

    /// Returns pod, node, reason and message on one line.
    pub(crate) fn headline(&self) -> String {
        let Problem { pod, is_new, node, container, reason, message, .. } = self;
        let age = if *is_new { "" } else { ", older than this run" };
        let node = node.as_ref().map_or("without a node".to_owned(), |it| format!("on {it}"));
        let container =
            container.as_ref().map_or(String::new(), |it| format!(" container `{it}`:"));
        let message = if message.is_empty() { String::new() } else { format!(": {message}") };
        format!("pod {pod} {node}{age}:{container} {reason}{message}")
    }

    /// Reads the logs, as long as there is time.
    pub(super) fn read_logs(&mut self, source: &dyn Source, end: Instant) {
        for (container, is_previous) in std::mem::take(&mut self.unread) {
            if Instant::now() > end {
                return;
            }
            let Ok(text) = source.log(&self.pod, &container, is_previous) else { continue };
            let lines: Vec<String> = text.lines().map(shown).collect();
            let lines = lines[lines.len().saturating_sub(LINES)..].to_vec();
            // While a container waits for its restart, both are the same.
            if !lines.is_empty() && self.logs.last().is_none_or(|it| it.lines != lines) {
                self.logs.push(Log { container, is_previous, lines });
            }
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.headline())?;
        if !self.events.is_empty() {
            f.write_str("\n    events:")?;
        }
        self.events.iter().try_for_each(|it| write!(f, "\n        {it}"))?;
        for Log { container, is_previous, lines } in &self.logs {
            let when = if *is_previous { " before its last restart" } else { "" };
            write!(f, "\n    log of `{container}`{when}:")?;
            lines.iter().try_for_each(|it| write!(f, "\n        {it}"))?;
        }
        Ok(())
    }
}

/// Returns the pods and their logs as text; of many pods only the names.
pub(super) fn text(mut problems: Vec<Problem>, source: &dyn Source, end: Instant) -> String {
    let more: BTreeSet<String> =
        problems.split_off(PODS.min(problems.len())).into_iter().map(|it| it.pod).collect();
    let mut res: Vec<String> = Vec::new();
    for mut it in problems {
        it.read_logs(source, end);
        res.push(it.to_string());
    }
    if !more.is_empty() {
        let names: Vec<String> = more.iter().take(20).cloned().collect();
        let rest = if more.len() > names.len() { ", …" } else { "" };
        res.push(format!("{} more pods are not ready: {}{rest}", more.len(), names.join(", ")));
    }
    res.join("\n")
}
