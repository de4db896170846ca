//! New missions, and invalid names.

use crate::checkout::Checkout;

const NEW: &[&str] = &["mission-new", "euclid", "--env", "nisp", "--env", "vis"];

#[test]
fn a_new_mission_passes_every_rule() {
    let checkout = Checkout::of_this_repository();
    checkout.run(NEW).status(0);
    for file in ["Dockerfile", "environments/vis/vis.pip", "environments/nisp/tests/imports"] {
        assert!(checkout.has(&format!("missions/euclid/{file}")), "{file}");
    }
    checkout.git();
    let found = checkout.run(&["check"]).stdout;
    assert!(!found.contains("euclid"), "{found}");
}

/// A team deletes the missions that it does not need; all but `hello` are examples.
#[test]
fn nothing_needs_the_examples() {
    let checkout = Checkout::clone_of_this_repository();
    checkout.remove_examples();
    checkout.commit();
    for task in [
        "check",
        "image-update --all --check",
        "freeze --check --all",
        "list",
        "config --all",
        "explain --all",
        "why numpy --all",
        "-n image-all --all",
        "-n bench --cold",
        "-n ci --engine default --only check",
    ] {
        let args: Vec<&str> = task.split(' ').collect();
        checkout.run(&args).status(0).did_nothing();
    }
    let done = checkout.run(&["bench", "--missions"]).status(2);
    done.says("no mission `roman` under missions/").did_nothing();
}

#[test]
fn a_new_mission_builds() {
    let checkout = Checkout::new();
    checkout.run(NEW).status(0);
    checkout.run(&["image-all", "euclid"]).status(2).says("--floating");
    checkout.run(&["image-all", "euclid", "--floating"]).status(0).called("push");
    checkout.run(&["mission-new", "euclid"]).status(2).says("is there already");
}

#[test]
fn a_dry_run_writes_nothing() {
    let checkout = Checkout::new();
    checkout.run(&["-n", "mission-new", "euclid"]).status(0).says("euclid.pip");
    assert!(!checkout.has("missions/euclid"));
}

#[test]
fn names_that_cannot_be_had() {
    let checkout = Checkout::new();
    let refused = |args: &[&str], why: &str| {
        checkout.run(&[&["mission-new"], args].concat()).status(2).says(why);
    };
    refused(&["common"], "choose another name");
    refused(&["Euclid"], "lower-case letters");
    refused(&["../euclid"], "lower-case letters");
    refused(&["a b"], "lower-case letters");
    refused(&["euclid", "--env", "base"], "in every image already");
    refused(&["euclid", "--env", "python3"], "the kernel of the base");
    // The case environment-named-test.
    refused(&["zz", "--env", "test"], "`environments/test` is the mission's own script for tests");
    refused(&["euclid", "--env", "vis", "--env", "vis"], "named twice");
    checkout.file("missions/registry/Dockerfile", "FROM scratch\n");
    checkout.run(&["list"]).status(2).says("missions/registry");
}
