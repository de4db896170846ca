//! Tests in containers, and receipts.

use serde_json::{Value, json};

use crate::checkout::Checkout;

fn receipt(checkout: &Checkout) -> Value {
    let dir = checkout.root().join("target/xtask/receipts/hello");
    let mut files = std::fs::read_dir(dir).unwrap().map(|it| it.unwrap().path());
    serde_json::from_str(&std::fs::read_to_string(files.next().unwrap()).unwrap()).unwrap()
}

fn containers(checkout: &Checkout) -> usize {
    let containers = checkout.knows()["containers"].as_array().unwrap().clone();
    containers.iter().filter(|it| it["labels"][0] != "science-platform.role=registry").count()
}

#[test]
fn exit_masked() {
    let checkout = Checkout::new();
    checkout.failing(&["numpy"]);
    let done = checkout.run(&["image-all"]).status(1).never_called("push");
    done.says("hello: import numpy").says("numpy is broken").says("failed");
    assert_eq!(containers(&checkout), 0);
    checkout.run(&["image-test"]).status(1);
    checkout.failing(&[]);
    checkout.run(&["image-all"]).status(0).called("role=test").called("push");
}

#[test]
fn every_failure_is_shown() {
    let checkout = Checkout::new();
    checkout.failing(&["numpy", "plot.ipynb", "pip check"]);
    let done = checkout.run(&["--json", "image-all"]).status(1);
    let summary = done.json();
    let row = summary["images"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((row["passed"].as_u64(), row["failed"].as_u64()), (Some(9), Some(3)));
    done.says("import numpy").says("notebook plot.ipynb").says("consistency pip check");
}

#[test]
fn first_bad_stops_no_test() {
    let checkout = Checkout::new();
    checkout.mission("roman");
    checkout.file("missions/roman/environments/roman/tests/imports", "astropy\n");
    checkout.failing(&["numpy"]);
    let done = checkout.run(&["--json", "image-all", "--all"]).status(1).never_called("push");
    let rows = done.json()["images"].as_array().unwrap().clone();
    let failed = |name: &str| rows.iter().find(|it| it["image"] == name).unwrap()["failed"].clone();
    assert_eq!((failed("hello"), failed("roman")), (1.into(), 0.into()));
}

#[test]
fn count_as_status() {
    let mut checkout = Checkout::new();
    checkout.failing(&["numpy"]);
    checkout.flaw(json!({ "on": "role=test", "status": 0, "after": true }));
    checkout.run(&["image-all"]).status(1).says("import numpy").never_called("push");
}

#[test]
fn a_status_without_a_failure_is_one() {
    let mut checkout = Checkout::new();
    checkout.flaw(json!({ "on": "role=test", "status": 137, "after": true }));
    let done = checkout.run(&["image-all"]).status(1).never_called("push");
    done.says("failed with status 137");
}

#[test]
fn nothing_tested_in_the_container() {
    let checkout = Checkout::new();
    checkout.failing(&["/opt/environments/test"]);
    let done = checkout.run(&["image-all"]).status(1).never_called("push");
    done.says("left no results");
}

#[test]
fn a_test_that_did_not_run_is_a_failure() {
    let mut checkout = Checkout::new();
    checkout.run(&["image-build"]).status(0);
    // As if the mission's own `test` ran only a part: the image knows of fewer tests.
    let mut state = checkout.knows();
    for image in state["images"].as_array_mut().unwrap() {
        image["tests"].as_array_mut().unwrap().retain(|it| it["kind"] != "notebook");
    }
    checkout.state("state.json", &state.to_string());
    let done = checkout.run(&["image-test"]).status(1);
    done.says("hello: notebook plot.ipynb").says("it was not run");
    checkout.mend();
}

#[test]
fn a_container_that_does_not_start() {
    let mut checkout = Checkout::new();
    checkout.fail("role=test", 125, "docker: invalid reference format\n");
    let done = checkout.run(&["image-all"]).status(1).never_called("push");
    done.says("docker: invalid reference format");
}

#[test]
fn run_twice() {
    let checkout = Checkout::new();
    checkout.run(&["image-build"]).status(0);
    checkout.run(&["image-test"]).status(0).called("role=test");
    checkout.run(&["image-test"]).status(0).did_nothing();
    checkout.run(&["image-test", "--again"]).status(0).called("role=test");
    checkout.run(&["image-all"]).status(0).never_called("role=test");
}

#[test]
fn receipts() {
    let checkout = Checkout::new();
    checkout.run(&["image-all"]).status(0);
    let receipt = receipt(&checkout);
    assert_eq!(receipt["mission"], "hello");
    assert_eq!(receipt["tests"].as_array().unwrap().len(), 12);
    assert_eq!(receipt["published"].as_array().unwrap().len(), 1);
    assert!(receipt["frozen_specs"]["hello"].as_str().unwrap().len() == 64);
    assert_eq!(containers(&checkout), 0);
}

#[test]
fn fixed_port() {
    let checkout = Checkout::new();
    checkout.run(&["image-build"]).status(0);
    checkout.run(&["image-test"]).status(0).never_called("--publish").never_called(" -p ");
    checkout.run(&["image-exec", "true"]).status(0).never_called("--publish");
}

#[test]
fn limits_and_parameters() {
    let mut checkout = Checkout::new();
    checkout.env("IMAGE_RUN_PARS", "--env 'GREETING=hello there'");
    checkout.env("TEST_MEMORY", "2g");
    let done = checkout.run(&["image-all"]).status(0).called("--memory 2g");
    let test = done
        .calls
        .iter()
        .find(|it| it.line().starts_with("create --label science-platform.role=test --"))
        .unwrap();
    assert!(test.argv.contains(&"GREETING=hello there".to_owned()), "{:?}", test.argv);
}

#[test]
fn what_is_not_built_is_not_tested() {
    let checkout = Checkout::new();
    let done = checkout.run(&["image-test"]).did_nothing();
    done.status(1).says("it is not built").says("run `cargo xtask image-build`");
}
