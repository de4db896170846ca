//! Tests of a pushed image as Jobs, with stand-ins for docker and kubectl. A real cluster is in
//! `tests/cluster`.

use std::fs;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::{checkout::Checkout, hubs::world::Hub, run::Done};

const PUSH: [&str; 1] = ["image-push"];
const TEST: [&str; 5] = ["image-test", "--on", "kubernetes", "--shards", "2"];

/// A cluster for the tests of a candidate.
struct World(Hub);

impl World {
    /// `PATIENCE` is short: what lasts is given up soon.
    fn new() -> World {
        let mut hub = Hub::new(["6.1.1", "6.1.1"]);
        hub.checkout.env("ENVIRONMENT", "staging");
        hub.checkout.env("PATIENCE", "0.1");
        hub.run(&["image-build"]).status(0);
        hub.run(&["image-push", "--candidate"]).status(0);
        hub.run(&["image-test", "--shard", "1/1"]).status(0);
        let dir = hub.checkout.root().join("target/xtask/shards/hello");
        let part = fs::read_dir(&dir).unwrap().next().unwrap().unwrap().path();
        let part: Value = serde_json::from_str(&fs::read_to_string(part).unwrap()).unwrap();
        fs::remove_dir_all(dir).unwrap();
        hub.change(|it| {
            it["tests"] = json!({
                "results": part["tests"], "contents": part["contents"], "network": "none", "pods": {},
            });
        });
        World(hub)
    }

    fn run(&self) -> Done {
        self.0.run(&TEST)
    }

    /// Plans the state of the pods whose Job's name ends so.
    fn pod(&self, end: &str, status: &Value) {
        self.0.change(|it| it["tests"]["pods"] = json!({end: status}));
    }

    /// Returns the objects of tests that are in the cluster.
    fn left(&self) -> Vec<String> {
        let cluster = self.0.cluster();
        let objects = cluster["objects"].as_object().unwrap();
        let is_own = |it: &&String| it.contains("/xtask-test-");
        objects.keys().filter(is_own).cloned().collect()
    }

    fn receipt(&self) -> Value {
        let dir = self.0.checkout.root().join("target/xtask/receipts/hello");
        let path = fs::read_dir(dir).unwrap().next().unwrap().unwrap().path();
        serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
    }
}

#[test]
fn parts_in_a_closed_network_certify_the_image() {
    let world = World::new();
    world.run().status(0).says("tested");
    let cluster = world.0.cluster();
    let created = cluster["created"].as_array().unwrap();
    let jobs: Vec<&Value> = created.iter().filter(|it| it["kind"] == "Job").collect();
    assert_eq!(jobs.len(), 3);
    for it in jobs {
        let image = &it["spec"]["template"]["spec"]["containers"][0]["image"];
        assert!(image.as_str().unwrap().starts_with("quay.io/us/hello:"), "{image}");
        assert!(image.as_str().unwrap().contains("@sha256:"), "{image}");
    }
    assert_eq!(world.left(), Vec::<String>::new());
    let receipt = world.receipt();
    assert_eq!((&receipt["complete"], receipt.get("network")), (&json!(true), None));
    assert_eq!(receipt["tests"].as_array().unwrap().len(), 13);
    let notebook = "target/xtask/test/hello/notebooks/hello/a.ipynb";
    assert!(world.0.checkout.root().join(notebook).is_file());
    world.run().status(0);
    assert_eq!(world.0.cluster()["created"], cluster["created"], "an image was tested twice");
    world.0.run(&PUSH).status(0).says("pushed");
}

#[test]
fn an_open_network_certifies_nothing() {
    let world = World::new();
    for network in ["cluster", "what?"] {
        world.0.change(|it| it["tests"]["network"] = network.into());
        world.run().status(0).says("does not certify the image");
        assert_eq!(world.receipt()["network"], "cluster");
        let push = world.0.run(&PUSH).status(1).says("in a cluster with an open network");
        push.did_nothing();
    }
    let explained = world.0.run(&["explain"]).status(0);
    assert!(explained.stdout.contains("with an open network"), "{}", explained.stdout);
    // A receipt of tests as they must be is not lost.
    world.0.run(&["image-test"]).status(0);
    world.0.run(&[&TEST[..], &["--again"]].concat()).status(0).says("does not certify the image");
    assert_eq!(world.receipt().get("network"), None);
    world.0.run(&PUSH).status(0);
}

#[test]
fn pods_that_fail_are_failures() {
    let world = World::new();
    let ended = |reason: &str, code: u8| {
        let state = json!({"terminated": {"reason": reason, "exitCode": code}});
        json!({"phase": "Failed", "containerStatuses": [{"name": "test", "state": state}]})
    };
    let waits = json!({"waiting": {"reason": "ImagePullBackOff", "message": "not found"}});
    let waits =
        json!({"phase": "Pending", "initContainerStatuses": [{"name": "fill", "state": waits}]});
    for (end, status, says) in [
        ("1", ended("OOMKilled", 137), "raise TEST_MEMORY"),
        ("2", json!({"phase": "Failed", "reason": "Evicted", "message": "disk"}), "Evicted: disk"),
        ("hub", ended("Error", 1), "ended with status 1"),
        ("hub", waits, "ImagePullBackOff: not found"),
        ("1", Value::Null, "the pod cannot be made: exceeded quota"),
    ] {
        world.pod(end, &status);
        world.0.change(|it| {
            it["tests"]["refused"] = "exceeded quota".into();
        });
        let done = world.run().status(1).says(says).says("not run: the tester ended before it");
        done.says("cargo xtask image-test hello --on kubernetes --again");
        assert_eq!(world.left(), Vec::<String>::new());
        world.0.run(&PUSH).status(1).says("its tests failed").did_nothing();
    }
}

#[test]
fn a_look_that_fails_is_not_a_job_that_was_removed() {
    let world = World::new();
    world.0.flaws(&json!([{ "on": "get jobs,pods", "times": 2, "stderr": "Too many requests" }]));
    world.run().status(0).says("tested");
}

#[test]
fn a_test_that_fails_in_a_pod() {
    let world = World::new();
    world.0.change(|it| {
        let test = &mut it["tests"]["results"][0];
        (test["outcome"], test["message"]) = ("failed".into(), "it broke".into());
    });
    world.run().status(1).says("it broke");
    world.0.run(&PUSH).status(1).says("its tests failed").did_nothing();
}

#[test]
fn missions_do_not_stop_each_other() {
    let world = World::new();
    world.0.checkout.mission("solo");
    let both = [&TEST[..], &["solo", "hello"]].concat();
    // `local` is not an environment of a cluster.
    world.0.checkout.file("missions/solo/hub/local.yaml", "{}\n");
    world.0.checkout.file("missions/solo/hub/prod.yaml", "{}\n");
    // What is refused is refused before the first test, in any order.
    for missions in [["solo", "hello"], ["hello", "solo"]] {
        let done = world.0.run(&[&TEST[..], &missions].concat()).status(2);
        done.says("missions/solo/hub/staging.yaml not found").says(" to be one of prod\n");
        assert!(!world.0.has_called(" create "));
    }
    let values = world.0.checkout.read("missions/hello/hub/staging.yaml");
    let other = values.replace("kube-system/one", "kube-system/other");
    world.0.checkout.file("missions/solo/hub/staging.yaml", &other);
    world.0.run(&["image-build", "solo"]).status(0);
    world.0.run(&["image-push", "--candidate", "solo"]).status(0);
    let done = world.0.run(&[&["--json"], &both[..]].concat()).status(1);
    let rows = done.says("this is another cluster").json();
    assert_eq!(rows["images"][0]["action"], "failed");
    assert_eq!(rows["images"][1]["action"], "tested");
}

#[test]
fn a_dry_run_prints_manifests() {
    let world = World::new();
    let before = world.0.cluster();
    let done = world.0.run(&[&["-n"], &TEST[..]].concat()).status(0);
    assert_eq!(world.0.cluster(), before);
    for part in ["create -f -", "activeDeadlineSeconds", "NetworkPolicy", "delete jobs,configmaps"]
    {
        assert!(done.stdout.contains(part), "{}", done.stdout);
    }
}

/// Also where a connection to a node that is gone holds kubectl, which then ignores SIGINT.
#[test]
fn an_interruption_removes_all() {
    for states in [&["hold"][..], &["hold", "deaf"]] {
        let world = World::new();
        states.iter().for_each(|it| world.0.checkout.state(it, ""));
        let mut running = world.0.checkout.start(&TEST);
        let follows = |it: &Checkout| it.stand_in("cluster-calls").contains("--follow");
        running.wait_until("no log is followed", follows);
        running.signal(Signal::SIGINT);
        running.finish().status(130);
        assert_eq!(world.left(), Vec::<String>::new());
    }
}

#[test]
fn a_refused_job_ends_the_other_parts() {
    let world = World::new();
    // The pods of the other parts would run for ever.
    world.0.checkout.state("hold", "");
    let quota = "Error from server (Forbidden): error when creating \"STDIN\": jobs.batch \"x\" is forbidden: exceeded quota: few, requested: count/jobs.batch=1, used: count/jobs.batch=2, limited: count/jobs.batch=2";
    for (said, says, fix) in [
        (quota, "exceeded quota: few", "ask for a larger quota"),
        ("Unable to connect to the server: EOF", "the cluster cannot be reached", "VPN"),
    ] {
        // The first call creates what all parts need, the others one Job each.
        let flaw = json!({ "on": "create -f - -o name", "skip": 2, "times": 1, "stderr": said });
        world.0.flaws(&json!([flaw]));
        let done = world.run().status(1).says(says);
        done.says("    fix: ").says(fix);
        assert_eq!(world.left(), Vec::<String>::new());
    }
    assert!(!world.0.checkout.root().join("target/xtask/receipts/hello").exists());
}

#[test]
fn missing_permissions_are_refused_before_the_first_job() {
    let world = World::new();
    world.0.change(|it| it["denied"] = json!(["create pods/exec", "get pods", "list events"]));
    // Without events, only reasons are missing.
    let done = world.run().status(1).says("missing permissions: get pods, create pods/exec\n");
    done.says("fix: ask the cluster's administrators");
    assert!(!world.0.has_called("-o name"));
}

#[test]
fn results_that_cannot_be_read() {
    let world = World::new();
    world.0.flaws(&json!([
        { "on": "--container test --", "stderr": "error: unable to upgrade connection: the node is gone" },
    ]));
    let done = world.run().status(1).says("the results cannot be read: error: unable to upgrade");
    done.says("fix: run the tests again").says("log: target/xtask/logs/");
    assert_eq!(world.left(), Vec::<String>::new());
    world.0.run(&PUSH).status(1).says("its tests failed").did_nothing();
}

#[test]
fn left_overs_are_removed_once_their_time_is_over() {
    let world = World::new();
    world.0.change(|it| {
        for (run, deadline) in [("old", "1"), ("new", "99999999999")] {
            let labels = json!({
                "app.kubernetes.io/managed-by": "xtask",
                "xtask-test-run": run, "xtask-test-deadline": deadline,
            });
            let name = format!("xtask-test-{run}");
            it["objects"][format!("configmaps/{name}")] =
                json!({"kind": "ConfigMap", "metadata": {"name": name, "labels": labels}});
        }
    });
    world.run().status(0).says("removed what the test run old left");
    assert_eq!(world.left(), ["configmaps/xtask-test-new"]);
}

#[test]
fn what_cannot_be_tested_there_is_refused() {
    let world = World::new();
    let before = world.0.cluster();
    let data = ["--set", "TEST_DATA=/data:/opt/data"];
    world.0.run(&[&data[..], &TEST].concat()).status(2).says("TEST_DATA");
    world.0.run(&["image-test", "--shards", "2"]).status(2);
    world.0.run(&["image-test", "--on", "elsewhere"]).status(2);
    let shards = ["image-test", "--on", "kubernetes", "--shards", "100"];
    world.0.run(&shards).status(2);
    let local = ["--set", "ENVIRONMENT=dev"];
    world.0.run(&[&local[..], &TEST].concat()).status(2).says("missions/hello/hub/dev.yaml");
    assert_eq!(world.0.cluster(), before);
    let here = ["--set", "REGISTRY=127.0.0.1:1/us"];
    world.0.run(&[&here[..], &TEST].concat()).status(2).says("set HUB_REGISTRY");
    assert_eq!(world.0.cluster(), before);
    world
        .0
        .change(|it| it["objects"]["namespaces/kube-system"]["metadata"]["uid"] = "other".into());
    world.run().status(1).says("this is another cluster");
    assert!(!world.0.has_called(" create "));
}
