//! What the objects of a Job say about it. Pure. Any field may be missing. References:
//! <https://kubernetes.io/docs/concepts/workloads/controllers/job/>,
//! <https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/>.

use std::time::Duration;

use serde_json::Value;

use crate::run::{printable, redact::redact};

/// State of a Job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    /// Waits for its pod, for the reason given.
    Waiting(String),
    Running,
    /// The results can be read.
    Ready,
    Troubled(Trouble),
}

/// What keeps a Job from its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) what: String,
    pub(crate) fix: &'static str,
    /// How long it may last before it is a failure.
    pub(crate) patience: Duration,
    /// Whether another pod that ends may help.
    pub(crate) is_of_room: bool,
}

/// Time for what may pass: a registry that does not answer, a quota that another Job uses.
const PASSING: Duration = Duration::from_secs(60);

/// Time for the reason of a removal to appear.
const REASON: Duration = Duration::from_secs(15);

const PULL: &str = "make sure that the image is in the registry, that nodes reach the registry under this name (HUB_REGISTRY), and that the hub's `imagePullSecrets` exist";
const MEMORY: &str = "raise TEST_MEMORY, or test less at a time (`--jobs`)";
const TIME: &str = "raise `--timeout` or PATIENCE, or test in more parts (`--shards`)";
const ROOM: &str =
    "lower TEST_MEMORY or TEST_DISK, test in fewer parts (`--shards`), or add nodes or quota";
const ROOT: &str = "allow root containers in the namespace (the Pod Security level `baseline`), or choose another one by `xtask.cluster.namespace`: the tester is root, which what it tests is not";
const RANGE: &str = "ask for a LimitRange in the namespace whose default and largest limits are at least a processor and TEST_DISK, or choose another namespace by `xtask.cluster.namespace`";
const AGAIN: &str = "run the tests again, while nobody removes pods or nodes";
const LOOK: &str = "read the log of the run, which the message names";

/// Returns the state of `job`; `pod` is the oldest of its pods, `known` the uid of the one that was seen
/// earlier, and `events` are those of the namespace.
pub(crate) fn state(
    job: Option<&Value>,
    pod: Option<&Value>,
    known: Option<&Value>,
    events: &[Value],
) -> State {
    let Some(job) = job else { return certain("the Job was removed during the run", AGAIN) };
    let failed = condition(job, "Failed");
    if failed["status"] == "True" && failed["reason"] == "DeadlineExceeded" {
        let seconds = &job["spec"]["activeDeadlineSeconds"];
        return certain(&format!("the tests took longer than {seconds} s"), TIME);
    }
    let is_known = |it: &&Value| known.is_none_or(|known| it["metadata"]["uid"] == *known);
    let Some(pod) = pod.filter(is_known) else {
        return match known {
            Some(_) => troubled("the pod was removed during the run", AGAIN, REASON),
            None => without_pod(job, events),
        };
    };
    if has_ended(pod) {
        return ended(pod);
    }
    if !pod["metadata"]["deletionTimestamp"].is_null() {
        return troubled("the pod was removed during the run", AGAIN, REASON);
    }
    if condition(pod, "Ready")["status"] == "True" {
        return State::Ready;
    }
    let scheduled = condition(pod, "PodScheduled");
    if scheduled["status"] == "False" {
        let said = text(&scheduled["message"]);
        let is_coming = events_of(events, pod).any(|it| it["reason"] == "TriggeredScaleUp");
        return match is_coming {
            true => State::Waiting("a new node".to_owned()),
            false => troubled(&format!("no node for the pod: {said}"), ROOM, PASSING),
        };
    }
    // The cluster may add containers of its own; those of the Job are as this tool made them.
    let name = &job["spec"]["template"]["spec"]["containers"][0]["name"];
    let own = items(&pod["status"]["containerStatuses"]).find(|it| it["name"] == *name);
    match own.map(|it| &it["state"]) {
        Some(it) if it["terminated"].is_object() => ended(pod),
        Some(it) if it["running"].is_object() => State::Running,
        _ => of_containers(pod, events),
    }
}

/// Returns the pod of `job` among `pods`; a second one has replaced it if the first was removed.
pub(crate) fn pod_of<'a>(pods: &'a [Value], job: &str) -> Option<&'a Value> {
    let is_own = |it: &&Value| it["kind"] == "Pod" && it["metadata"]["labels"][super::JOB] == job;
    pods.iter().filter(is_own).min_by_key(|it| text(&it["metadata"]["creationTimestamp"]))
}

/// Returns whether another Job of the run has a pod that uses a node.
pub(crate) fn has_others(objects: &[Value], job: &str) -> bool {
    objects.iter().any(|it| {
        it["kind"] == "Pod"
            && it["metadata"]["labels"][super::JOB] != job
            && it["spec"]["nodeName"].is_string()
            && !has_ended(it)
    })
}

fn has_ended(pod: &Value) -> bool {
    ["Failed", "Succeeded"].contains(&pod["status"]["phase"].as_str().unwrap_or_default())
}

/// Returns whether the newest look needs events to tell why a pod does not run.
pub(crate) fn needs_events(pod: Option<&Value>) -> bool {
    pod.is_none_or(|pod| {
        let waits = |it: &Value| text(&it["state"]["waiting"]["reason"]).contains("Image");
        !has_started(pod) || containers(pod).any(waits)
    })
}

/// Returns the state of a Job whose pod was not made.
fn without_pod(job: &Value, events: &[Value]) -> State {
    let refused = events_of(events, job).filter(|it| it["type"] == "Warning").last();
    match refused {
        None => State::Waiting("its pod".to_owned()),
        Some(it) => {
            let said = text(&it["message"]);
            troubled(&format!("the pod cannot be made: {said}"), fix_of_refusal(&said), PASSING)
        }
    }
}

/// Returns the fix for what the cluster says of a pod that it refuses: a policy, a quota without a default for
/// what it limits, a default below what is asked for, or too little room.
fn fix_of_refusal(said: &str) -> &'static str {
    let says = |it: &[&str]| it.iter().any(|it| said.contains(it));
    if says(&["exceeded quota"]) {
        ROOM
    } else if says(&["must specify", "must be less than or equal to", "maximum cpu"]) {
        RANGE
    } else if says(&["PodSecurity", "security context"]) {
        ROOT
    } else {
        ROOM
    }
}

/// Returns the state of a pod that ended before its results were read.
fn ended(pod: &Value) -> State {
    let status = &pod["status"];
    let reason = text(&status["reason"]);
    if reason == "DeadlineExceeded" {
        return certain("the tests took longer than the Job may", TIME);
    }
    if !reason.is_empty() {
        let said = text(&status["message"]);
        let fix = if reason == "Evicted" || reason.starts_with("OutOf") { ROOM } else { AGAIN };
        return certain(&format!("the pod was ended by its node: {reason}: {said}"), fix);
    }
    let failed = containers(pod).map(|it| (it, &it["state"]["terminated"]));
    let failed = failed.filter(|(_, end)| end.is_object() && end["exitCode"] != 0).last();
    match failed {
        Some((it, end)) if end["reason"] == "OOMKilled" => {
            certain(&format!("container {}: out of memory", text(&it["name"])), MEMORY)
        }
        Some((it, end)) => {
            let (name, code, said) = (text(&it["name"]), &end["exitCode"], text(&end["message"]));
            certain(&format!("container {name} ended with status {code} {said}"), LOOK)
        }
        None => certain("the pod ended before its results were read", AGAIN),
    }
}

fn of_containers(pod: &Value, events: &[Value]) -> State {
    let waits = containers(pod).map(|it| &it["state"]["waiting"]).find(|it| {
        let reason = text(&it["reason"]);
        !["", "PodInitializing", "ContainerCreating"].contains(&reason.as_str())
    });
    if let Some(it) = waits {
        let (reason, said) = (text(&it["reason"]), text(&it["message"]));
        // Between attempts only an event says why the last one failed.
        let messages = events_of(events, pod).map(|it| text(&it["message"]));
        let cause = messages.filter(|it| it.starts_with("Failed to pull image")).last();
        let what = format!("{reason}: {}", cause.unwrap_or(said));
        return match reason.as_str() {
            "InvalidImageName" => certain(&what, PULL),
            it if it.contains("Image") => troubled(&what, PULL, PASSING),
            "CreateContainerConfigError" => troubled(&what, ROOT, PASSING),
            _ => troubled(&what, LOOK, PASSING),
        };
    }
    let mut what = "its image and its volumes".to_owned();
    let warnings = events_of(events, pod).filter(|it| it["type"] == "Warning");
    if let Some(it) = warnings.last().filter(|_| !has_started(pod)) {
        what = format!("{what}: {}: {}", text(&it["reason"]), text(&it["message"]));
    }
    State::Waiting(what)
}

/// Returns whether a container of the pod runs, or has run.
fn has_started(pod: &Value) -> bool {
    let has = |it: &Value, name: &str| it["state"][name].is_object();
    containers(pod).any(|it| has(it, "running") || has(it, "terminated"))
}

fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    let status = &pod["status"];
    items(&status["initContainerStatuses"]).chain(items(&status["containerStatuses"]))
}

/// Returns the events about an object, oldest first as the API lists them.
fn events_of<'a>(events: &'a [Value], object: &'a Value) -> impl Iterator<Item = &'a Value> {
    events.iter().filter(|it| it["involvedObject"]["uid"] == object["metadata"]["uid"])
}

fn condition<'a>(object: &'a Value, name: &str) -> &'a Value {
    items(&object["status"]["conditions"]).find(|it| it["type"] == name).unwrap_or(&Value::Null)
}

fn items(it: &Value) -> impl Iterator<Item = &Value> {
    it.as_array().into_iter().flatten()
}

/// Returns text of others as one line for people.
fn text(it: &Value) -> String {
    redact(&printable::line(it.as_str().unwrap_or_default()))
}

fn certain(what: &str, fix: &'static str) -> State {
    troubled(what, fix, Duration::ZERO)
}

fn troubled(what: &str, fix: &'static str, patience: Duration) -> State {
    let (what, is_of_room) = (what.trim_end().to_owned(), fix == ROOM && !patience.is_zero());
    State::Troubled(Trouble { what, fix, patience, is_of_room })
}
