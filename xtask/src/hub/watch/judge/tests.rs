use serde_json::{Value, json};

use super::*;

/// A new pod without a status.
pub(in crate::hub::watch) fn pod(name: &str, component: &str, status: Value) -> Value {
    let mut res = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name, "uid": format!("uid-of-{name}"), "namespace": "hub",
            "creationTimestamp": "2026-11-27T05:00:00Z",
            "labels": {"app": "jupyterhub", "component": component, "release": "hello-prod"},
        },
        "spec": {"nodeName": "node1", "containers": [{"name": component, "image": "r/hub:1"}]},
    });
    res["status"] = status;
    res
}

/// Status of a pod with one container that is not ready.
fn status(container: &str, rest: &Value) -> Value {
    let mut one = json!({
        "name": container, "image": "r/hub:1", "imageID": "", "ready": false, "started": false,
        "restartCount": 0, "lastState": {},
    });
    for (key, value) in rest.as_object().unwrap() {
        one[key] = value.clone();
    }
    json!({
        "phase": "Pending", "qosClass": "Burstable", "startTime": "2026-11-27T05:00:01Z",
        "conditions": [
            {"type": "Initialized", "status": "True"},
            {"type": "Ready", "status": "False", "reason": "ContainersNotReady"},
            {"type": "PodScheduled", "status": "True"},
        ],
        "containerStatuses": [one],
    })
}

pub(in crate::hub::watch) fn waiting_status(reason: &str, message: &str) -> Value {
    status("hub", &json!({"state": {"waiting": {"reason": reason, "message": message}}}))
}

fn hub(reason: &str, message: &str) -> Value {
    pod("hub-a", "hub", waiting_status(reason, message))
}

/// A container that ended `restarts` times or more, and waits now.
pub(in crate::hub::watch) fn crashing(restarts: u64) -> Value {
    let ended = json!({
        "exitCode": 1, "reason": "Error", "startedAt": "2026-11-27T05:00:02Z",
        "finishedAt": "2026-11-27T05:00:09Z", "containerID": "containerd://ab",
    });
    let message = "back-off 10s restarting failed container=hub pod=hub-a_hub(uid-of-hub-a)";
    let waiting = json!({"reason": "CrashLoopBackOff", "message": message});
    let rest = json!({
        "state": {"waiting": waiting}, "lastState": {"terminated": ended}, "restartCount": restarts,
    });
    status("hub", &rest)
}

pub(in crate::hub::watch) fn running(is_ready: bool, restarts: u64) -> Value {
    let rest = json!({
        "state": {"running": {"startedAt": "2026-11-27T05:00:03Z"}}, "ready": is_ready,
        "started": true, "restartCount": restarts,
    });
    let mut res = status("hub", &rest);
    res["phase"] = "Running".into();
    res["conditions"][1]["status"] = if is_ready { "True" } else { "False" }.into();
    res
}

fn unschedulable() -> Value {
    json!({
        "phase": "Pending", "qosClass": "Burstable",
        "conditions": [{
            "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
            "message": "0/3 nodes are available: 3 Insufficient memory.",
        }],
    })
}

/// An event of a pod, as the kubelet writes it; `second` of the run.
pub(in crate::hub::watch) fn event(pod: &str, reason: &str, second: u32, message: &str) -> Value {
    let at = format!("2026-11-27T05:00:{second:02}Z");
    json!({
        "apiVersion": "v1", "kind": "Event", "type": "Warning", "reason": reason,
        "message": message, "count": 1, "eventTime": null, "firstTimestamp": at,
        "lastTimestamp": at, "source": {"component": "kubelet", "host": "node1"},
        "metadata": {"name": format!("{pod}.{second}"), "uid": format!("{pod}-{reason}-{second}")},
        "involvedObject": {"kind": "Pod", "name": pod, "uid": format!("uid-of-{pod}")},
    })
}

/// The same event as Kubernetes writes those of the scheduler since 1.19.
fn new_event(pod: &str, reason: &str, second: u32, message: &str) -> Value {
    let mut res = event(pod, reason, second, message);
    res["eventTime"] = format!("2026-11-27T05:00:{second:02}.000250Z").into();
    for key in ["firstTimestamp", "lastTimestamp", "count"] {
        res[key] = Value::Null;
    }
    res
}

fn of_container(mut event: Value, container: &str) -> Value {
    event["involvedObject"]["fieldPath"] = format!("spec.containers{{{container}}}").into();
    event
}

fn judge() -> Judge {
    Judge::new(Before::default(), false)
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn look(pods: &[Value], events: &[Value]) -> Look {
    Look { pods: pods.to_vec(), events: events.to_vec() }
}

/// Returns the reason for which a first look ends a deployment.
fn at_once(pod: Value, events: &[Value]) -> Option<String> {
    judge().look(seconds(5), &look(&[pod], events)).problem.map(|it| it.reason)
}

/// Returns the second at which pods that stay as they are end a deployment.
fn ends_at(is_first: bool, pod: &Value) -> Option<u64> {
    let mut judge = Judge::new(Before::default(), is_first);
    let pods = look(std::slice::from_ref(pod), &[]);
    (0..400).step_by(2).find(|at| judge.look(seconds(*at), &pods).problem.is_some())
}

const DOCKER: &str = r#"rpc error: code = Unknown desc = Error response from daemon: manifest for 127.0.0.1:5000/hello@sha256:00 not found: manifest unknown: manifest unknown"#;
const CONTAINERD: &str = r#"failed to pull and unpack image "r.example/us/hello:t": failed to resolve reference "r.example/us/hello:t": r.example/us/hello:t: not found"#;
const SILENT: &str = r#"Back-off pulling image "r.example/us/hello:t""#;

#[test]
fn images_that_a_registry_refuses() {
    for message in [
        DOCKER,
        CONTAINERD,
        "rpc error: code = Unknown desc = Error response from daemon: pull access denied for hello, repository does not exist or may require 'docker login': denied: requested access to the resource is denied",
        r#"failed to authorize: failed to fetch anonymous token: unexpected status from GET request to https://r.example/token: 401 Unauthorized"#,
        r#"Error response from daemon: Head "https://r.example/v2/hello/manifests/t": unauthorized: authentication required"#,
        r#"unexpected status from HEAD request to https://r.example/v2/hello/manifests/t: 403 Forbidden"#,
        r#"failed: {"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#,
    ] {
        let found = at_once(hub("ErrImagePull", message), &[]);
        assert_eq!(found.as_deref(), Some("ErrImagePull"), "{message}");
    }
    let newer = format!("{SILENT}: ErrImagePull: {CONTAINERD}");
    assert_eq!(at_once(hub("ImagePullBackOff", &newer), &[]).unwrap(), "ImagePullBackOff");
}

#[test]
fn what_a_registry_may_answer_later() {
    for message in [
        "rpc error: code = Unknown desc = Error response from daemon: Get https://r.example/v2/: dial tcp: lookup r.example: no such host",
        r#"failed to do request: Head "https://r.example/v2/hello/manifests/t": dial tcp 10.0.0.1:443: connect: connection refused"#,
        "failed: 429 Too Many Requests - Server message: toomanyrequests: You have reached your unauthenticated pull rate limit; access denied",
        // Names of images hold these words.
        r#"failed to resolve reference "r.example/denied:unauthorized": failed to do request: Get "https://r.example/v2/denied/manifests/forbidden": net/http: TLS handshake timeout"#,
        r#"Back-off pulling image "denied:unauthorized""#,
        "",
    ] {
        let pod = hub("ErrImagePull", message);
        assert_eq!(at_once(pod.clone(), &[]), None, "{message}");
        assert_eq!(ends_at(false, &pod), Some(60), "{message}");
        assert_eq!(ends_at(true, &pod), Some(60), "{message}");
    }
}

/// Before 1.31, the reason is in an event alone.
#[test]
fn the_last_event_counts() {
    let says = |second, message: &str| {
        let message = format!(r#"Failed to pull image "r.example/us/hello:t": {message}"#);
        of_container(event("hub-a", "Failed", second, &message), "hub")
    };
    let noise = [
        event("hub-a", "Failed", 50, "Error: ErrImagePull"),
        event("hub-a", "BackOff", 51, SILENT),
        of_container(event("hub-a", "Failed", 52, "Failed to pull image \"x\": not found"), "side"),
        event("jupyter-ann", "Failed", 53, "Failed to pull image \"x\": not found"),
    ];
    let with = |events: [Value; 2]| {
        at_once(hub("ImagePullBackOff", SILENT), &[&events[..], &noise].concat())
    };
    let (passing, certain) = ("i/o timeout", DOCKER);
    assert!(with([says(9, passing), says(11, certain)]).is_some());
    assert!(with([says(11, certain), says(9, passing)]).is_some());
    assert!(with([says(11, passing), says(9, certain)]).is_none());
    // The event that came again counts at its last time.
    let mut again = says(3, certain);
    again["count"] = 4.into();
    again["lastTimestamp"] = "2026-11-27T05:00:30Z".into();
    assert!(with([again, says(20, passing)]).is_some());
    let mut series = says(3, certain);
    series["series"] = json!({"count": 3, "lastObservedTime": "2026-11-27T05:00:20.500000Z"});
    assert!(with([says(20, passing), series]).is_some());
}

#[test]
fn states_that_no_wait_changes() {
    for (reason, message) in [
        (
            "InvalidImageName",
            "Failed to apply default image tag \"R:sha256:H\": invalid reference format",
        ),
        ("CreateContainerConfigError", "secret \"not-there\" not found"),
        ("CreateContainerConfigError", "container has runAsNonRoot and image will run as root"),
    ] {
        assert_eq!(at_once(hub(reason, message), &[]).as_deref(), Some(reason));
    }
    let sync = "failed to sync secret cache: timed out waiting for the condition";
    let late = hub("CreateContainerConfigError", sync);
    assert_eq!((at_once(late.clone(), &[]), ends_at(false, &late)), (None, Some(60)));
    for reason in ["ContainerCreating", "PodInitializing"] {
        assert_eq!(ends_at(false, &hub(reason, "")), None);
    }
    assert_eq!(ends_at(false, &pod("hub-a", "hub", running(false, 0))), None);
}

#[test]
fn mounts_of_what_does_not_exist() {
    let setup = "MountVolume.SetUp failed for volume \"existing-secret\" : ";
    let with = |message: &str| {
        let event = event("hub-a", "FailedMount", 5, &format!("{setup}{message}"));
        let later = event_of_time_out();
        at_once(hub("ContainerCreating", ""), &[event, later])
    };
    for message in [
        r#"secret "not-there" not found"#,
        r#"configmap "hub-x" not found"#,
        "references non-existent secret key: values.yaml",
    ] {
        assert_eq!(with(message).as_deref(), Some("FailedMount"), "{message}");
    }
    for message in [
        r#"failed to sync secret cache: timed out waiting for the condition"#,
        r#"object "hub"/"hub" not registered"#,
        "rpc error: volume not found",
    ] {
        assert_eq!(with(message), None, "{message}");
    }
    // A container that runs was mounted in the meantime.
    let event = event("hub-a", "FailedMount", 5, &format!("{setup}secret \"a\" not found"));
    assert_eq!(at_once(pod("hub-a", "hub", running(false, 0)), &[event]), None);
}

fn event_of_time_out() -> Value {
    let message = "Unable to attach or mount volumes: unmounted volumes=[existing-secret]: timed out waiting for the condition";
    event("hub-a", "FailedMount", 40, message)
}

#[test]
fn crash_loops_have_three_restarts_or_a_minute() {
    for restarts in [0, 1, 2] {
        assert_eq!(ends_at(false, &pod("hub-a", "hub", crashing(restarts))), Some(60));
    }
    assert_eq!(ends_at(false, &pod("hub-a", "hub", crashing(3))), Some(0));
    // The first hub of a release may crash once more, until its proxy answers.
    assert_eq!(ends_at(true, &pod("hub-a", "hub", crashing(3))), Some(120));
    assert_eq!(ends_at(true, &pod("hub-a", "hub", crashing(4))), Some(0));
    let rest = json!({"state": {"waiting": {"reason": "RunContainerError", "message": "exec: not found"}}});
    assert_eq!(ends_at(false, &pod("hub-a", "hub", status("hub", &rest))), Some(60));
}

#[test]
fn a_crash_loop_goes_on_while_the_container_runs_and_ends_when_it_is_ready() {
    let at = |judge: &mut Judge, second, status: Value| {
        judge.look(seconds(second), &look(&[pod("hub-a", "hub", status)], &[])).problem.is_some()
    };
    let mut crashes = judge();
    assert!(!at(&mut crashes, 10, crashing(1)));
    assert!(!at(&mut crashes, 50, running(false, 2)));
    assert!(!at(&mut crashes, 71, running(false, 2)));
    assert!(at(&mut crashes, 72, crashing(2)));
    // A hub that ends with success is not ready either.
    let ended =
        status("hub", &json!({"state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}));
    let mut ends = judge();
    assert!(!at(&mut ends, 10, crashing(1)));
    assert!(!at(&mut ends, 50, ended));
    assert!(at(&mut ends, 72, crashing(2)));
    let mut recovers = judge();
    assert!(!at(&mut recovers, 10, crashing(1)));
    assert!(!at(&mut recovers, 20, running(true, 1)));
    assert!(!at(&mut recovers, 72, crashing(2)));
}

#[test]
fn pods_without_a_node() {
    let waits = pod("hub-a", "hub", unschedulable());
    assert_eq!(ends_at(false, &waits), None);
    let refused = "pod didn't trigger scale-up: 1 max node group size reached";
    let no = |second| event("hub-a", "NotTriggerScaleUp", second, refused);
    let yes = |second| new_event("hub-a", "TriggeredScaleUp", second, "pod triggered scale-up");
    let failed = new_event("hub-a", "FailedScheduling", 40, "0/3 nodes are available");
    let with = |events: &[Value]| at_once(waits.clone(), events).is_some();
    assert!(!with(std::slice::from_ref(&failed)));
    assert!(with(&[no(20), failed.clone()]));
    assert!(with(&[yes(10), no(20), failed.clone()]));
    assert!(!with(&[no(10), yes(20), failed.clone()]));
    // At the time-out, that is the reason.
    let judge = judge();
    let problem = judge.after_time_out(&look(&[waits], &[failed])).unwrap();
    assert_eq!(problem.reason, "Unschedulable");
    assert_eq!(problem.message, "0/3 nodes are available: 3 Insufficient memory.");
}

#[test]
fn only_pods_of_the_revision_are_judged() {
    let bad = || waiting_status("InvalidImageName", "");
    for (component, is_judged) in [
        ("hub", true),
        ("proxy", true),
        ("user-scheduler", true),
        ("hook-image-puller", true),
        ("image-puller", true),
        ("continuous-image-puller", false),
        ("singleuser-server", false),
        ("user-placeholder", false),
        ("autohttps", false),
        ("", false),
    ] {
        let found = at_once(pod("a", component, bad()), &[]).is_some();
        assert_eq!(found, is_judged, "{component}");
    }
    assert!(at_once(pod("continuous-image-puller-a", "image-puller", bad()), &[]).is_none());
    let old = look(&[pod("hub-a", "hub", bad())], &[]);
    let mut later = Judge::new(Before::of(&old), false);
    assert!(later.look(seconds(1), &old).problem.is_none());
    let mut leaving = pod("hub-b", "hub", bad());
    leaving["metadata"]["deletionTimestamp"] = "2026-11-27T05:00:09Z".into();
    assert!(later.look(seconds(2), &look(&[leaving], &[])).problem.is_none());
    assert!(later.look(seconds(3), &look(&[pod("hub-b", "hub", bad())], &[])).problem.is_some());
}

/// The images of users are pulled by containers that run before the pod's own.
#[test]
fn a_hook_that_cannot_pull() {
    let one = |name: &str, waiting: Value| json!({"name": name, "ready": false, "restartCount": 0, "state": {"waiting": waiting}});
    let status = json!({
        "phase": "Pending",
        "conditions": [{"type": "Ready", "status": "False"}],
        "initContainerStatuses": [
            {"name": "image-pull-network-tools", "ready": true, "restartCount": 0,
             "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}},
            one("image-pull-singleuser", json!({"reason": "ImagePullBackOff", "message": SILENT})),
        ],
        "containerStatuses": [one("pause", json!({"reason": "PodInitializing"}))],
    });
    let mut event = event(
        "hook-image-puller-x",
        "Failed",
        9,
        &format!("Failed to pull image \"r.example/us/hello:t\": {CONTAINERD}"),
    );
    event["involvedObject"]["fieldPath"] = "spec.initContainers{image-pull-singleuser}".into();
    let puller = pod("hook-image-puller-x", "hook-image-puller", status);
    let seen = judge().look(seconds(1), &look(&[puller], &[event]));
    let problem = seen.problem.unwrap();
    assert_eq!(problem.container.as_deref(), Some("image-pull-singleuser"));
    assert!(problem.message.ends_with("not found") && problem.events.len() == 1);
    let line = ("hook-image-puller".to_owned(), "0 of 1 ready: ImagePullBackOff".to_owned());
    assert_eq!(seen.lines, [line]);
}

#[test]
fn workloads_have_a_line_each() {
    let pods = [
        pod("proxy-a", "proxy", running(true, 0)),
        pod("hub-a", "hub", crashing(2)),
        pod("user-scheduler-b", "user-scheduler", running(true, 0)),
        pod("user-scheduler-a", "user-scheduler", unschedulable()),
        pod("jupyter-ann", "singleuser-server", crashing(9)),
    ];
    let lines = judge().look(seconds(1), &look(&pods, &[])).lines;
    let lines: Vec<String> = lines.into_iter().map(|(name, it)| format!("{name}: {it}")).collect();
    assert_eq!(
        lines,
        [
            "hub: 0 of 1 ready: CrashLoopBackOff, 2 restarts",
            "proxy: 1 of 1 ready",
            "user-scheduler: 1 of 2 ready: Unschedulable",
        ]
    );
}

#[test]
fn whether_the_hub_ran() {
    let started = |status: Value, events: &[Value]| {
        let mut judge = judge();
        judge.look(seconds(1), &look(&[pod("hub-a", "hub", status)], events));
        judge.has_hub_started()
    };
    assert!(started(running(false, 0), &[]) && started(running(true, 0), &[]));
    assert!(started(crashing(1), &[]) && started(crashing(0), &[]));
    assert!(!started(waiting_status("ErrImagePull", ""), &[]));
    assert!(!started(unschedulable(), &[]));
    let failed =
        json!({"exitCode": 128, "reason": "StartError", "startedAt": "1970-01-01T00:00:00Z"});
    let rest = json!({"state": {"terminated": failed}, "restartCount": 1});
    assert!(!started(status("hub", &rest), &[]));
    // Its status is lost.
    let rest = json!({"state": {"waiting": {"reason": "ContainerCreating"}}, "restartCount": 1});
    assert!(started(status("hub", &rest), &[]));
    // The pod went before anybody looked.
    let event = of_container(event("hub-b", "Started", 9, "Started container hub"), "hub");
    let events = std::slice::from_ref(&event);
    assert!(started(unschedulable(), events));
    let mut later = Judge::new(Before::of(&look(&[], events)), false);
    later.look(seconds(1), &look(&[], events));
    assert!(!later.has_hub_started());
    // It stays so once the pod is gone.
    let mut judge = judge();
    judge.look(seconds(1), &look(&[pod("hub-a", "hub", running(false, 0))], &[]));
    judge.look(seconds(3), &look(&[], &[]));
    assert!(judge.has_hub_started());
}

#[test]
fn pods_that_are_not_ready_are_explained() {
    let mut evicted = pod(
        "hub-a",
        "hub",
        json!({"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."}),
    );
    evicted["spec"]["nodeName"] = Value::Null;
    let rest = json!({"state": {"terminated": {"exitCode": 1, "reason": "Error"}}});
    let mut failed = status("awaiter", &rest);
    failed["phase"] = "Failed".into();
    let pods = [
        pod("autohttps-a", "autohttps", waiting_status("ContainerCreating", "")),
        evicted,
        pod("proxy-a", "proxy", running(false, 0)),
        pod("hook-image-awaiter-a", "image-puller", failed),
        pod("jupyter-ann", "singleuser-server", crashing(9)),
        pod("user-scheduler-a", "user-scheduler", json!({})),
    ];
    let judge = judge();
    let found = judge.unready(&look(&pods, &[]));
    let lines: Vec<String> = found.iter().map(|it| it.1.headline()).collect();
    assert_eq!(
        lines,
        [
            "pod hub-a without a node: Evicted: The node was low on resource: memory.",
            "pod proxy-a on node1: container `hub`: NotReady: runs, and is not ready",
            "pod user-scheduler-a on node1: ",
            "pod hook-image-awaiter-a on node1: container `awaiter`: Error: ended with status 1",
            "pod autohttps-a on node1: container `hub`: ContainerCreating",
        ]
    );
    // A known reason comes before a wait.
    let pods = [&pods[..], &[pod("proxy-b", "proxy", crashing(1))]].concat();
    assert_eq!(
        judge.after_time_out(&look(&pods, &[])).unwrap().headline(),
        "pod proxy-b on node1: container `hub`: CrashLoopBackOff: ended with status 1"
    );
}

/// A deployment that does not change the pods of an earlier one that failed.
#[test]
fn older_pods_are_evidence_and_end_no_deployment() {
    let pods = [
        pod("hub-a", "hub", crashing(9)),
        pod(
            "hook-image-puller-a",
            "hook-image-puller",
            waiting_status("ErrImagePull", "not found"),
        ),
        pod("hook-image-awaiter-a", "image-puller", waiting_status("ErrImagePull", "not found")),
        pod("autohttps-a", "autohttps", waiting_status("ContainerCreating", "")),
    ];
    let old = look(&pods, &[]);
    let mut judge = Judge::new(Before::of(&old), false);
    assert!(judge.look(seconds(90), &old).problem.is_none());
    let lines = |judge: &Judge, look: &Look| -> Vec<String> {
        judge.unready(look).iter().map(|it| it.1.headline()).collect()
    };
    let hub = "pod hub-a on node1, older than this run: container `hub`: CrashLoopBackOff: ended with status 1";
    assert_eq!(lines(&judge, &old), [hub]);
    assert_eq!(judge.after_time_out(&old).unwrap().headline(), hub);
    let new = pod("proxy-a", "proxy", waiting_status("ErrImagePull", "x"));
    let look = look(&[&pods[..], &[new]].concat(), &[]);
    assert_eq!(
        lines(&judge, &look),
        ["pod proxy-a on node1: container `hub`: ErrImagePull: x", hub]
    );
}

#[test]
fn hostile_content_is_plain_lines() {
    let message =
        "\u{1b}[31mnot found\u{1b}]0;x\u{7}\nfix: run this\u{202e}\r\n  HUB_TOKEN=abcdefgh12345678";
    let events: Vec<Value> =
        (0..20_000).map(|n| event("hub-a", "Failed", n % 60, message)).collect();
    let problem = judge().look(seconds(1), &look(&[hub("ErrImagePull", message)], &events)).problem;
    let text = problem.unwrap().to_string();
    assert!(text.lines().count() < 10, "{text}");
    assert!(!text.contains("abcdefgh") && !text.contains('\u{1b}') && !text.contains('\u{202e}'));
    assert!(text.starts_with("pod hub-a on node1: container `hub`: ErrImagePull: not found\u{fffd}]0;x\u{fffd} fix: run this"));
    let long = hub("ErrImagePull", &format!("{}not found", "µ ".repeat(100_000)));
    let problem = judge().look(seconds(1), &look(&[long], &[])).problem.unwrap();
    assert!(problem.message.chars().count() < 700 && problem.message.ends_with('…'));
}

#[test]
fn what_is_missing_is_no_panic() {
    let pods = [
        Value::Null,
        json!([]),
        json!("hub"),
        json!({"metadata": {"labels": {"component": "hub"}}, "status": {"containerStatuses": {}}}),
        json!({"metadata": {"labels": {"component": "hub"}}, "status": {"containerStatuses": [1, null, {}]}}),
        json!({"metadata": {"labels": []}, "status": {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]}}),
        pod(
            "hub-a",
            "hub",
            json!({"containerStatuses": [{"restartCount": -1, "state": {"waiting": {}}}]}),
        ),
    ];
    let events = [
        Value::Null,
        json!({}),
        json!({"involvedObject": {"kind": "Pod", "name": "hub-a"}, "lastTimestamp": "é".repeat(30)}),
        json!({"involvedObject": {"kind": "Pod", "uid": 3}, "eventTime": 5, "series": []}),
    ];
    let mut judge = judge();
    assert!(judge.look(seconds(1), &look(&pods, &events)).problem.is_none());
    assert!(!judge.unready(&look(&pods, &events)).is_empty());
    assert!(!judge.has_hub_started());
}
