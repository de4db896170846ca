use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;
use crate::testing::jobs::state::{self, State, Trouble, state};

fn setup() -> Setup {
    Setup {
        run: "0123abcd".to_owned(),
        mission: "hello".to_owned(),
        image: format!("r.example/us/hello@sha256:{}", "a".repeat(64)),
        architecture: "amd64".to_owned(),
        pull_secrets: vec!["pull".to_owned()],
        memory: 4 << 30,
        disk: 10_000_000_000,
        patience: 2.0,
        has_network: false,
        limit: 7200,
        pods: 3,
        deadline: 1_800_000_000,
    }
}

fn job(pod: Pod) -> Value {
    setup().of_pod(pod, "{}").remove(1)
}

fn spec(pod: Pod) -> Value {
    job(pod)["spec"]["template"]["spec"].take()
}

fn containers(spec: &Value) -> Vec<&Value> {
    let of = |it: &str| spec[it].as_array().unwrap().iter();
    of("initContainers").chain(of("containers")).collect()
}

#[test]
fn a_job_has_one_attempt_and_an_end() {
    let job = job(Pod::Mission(2));
    assert_eq!(job["metadata"]["name"], "xtask-test-0123abcd-2");
    let spec = &job["spec"];
    assert_eq!(
        (&spec["backoffLimit"], &spec["activeDeadlineSeconds"]),
        (&json!(0), &json!(3 * 7200))
    );
    let pod = &spec["template"]["spec"];
    assert_eq!(
        (&pod["restartPolicy"], &pod["activeDeadlineSeconds"]),
        (&json!("Never"), &json!(7200))
    );
    assert!(spec["ttlSecondsAfterFinished"].is_number());
    let metadata = &spec["template"]["metadata"];
    assert_eq!(metadata["annotations"]["karpenter.sh/do-not-disrupt"], "true");
    let labels = &metadata["labels"];
    assert_eq!(labels, &job["metadata"]["labels"]);
    assert_eq!((&labels[RUN], &labels[JOB]), (&json!("0123abcd"), &job["metadata"]["name"]));
    assert_eq!(labels[DEADLINE], "1800000000");
}

#[test]
fn containers_are_those_of_local_tests() {
    for (pod, names, is_read_only) in [
        (Pod::Mission(1), &["fill", "test"][..], true),
        (Pod::Hub, &["fill", "test-prepare", "test-hub"], false),
    ] {
        let spec = spec(pod);
        let containers = containers(&spec);
        let found: Vec<&str> = containers.iter().map(|it| it["name"].as_str().unwrap()).collect();
        assert_eq!(found, names);
        for it in &containers {
            let rights = &it["securityContext"];
            assert_eq!(rights["allowPrivilegeEscalation"], false);
            assert_eq!(rights["capabilities"]["drop"], json!(["ALL"]));
            assert_eq!(it["resources"]["limits"]["memory"], (4_u64 << 30).to_string());
            assert_eq!(it["image"], setup().image);
        }
        let last = containers.last().unwrap();
        assert_eq!(last["securityContext"]["readOnlyRootFilesystem"], is_read_only);
        assert_eq!(last["env"], json!([{"name": "PATIENCE", "value": "2"}]));
        assert_eq!(spec["automountServiceAccountToken"], false);
        assert_eq!(spec["enableServiceLinks"], false);
        assert_eq!(spec["imagePullSecrets"], json!([{"name": "pull"}]));
    }
}

/// What is tested shares no folder with what was sent, and writes to no volume of the tester.
#[test]
fn volumes() {
    for pod in [Pod::Mission(1), Pod::Hub] {
        let spec = spec(pod);
        let volumes = spec["volumes"].as_array().unwrap().iter();
        let volumes: BTreeSet<&str> = volumes.map(|it| it["name"].as_str().unwrap()).collect();
        for it in containers(&spec) {
            for mount in it["volumeMounts"].as_array().unwrap() {
                let name = mount["name"].as_str().unwrap();
                assert!(volumes.contains(name), "{name}");
                let is_filled = ["sent", "tester"].contains(&name);
                if it["name"] != "fill" && is_filled {
                    assert_eq!((name, &mount["readOnly"]), ("tester", &json!(true)));
                }
            }
        }
    }
    let spec = spec(Pod::Mission(1));
    let fill = containers(&spec)[0]["command"][2].as_str().unwrap().to_owned();
    for line in [
        "cp -a /opt/environments/. /opt/test-copies/environments/",
        "cp -a /home/jovyan/. /opt/test-copies/home/",
        "chmod 1777 /var/tmp",
    ] {
        assert!(fill.contains(line), "{fill}");
    }
}

#[test]
fn networks_are_closed_unless_the_tests_ask_for_one() {
    let shared = setup().shared(b"scripts");
    let policies: Vec<&Value> = shared.iter().filter(|it| it["kind"] == "NetworkPolicy").collect();
    let label = |setup: &Setup, pod| {
        let job = setup.of_pod(pod, "{}").remove(1);
        job["spec"]["template"]["metadata"]["labels"]["xtask-test-network"].clone()
    };
    for (has_network, pod, network) in [
        (false, Pod::Mission(1), "none"),
        (true, Pod::Mission(1), "egress"),
        (true, Pod::Hub, "none"),
    ] {
        let setup = Setup { has_network, ..setup() };
        assert_eq!(label(&setup, pod), network);
        let selected = |it: &&&Value| {
            it["spec"]["podSelector"]["matchLabels"]["xtask-test-network"] == network
        };
        let policy = policies.iter().find(selected).unwrap();
        let types = &policy["spec"]["policyTypes"];
        let all = json!(["Ingress", "Egress"]);
        assert_eq!(*types == all, network == "none");
        assert!(policy["spec"]["egress"].is_null() && policy["spec"]["ingress"].is_null());
        assert_eq!(policy["spec"]["podSelector"]["matchLabels"][RUN], "0123abcd");
    }
}

/// Reads the state of a Job from pods and events of others.
pub(crate) fn judged(text: &str) {
    let Ok(list) = serde_json::from_str::<Value>(text) else { return };
    let items = list["items"].as_array().cloned().unwrap_or_default();
    let (job, _) = stored(Value::Null);
    for it in &items {
        let _ = state::needs_events(Some(it));
        let _ = state(Some(&job), Some(it), None, &items);
        let _ = state(Some(it), None, None, &items);
    }
    let _ = (state::pod_of(&items, "job"), state::has_others(&items, "job"));
}

/// Returns a Job as the cluster stores it, and its pod with this status.
fn stored(status: Value) -> (Value, Value) {
    let mut job = job(Pod::Mission(1));
    job["metadata"]["uid"] = "job".into();
    let labels = job["metadata"]["labels"].clone();
    let metadata = json!({"name": "p", "uid": "pod", "labels": labels});
    (job, json!({"kind": "Pod", "metadata": metadata, "status": status}))
}

#[track_caller]
fn trouble(seen: State) -> Trouble {
    let State::Troubled(it) = seen else { panic!("{seen:?}") };
    it
}

fn waiting(reason: &str, message: &str) -> Value {
    let state = json!({"waiting": {"reason": reason, "message": message}});
    json!({"phase": "Pending", "initContainerStatuses": [{"name": "fill", "state": state}]})
}

fn terminated(name: &str, reason: &str, code: u8) -> Value {
    let state = json!({"terminated": {"reason": reason, "exitCode": code}});
    json!({"phase": "Failed", "containerStatuses": [{"name": name, "state": state}]})
}

#[test]
fn states_of_a_good_run() {
    let ready = |it| json!([{"type": "Ready", "status": it}]);
    let running = json!([{"name": "test", "state": {"running": {}}}]);
    for (status, expected) in [
        (waiting("PodInitializing", ""), State::Waiting("its image and its volumes".to_owned())),
        (json!({"phase": "Running", "containerStatuses": running}), State::Running),
        (json!({"phase": "Running", "conditions": ready("True")}), State::Ready),
    ] {
        let (job, pod) = stored(status);
        assert_eq!(state(Some(&job), Some(&pod), None, &[]), expected);
    }
    let (job, _) = stored(Value::Null);
    assert_eq!(state(Some(&job), None, None, &[]), State::Waiting("its pod".to_owned()));
}

#[test]
fn failures_have_a_name_and_a_fix() {
    let unschedulable = json!({"phase": "Pending", "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes: Insufficient memory"}
    ]});
    for (status, what, fix) in [
        (
            waiting("ErrImagePull", "manifest unknown"),
            "ErrImagePull: manifest unknown",
            "HUB_REGISTRY",
        ),
        (waiting("ImagePullBackOff", ""), "ImagePullBackOff:", "imagePullSecrets"),
        (waiting("InvalidImageName", "x"), "InvalidImageName: x", "HUB_REGISTRY"),
        (
            waiting("CreateContainerConfigError", "root"),
            "CreateContainerConfigError: root",
            "Pod Security",
        ),
        (unschedulable, "no node for the pod: 0/1 nodes: Insufficient memory", "TEST_MEMORY"),
        (terminated("test", "OOMKilled", 137), "container test: out of memory", "TEST_MEMORY"),
        (terminated("fill", "Error", 2), "container fill ended with status 2", "log"),
        (
            json!({"phase": "Failed", "reason": "Evicted", "message": "low on disk"}),
            "the pod was ended by its node: Evicted: low on disk",
            "TEST_DISK",
        ),
        (
            json!({"phase": "Failed", "reason": "DeadlineExceeded"}),
            "the tests took longer than the Job may",
            "--timeout",
        ),
        (
            json!({"phase": "Failed", "reason": "Terminated", "message": "node shutdown"}),
            "the pod was ended by its node: Terminated: node shutdown",
            "again",
        ),
        (json!({"phase": "Succeeded"}), "the pod ended before its results were read", "again"),
    ] {
        let (job, pod) = stored(status);
        let it = trouble(state(Some(&job), Some(&pod), None, &[]));
        assert_eq!(it.what, what);
        assert!(it.fix.contains(fix), "{}", it.fix);
    }
}

#[test]
fn what_is_removed_during_the_run_is_a_failure() {
    let removed = |it: State| assert!(trouble(it).what.contains("removed during the run"));
    let (mut job, mut pod) = stored(json!({"phase": "Running"}));
    removed(state(None, None, None, &[]));
    removed(state(Some(&job), None, Some(&json!("pod")), &[]));
    removed(state(Some(&job), Some(&pod), Some(&json!("another")), &[]));
    pod["metadata"]["deletionTimestamp"] = "2026-11-27T00:00:00Z".into();
    removed(state(Some(&job), Some(&pod), Some(&json!("pod")), &[]));
    // A Job whose time is over removes its pod itself.
    job["status"]["conditions"] =
        json!([{"type": "Failed", "status": "True", "reason": "DeadlineExceeded"}]);
    let it = trouble(state(Some(&job), Some(&pod), Some(&json!("pod")), &[]));
    assert_eq!(it.what, "the tests took longer than 21600 s");
}

#[test]
fn pods_that_cannot_be_made() {
    let (job, pod) = stored(json!({"phase": "Pending", "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no"}
    ]}));
    let event = |of: &str, reason: &str, message: &str| json!({"type": "Warning", "reason": reason, "message": message, "involvedObject": {"uid": of}});
    for (said, fix) in [
        ("pods \"x\" is forbidden: exceeded quota: small", "quota"),
        ("pods \"x\" is forbidden: violates PodSecurity \"restricted:latest\"", "baseline"),
        ("pods \"x\" is forbidden: failed quota: cpus: must specify limits.cpu", "LimitRange"),
        (
            "Pod \"x\" is invalid: spec.containers[0].resources.requests: Invalid value: \"1\": must be less than or equal to cpu limit",
            "LimitRange",
        ),
    ] {
        let events =
            [event("other", "FailedCreate", "another"), event("job", "FailedCreate", said)];
        let it = trouble(state(Some(&job), None, None, &events));
        assert_eq!(it.what, format!("the pod cannot be made: {said}"));
        assert!(it.fix.contains(fix), "{}", it.fix);
    }
    // Pods of the same run that have a node leave it soon.
    let mut other = pod.clone();
    let own = job["metadata"]["name"].as_str().unwrap();
    assert!(!state::has_others(&[job.clone(), pod.clone()], own));
    (other["metadata"]["labels"][JOB], other["spec"]["nodeName"]) = ("other".into(), "node".into());
    assert!(state::has_others(&[pod.clone(), other.clone()], own));
    other["status"]["phase"] = "Failed".into();
    assert!(!state::has_others(&[pod.clone(), other], own), "a pod that ended uses no node");
    assert!(trouble(state(Some(&job), Some(&pod), None, &[])).is_of_room);
    let comes = [event("pod", "TriggeredScaleUp", "1->2")];
    let seen = state(Some(&job), Some(&pod), None, &comes);
    assert_eq!(seen, State::Waiting("a new node".to_owned()));
}

#[test]
fn an_event_says_why_a_pod_does_not_start() {
    let (job, pod) = stored(waiting("PodInitializing", ""));
    assert!(state::needs_events(Some(&pod)));
    let event = json!({"type": "Warning", "reason": "FailedMount", "message": "timed out", "involvedObject": {"uid": "pod"}});
    let seen = state(Some(&job), Some(&pod), None, std::slice::from_ref(&event));
    let what = "its image and its volumes: FailedMount: timed out".to_owned();
    assert_eq!(seen, State::Waiting(what));
    // What happened before the first container does not matter later.
    let state_of = |it: &str| json!({"name": it, "state": {it: {}}});
    let both = json!([state_of("running"), state_of("waiting")]);
    let (job, pod) = stored(json!({"phase": "Pending", "initContainerStatuses": both}));
    assert!(!state::needs_events(Some(&pod)));
    let seen = state(Some(&job), Some(&pod), None, &[event]);
    assert_eq!(seen, State::Waiting("its image and its volumes".to_owned()));
}

/// The containers of a service mesh come before those of the tests.
#[test]
fn a_container_that_the_cluster_adds() {
    let both = json!([
        {"name": "a-proxy", "state": {"waiting": {"reason": "PodInitializing"}}},
        {"name": "test", "state": {"running": {}}},
    ]);
    let (job, pod) = stored(json!({"phase": "Running", "containerStatuses": both}));
    assert_eq!(state(Some(&job), Some(&pod), None, &[]), State::Running);
    // It stays when the tests have ended.
    let both = json!([
        {"name": "a-proxy", "state": {"running": {}}},
        {"name": "test", "state": {"terminated": {"reason": "OOMKilled", "exitCode": 137}}},
    ]);
    let (job, pod) = stored(json!({"phase": "Running", "containerStatuses": both}));
    let it = trouble(state(Some(&job), Some(&pod), None, &[]));
    assert_eq!(it.what, "container test: out of memory");
    let before = json!([
        {"name": "a-proxy", "state": {"running": {}}},
        {"name": "test", "state": {"waiting": {"reason": "PodInitializing"}}},
    ]);
    let (job, pod) = stored(json!({"phase": "Pending", "containerStatuses": before}));
    let state = state(Some(&job), Some(&pod), None, &[]);
    assert!(matches!(state, State::Waiting(_)), "{state:?}");
}

#[test]
fn an_event_says_why_an_image_was_not_pulled() {
    let (job, pod) = stored(waiting("ImagePullBackOff", "Back-off pulling image"));
    assert!(state::needs_events(Some(&pod)));
    let event =
        |said: &str| json!({"reason": "Failed", "message": said, "involvedObject": {"uid": "pod"}});
    let events = ["Failed to pull image \"a\": refused", "Error: ErrImagePull"].map(event);
    let it = trouble(state(Some(&job), Some(&pod), None, &events));
    assert_eq!(it.what, "ImagePullBackOff: Failed to pull image \"a\": refused");
}

#[test]
fn what_the_cluster_says_controls_no_terminal() {
    let (job, pod) =
        stored(waiting("ErrImagePull", "a\u{1b}[31m\nhttps://u:hunter2hunter2@r.example"));
    let it = trouble(state(Some(&job), Some(&pod), None, &[]));
    assert!(!it.what.contains(['\u{1b}', '\n']) && !it.what.contains("hunter2"), "{}", it.what);
}
