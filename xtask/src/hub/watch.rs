//! Helm runs, and meanwhile the pods of the namespace and their events are looked at: a deployment that
//! cannot succeed ends at once, and with the reason, which Helm does not tell.

mod evidence;
mod judge;
mod pods;
#[cfg(test)]
pub(crate) mod tests;

use std::{
    collections::BTreeMap,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use serde_json::Value;

use crate::{
    run::{
        printable,
        process::{self, Beside, Change, Output, Permit},
        redact::redact,
        ui::{Heartbeat, Progress, Ui},
    },
    tools::{
        helm::{Helm, Reason},
        kubectl::Cluster,
    },
};

use judge::{Judge, Seen};
use pods::{Before, Look};

pub(crate) use evidence::Problem;

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(if cfg!(test) { 10 } else { 2000 });

/// How often Helm is asked whether it has ended.
const POLL: Duration = Duration::from_millis(100);

/// Time for all logs of the evidence.
const LOGS: Duration = Duration::from_secs(90);

/// Attempts to see how Helm left the pods.
const ATTEMPTS: usize = 3;

/// Most characters of a line of others.
const LONGEST: usize = 600;

/// Pods of users, whose servers a deployment does not touch.
const NOT_OF_USERS: &str = "component notin (singleuser-server,user-placeholder)";

/// How Helm ended, and what was seen meanwhile.
#[derive(Debug)]
pub(crate) struct Watched {
    /// The outcome of Helm itself.
    pub(crate) ended: anyhow::Result<()>,
    /// Why the deployment could not succeed; Helm may have been interrupted for it.
    pub(crate) problem: Option<Problem>,
    /// Whether the container `hub` of a new pod ever ran, or that is unknown: its database may be
    /// changed.
    pub(crate) hub_started: bool,
    /// Whether a person interrupted the run.
    pub(crate) interrupted: bool,
    /// The evidence: pods that are not ready, with events and logs, and what else went wrong. Empty after
    /// a deployment that went well.
    pub(crate) said: String,
}

/// Where pods, events and logs come from.
trait Source: Send + Sync {
    fn pods(&self) -> anyhow::Result<Vec<Value>>;
    fn events(&self) -> anyhow::Result<Vec<Value>>;
    fn log(&self, pod: &str, container: &str, is_previous: bool) -> anyhow::Result<String>;
}

impl Source for Cluster {
    fn pods(&self) -> anyhow::Result<Vec<Value>> {
        self.list("pods", Some(NOT_OF_USERS))
    }

    fn events(&self) -> anyhow::Result<Vec<Value>> {
        self.list("events", None)
    }

    fn log(&self, pod: &str, container: &str, is_previous: bool) -> anyhow::Result<String> {
        self.logs(&format!("pod/{pod}"), Some(container), evidence::LINES, is_previous)
    }
}

/// Runs `cmd` of Helm, an upgrade or a rollback, until Helm has ended. `still_held` fails if the lock of
/// the release is lost; that is told, and Helm goes on, since its own lock covers this time.
///
/// # Errors
/// The pods cannot be read, or Helm cannot be started: nothing was changed.
pub(crate) fn run(
    ui: Ui,
    permit: Permit,
    helm: &Helm,
    cmd: &Change,
    is_first: bool,
    still_held: &dyn Fn() -> anyhow::Result<()>,
) -> anyhow::Result<Watched> {
    let source: Arc<dyn Source> = Arc::new(helm.cluster.clone());
    let before = Before::of(&look(source.as_ref()).context("the pods cannot be listed")?);
    let label = format!("{} {}", Helm::command(cmd), helm.release);
    let watch = Watch::new(ui, &label, source, before, is_first, still_held);
    let beside = helm.start(permit, cmd)?;
    watch.until_helm_ends(beside, &|output| helm.finished(cmd, output))
}

fn look(source: &dyn Source) -> anyhow::Result<Look> {
    Ok(Look { pods: source.pods()?, events: source.events()? })
}

/// Returns a text of others on one line, without secrets and control characters.
fn shown(text: &str) -> String {
    let words: Vec<&str> =
        text.split(['\n', '\r']).map(str::trim).filter(|it| !it.is_empty()).collect();
    let line = redact(&printable::line(&words.join(" ")));
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// A run of Helm that is watched.
struct Watch<'a> {
    ui: Ui,
    /// Command and release.
    label: String,
    source: Arc<dyn Source>,
    before: Before,
    still_held: &'a dyn Fn() -> anyhow::Result<()>,
    started: Instant,
    judge: Judge,
    /// A line for Helm, and for each workload.
    lines: BTreeMap<String, Progress>,
    /// The last look that was possible.
    last: Look,
    problem: Option<Problem>,
    /// Whether the last look failed.
    is_blind: bool,
    is_interrupted: bool,
    /// What went wrong beside the pods.
    notes: Vec<String>,
}

impl<'a> Watch<'a> {
    fn new(
        ui: Ui,
        label: &str,
        source: Arc<dyn Source>,
        before: Before,
        is_first: bool,
        still_held: &'a dyn Fn() -> anyhow::Result<()>,
    ) -> Watch<'a> {
        Watch {
            ui,
            label: label.to_owned(),
            source,
            judge: Judge::new(before.clone(), is_first),
            before,
            still_held,
            started: Instant::now(),
            lines: BTreeMap::new(),
            last: Look::default(),
            problem: None,
            is_blind: false,
            is_interrupted: false,
            notes: Vec::new(),
        }
    }

    /// Waits for the end of Helm, whatever happens; `finished` returns its outcome.
    fn until_helm_ends(
        mut self,
        mut beside: Beside,
        finished: &dyn Fn(&Output) -> anyhow::Result<()>,
    ) -> anyhow::Result<Watched> {
        let looks = looks(&self.source, &self.before);
        let mut heartbeat = Heartbeat::new(self.label.clone());
        self.line("helm", "runs");
        let output = loop {
            if let Some(it) = beside.wait(POLL)? {
                break it;
            }
            heartbeat.tick();
            self.notice_interruption();
            if let Ok(look) = looks.try_recv() {
                self.check_lock();
                self.judge(look, &mut beside);
            }
        };
        drop(looks);
        self.is_interrupted |= process::check_interrupted().is_err();
        let ended = finished(&output);
        Ok(process::finishing(|| self.result(ended)))
    }

    /// Shows the state of Helm or of a workload; the same state again is not shown twice.
    fn line(&mut self, name: &str, step: &str) {
        let Watch { ui, label, lines, .. } = self;
        let label = match name {
            "helm" => label.clone(),
            _ => format!("{label}: {name}"),
        };
        let line = lines.entry(name.to_owned()).or_insert_with(|| ui.progress(&label));
        line.step(step);
    }

    fn note(&mut self, text: String) {
        self.ui.say(format_args!("warning: {text}"));
        self.notes.push(text);
    }

    fn notice_interruption(&mut self) {
        if !self.is_interrupted && process::check_interrupted().is_err() {
            self.is_interrupted = true;
            self.line("helm", "interrupted; waiting for its end");
        }
    }

    fn check_lock(&mut self) {
        if let Err(err) = (self.still_held)() {
            let text = shown(&format!("{err:#}"));
            if !self.notes.contains(&text) {
                self.note(text);
            }
        }
    }

    fn judge(&mut self, look: anyhow::Result<Look>, beside: &mut Beside) {
        match look {
            Err(err) if !self.is_blind => {
                self.is_blind = true;
                let err = format!("{err:#}");
                let why = shown(err.lines().next().unwrap_or_default());
                self.note(format!("the pods cannot be listed, and Helm goes on: {why}"));
            }
            Err(_) => (),
            Ok(look) => {
                if std::mem::take(&mut self.is_blind) {
                    self.ui.say("the pods can be listed again");
                }
                let Seen { lines, problem } = self.judge.look(self.started.elapsed(), &look);
                self.last = look;
                lines.iter().for_each(|(name, step)| self.line(name, step));
                if let (None, Some(it)) = (&self.problem, problem) {
                    self.stop(it, beside);
                }
            }
        }
    }

    /// Interrupts Helm because of a problem, of which the logs are read while Helm ends: an interrupted
    /// Helm removes nothing.
    fn stop(&mut self, mut problem: Problem, beside: &mut Beside) {
        beside.interrupt();
        self.ui.say(problem.headline());
        self.line("helm", "interrupted, because it cannot succeed; waiting for its end");
        process::finishing(|| {
            problem.read_logs(self.source.as_ref(), Instant::now() + LOGS);
        });
        self.problem = Some(problem);
    }

    /// Looks at the pods a last time, and returns what is known.
    fn result(mut self, ended: anyhow::Result<()>) -> Watched {
        let is_seen = self.look_again();
        if ended.is_ok() {
            // Helm was done before it could be interrupted.
            self.problem = None;
        }
        if let (Err(err), None, false) = (&ended, &self.problem, self.is_interrupted) {
            let is_time_out =
                matches!(Reason::of_error(err), Some(Reason::NotReady | Reason::Hook));
            self.problem = is_time_out.then(|| self.judge.after_time_out(&self.last)).flatten();
        }
        let end = Instant::now() + LOGS;
        if let Some(it) = &mut self.problem {
            it.read_logs(self.source.as_ref(), end);
        }
        let said = if ended.is_ok() { self.notes.join("\n") } else { self.evidence(end) };
        Watched {
            ended,
            problem: self.problem,
            hub_started: self.judge.has_hub_started() || !is_seen,
            interrupted: self.is_interrupted,
            said,
        }
    }

    fn look_again(&mut self) -> bool {
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                thread::sleep(PAUSE);
            }
            if let Ok(it) = look(self.source.as_ref()) {
                self.judge.look(self.started.elapsed(), &it);
                self.last = it;
                return true;
            }
        }
        self.note("the pods cannot be listed; their last known state follows".to_owned());
        false
    }

    /// Returns all that may explain the failure, the problem first.
    fn evidence(&self, end: Instant) -> String {
        let mut others: Vec<Problem> =
            self.judge.unready(&self.last).into_iter().map(|it| it.1).collect();
        others.retain(|it| self.problem.as_ref().is_none_or(|found| found.pod != it.pod));
        let problem = self.problem.iter().map(ToString::to_string);
        let others = evidence::text(others, self.source.as_ref(), end);
        let refusals = pods::refusals(&self.last, &self.before);
        let parts = self.notes.iter().cloned().chain(problem).chain([others]).chain(refusals);
        parts.filter(|it| !it.is_empty()).collect::<Vec<_>>().join("\n")
    }
}

/// Looks at the namespace again and again, in a thread of its own, so that a cluster that does not answer
/// holds up no signal, until the receiver is dropped.
fn looks(source: &Arc<dyn Source>, before: &Before) -> mpsc::Receiver<anyhow::Result<Look>> {
    let (sender, receiver) = mpsc::sync_channel(1);
    let (source, before) = (Arc::clone(source), before.clone());
    let once = move || {
        let mut look = Look { pods: source.pods()?, events: Vec::new() };
        if before.needs_events(&look) {
            look.events = source.events()?;
        }
        Ok(look)
    };
    // Helm is waited for after an interruption of the run.
    thread::spawn(move || {
        process::finishing(|| {
            while sender.send(once()).is_ok() {
                thread::sleep(PAUSE);
            }
        });
    });
    receiver
}
