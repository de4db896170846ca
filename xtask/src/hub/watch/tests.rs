use std::{
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::json;

use super::{
    judge::tests::{crashing, event, pod, running, waiting_status},
    *,
};
use crate::{
    run::process::{beside, query},
    tools::helm::HelmFailure,
};

/// A namespace, and how often it does not answer first.
#[derive(Default)]
struct Namespace {
    pods: Vec<Value>,
    events: Vec<Value>,
    silent: AtomicUsize,
    /// Number of looks.
    looks: AtomicUsize,
    /// File that is there after some looks.
    seen: PathBuf,
    asked: Mutex<Vec<String>>,
}

impl Source for Namespace {
    fn pods(&self) -> anyhow::Result<Vec<Value>> {
        if self.looks.fetch_add(1, Ordering::SeqCst) == 3 && !self.seen.as_os_str().is_empty() {
            std::fs::write(&self.seen, "").unwrap();
        }
        let used = |it: usize| it.checked_sub(1);
        let is_silent = self.silent.fetch_update(Ordering::SeqCst, Ordering::SeqCst, used).is_ok();
        anyhow::ensure!(!is_silent, "`kubectl`: no answer in time\n    fix: wait");
        Ok(self.pods.clone())
    }

    fn events(&self) -> anyhow::Result<Vec<Value>> {
        Ok(self.events.clone())
    }

    fn log(&self, pod: &str, container: &str, is_previous: bool) -> anyhow::Result<String> {
        self.asked.lock().unwrap().push(format!("{pod} {container} {is_previous}"));
        let last = if is_previous { "RuntimeError: boom" } else { "starting\u{1b}[0m" };
        Ok(format!("{}{last}\n", "line\n".repeat(50)))
    }
}

/// Runs a script in Helm's place.
fn watched(
    namespace: &Arc<Namespace>,
    still_held: &dyn Fn() -> anyhow::Result<()>,
    script: &str,
) -> Watched {
    let source: Arc<dyn Source> = Arc::<Namespace>::clone(namespace);
    let ui = Ui::new(false);
    let watch = Watch::new(ui, "helm upgrade a", source, Before::default(), false, still_held);
    let mut helm = beside(&query!("/", "env --default-signal=INT bash -c {script}")).unwrap();
    while helm.said().is_empty() {
        assert!(helm.wait(POLL).unwrap().is_none());
    }
    let finished = |it: &Output| match it.status {
        0 => Ok(()),
        _ => Err(HelmFailure::of_test(&it.stderr).into()),
    };
    watch.until_helm_ends(helm, &finished).unwrap()
}

/// Ends with a failure after a SIGINT, and tells of each.
const PATIENT: &str = "trap 'echo got SIGINT >&2; sleep 0.3; exit 1' INT; echo begins >&2; while :; do sleep 0.05; done";

const TIME_OUT: &str = "echo begins >&2; sleep 0.3; echo 'Error: UPGRADE FAILED: context deadline exceeded' >&2; exit 1";

/// Ends with success once there is `file`.
fn until(file: &Path) -> String {
    let file = file.to_string_lossy();
    format!("echo begins >&2; until [[ -e {file} ]]; do sleep 0.02; done")
}

#[test]
fn a_problem_interrupts_helm_once() {
    let namespace = Arc::new(Namespace {
        pods: vec![pod("hub-a", "hub", waiting_status("ErrImagePull", "manifest not found"))],
        events: vec![event("hub-a", "Pulling", 3, "Pulling image \"r/hub:1\"")],
        ..Namespace::default()
    });
    let res = watched(&namespace, &|| Ok(()), PATIENT);
    let err = format!("{:#}", res.ended.unwrap_err());
    assert_eq!(err.matches("got SIGINT").count(), 1, "{err}");
    assert_eq!((res.hub_started, res.interrupted), (false, false));
    let problem = res.problem.unwrap();
    assert_eq!((problem.pod.as_str(), problem.reason.as_str()), ("hub-a", "ErrImagePull"));
    assert_eq!(
        res.said,
        "pod hub-a on node1: container `hub`: ErrImagePull: manifest not found\n    events:\n        05:00:03 Pulling: Pulling image \"r/hub:1\""
    );
}

#[test]
fn after_a_failure_the_evidence_is_collected() {
    let refused = json!({
        "type": "Warning", "reason": "FailedCreate", "message": "exceeded quota: a",
        "lastTimestamp": "2026-11-27T05:00:01Z", "metadata": {"uid": "e"},
        "involvedObject": {"kind": "ReplicaSet", "name": "user-scheduler-b"},
    });
    let mut namespace = Namespace {
        pods: vec![
            pod("proxy-a", "proxy", running(true, 0)),
            pod("hub-a", "hub", crashing(1)),
            pod("autohttps-a", "autohttps", waiting_status("ContainerCreating", "")),
        ],
        events: vec![refused],
        ..Namespace::default()
    };
    let of_puller = |n: usize| {
        let status = waiting_status("ContainerCreating", "");
        pod(&format!("hook-image-puller-{n}"), "hook-image-puller", status)
    };
    namespace.pods.extend((0..30).map(of_puller));
    let namespace = Arc::new(namespace);
    let res = watched(&namespace, &|| Ok(()), TIME_OUT);
    assert!(res.hub_started);
    assert_eq!(res.problem.unwrap().reason, "CrashLoopBackOff");
    assert_eq!(*namespace.asked.lock().unwrap(), ["hub-a hub true", "hub-a hub false"]);
    let said = &res.said;
    assert!(said.contains("    log of `hub` before its last restart:\n        line\n"), "{said}");
    assert!(said.contains("        RuntimeError: boom\n    log of `hub`:\n"), "{said}");
    assert!(said.contains("        starting\n"), "{said}");
    assert!(
        said.contains("\n25 more pods are not ready: autohttps-a, hook-image-puller-"),
        "{said}"
    );
    assert!(
        said.ends_with("\nReplicaSet user-scheduler-b: FailedCreate: exceeded quota: a"),
        "{said}"
    );
    assert!(!said.contains("proxy-a"), "{said}");
}

#[test]
fn a_cluster_that_does_not_answer_ends_no_helm() {
    let dir = tempfile::tempdir().unwrap();
    let seen = dir.path().join("seen");
    let script = until(&seen);
    let namespace = Namespace { silent: usize::MAX.into(), seen, ..Namespace::default() };
    let res = watched(&Arc::new(namespace), &|| Ok(()), &script);
    assert!(res.ended.is_ok() && res.problem.is_none());
    assert!(res.hub_started, "nobody knows");
    let said = res.said;
    assert!(
        said.starts_with(
            "the pods cannot be listed, and Helm goes on: `kubectl`: no answer in time\n"
        ),
        "{said}"
    );
    assert_eq!(said.lines().count(), 2, "{said}");
}

#[test]
fn a_cluster_that_answers_again_is_judged() {
    let namespace = Arc::new(Namespace {
        pods: vec![pod("hub-a", "hub", waiting_status("InvalidImageName", ""))],
        silent: 3.into(),
        ..Namespace::default()
    });
    let res = watched(&namespace, &|| Ok(()), PATIENT);
    assert_eq!(res.problem.unwrap().reason, "InvalidImageName");
}

#[test]
fn a_lost_lock_is_told_and_helm_goes_on() {
    let lost = || anyhow::bail!("the lock of `a` is lost: held by b");
    let dir = tempfile::tempdir().unwrap();
    let seen = dir.path().join("seen");
    let script = until(&seen);
    let namespace = Namespace { seen, ..Namespace::default() };
    let res = watched(&Arc::new(namespace), &lost, &script);
    assert!(res.ended.is_ok() && !res.hub_started);
    assert_eq!(res.said, "the lock of `a` is lost: held by b");
}

/// Judges pods and events that are one list, as a mutated answer of the cluster.
pub(crate) fn judged(text: &str) {
    let Ok(list) = serde_json::from_str::<Value>(text) else { return };
    let items = list["items"].as_array().cloned().unwrap_or_default();
    let (pods, events) = items.into_iter().partition(|it| it["kind"] == "Pod");
    let look = Look { pods, events };
    let mut judge = Judge::new(Before::default(), false);
    for seconds in [1, 90] {
        judge.look(Duration::from_secs(seconds), &look);
    }
    let _ = (judge.after_time_out(&look), pods::refusals(&look, &Before::default()));
}
