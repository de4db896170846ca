//! A Lease as it is stored: who holds it, and until when. Reference:
//! <https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/lease-v1/>.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use fs_err as fs;
use serde_json::{Map, Value, json};

use crate::{
    hub::history,
    run::{printable, random::random_hex},
};

use super::Holder;

/// Duration of a Lease that has none.
const DURATION: u64 = 60;

/// Longest text of others in a message.
const LONGEST: usize = 120;

/// The lock as this run takes it.
#[derive(Debug, Clone)]
pub(super) struct Mine {
    /// Different for each run.
    pub(super) identity: String,
    name: String,
    namespace: String,
    annotations: Map<String, Value>,
}

/// The holder of a lock, as its Lease names them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct By {
    identity: String,
    name: String,
    host: String,
    process: String,
    commit: String,
    action: String,
    since: String,
    /// Time until the lock expires unless it is renewed.
    pub(super) remaining: Duration,
}

/// State of a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    Free,
    Held(By),
    /// Not renewed in time, by this machine's clock.
    Expired(By),
}

impl Mine {
    pub(super) fn new(holder: &Holder, name: &str, namespace: &str) -> anyhow::Result<Mine> {
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let (host, process) = (host.trim(), std::process::id());
        let identity = format!("{host}-{process}-{}", &random_hex()?[..8]);
        let process = process.to_string();
        let Holder { name: user, commit, action } = holder;
        let entries =
            [("name", user.as_str()), ("commit", commit), ("action", action), ("host", host)];
        let entries = entries.into_iter().chain([("process", process.as_str())]);
        let annotations =
            entries.map(|(key, value)| (annotation(key), Value::from(printable::line(value))));
        let annotations = annotations.collect();
        Ok(Mine { identity, name: name.to_owned(), namespace: namespace.to_owned(), annotations })
    }
}

fn annotation(key: &str) -> String {
    format!("xtask/{key}")
}

/// Returns a Lease that does not exist yet.
pub(super) fn new(mine: &Mine, now: SystemTime, duration: Duration) -> Value {
    let metadata = json!({
        "name": mine.name,
        "namespace": mine.namespace,
        "labels": {"app.kubernetes.io/managed-by": "xtask"},
    });
    let lease =
        json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata});
    let mut res = taken(lease, mine, now, duration);
    res["spec"]["leaseTransitions"] = 0.into();
    res
}

/// Returns `lease` with this run as its holder. Version and uid stay: by them the cluster refuses to
/// replace a Lease that changed, and to create one that was removed.
pub(super) fn taken(mut lease: Value, mine: &Mine, now: SystemTime, duration: Duration) -> Value {
    let transitions = lease["spec"]["leaseTransitions"].as_u64().unwrap_or_default();
    lease["metadata"]["annotations"] = Value::Object(mine.annotations.clone());
    lease["spec"] = json!({
        "holderIdentity": mine.identity,
        "leaseDurationSeconds": duration.as_secs().max(1),
        "acquireTime": micro_time(now),
        "renewTime": micro_time(now),
        "leaseTransitions": transitions.saturating_add(1).min(i32::MAX.unsigned_abs().into()),
    });
    lease
}

pub(super) fn renewed(mut lease: Value, now: SystemTime) -> Value {
    lease["spec"]["renewTime"] = micro_time(now).into();
    lease
}

/// Returns `lease` without a holder. An object that stays needs no right to remove it.
pub(super) fn released(mut lease: Value, now: SystemTime) -> Value {
    if let Some(spec) = lease["spec"].as_object_mut() {
        spec.remove("holderIdentity");
    }
    renewed(lease, now)
}

fn micro_time(now: SystemTime) -> String {
    humantime::format_rfc3339_micros(now).to_string()
}

/// Returns whether the run with this identity holds the lock.
pub(super) fn is_of(lease: &Value, identity: &str) -> bool {
    lease["spec"]["holderIdentity"] == identity
}

/// Returns whether nobody wrote the Lease between two reads.
pub(super) fn is_unchanged(before: &Value, after: &Value) -> bool {
    let version = |it: &Value| {
        let metadata = &it["metadata"];
        (metadata["uid"].clone(), metadata["resourceVersion"].clone())
    };
    version(before) == version(after) && before["spec"] == after["spec"]
}

pub(super) fn state(lease: &Value, now: SystemTime) -> State {
    let spec = &lease["spec"];
    let Some(identity) = spec["holderIdentity"].as_str().filter(|it| !it.is_empty()) else {
        return State::Free;
    };
    let time = |it: &Value| history::time(it.as_str()?);
    let renewed = time(&spec["renewTime"]).or_else(|| time(&spec["acquireTime"]));
    let duration = Duration::from_secs(spec["leaseDurationSeconds"].as_u64().unwrap_or(DURATION));
    let end = renewed.and_then(|it| it.checked_add(duration));
    let remaining = end.and_then(|it| it.duration_since(now).ok()).unwrap_or_default();
    let by = by(lease, identity, remaining);
    if remaining.is_zero() { State::Expired(by) } else { State::Held(by) }
}

fn by(lease: &Value, identity: &str, remaining: Duration) -> By {
    let shown = |it: &str| printable::line(it).chars().take(LONGEST).collect::<String>();
    let of = |key: &str| {
        shown(lease["metadata"]["annotations"][annotation(key)].as_str().unwrap_or_default())
    };
    let since = lease["spec"]["acquireTime"].as_str().unwrap_or_default();
    // Seconds are enough for people.
    let since = since.split_once('.').map_or(since.to_owned(), |it| format!("{}Z", it.0));
    By {
        identity: shown(identity),
        name: of("name"),
        host: of("host"),
        process: of("process"),
        commit: of("commit"),
        action: of("action"),
        since: shown(&since),
        remaining,
    }
}

/// Prints `a deploy of Ann on host node1, process 12, from commit 1234, since …`.
impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let By { identity, name, host, process, commit, action, since, .. } = self;
        if action.is_empty() {
            return write!(f, "`{identity}`, since {since}");
        }
        write!(f, "a {action}")?;
        if !name.is_empty() {
            write!(f, " of {name}")?;
        }
        write!(f, " on host {host}, process {process}")?;
        if !commit.is_empty() {
            write!(f, ", from commit {commit}")?;
        }
        write!(f, ", since {since}")
    }
}
