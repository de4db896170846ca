//! The registry on this machine: its password, its one container, and other checkouts that use it.

use std::{fs, os::unix::fs::PermissionsExt as _};

use serde_json::{Value, json};

use crate::checkout::Checkout;

const NAME: &str = "science-platform-registry";
const PASSWORD: &str = "target/xtask/registry.password";

/// Returns the containers of registries on the engine.
fn registries(checkout: &Checkout) -> Vec<Value> {
    let is_registry = |it: &&Value| it.to_string().contains("role=registry");
    checkout.knows()["containers"].as_array().unwrap().iter().filter(is_registry).cloned().collect()
}

/// Changes the container of the registry.
fn edit(checkout: &Checkout, edit: impl Fn(&mut Value)) {
    let mut state = checkout.knows();
    edit(&mut state["containers"][0]);
    checkout.state("state.json", &state.to_string());
}

fn published() -> Checkout {
    let checkout = Checkout::new();
    checkout.run(&["image-all"]).status(0);
    checkout
}

#[test]
fn one_password_for_all_that_talks_to_it() {
    let checkout = Checkout::new();
    let done = checkout.run(&["image-all"]).status(0);
    done.called("network create").called("run --detach --name science-platform-registry");
    let password = checkout.read(PASSWORD);
    assert_eq!(password.len(), 64);
    let mode = fs::metadata(checkout.root().join(PASSWORD)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!checkout.calls().iter().any(|it| it.line().contains(&password)), "in a process list");
    let log = checkout.read("target/xtask/logs/registry.log");
    assert!(log.contains("XTASK_REGISTRY_PASSWORD=… ") && !log.contains(&password), "{log}");
    // Builds and tests do not get this tool's configuration.
    for call in checkout.calls() {
        let talks = ["manifest inspect", "image push 127.", "pull 127."];
        let talks = talks.iter().any(|it| call.line().starts_with(it));
        assert_eq!(call.env.contains(&"DOCKER_CONFIG".to_owned()), talks, "{}", call.line());
    }
}

#[test]
fn the_user_s_logins_stay() {
    let mut checkout = Checkout::new();
    let user = r#"{"auths": {"quay.io": {"auth": "c2VjcmV0"}}, "credsStore": "none-such"}"#;
    let dir = checkout.dir().join("docker-config");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("config.json"), user).unwrap();
    checkout.env("DOCKER_CONFIG", dir.to_str().unwrap());
    checkout.run(&["image-all"]).status(0);
    assert_eq!(fs::read_to_string(dir.join("config.json")).unwrap(), user);
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 1);
    // Requests to other registries use the user's configuration.
    let done = checkout.run(&["--set", "REGISTRY=quay.io/us", "image-push"]).status(0);
    assert!(done.calls.iter().any(|it| it.line().starts_with("image push quay.io/us")));
}

/// A client reads the registry's password from docker, so that a lost file does no harm.
#[test]
fn every_task_that_asks() {
    let checkout = published();
    checkout.remove(PASSWORD);
    let host = registries(&checkout)[0]["ports"].as_str().unwrap().replace("->5000/tcp", "");
    let human = format!("{host}/hello:latest-sandbox");
    let digest = checkout.knows()["registry"][&human]["digest"].as_str().unwrap().to_owned();
    for args in [
        &["receipt", "show", &format!("hello@{digest}")][..],
        &["receipt", "show", &format!("{host}/hello@{digest}")],
        &["explain"],
        &["image-push", "--promote", "v1"],
        &["--set", &format!("REGISTRY={host}"), "image-push", "--promote", "v2", "--from", &digest],
        &["image-push"],
    ] {
        checkout.run(args).status(0).never_says("no basic auth");
    }
    assert_eq!(checkout.read(PASSWORD).len(), 64);
    fs::remove_dir_all(checkout.root().join("target/xtask/receipts")).unwrap();
    checkout.run(&["image-test"]).status(0).never_called("role=test");
}

/// A registry without a password, under a name of docker's choice.
#[test]
fn one_of_an_earlier_version_is_replaced() {
    let checkout = published();
    edit(&checkout, |it| {
        it["name"] = "funny_brattain".into();
        it["env"] = json!([]);
    });
    let old = registries(&checkout)[0]["id"].clone();
    // Tasks that only read change nothing.
    checkout.run(&["explain"]).status(0).did_nothing();
    checkout.run(&["-n", "image-all"]).status(0).did_nothing();
    let done = checkout.run(&["image-build"]).status(0);
    done.says("removed the registry of an earlier version, which had no password; its images stay");
    assert_eq!(registries(&checkout), [json!(null); 0]);
    checkout.run(&["image-push"]).status(0).called("--volume science-platform-registry:/var/lib/");
    let new = registries(&checkout);
    assert_eq!((new.len(), new[0]["name"].as_str()), (1, Some(NAME)));
    assert_ne!(new[0]["id"], old);
}

/// Status 0 of `docker rm` is not enough.
#[test]
fn one_of_an_earlier_version_that_stays() {
    let mut checkout = published();
    edit(&checkout, |it| it["name"] = "funny_brattain".into());
    checkout.flaw(json!({ "on": "container rm --force", "status": 0 }));
    let done = checkout.run(&["image-test"]).status(1).never_called("role=test");
    done.says("could not be removed").says("fix: `docker rm --force …`");
}

#[test]
fn a_half_made_container() {
    // Created, but never started.
    let checkout = published();
    edit(&checkout, |it| it["ports"] = "".into());
    checkout.run(&["image-push"]).status(0).called("container start").never_called("--detach");
    // It cannot start: its port is taken.
    let mut checkout = published();
    let password = checkout.read(PASSWORD);
    edit(&checkout, |it| it["ports"] = "".into());
    let taken = "Bind for 127.0.0.1:5000 failed: port is already allocated\n";
    checkout.fail("container start", 1, taken);
    let done = checkout.run(&["image-push"]).status(0);
    done.called("container rm --force").called("run --detach --name science-platform-registry");
    assert_eq!(registries(&checkout).len(), 1);
    assert_eq!(checkout.read(PASSWORD), password, "people would have to log in again");
    // No other port is free either: reported, and not tried for ever.
    edit(&checkout, |it| it["ports"] = "".into());
    checkout.fail("run --detach --name", 125, taken);
    let done = checkout.run(&["image-push"]).status(1);
    done.says("the registry on this machine does not start").says("port is already allocated");
    checkout.restore_docker();
    checkout.run(&["image-push"]).status(0);
}

#[test]
fn one_that_does_not_answer() {
    let mut checkout = published();
    let password = checkout.read(PASSWORD);
    let first = registries(&checkout)[0]["id"].clone();
    checkout.env("XTASK_PATIENCE", "300");
    checkout.fail("none:none", 1, "dial tcp 127.0.0.1:5000: connect: connection refused\n");
    let done = checkout.run(&["image-push"]).status(1).never_called("image push");
    done.says("does not answer after").says("connection refused");
    assert_ne!(registries(&checkout)[0]["id"], first);
    checkout.restore_docker();
    checkout.run(&["image-push"]).status(0);
    assert_eq!(checkout.read(PASSWORD), password);
}

#[test]
fn a_container_of_others_with_its_name() {
    let mut checkout = Checkout::new();
    let state = json!({ "images": [], "registry": {}, "clock": 1, "containers": [{
        "id": "0".repeat(64), "name": NAME, "labels": [], "ports": "", "results": null,
        "image": "nginx", "command": [],
    }]});
    checkout.state("state.json", &state.to_string());
    let done = checkout.run(&["image-all"]).status(1).never_called("container rm");
    done.says("is not this tool's").says("fix: `docker rename science-platform-registry");
    checkout.restore_docker();
}

/// Creating the container is the lock: the second run waits for the first one's.
#[test]
fn two_checkouts_start_it_at_once() {
    let mut first = Checkout::new();
    let mut second = first.copy();
    second.env("STAND_IN", first.dir().join("state").to_str().unwrap());
    first.run(&["image-build"]).status(0);
    first.run(&["image-test"]).status(0);
    second.run(&["image-test"]).status(0);
    // The first run has checked, found no container, and then is slow.
    first.flaw(json!({ "on": "network create", "hold": true }));
    let mut slow = first.start(&["image-push"]);
    slow.wait_for_hold();
    second.run(&["image-push"]).status(0);
    assert_eq!(registries(&first).len(), 1);
    first.state("go", "");
    slow.finish().status(0).called("run --detach --name");
    assert_eq!(registries(&first).len(), 1);
    assert_eq!(first.read(PASSWORD), second.read(PASSWORD));
}
