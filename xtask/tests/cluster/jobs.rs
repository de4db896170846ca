//! Tests of a pushed image as Jobs: what is tested, failures of pods, and what stays in the cluster. The
//! cluster may enforce network policies or not.

use nix::sys::signal::Signal;
use serde_json::json;

use crate::{run::Done, world::World};

const TEST: [&str; 7] =
    ["--set", "ENVIRONMENT=test", "image-test", "hello", "--on", "kubernetes", "--again"];

/// Label of all that a run makes.
const LABEL: &str = "app.kubernetes.io/managed-by=xtask,xtask-test-run";

#[test]
fn tests_run_as_jobs_and_leave_nothing() {
    let world = World::new("jobs");
    world.environment("test", "");
    world.kubectl(&["create", "namespace", &world.namespace("test")]);
    parts(&world);
    removed_pods(&world);
    interrupted(&world);
    without_room(&world);
    limited(&world);
    without_image(&world);
}

/// Runs the tests with short limits for what lasts, and checks that nothing stays.
fn run(world: &World, more: &[&str]) -> Done {
    let done = world.xtask(&[&["--set", "PATIENCE=0.5"], more, &TEST].concat());
    nothing_is_left(world);
    done
}

fn parts(world: &World) {
    world.phase("Two parts, and the image as a hub starts it");
    let args = [&TEST[..], &["--shards", "2", "--json"]].concat();
    let done = world.xtask(&args).status(0);
    let table: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    let image = &table["images"][0];
    assert_eq!((&image["failed"], &image["action"]), (&0.into(), &"tested".into()));
    assert!(image["passed"].as_u64().unwrap() > 10, "{table}");
    nothing_is_left(world);
    // Another run of all tests certifies the image: whether this one does depends on the cluster.
    world.xtask(&["image-push", "hello"]).status(0);
}

fn removed_pods(world: &World) {
    world.phase("Pods that someone removes");
    let run = world.start(&[&["--set", "PATIENCE=0.5"], &TEST[..]].concat());
    wait_for_pods(world);
    let namespace = world.namespace("test");
    let delete = ["--namespace", &namespace, "delete", "pods", "--selector", LABEL, "--wait=false"];
    world.kubectl(&delete);
    run.finish().status(1).says("the pod was removed during the run");
    nothing_is_left(world);
}

fn interrupted(world: &World) {
    world.phase("Ctrl-C");
    let run = world.start(&TEST);
    wait_for_pods(world);
    run.signal_all(Signal::SIGINT);
    run.finish().status(130);
    nothing_is_left(world);
}

fn without_room(world: &World) {
    world.phase("Pods that no node has room for, or the quota");
    run(world, &["--set", "TEST_MEMORY=99999g"]).status(1).says("no node for the pod");
    let namespace = world.namespace("test");
    let quota = ["--namespace", &namespace, "create", "quota", "small", "--hard=pods=0"];
    world.kubectl(&quota);
    run(world, &[]).status(1).says("exceeded quota");
    world.kubectl(&["--namespace", &namespace, "delete", "quota", "small"]);
}

fn limited(world: &World) {
    world.phase("A quota of Jobs, and a LimitRange with small defaults");
    let namespace = world.namespace("test");
    let quota = ["--namespace", &namespace, "create", "quota", "few", "--hard=count/jobs.batch=1"];
    world.kubectl(&quota);
    run(world, &[]).status(1).says("exceeded quota: few").says("larger quota");
    world.kubectl(&["--namespace", &namespace, "delete", "quota", "few"]);
    let range = json!({
        "apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "small"},
        "spec": {"limits": [{"type": "Container", "default": {"cpu": "100m"}}]},
    });
    world.kubectl_with(&["--namespace", &namespace, "create", "-f", "-"], &range.to_string());
    run(world, &[]).status(1).says("the pod cannot be made").says("LimitRange");
    world.kubectl(&["--namespace", &namespace, "delete", "limitrange", "small"]);
}

fn without_image(world: &World) {
    world.phase("An image that nodes do not find");
    let nowhere = format!("{}/nowhere", world.settings.nodes);
    let text = world.place_with_registry("test", &nowhere);
    world.write("missions/hello/hub/test.yaml", &text);
    run(world, &[]).status(1).says("HUB_REGISTRY");
}

fn objects(world: &World, kinds: &str) -> String {
    let namespace = world.namespace("test");
    world.kubectl(&["--namespace", &namespace, "get", kinds, "--selector", LABEL, "-o", "name"])
}

/// Waits until the tester runs in a pod.
fn wait_for_pods(world: &World) {
    let namespace = world.namespace("test");
    let phases = ["--namespace", &namespace, "get", "pods", "--selector", LABEL, "-o"];
    let phases = [&phases[..], &["jsonpath={.items[*].status.phase}"]].concat();
    world.wait_until("a pod runs", || world.kubectl(&phases).contains("Running"));
}

#[track_caller]
fn nothing_is_left(world: &World) {
    assert_eq!(objects(world, "jobs,configmaps,networkpolicies"), "");
    world.wait_until("pods are gone", || objects(world, "pods").is_empty());
}
