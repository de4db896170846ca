//! Faults during deployments: each leaves the former release in place, or says what is live, and the way out.

use nix::sys::signal::Signal;

use crate::world::World;

const TEST: [&str; 5] = ["hub-deploy", "hello", "--env", "test", "--yes"];

#[test]
fn faults_leave_the_former_release_or_say_what_is_live() {
    let world = World::new("faults");
    failed_first_install(&world);
    world.xtask(&TEST).status(0);
    failed_smoke_test(&world);
    interrupted(&world);
    two_at_once(&world);
    another_cluster(&world);
    dirty(&world);
    missing_secret(&world);
    no_key(&world);
    record_not_written(&world);
    another_archive(&world);
    secret_in_an_error(&world);
    empty_secrets(&world);
    rollback_fails(&world);
    helm_4(&world);
    world.xtask(&["hub-history", "hello", "--env", "test"]).status(0);
}

fn failed_first_install(world: &World) {
    world.phase("A first deployment that fails");
    world.environment("test", BROKEN);
    world.xtask(&TEST).status(1).says("a mistake");
    let namespace = world.namespace("test");
    world.kubectl(&["--namespace", &namespace, "get", "pvc", "hub-db-dir"]);
    world.environment("test", "");
}

/// Helm succeeds, and users get no server.
fn failed_smoke_test(world: &World) {
    world.phase("A deployment whose smoke test fails");
    world.environment("test", "singleuser: {cmd: [\"false\"], startTimeout: 60}\n");
    let newest = world.newest("test") + 1;
    world
        .xtask(&TEST)
        .status(1)
        .says(&format!("revision {newest} is live, and its smoke test failed"))
        .says("`cargo xtask hub-rollback hello --env test` brings the former revision back");
    assert_eq!(
        (world.newest("test"), world.release_status("test")),
        (newest, "deployed".to_owned())
    );
    world.environment("test", "");
    world.xtask(&["hub-rollback", "hello", "--env", "test", "--yes"]).status(0);
}

fn interrupted(world: &World) {
    world.phase("Ctrl-C while Helm works");
    world.environment("test", "cull: {timeout: 1700}\n");
    let run = world.start(&TEST);
    world.wait_until("Helm works on the release", || {
        world.release_status("test").starts_with("pending")
    });
    run.signal_all(Signal::SIGINT);
    run.finish().status(130);
    assert!(!world.release_status("test").starts_with("pending"));
    world.xtask(&TEST).status(0);
}

fn two_at_once(world: &World) {
    world.phase("Two deployments at once");
    world.environment("test", "cull: {timeout: 1600}\n");
    let first = world.start(&TEST);
    world.wait_until("Helm works on the release", || {
        world.release_status("test").starts_with("pending")
    });
    world.xtask(&TEST).status(2).says("pending-upgrade");
    world.wait_until("the smoke test", || !world.pods("test", "singleuser-server").is_empty());
    world.xtask(&TEST).status(1).says("held by a deploy of");
    first.finish().status(0);
}

fn another_cluster(world: &World) {
    world.phase("Another cluster, and another context");
    let good = world.read("missions/hello/hub/test.yaml");
    for (from, to) in [
        ("kube-system/", "kube-system/other-"),
        (&*format!("context: {}", world.context), "context: nowhere"),
    ] {
        world.write("missions/hello/hub/test.yaml", &good.replace(from, to));
        world.commit("Another cluster");
        // Nothing is sent there.
        let done = world.xtask(&TEST).status(2);
        assert!(!done.stdout.contains("kubernetes accepts"));
    }
    world.write("missions/hello/hub/test.yaml", &good);
    world.commit("The cluster again");
}

fn dirty(world: &World) {
    world.phase("A working tree that differs");
    let before = world.versions("test");
    world.write(
        "missions/hello/hub/test.yaml",
        &(world.read("missions/hello/hub/test.yaml") + "# changed\n"),
    );
    world.xtask(&TEST).status(2).says("--dirty REASON");
    assert_eq!(world.versions("test"), before);
    world.git(&["checkout", "--quiet", "--", "."]);
}

fn missing_secret(world: &World) {
    world.phase("A Secret that is not there");
    let before = world.versions("test");
    world.environment(
        "test",
        "hub: {extraEnv: {TOKEN: {valueFrom: {secretKeyRef: {name: not-there, key: token}}}}}\n",
    );
    world.xtask(&TEST).status(2).says("not-there");
    assert_eq!(world.versions("test"), before);
    world.environment("test", "");
}

fn no_key(world: &World) {
    world.phase("Secrets that cannot be decrypted");
    let before = world.versions("test");
    let done = world.xtask_without_key(&TEST);
    assert!(matches!(done.code, Some(1..=3)), "{:?}", done.code);
    assert_eq!(world.versions("test"), before);
}

fn record_not_written(world: &World) {
    world.phase("A release record that cannot be written");
    let namespace = world.namespace("test");
    let record =
        ["--namespace", &namespace, "get", "configmap", "hello-test-releases", "-o", "json"];
    let stored = world.kubectl(&record);
    let patch = [
        "--namespace",
        &namespace,
        "patch",
        "configmap",
        "hello-test-releases",
        "--patch",
        "{\"immutable\": true}",
    ];
    world.kubectl(&patch);
    let pods = world.pods("test", "hub");
    let releases =
        || world.versions("test").into_iter().filter(|it| it.0.contains("sh.helm.release"));
    let before: Vec<_> = releases().collect();
    world.xtask(&TEST).status(1).says("the release was not changed");
    assert_eq!((world.pods("test", "hub"), releases().collect::<Vec<_>>()), (pods, before));
    world.kubectl(&["--namespace", &namespace, "delete", "configmap", "hello-test-releases"]);
    let mut object: serde_json::Value = serde_json::from_str(&stored).unwrap();
    object["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    world.kubectl_with(&["--namespace", &namespace, "create", "-f", "-"], &object.to_string());
}

fn another_archive(world: &World) {
    if world.settings.chart != crate::settings::Chart::Small {
        return;
    }
    world.phase("A chart that was replaced in its repository");
    let before = world.versions("test");
    world.repository.replaced(&world.settings, &world.images, || {
        world.forget_chart();
        let done = world.xtask(&TEST).says("is not the one of common/hub/chart.lock.yaml");
        assert!(matches!(done.code, Some(1 | 2)), "{:?}", done.code);
    });
    assert_eq!(world.versions("test"), before);
}

fn helm_4(world: &World) {
    world.phase("The same release with Helm 4, and with Helm 3 again");
    world.helm(4);
    world.xtask(&TEST).status(0);
    world.environment("test", BROKEN);
    world.xtask(&TEST).status(1).says("a mistake").says("is live, the same as");
    world.environment("test", "");
    world.xtask(&["hub-rollback", "hello", "--env", "test", "--yes"]).status(0);
    world.helm(3);
    world.xtask(&TEST).status(0);
}

/// Values with which the hub does not start.
const BROKEN: &str = "hub: {extraConfig: {broken: \"raise RuntimeError('a mistake')\"}}\n";

/// The cluster repeats a value that it refuses.
fn secret_in_an_error(world: &World) {
    world.phase("A secret in an error of the cluster");
    world.environment(
        "test",
        "hub: {extraEnv: {FOUND: {valueFrom: {secretKeyRef: {name: hub}}}}}\n",
    );
    let before = world.versions("test");
    let key = "hub: {extraEnv: {FOUND: {valueFrom: {secretKeyRef: {key: canary of a test}}}}}\n";
    world.with_secrets("test", key, || {
        world.xtask(&TEST).status(2).says("secretKeyRef.key: Invalid value: \"…\"");
    });
    assert_eq!(world.versions("test"), before);
    world.environment("test", "");
}

fn empty_secrets(world: &World) {
    world.phase("Secrets that are empty");
    let before = world.versions("test");
    for text in ["", "{}\n"] {
        world.with_secrets("test", text, || _ = world.xtask(&TEST).status(2));
    }
    assert_eq!(world.versions("test"), before);
}

fn rollback_fails(world: &World) {
    world.phase("A deployment that fails, and its rollback, too");
    world.environment("test", BROKEN);
    let hubs = world.pods("test", "hub");
    let run = world.start(&TEST);
    world.wait_until("a new hub", || {
        let now = world.pods("test", "hub");
        !now.is_empty() && now.keys().all(|it| !hubs.contains_key(it))
    });
    world.freeze("test", "hub");
    run.finish()
        .status(1)
        .says("a mistake")
        .says("could not be brought back")
        .says("the hub does not answer")
        .says("try again by `cargo xtask hub-rollback");
    world.environment("test", "");
    world.xtask(&["hub-status", "hello", "--env", "test"]).status(1);
    world.xtask(&["hub-history", "hello", "--env", "test"]).status(0);

    world.phase("The same by hand, and the way out");
    let rollback = ["hub-rollback", "hello", "--env", "test", "--yes"];
    world
        .xtask(&rollback)
        .status(1)
        .says("was not brought back")
        .says("the hub does not answer")
        .says("try again by `cargo xtask hub-rollback");
    let namespace = world.namespace("test");
    // A node keeps what it has of an immutable Secret, as long as a pod there uses it: the proxy, too.
    let stop = ["scale", "deploy/hub", "deploy/proxy", "--replicas=0"];
    world.kubectl(&[&["--namespace", &namespace][..], &stop].concat());
    let pods = "component in (hub, proxy)";
    world.kubectl(&["--namespace", &namespace, "delete", "pod", "--selector", pods]);
    world.kubectl(&["--namespace", &namespace, "delete", "secret", "hub"]);
    world.xtask(&rollback).status(0).says("did not succeed: hub and proxy may restart");
}

/// JupyterHub 5 to 6 and back, with the database of before.
#[test]
fn a_newer_major_version_and_back() {
    let world = World::new("major");
    if world.settings.chart != crate::settings::Chart::Small {
        return;
    }
    world.phase("A hub of JupyterHub 5");
    let (settings, images) = (&world.settings, &world.images);
    world.repository.package(settings, images, "0.0.5", &images.older_hub, "5.5.0");
    world.lock_chart(Some("0.0.5"));
    world.commit("JupyterHub 5");
    world.xtask(&TEST).status(0);
    world.person("test", "start", "ann");
    world.person("test", "stop", "ann");

    world.phase("JupyterHub 5 to 6, and the new hub does not start: the database is backed up");
    world.lock_chart(Some("0.1.0"));
    world.environment("test", BROKEN);
    let done = world.xtask(&TEST).status(1).says("might not open the database any more");
    let backup = backup_of(&done.both());
    let done = done.says("a mistake").says(&format!("--restore-db {backup}`"));
    assert!(!done.both().contains("bringing revision"));
    world.phase("JupyterHub 5 to 6, corrected");
    world.environment("test", "");
    let before = format!("its backup of before is {backup}");
    world.xtask(&TEST).status(0).says(&before);
    world.phase("And back: not without the database of before");
    world.lock_chart(Some("0.0.5"));
    world.commit("JupyterHub 5 again");
    world.xtask(&TEST).status(2).says("an older hub cannot open the database");
    world
        .xtask(&["hub-rollback", "hello", "1", "--env", "test", "--yes"])
        .status(2)
        .says("--restore-db");
    world.phase("And back, with the database of before");
    let restore = ["hub-rollback", "hello", "1", "--env", "test", "--restore-db", &backup, "--yes"];
    let before = world.versions("test");
    world.xtask(&[&["-n"], &restore[..]].concat()).status(0).says("python3 - restore");
    assert_eq!(world.versions("test"), before);
    world.xtask(&restore).status(0);
}

/// Returns the name of a backup that a run printed.
fn backup_of(said: &str) -> String {
    let at = said.find("jupyterhub.sqlite.xtask-").expect("a backup is named");
    let is_part = |it: &char| it.is_ascii_alphanumeric() || ".-".contains(*it);
    said[at..].chars().take_while(is_part).collect()
}
