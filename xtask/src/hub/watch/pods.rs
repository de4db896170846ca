//! Pods of a namespace and their events, as Kubernetes 1.20 to 1.33 describe them in JSON. Any field may
//! be missing. References: <https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/>,
//! <https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/>.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::shown;

/// Workloads of the chart that are judged. Users' servers and placeholders may wait for a node as long
/// as they like.
const JUDGED: [&str; 5] =
    ["hub", "proxy", "user-scheduler", "hook-image-puller", "hook-image-awaiter"];

/// Pods that a deployment does not wait for.
const LEFT_OUT: [&str; 3] = ["singleuser-server", "user-placeholder", "continuous-image-puller"];

/// Most messages about pods that could not be created.
const REFUSALS: usize = 5;

/// What was in the namespace at one time.
#[derive(Debug, Clone, Default)]
pub(super) struct Look {
    pub(super) pods: Vec<Value>,
    pub(super) events: Vec<Value>,
}

/// Uids of the pods and events that were there before the run.
#[derive(Debug, Clone, Default)]
pub(super) struct Before {
    pods: BTreeSet<String>,
    events: BTreeSet<String>,
}

/// A pod that a deployment may wait for.
#[derive(Debug, Clone, Default)]
pub(super) struct Pod {
    /// Whether it was not there before the run.
    pub(super) is_new: bool,
    pub(super) uid: String,
    pub(super) name: String,
    pub(super) node: Option<String>,
    /// The label `component`.
    pub(super) workload: String,
    pub(super) is_judged: bool,
    /// Ready, or ended with success.
    pub(super) is_ready: bool,
    pub(super) phase: String,
    /// Reason and message of the pod as a whole, such as `Evicted`.
    pub(super) status: (String, String),
    /// Why no node is found.
    pub(super) unschedulable: Option<String>,
    /// Those that run before the others come first.
    pub(super) containers: Vec<Container>,
    /// Oldest first.
    pub(super) events: Vec<Event>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Container {
    pub(super) name: String,
    pub(super) is_ready: bool,
    pub(super) restarts: u64,
    /// Whether it ran, now or before.
    pub(super) has_started: bool,
    /// How it ended the last time; empty before.
    pub(super) last: String,
    pub(super) state: State,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum State {
    #[default]
    Unknown,
    Running,
    /// Reason and message.
    Waiting(String, String),
    /// Reason, and how it ended.
    Ended(String, String),
}

#[derive(Debug, Clone, Default)]
pub(super) struct Event {
    /// Sorts by time.
    at: (String, String),
    pub(super) reason: String,
    /// Not made safe for people.
    pub(super) message: String,
    /// `None` for events of the pod as a whole.
    pub(super) container: Option<String>,
}

impl Before {
    pub(super) fn of(look: &Look) -> Before {
        let uids = |it: &[Value]| it.iter().map(|it| text(&it["metadata"]["uid"])).collect();
        Before { pods: uids(&look.pods), events: uids(&look.events) }
    }

    /// Returns whether a new pod is not ready, so that its events are of interest.
    pub(super) fn needs_events(&self, look: &Look) -> bool {
        pods(look, self).iter().any(|it| it.is_new && !it.is_ready)
    }
}

/// Returns the pods that a deployment may wait for, the hub's first.
pub(super) fn pods(look: &Look, before: &Before) -> Vec<Pod> {
    let events = by_pod(look);
    let of = |it: &Value| {
        let pod = pod(it, &events);
        Pod { is_new: !before.pods.contains(&pod.uid), ..pod }
    };
    let mut res: Vec<Pod> = look
        .pods
        .iter()
        .filter(|it| it["metadata"]["deletionTimestamp"].is_null())
        .map(of)
        .filter(|it| !LEFT_OUT.contains(&it.workload.as_str()))
        .collect();
    let rank = |it: &Pod| JUDGED.iter().position(|name| *name == it.workload);
    res.sort_by_key(|it| (rank(it).unwrap_or(JUDGED.len()), it.name.clone()));
    res
}

fn new_objects<'a>(look: &'a Look, before: &'a Before) -> impl Iterator<Item = &'a Value> {
    look.pods.iter().filter(|it| !before.pods.contains(&text(&it["metadata"]["uid"])))
}

/// Returns whether the container `hub` of a new pod ran, by its status or by an event.
pub(super) fn has_hub_started(look: &Look, before: &Before) -> bool {
    let ran = |it: &Value| {
        let is_hub = workload(it) == "hub";
        is_hub && containers(it).iter().any(|it| it.name == "hub" && it.has_started)
    };
    let tells = |it: &Value| {
        let object = &it["involvedObject"];
        text(&it["reason"]) == "Started"
            && text(&object["fieldPath"]) == "spec.containers{hub}"
            && !before.events.contains(&text(&it["metadata"]["uid"]))
            && !before.pods.contains(&text(&object["uid"]))
    };
    new_objects(look, before).any(ran) || look.events.iter().any(tells)
}

/// Returns what controllers could not do, such as create a pod over the quota.
pub(super) fn refusals(look: &Look, before: &Before) -> Vec<String> {
    const KINDS: [&str; 4] = ["ReplicaSet", "DaemonSet", "Job", "StatefulSet"];
    let is_one = |it: &&Value| {
        KINDS.contains(&text(&it["involvedObject"]["kind"]).as_str())
            && text(&it["type"]) == "Warning"
            && !before.events.contains(&text(&it["metadata"]["uid"]))
    };
    let mut found: Vec<_> = look.events.iter().filter(is_one).map(|it| (time(it), it)).collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    let line = |it: &Value| {
        let object = &it["involvedObject"];
        let part = |it: &Value| shown(&text(it));
        let (kind, name) = (part(&object["kind"]), part(&object["name"]));
        format!("{kind} {name}: {}: {}", part(&it["reason"]), part(&it["message"]))
    };
    found[found.len().saturating_sub(REFUSALS)..].iter().map(|it| line(it.1)).collect()
}

fn text(it: &Value) -> String {
    it.as_str().unwrap_or_default().to_owned()
}

fn items(it: &Value) -> impl Iterator<Item = &Value> {
    it.as_array().into_iter().flatten()
}

/// Returns the name of what a pod belongs to. The pods of both hooks that pull images belong together,
/// but have labels of different form.
fn workload(pod: &Value) -> String {
    let component = shown(&text(&pod["metadata"]["labels"]["component"]));
    let name = text(&pod["metadata"]["name"]);
    match component.as_str() {
        "image-puller" if name.contains("continuous-image-puller") => LEFT_OUT[2].to_owned(),
        "image-puller" if name.contains("hook-image-puller") => JUDGED[3].to_owned(),
        "image-puller" => JUDGED[4].to_owned(),
        _ => component,
    }
}

/// Events by the uid of their pod, or by its name.
type Events = BTreeMap<String, Vec<Event>>;

fn by_pod(look: &Look) -> Events {
    let mut res = Events::new();
    for it in &look.events {
        let object = &it["involvedObject"];
        let (uid, name) = (text(&object["uid"]), text(&object["name"]));
        if text(&object["kind"]) == "Pod" {
            res.entry(if uid.is_empty() { name } else { uid }).or_default().push(event(it));
        }
    }
    res.values_mut().for_each(|it| it.sort_by(|a, b| a.at.cmp(&b.at)));
    res
}

fn event(it: &Value) -> Event {
    let path = text(&it["involvedObject"]["fieldPath"]);
    let container = path.split_once('{').and_then(|it| it.1.strip_suffix('}'));
    Event {
        at: time(it),
        reason: text(&it["reason"]),
        message: text(&it["message"]),
        container: container.map(str::to_owned),
    }
}

/// Returns the last time of an event, seconds and their fraction. Events of the scheduler, of a newer
/// kind, have no `lastTimestamp`.
fn time(event: &Value) -> (String, String) {
    let times = [
        &event["series"]["lastObservedTime"],
        &event["lastTimestamp"],
        &event["eventTime"],
        &event["firstTimestamp"],
        &event["metadata"]["creationTimestamp"],
    ];
    let time = times.into_iter().find_map(Value::as_str).unwrap_or_default();
    let (seconds, fraction) = time.split_at_checked(19).unwrap_or_default();
    (seconds.to_owned(), fraction.chars().filter(char::is_ascii_digit).collect())
}

fn pod(it: &Value, events: &Events) -> Pod {
    let (metadata, status) = (&it["metadata"], &it["status"]);
    let condition = |name: &str| {
        items(&status["conditions"]).find(|it| it["type"] == name).unwrap_or(&Value::Null)
    };
    let (uid, name) = (text(&metadata["uid"]), text(&metadata["name"]));
    let (workload, phase) = (workload(it), shown(&text(&status["phase"])));
    let scheduled = condition("PodScheduled");
    let is_unschedulable = scheduled["status"] == "False" && scheduled["reason"] == "Unschedulable";
    let node = it["spec"]["nodeName"].as_str().filter(|it| !it.is_empty());
    Pod {
        is_new: true,
        node: node.map(shown),
        is_judged: JUDGED.contains(&workload.as_str()),
        is_ready: condition("Ready")["status"] == "True" || phase == "Succeeded",
        status: (shown(&text(&status["reason"])), shown(&text(&status["message"]))),
        unschedulable: is_unschedulable.then(|| shown(&text(&scheduled["message"]))),
        containers: containers(it),
        events: events.get(&uid).or_else(|| events.get(&name)).cloned().unwrap_or_default(),
        name: shown(&name),
        uid,
        workload,
        phase,
    }
}

fn containers(pod: &Value) -> Vec<Container> {
    let status = &pod["status"];
    // Those that run before the others stay ended.
    let first = items(&status["initContainerStatuses"]).map(|it| Container {
        is_ready: it["ready"] == true || it["state"]["terminated"]["exitCode"] == 0,
        ..container(it)
    });
    first.chain(items(&status["containerStatuses"]).map(container)).collect()
}

fn container(it: &Value) -> Container {
    let (state, last) = (&it["state"], &it["lastState"]["terminated"]);
    let (waiting, ended) = (&state["waiting"], &state["terminated"]);
    let restarts = it["restartCount"].as_u64().unwrap_or_default();
    let is_unknown = ended.is_null() && last.is_null() && restarts > 0;
    let reason = |it: &Value| shown(&text(&it["reason"]));
    Container {
        name: shown(&text(&it["name"])),
        is_ready: it["ready"] == true,
        restarts,
        has_started: state["running"].is_object() || ran(ended) || ran(last) || is_unknown,
        last: if last.is_object() { end(last) } else { String::new() },
        state: match (waiting.is_object(), ended.is_object(), state["running"].is_object()) {
            (true, _, _) => State::Waiting(reason(waiting), text(&waiting["message"])),
            (_, true, _) => State::Ended(reason(ended), end(ended)),
            (_, _, true) => State::Running,
            _ => State::Unknown,
        },
    }
}

/// Returns how a container ended: `ended with status 1`, and what it or the runtime says about it.
fn end(ended: &Value) -> String {
    let status = ended["exitCode"].as_i64().unwrap_or_default();
    let said = shown(&text(&ended["message"]));
    let said = if said.is_empty() { said } else { format!(": {said}") };
    format!("ended with status {status}{said}")
}

/// Returns whether an ended container had a process at all.
fn ran(ended: &Value) -> bool {
    let reason = text(&ended["reason"]);
    ended.is_object() && !["StartError", "ContainerCannotRun"].contains(&reason.as_str())
}

impl Pod {
    /// Returns whether the pod may explain a failure: a deployment that does not change a pod waits for
    /// it all the same. What is left of an earlier hook, nothing waits for.
    pub(super) fn is_evidence(&self) -> bool {
        let is_of_hook = self.workload.starts_with("hook-");
        !self.is_ready && (self.is_new || self.is_judged && !is_of_hook)
    }
}

impl Event {
    /// Returns the event as a line for people.
    pub(super) fn line(&self) -> String {
        let time = self.at.0.get(11..).unwrap_or_default();
        let line = format!("{}: {}", shown(&self.reason), shown(&self.message));
        format!("{} {line}", shown(time)).trim_start().to_owned()
    }

    /// Returns whether the event may be about this container.
    pub(super) fn is_about(&self, container: &str) -> bool {
        self.container.as_ref().is_none_or(|it| it == container)
    }
}
