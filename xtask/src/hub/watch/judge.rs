//! Whether the pods of a deployment can still become ready. Pure: times are those since the run began.
//! Reasons are the kubelet's:
//! <https://kubernetes.io/docs/concepts/containers/images/#imagepullbackoff>,
//! <https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/>.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{
    evidence::Problem,
    pods::{Before, Container, Event, Look, Pod, State, has_hub_started, pods},
    shown,
};

/// Time for what may pass: a registry that does not answer, a hub that starts before its proxy.
const PATIENCE: Duration = Duration::from_secs(60);

/// Restarts that are one too many.
const RESTARTS: u64 = 3;

/// What keeps a container from running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    /// Nothing but another deployment helps.
    Certain,
    /// The image cannot be pulled, maybe not yet.
    Pull,
    /// The container ends, or cannot be started.
    Crash,
    /// A node may be added, or be emptied.
    Unschedulable,
    /// The container may become ready.
    Waiting,
}

/// Why a pod is not ready.
#[derive(Debug, Clone)]
struct Trouble {
    class: Class,
    /// `None` for the pod as a whole.
    container: Option<String>,
    reason: String,
    message: String,
    restarts: u64,
}

/// Pod, container and class of a trouble.
type Key = (String, Option<String>, Class);

/// What is known of a run.
#[derive(Debug)]
pub(super) struct Judge {
    before: Before,
    /// Whether the release did not exist.
    is_first: bool,
    /// When each trouble was seen first.
    since: BTreeMap<Key, Duration>,
    hub_started: bool,
}

/// What a look showed.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// State of each workload, in a few words.
    pub(super) lines: Vec<(String, String)>,
    /// Why the deployment cannot succeed.
    pub(super) problem: Option<Problem>,
}

impl Judge {
    pub(super) fn new(before: Before, is_first: bool) -> Judge {
        Judge { before, is_first, since: BTreeMap::new(), hub_started: false }
    }

    /// Returns whether the container `hub` of a new pod ever ran.
    pub(super) fn has_hub_started(&self) -> bool {
        self.hub_started
    }

    /// Returns what `look`, made `at` so long after the run began, shows.
    pub(super) fn look(&mut self, at: Duration, look: &Look) -> Seen {
        let mut pods = pods(look, &self.before);
        self.hub_started |= has_hub_started(look, &self.before);
        pods.retain(|it| it.is_new && it.is_judged);
        let found: Vec<(&Pod, Trouble)> = pods
            .iter()
            .flat_map(|pod| troubles(pod).into_iter().map(move |it| (pod, it)))
            .collect();
        self.note(at, &pods, &found);
        let problem = found.iter().find(|(pod, it)| self.is_problem(at, pod, it));
        Seen { lines: lines(&pods), problem: problem.map(|(pod, it)| it.problem(pod)) }
    }

    /// Returns the pods that are not ready, each with the reason, and users' pods left out. New ones come
    /// first, and of these the judged ones.
    pub(super) fn unready(&self, look: &Look) -> Vec<(Pod, Problem)> {
        let mut pods = pods(look, &self.before);
        pods.retain(Pod::is_evidence);
        pods.sort_by_key(|it| !it.is_new);
        let explained = |it: Pod| {
            let problem = main_trouble(&it).problem(&it);
            (it, problem)
        };
        pods.into_iter().map(explained).collect()
    }

    /// Returns the reason for a wait without success: that of the first pod that is not ready.
    pub(super) fn after_time_out(&self, look: &Look) -> Option<Problem> {
        let found = self.unready(look);
        let judged = || found.iter().filter(|it| it.0.is_judged);
        let is_known = |it: &&(Pod, Problem)| main_trouble(&it.0).class != Class::Waiting;
        judged().find(is_known).or_else(|| judged().next()).map(|it| it.1.clone())
    }

    /// Notes when each trouble was seen first. A container that crashes runs in between.
    fn note(&mut self, at: Duration, pods: &[Pod], found: &[(&Pod, Trouble)]) {
        let now: BTreeSet<Key> = found.iter().map(|(pod, it)| it.key(pod)).collect();
        let unready: BTreeSet<(&str, Option<&str>)> = pods
            .iter()
            .flat_map(|pod| pod.containers.iter().map(move |it| (pod, it)))
            .filter(|(_, it)| !it.is_ready)
            .map(|(pod, it)| (pod.uid.as_str(), Some(it.name.as_str())))
            .collect();
        self.since.retain(|key, _| {
            let is_unready = unready.contains(&(key.0.as_str(), key.1.as_deref()));
            now.contains(key) || key.2 == Class::Crash && is_unready
        });
        for key in now {
            self.since.entry(key).or_insert(at);
        }
    }

    fn is_problem(&self, at: Duration, pod: &Pod, trouble: &Trouble) -> bool {
        let since = self.since.get(&trouble.key(pod)).copied().unwrap_or(at);
        let lasted = at.saturating_sub(since);
        // The first hub of a release crashes until its proxy answers.
        let more = u32::from(self.is_first);
        match trouble.class {
            Class::Certain => true,
            Class::Pull => lasted >= PATIENCE,
            Class::Crash => {
                lasted >= PATIENCE * (1 + more) || trouble.restarts >= RESTARTS + u64::from(more)
            }
            Class::Unschedulable | Class::Waiting => false,
        }
    }
}

impl Trouble {
    fn key(&self, pod: &Pod) -> Key {
        (pod.uid.clone(), self.container.clone(), self.class)
    }

    fn problem(&self, pod: &Pod) -> Problem {
        Problem::new(pod, self.container.clone(), self.reason.clone(), self.message.clone())
    }
}

/// Returns the state of each workload: `1 of 2 ready: ErrImagePull, 1 restart`.
fn lines(pods: &[Pod]) -> Vec<(String, String)> {
    let mut res: Vec<(String, String)> = Vec::new();
    for group in pods.chunk_by(|a, b| a.workload == b.workload) {
        let ready = group.iter().filter(|it| it.is_ready).count();
        let mut line = format!("{ready} of {} ready", group.len());
        if let Some(pod) = group.iter().find(|it| !it.is_ready) {
            line += &format!(": {}", main_trouble(pod).reason);
            match pod.containers.iter().map(|it| it.restarts).max() {
                Some(1) => line += ", 1 restart",
                Some(n) if n > 1 => line += &format!(", {n} restarts"),
                _ => (),
            }
        }
        res.push((group[0].workload.clone(), line));
    }
    res
}

/// Returns the worst trouble of a pod that is not ready.
fn main_trouble(pod: &Pod) -> Trouble {
    troubles(pod).into_iter().min_by_key(|it| it.class).unwrap_or_else(|| waiting(pod))
}

/// Returns what a pod waits for that is not in trouble.
fn waiting(pod: &Pod) -> Trouble {
    let of = |container: Option<&Container>, reason: &str, message: String| Trouble {
        class: Class::Waiting,
        container: container.map(|it| it.name.clone()),
        reason: reason.to_owned(),
        message,
        restarts: container.map_or(0, |it| it.restarts),
    };
    let (reason, message) = &pod.status;
    if !reason.is_empty() {
        return of(None, reason, message.clone());
    }
    let container = pod.containers.iter().find(|it| !it.is_ready);
    match container.map(|it| &it.state) {
        Some(State::Running) => of(container, "NotReady", "runs, and is not ready".to_owned()),
        Some(State::Waiting(reason, message)) => of(container, reason, shown(message)),
        Some(State::Ended(reason, end)) => of(container, reason, end.clone()),
        Some(State::Unknown) | None => of(None, &pod.phase, String::new()),
    }
}

/// Returns all that keeps a pod from being ready.
fn troubles(pod: &Pod) -> Vec<Trouble> {
    if pod.is_ready {
        return Vec::new();
    }
    let of_containers = pod.containers.iter().filter(|it| !it.is_ready);
    let of_containers = of_containers.filter_map(|it| of_container(pod, it));
    unschedulable(pod).into_iter().chain(missing(pod)).chain(of_containers).collect()
}

/// Returns the trouble of a pod without a node. The cluster's autoscaler tells whether it adds one:
/// <https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/FAQ.md>.
fn unschedulable(pod: &Pod) -> Option<Trouble> {
    let message = pod.unschedulable.clone()?;
    let last = last_event(pod, |it| {
        it.reason.ends_with("TriggerScaleUp") || it.reason == "TriggeredScaleUp"
    });
    let refused = last.filter(|it| it.reason == "NotTriggerScaleUp");
    let (class, message) = match refused {
        Some(it) => (Class::Certain, format!("{message}; {}", shown(&it.message))),
        None => (Class::Unschedulable, message),
    };
    let reason = "Unschedulable".to_owned();
    Some(Trouble { class, container: None, reason, message, restarts: 0 })
}

/// Returns the trouble of a pod that mounts a Secret or a ConfigMap that does not exist.
fn missing(pod: &Pod) -> Option<Trouble> {
    let has_started = pod.containers.iter().any(|it| it.has_started);
    let is_missing = |it: &Event| {
        let said = it.message.to_lowercase();
        let is_named = said.contains("secret \"") || said.contains("configmap \"");
        it.reason == "FailedMount"
            && (is_named && said.contains("not found") || said.contains("references non-existent"))
    };
    let event = last_event(pod, is_missing).filter(|_| !has_started)?;
    let (reason, message) = (event.reason.clone(), shown(&event.message));
    Some(Trouble { class: Class::Certain, container: None, reason, message, restarts: 0 })
}

fn of_container(pod: &Pod, container: &Container) -> Option<Trouble> {
    let State::Waiting(reason, message) = &container.state else { return None };
    let said = match reason.as_str() {
        // The wait is visible from the reason; the message tells why the container ended.
        "CrashLoopBackOff" if !container.last.is_empty() => &container.last,
        _ => told(pod, container, reason, message),
    };
    let class = match reason.as_str() {
        "InvalidImageName" => Class::Certain,
        // The kubelet has not read the Secret yet.
        "CreateContainerConfigError" if said.contains("failed to sync") => Class::Crash,
        "CreateContainerConfigError" => Class::Certain,
        "ErrImagePull" | "ImagePullBackOff" if is_refused(said) => Class::Certain,
        "ErrImagePull"
        | "ImagePullBackOff"
        | "ErrImageNeverPull"
        | "ImageInspectError"
        | "RegistryUnavailable"
        | "SignatureValidationFailed" => Class::Pull,
        "CrashLoopBackOff"
        | "RunContainerError"
        | "CreateContainerError"
        | "PostStartHookError" => Class::Crash,
        _ => return None,
    };
    Some(Trouble {
        class,
        container: Some(container.name.clone()),
        reason: reason.clone(),
        message: shown(said),
        restarts: container.restarts,
    })
}

/// Returns the message that says most: while the kubelet waits for the next attempt, only an event has
/// the reason why the last one failed.
fn told<'a>(pod: &'a Pod, container: &Container, reason: &str, message: &'a str) -> &'a str {
    let is_reason = |it: &Event| {
        it.reason == "Failed"
            && it.is_about(&container.name)
            && it.message.starts_with("Failed to pull image")
    };
    let is_silent = message.is_empty()
        || message.starts_with("Back-off pulling image") && !message.contains("ErrImagePull:");
    let event =
        if reason.contains("Image") && is_silent { last_event(pod, is_reason) } else { None };
    event.map_or(message, |it| &it.message)
}

fn last_event(pod: &Pod, is_it: impl Fn(&Event) -> bool) -> Option<&Event> {
    pod.events.iter().rev().find(|it| is_it(it))
}

/// Words of registries and runtimes for a refusal that the next attempt will get again.
const REFUSALS: [&str; 9] = [
    "not found",
    "unauthorized",
    "denied",
    "forbidden",
    "manifest unknown",
    "name unknown",
    "name_unknown",
    "no such manifest",
    "authentication required",
];

/// Words for a refusal that may pass: limits of a registry name the missing login.
const PASSING: [&str; 2] = ["toomanyrequests", "too many requests"];

/// Returns whether a registry refuses an image for good.
fn is_refused(said: &str) -> bool {
    // Names of images and addresses may contain any word.
    let is_quoted = |it: &str| it.len() > 1 && it.starts_with('"') && it.ends_with('"');
    let is_name =
        |it: &&str| it.contains(['/', '@']) || is_quoted(it.trim_end_matches([':', ',', ';', '.']));
    let words: Vec<&str> = said.split_whitespace().filter(|it| !is_name(it)).collect();
    let said = words.join(" ").to_lowercase();
    let has = |words: &[&str]| words.iter().any(|it| said.contains(it));
    has(&REFUSALS) && !has(&PASSING)
}

#[cfg(test)]
pub(super) mod tests;
