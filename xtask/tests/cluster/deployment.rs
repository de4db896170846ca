//! A hub from its first deployment to production, upgraded, broken and brought back.

use std::{collections::BTreeSet, time::Instant};

use serde_json::{Value, json};

use crate::{images, settings::Chart, world::World};

const STAGING: [&str; 4] = ["hub-deploy", "hello", "--env", "staging"];

const PROMOTE: [&str; 7] = ["hub-deploy", "hello", "--env", "prod", "--from", "staging", "--yes"];

/// A digest that no registry has.
const MISSING: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

#[test]
fn a_hub_from_staging_to_production_and_back() {
    let world = World::new("deployment");
    first_deployment(&world);
    promotion(&world);
    let old = new_image(&world);
    missing_digest(&world);
    another_receipt(&world, &old);
    another_platform(&world);
    unreachable_for_nodes(&world);
    failing_hub(&world);
    promotion_of_what_changed(&world);
    rollback(&world);
    killed_helm(&world);
    changed_by_hand(&world);
    world.phase("What the cluster knows of it");
    world.xtask(&["hub-history", "hello", "--env", "staging"]).status(0);
    world.xtask(&["hub-history", "hello", "--env", "prod"]).status(0);
    world.xtask(&["hub-status", "hello", "--env", "prod"]).status(0);
}

fn deploy(more: &[&'static str]) -> Vec<&'static str> {
    [&STAGING[..], &["--yes"], more].concat()
}

fn first_deployment(world: &World) {
    world.phase("A dry run, of a hub that is not there yet");
    let before = world.versions("staging");
    world.xtask(&[&["-n"], &STAGING[..]].concat()).status(0);
    assert_eq!(world.versions("staging"), before);
    assert!(before.is_empty(), "{before:?}");

    world.phase("The first deployment");
    world.xtask(&deploy(&[])).status(0);
    world.xtask(&["hub-status", "hello", "--env", "staging"]).status(0);
    world.xtask(&["hub-history", "hello", "--env", "staging"]).status(0);
    assert!(
        world.pods("staging", "singleuser-server").is_empty(),
        "the smoke test's server is there"
    );

    world.phase("A dry run, of a hub that runs");
    let before = world.versions("staging");
    world.xtask(&[&["-n"], &STAGING[..]].concat()).status(0);
    assert_eq!(world.versions("staging"), before);
}

fn promotion(world: &World) {
    world.phase("A dry run of the promotion to production");
    let before = world.versions("prod");
    world.xtask(&[&["-n"], &PROMOTE[..]].concat()).status(0);
    assert_eq!(world.versions("prod"), before);
    world.phase("Promotion to production");
    world.xtask(&PROMOTE).status(0);
    assert_eq!(world.user_image("prod"), world.user_image("staging"));
    world.xtask(&["hub-history", "hello", "--env", "prod"]).status(0).says("staging");
}

/// Accept: only `singleuser.image` changes, the hub restarts once at most, and no user's server; the summary
/// says so before. Returns the former image.
fn new_image(world: &World) -> String {
    world.phase("A new image, while ann's server runs");
    let old = world.user_image("staging");
    world.person("staging", "start", "ann");
    let servers = world.pods("staging", "singleuser-server");
    let (hubs, proxies) = (world.created("staging", "hub"), world.pods("staging", "proxy"));
    world.write("missions/hello/default-home-contents/notes.md", "A file of the new image.\n");
    world.commit("A new file in new homes");
    world.xtask(&["image-all", "hello"]).status(0);
    world
        .xtask(&[&["-n"], &STAGING[..]].concat())
        .status(0)
        .says("the hub restarts, since values change: singleuser.image.tag")
        .says(
            "users' servers: new ones get `singleuser.image.tag`; running ones keep what they have",
        );
    world.xtask(&deploy(&[])).status(0);
    assert_ne!(world.user_image("staging"), old);
    assert_eq!(world.pods("staging", "singleuser-server"), servers);
    assert_eq!(world.pods("staging", "proxy"), proxies);
    let restarts = world.created("staging", "hub").difference(&hubs).count();
    assert!(restarts <= 1, "the hub restarted {restarts} times");
    world.person("staging", "start", "bob");
    world
        .xtask(&["hub-status", "hello", "--env", "staging"])
        .status(0)
        .says("1 server still runs an older image");
    world.person("staging", "stop", "bob");
    old
}

fn missing_digest(world: &World) {
    world.phase("An image that does not exist");
    let image = format!("{}/hello:x@{MISSING}", world.settings.nodes);
    world.environment("staging", &with_user_image(&image));
    let before = world.versions("staging");
    world.xtask(&deploy(&[])).status(2).says("no receipt certifies");
    world
        .xtask(&deploy(&["--untested", "a test of the preflight"]))
        .status(2)
        .says("the registry does not have");
    assert_eq!(world.versions("staging"), before);
    world.environment("staging", "");
}

/// Returns the values with an image of users.
fn with_user_image(reference: &str) -> String {
    let (name, tag) = reference.split_at(reference.find("/hello:").unwrap() + "/hello".len());
    format!("singleuser: {{image: {{name: \"{name}\", tag: \"{}\"}}}}\n", &tag[1..])
}

fn another_receipt(world: &World, old: &str) {
    world.phase("A receipt that is that of another image");
    let new = world.user_image("staging");
    world.environment("staging", &with_user_image(&new));
    let before = world.versions("staging");
    let digest = |it: &str| it.rsplit_once('@').unwrap().1.to_owned();
    images::with_receipt(&world.settings, &digest(old), &digest(&new), || {
        world
            .xtask(&deploy(&[]))
            .status(2)
            .says("no receipt certifies")
            .says("the receipt is about another image");
    });
    assert_eq!(world.versions("staging"), before);
    world.environment("staging", "");
}

fn another_platform(world: &World) {
    world.phase("An image for another platform than the nodes'");
    let image = images::of_another_platform(&world.settings);
    world.environment("staging", &with_user_image(&format!("{}:{}", image.name, image.tag)));
    let before = world.versions("staging");
    world
        .xtask(&deploy(&["--untested", "a test of the preflight"]))
        .status(2)
        .says("is for linux/s390x; the nodes are");
    assert_eq!(world.versions("staging"), before);
    world.environment("staging", "");
}

/// Accept: an image that does not exist ends the wait on the first event that says so.
fn unreachable_for_nodes(world: &World) {
    world.phase("A registry that nodes know by another name");
    let before = (world.user_image("staging"), world.pods("staging", "hub"));
    let values = world.place_with_registry("staging", &format!("{}/nowhere", world.settings.nodes));
    world.write("missions/hello/hub/staging.yaml", &values);
    world.commit("A wrong registry");
    let run = world.start(&deploy(&[]));
    world.wait_until("an event says that the image does not exist", || {
        world.events("staging").iter().any(is_about_a_missing_image)
    });
    let seen = Instant::now();
    run.finish().status(1).says("hook-image-puller").says("not found");
    // `cargo xtask bench --cluster` reads it.
    world.figures(&json!({"missing_image": seen.elapsed().as_secs_f64()}));
    assert_eq!((world.user_image("staging"), world.pods("staging", "hub")), before);
    assert_eq!(world.pulls("staging", "hook-image-puller"), 1, "the wait went on");
    world.wait_until("the hook ends", || world.pods("staging", "hook-image-puller").is_empty());
    world.environment("staging", "");
}

fn is_about_a_missing_image(event: &Value) -> bool {
    let says = |part: &str| event["message"].as_str().is_some_and(|it| it.contains(part));
    event["reason"] == "Failed" && says("/nowhere/") && says("not found")
}

fn failing_hub(world: &World) {
    world.phase("A configuration with which the hub does not start, rolled back");
    let before = world.user_image("staging");
    let servers = world.pods("staging", "singleuser-server");
    world.environment(
        "staging",
        "hub: {extraConfig: {broken: \"raise RuntimeError('a mistake in extraConfig')\"}}\n",
    );
    let done = world.xtask(&deploy(&[])).status(1);
    done.says("a mistake in extraConfig").says("CrashLoopBackOff");
    assert_eq!(world.user_image("staging"), before);
    assert_eq!(world.pods("staging", "singleuser-server"), servers);
    world.environment("staging", "");
    world.xtask(&["hub-status", "hello", "--env", "staging"]).status(0);
}

fn promotion_of_what_changed(world: &World) {
    world.phase("Promotion, refused: staging runs something else than what was tested");
    let before = world.versions("prod");
    world.xtask(&PROMOTE).status(2).says("was not looked at by a smoke test");
    // The same once more, by another tool.
    let newest = world.newest("staging").to_string();
    world.helm_itself("staging", &["rollback", "hello-staging", &newest]);
    world.xtask(&PROMOTE).status(2).says("has no record");
    assert_eq!(world.versions("prod"), before);
    world.xtask(&["hub-history", "hello", "--env", "staging"]).status(0).says("outside xtask");
}

fn rollback(world: &World) {
    world.phase("A rollback by hand");
    let newer = world.user_image("staging");
    let before = world.versions("staging");
    world.xtask(&["-n", "hub-rollback", "hello", "1", "--env", "staging"]).status(0);
    assert_eq!(world.versions("staging"), before);
    world.xtask(&["hub-rollback", "hello", "1", "--env", "staging", "--yes"]).status(0);
    assert_ne!(world.user_image("staging"), newer);
    world.xtask(&deploy(&[])).status(0);
    assert_eq!(world.user_image("staging"), newer);
}

fn killed_helm(world: &World) {
    world.phase("A deployment that is killed, and the release unlocked");
    world.environment("staging", "cull: {timeout: 1800}\n");
    let run = world.start(&deploy(&[]));
    world.wait_until("Helm works on the release", || {
        world.release_status("staging").starts_with("pending")
    });
    run.kill_all();
    run.finish();
    world.xtask(&deploy(&[])).status(2).says("hub-rollback").says("--unlock");
    let unlock = ["hub-rollback", "hello", "--env", "staging", "--unlock", "--yes"];
    // Pods are still replaced.
    let stored = || {
        let is_stored =
            |it: &(String, String)| it.0.starts_with("Secret/") || it.0.starts_with("ConfigMap/");
        world.versions("staging").into_iter().filter(is_stored).collect::<Vec<_>>()
    };
    let before = stored();
    world.xtask(&[&["-n"], &unlock[..]].concat()).status(0);
    assert_eq!(stored(), before);
    // The lock of the killed run expires meanwhile.
    world.xtask(&unlock).status(0);
    assert_eq!(world.release_status("staging"), "deployed");
    world.xtask(&deploy(&[])).status(0);
    let names: BTreeSet<String> = world.created("staging", "hub");
    eprintln!("hubs so far: {names:?}");
}

fn changed_by_hand(world: &World) {
    if world.settings.chart != Chart::Small {
        return;
    }
    world.phase("A change by hand, found");
    let namespace = world.namespace("staging");
    world.kubectl(&["--namespace", &namespace, "set", "env", "deploy/hub", "BY_HAND=1"]);
    let drift = ["hub-status", "hello", "--env", "staging", "--drift"];
    world.xtask(&drift).status(1).says("env[BY_HAND]");
    // As docs/hub.md says.
    world.xtask(&deploy(&[])).status(0).says("neither hub nor proxy restarts");
    world.xtask(&drift).status(1).says("env[BY_HAND]");
}
