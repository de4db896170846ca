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
    assert_eq!((row["passed"].as_u64(), row["failed"].as_u64()), (Some(10), Some(3)));
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
fn a_status_after_complete_results_is_a_failure() {
    let checkout = Checkout::new();
    checkout.failing(&["killed"]);
    let done = checkout.run(&["image-all"]).status(1).never_called("push");
    done.says("failed with status 137");
}

/// An environment that the mission has and the image lacks.
#[test]
fn what_the_image_does_not_tell_is_a_failure() {
    let checkout = Checkout::new();
    checkout.failing(&["image.json"]);
    let done = checkout.run(&["image-all"]).status(1).never_called("push");
    done.says("hello: mission contents").says("does not tell what it holds");
    // A receipt that another tool made does not count either.
    checkout.failing(&[]);
    checkout.run(&["image-test", "--again"]).status(0);
    let path = "target/xtask/receipts/hello";
    let file = std::fs::read_dir(checkout.root().join(path)).unwrap().next().unwrap().unwrap();
    let mut receipt = receipt(&checkout);
    receipt["contents"]["environments"] = json!({});
    let name = format!("{path}/{}", file.file_name().to_string_lossy());
    checkout.file(&name, &receipt.to_string());
    checkout.run(&["image-push"]).status(1).never_called("push");
}

#[test]
fn nothing_tested_in_the_container() {
    let checkout = Checkout::new();
    checkout.failing(&["/opt/environments/test"]);
    let done = checkout.run(&["image-all"]).status(1).never_called("push");
    done.says("no results; ");
}

#[test]
fn a_test_that_did_not_run_is_a_failure() {
    let mut checkout = Checkout::new();
    checkout.run(&["image-build"]).status(0);
    // Like a mission's own `test` that runs only a part: the image has fewer tests.
    let mut state = checkout.knows();
    for image in state["images"].as_array_mut().unwrap() {
        image["tests"].as_array_mut().unwrap().retain(|it| it["kind"] != "notebook");
    }
    checkout.state("state.json", &state.to_string());
    let done = checkout.run(&["image-test"]).status(1);
    done.says("hello: notebook plot.ipynb").says("not run: ");
    checkout.restore_docker();
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
    assert_eq!(receipt["tests"].as_array().unwrap().len(), 13);
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
    checkout.env("TEST_DISK", "500m");
    checkout.env("TEST_DATA", "/srv/crds:/opt/crds");
    checkout.env("PATIENCE", "3");
    let done = checkout.run(&["image-all"]).status(0).called("--memory 2g").called("PATIENCE=3");
    // It may contain --privileged, which is for people, not for tests.
    let done = done.never_called("GREETING");
    done.called("--mount type=bind,source=/srv/crds,target=/opt/crds,readonly");
    assert_eq!(receipt(&checkout)["data"], json!(["/srv/crds:/opt/crds"]));
    let told = plan(&checkout);
    assert_eq!((&told["disk"], &told["network"]), (&json!(500_000_000), &json!("none")));
    checkout.env("TEST_NETWORK", "egress");
    checkout.run(&["image-test", "--again"]).status(0).called("--read-only --network bridge");
}

/// A test's mounts from the machine are refused where they would hide the image's files.
#[test]
fn wrong_test_settings() {
    let checkout = Checkout::new();
    for (setting, says) in [
        ("TEST_DATA=/data", "expected SOURCE:TARGET"),
        ("TEST_DATA=/data:/opt/conda/lib", "would hide /opt/conda of the image"),
        ("TEST_DATA=/da,ta:/x", "takes no comma"),
        ("TEST_DATA=../data:/x", "the name of a volume before the colon"),
        ("TEST_DATA=/data:/x/../etc", "an absolute path after the colon"),
        ("TEST_MEMORY=lots", "as in 500m or 4g"),
        ("TEST_MEMORY=4", "at least 6m"),
        ("TEST_MEMORY=4gg", "as in 500m or 4g"),
        ("TEST_DISK=10", "with a unit"),
        ("TEST_DISK=0g", "with a unit"),
        ("TEST_NETWORK=host", "expected `none` or `egress`"),
        ("TEST_MAX_AGE=30", "as in 12h, 30d or 8w, or 0"),
        ("TEST_MAX_AGE=-1d", "as in 12h, 30d or 8w, or 0"),
        ("PATIENCE=-1", "a number from 0.1 to 1000"),
    ] {
        let done = checkout.run(&["--set", setting, "image-test"]).status(2).did_nothing();
        done.says(setting).says(says);
    }
}

#[test]
fn what_is_not_built_is_not_tested() {
    let checkout = Checkout::new();
    let done = checkout.run(&["image-test"]).did_nothing();
    done.status(1).says("not built").says("run `cargo xtask image-build hello`");
}

/// Returns the plan of the containers.
fn plan(checkout: &Checkout) -> Value {
    let sent = checkout.knows()["sent"].as_array().unwrap().clone();
    serde_json::from_str(sent.last().unwrap().as_str().unwrap()).unwrap()
}

#[test]
fn a_selection_is_told_and_leaves_the_receipt() {
    let checkout = Checkout::new();
    checkout.run(&["image-all"]).status(0);
    let before = receipt(&checkout);
    let args = ["--env", "hello", "--only", "num*", "--imports", "--jobs", "3", "--timeout", "5"];
    let done = checkout.run(&[&["image-test"], args.as_slice()].concat()).status(0);
    // None of the tests of the whole image is selected.
    done.called("role=test ").never_called("role=test-hub");
    let told = plan(&checkout);
    assert_eq!((&told["environments"], &told["only"]), (&json!(["hello"]), &json!(["num*"])));
    assert_eq!((&told["kinds"], &told["tests"]), (&json!(["import"]), &json!([])));
    assert_eq!((&told["jobs"], &told["timeout"]), (&json!(3), &json!(5)));
    assert_eq!(told["times"]["hello"]["plot.ipynb"], 0.5);
    assert_eq!(receipt(&checkout), before);
    checkout.run(&["image-test", "--only", "login"]).status(0).called("role=test-hub");

    checkout.failing(&["numpy"]);
    checkout.run(&["image-test", "--imports"]).status(1).says("numpy is broken");
    assert_eq!(receipt(&checkout), before);
    checkout.run(&["image-push"]).status(0);
}

#[test]
fn what_failed_is_run_again() {
    let checkout = Checkout::new();
    checkout.run(&["image-build"]).status(0);
    let done = checkout.run(&["image-test", "--failed"]).status(2).never_called("role=test");
    done.says("hello has no receipt that says what failed");
    checkout.failing(&["numpy", "login"]);
    checkout.run(&["image-test"]).status(1);
    checkout.failing(&[]);
    checkout.run(&["image-test", "--failed"]).status(0).called("role=test-hub");
    let tests = json!([["", "shell", "login"], ["hello", "import", "numpy"]]);
    assert_eq!(plan(&checkout)["tests"], tests);
    // The tests passed, but a receipt is missing.
    checkout.run(&["image-push"]).status(1).says("its tests failed");
    checkout.run(&["image-test"]).status(0);
    let done = checkout.run(&["image-test", "--failed"]).status(0).never_called("role=test");
    done.says("hello: nothing failed last time");
}

#[test]
fn wrong_selections() {
    let checkout = Checkout::new();
    checkout.run(&["image-build"]).status(0);
    let done = checkout.run(&["image-test", "--env", "helo"]).status(2).did_nothing();
    done.says("--env helo: unknown environment; expected one of: hello");
    checkout.run(&["image-test", "--only", "***"]).status(2).did_nothing();
    checkout.run(&["image-test", "--jobs", "0"]).status(2).did_nothing();
}

#[test]
fn tests_of_the_working_tree() {
    let checkout = Checkout::new();
    checkout.run(&["image-test", "--dev"]).status(1).says("no image of hello yet");
    checkout.run(&["image-all"]).status(0);
    let before = receipt(&checkout);
    checkout.file("missions/hello/environments/hello/tests/plot.ipynb", "{ }\n");
    checkout.run(&["image-test"]).status(1).says("not built (its inputs changed)");
    let done = checkout.run(&["image-test", "--dev"]).status(0).called(":/opt/tester");
    done.called("target=/opt/environments/hello/tests").called(":/opt/environments");
    assert_eq!(receipt(&checkout), before);
    assert!(checkout.has("target/xtask/test-selection/hello/results.jsonl"));
    checkout.failing(&["numpy"]);
    let done = checkout.run(&["image-test", "--dev"]).status(1);
    done.says("again: cargo xtask image-test hello --dev --env hello --only numpy");
}

#[test]
fn failures_come_first_with_what_reproduces_them() {
    let checkout = Checkout::new();
    checkout.failing(&["numpy", "login"]);
    let done = checkout.run(&["image-all"]).status(1);
    let at = |part: &str| done.stderr.find(part).unwrap_or_else(|| panic!("no `{part}`"));
    assert!(at("shell login\n    login is broken") < at("IMAGE "));
    assert!(at("again: cargo xtask image-test hello --only login") < at("IMAGE "));
    assert!(at("hello: import numpy\n    numpy is broken") < at("IMAGE "));
}

#[test]
fn starts_not() {
    let mut checkout = Checkout::new();
    checkout.run(&["image-build"]).status(0);
    checkout.failing(&["own command"]);
    let done = checkout.run(&["image-test"]).status(1).says("server own command");
    done.called("role=test-hub").called("target=/home/jovyan,volume-nocopy");
    // Like an entry point that ended before any of it ran.
    checkout.failing(&[]);
    checkout.fail("volume create", 1, "no space left on device\n");
    checkout.run(&["image-test"]).status(1).says("no space left on device");
    checkout.restore_docker();
    checkout.run(&["image-test"]).status(0);
    assert_eq!(checkout.knows()["volumes"], json!([]));
    assert_eq!(containers(&checkout), 0);
}

/// Notebooks that a list names are required: a mission's own test script could skip them.
#[test]
fn notebooks_of_a_list_have_to_run() {
    let checkout = Checkout::new();
    let list = "../tests/a.ipynb\n/opt/default-home-contents/x/*.ipynb  # why\n/elsewhere.ipynb\n";
    checkout.file("missions/hello/environments/hello/tests/notebooks", list);
    checkout.file("missions/hello/.dockerignore", "*\n!environments\n!default-home-contents\n");
    for name in
        ["environments/hello/tests/a", "default-home-contents/x/b", "default-home-contents/c"]
    {
        checkout.file(&format!("missions/hello/{name}.ipynb"), "{}");
    }
    let done = checkout.run(&["image-all"]).status(1);
    let done = done.says("hello: notebook /opt/default-home-contents/x/b.ipynb\n    not run: ");
    done.never_says("a.ipynb").never_says("c.ipynb").never_says("elsewhere");
}
