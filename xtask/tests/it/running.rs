//! Signals, and two concurrent runs.

use nix::sys::signal::Signal;
use serde_json::json;

use crate::checkout::Checkout;

/// Returns a checkout where docker's command lines with `on` do their work and then do not end.
fn slow(on: &str) -> Checkout {
    let mut checkout = Checkout::new();
    checkout.flaw(json!({ "on": on, "hold": true }));
    checkout
}

#[test]
fn interrupted_tests_leave_no_container() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        // Not by the role, which the volume of the tests beside it has, too.
        let checkout = slow("hello.test.cid");
        let mut running = checkout.start(&["image-all"]);
        running.wait_for_hold();
        running.signal(signal);
        let done = running.finish().status(130).says("interrupted").never_called("push");
        done.called("rm --force --volumes …");
        assert_eq!(checkout.knows()["containers"], json!([]));
        assert!(!checkout.has("target/xtask/receipts/hello"));
    }
}

/// LESSONS: timeout-loses-all.
#[test]
fn interrupted_tests_show_what_they_came_to() {
    let checkout = slow("start --attach");
    checkout.failing(&["numpy", "HOME"]);
    let mut running = checkout.start(&["image-all"]);
    running.wait_for_hold();
    running.signal(Signal::SIGINT);
    let done = running.finish().status(130).says("interrupted").never_called("push");
    done.says("is broken")
        .says("again: cargo xtask")
        .never_says("not run: ")
        .says("not all was tested");
    assert!(!checkout.has("target/xtask/receipts/hello"));
    assert_eq!(checkout.knows()["containers"], json!([]));
    assert_eq!(checkout.knows()["volumes"], json!([]));
}

#[test]
fn an_interrupted_build() {
    let mut checkout = slow("build/hello");
    let mut running = checkout.start(&["image-all"]);
    running.wait_for_hold();
    running.signal(Signal::SIGTERM);
    running.finish().status(130).never_called("role=test");
    checkout.restore_docker();
    checkout.run(&["image-all"]).status(0).called("build/hello");
}

/// Stand-in for mmdebstrap: on a request to end it removes its files.
const MMDEBSTRAP: &str = "#!/bin/bash
trap 'rm -r ../made; exit 1' TERM
mkdir ../made
for _ in {1..300}; do sleep 0.1; done
";

/// A child of the tool's own child is asked to end, and waited for.
#[test]
fn signals_reach_grandchildren() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let checkout = Checkout::new();
        let script = "#!/bin/bash\nset -euo pipefail\nPATH=/usr/bin:/bin\n./mmdebstrap\n";
        checkout.script("common/base/rootfs", script);
        checkout.script("mmdebstrap", MMDEBSTRAP);
        let mut running = checkout.start(&["image-base"]);
        running.wait_until("no root file system is made", |it| it.dir().join("made").exists());
        running.signal(signal);
        running.finish().status(130);
        assert!(!checkout.has("../made"), "the root file system is left");
    }
}

#[test]
fn ctrl_c_in_a_terminal_is_no_failed_build() {
    for on in ["build/hello", "role=test", "image push"] {
        let checkout = slow(on);
        let mut running = checkout.start(&["image-all"]);
        running.wait_for_hold();
        running.ctrl_c();
        running.finish().status(130).says("interrupted");
    }
}

#[test]
fn an_interrupted_freeze() {
    let mut checkout = slow("env-export");
    let spec = "missions/hello/environments/hello/hello-frozen.yml";
    let before = checkout.read(spec);
    let mut running = checkout.start(&["image-build", "--floating"]);
    running.wait_for_hold();
    running.signal(Signal::SIGTERM);
    running.finish().status(130);
    assert_eq!(checkout.read(spec), before);
    checkout.restore_docker();
    checkout.run(&["image-build", "--floating"]).status(0).says("frozen: ");
}

#[test]
fn an_interrupted_push_moves_no_tag() {
    let checkout = slow("image push quay.io/us/hello");
    let mut running = checkout.start(&["--set", "REGISTRY=quay.io/us", "image-all"]);
    running.wait_for_hold();
    running.signal(Signal::SIGINT);
    running.finish().status(130);
    assert_eq!(checkout.published(":latest-sandbox"), [""; 0]);
}

#[test]
fn an_interrupted_command() {
    let checkout = slow("role=exec");
    checkout.run(&["image-build"]).status(0);
    let mut running = checkout.start(&["image-exec", "sleep", "60"]);
    running.wait_for_hold();
    running.signal(Signal::SIGTERM);
    running.finish().status(130).called("rm --force --volumes …");
    assert_eq!(checkout.knows()["containers"], json!([]));
}

#[test]
fn two_runs_at_once() {
    let checkout = slow("build/hello");
    let mut first = checkout.start(&["image-build"]);
    first.wait_for_hold();
    let mut second = checkout.start(&["image-build"]);
    second.wait_for("waiting for another `cargo xtask` (process ");
    second.wait_for(": image-build) to release missions/hello");
    // Tasks that only read do not wait.
    checkout.run(&["list"]).status(0).never_says("waiting");
    checkout.state("go", "");
    first.finish().status(0).never_says("waiting");
    second.finish().status(0).says("unchanged");
}

/// Only what two runs both need is waited for.
#[test]
fn runs_about_different_missions() {
    let checkout = slow("build/hello");
    checkout.mission("roman");
    let mut first = checkout.start(&["image-all", "hello", "--set", "REGISTRY=quay.io/us"]);
    first.wait_for_hold();
    checkout.run(&["image-update", "roman"]).status(0).never_says("waiting");
    checkout.run(&["image-build", "roman"]).status(0).never_says("waiting").says("unchanged");
    checkout.run(&["image-test", "roman"]).status(0).never_says("waiting");
    checkout.state("go", "");
    first.finish().status(0);
}

/// The second run takes the image that the first one has made.
#[test]
fn an_image_that_both_need_is_built_once() {
    let checkout = slow("build/common");
    checkout.mission("roman");
    let mut first = checkout.start(&["image-build", "hello"]);
    first.wait_for_hold();
    let mut second = checkout.start(&["image-build", "roman"]);
    second.wait_for("image-build hello) to release images");
    checkout.state("go", "");
    first.finish().status(0);
    second.finish().status(0);
    let builds = checkout.calls();
    let builds = builds.iter().map(crate::run::Call::line);
    assert_eq!(builds.filter(|it| it.contains("build/common")).count(), 1);
}

#[test]
fn interrupted_while_it_waits() {
    let checkout = slow("build/hello");
    let mut first = checkout.start(&["image-build"]);
    first.wait_for_hold();
    let mut second = checkout.start(&["image-build"]);
    second.wait_for("waiting for another `cargo xtask`");
    second.signal(Signal::SIGINT);
    second.finish().status(130);
    checkout.state("go", "");
    first.finish().status(0);
}
