//! A floating build writes frozen specs: all of a mission's, or none.

use serde_json::json;

use crate::checkout::{Checkout, FRESH};

const SPEC: &str = "missions/hello/environments/hello/hello-frozen.yml";

#[test]
fn a_floating_build_freezes() {
    let checkout = Checkout::new();
    let done = checkout.run(&["image-build", "--floating"]).status(0);
    done.says(&format!("frozen: {SPEC}")).says("frozen: missions/hello/packages-debian.txt");
    assert!(checkout.read(SPEC).contains("numpy==2.2.0 --hash=sha256:"));
    assert_eq!(checkout.read("missions/hello/packages-debian.txt"), "bash=5.2\n");
    let done = checkout.run(&["image-build", "--floating"]).status(0);
    done.did_nothing().never_says("frozen:");
}

#[test]
fn needs_tty() {
    let checkout = Checkout::new();
    let done = checkout.run(&["image-all", "--floating"]).status(0);
    done.never_called("--tty").never_called("-it").never_called("--interactive");
    let spec = checkout.read(SPEC);
    assert!(!spec.contains('\r') && spec.starts_with("# frozen: 1\n"), "{spec}");
}

#[test]
fn freeze_truncates() {
    let mut checkout = Checkout::new();
    checkout.fail("env-export", 1, "the input device is not a TTY\n");
    let done = checkout.run(&["image-all", "--floating"]).status(1).never_called("push");
    done.says("the input device is not a TTY");
    assert_eq!(checkout.read(SPEC), FRESH);
    assert!(!checkout.has("missions/hello/packages-debian.txt"));
    checkout.restore_docker();
    checkout.run(&["image-all", "--floating"]).status(0).says("frozen: ");
}

#[test]
fn freeze_truncates_when_an_export_is_damaged() {
    let cut = "# frozen: 1\n# platform: linux/amd64\n# base: x\nname: hel";
    let foreign = FRESH.replace("name: hello", "name: roman");
    for text in ["", cut, &foreign, "CondaExportWarning: …\n"] {
        let mut checkout = Checkout::new();
        checkout.flaw(json!({ "on": "env-export", "status": 0, "stdout": text }));
        let done = checkout.run(&["image-build", "--floating"]).status(1);
        done.says("printed no frozen spec");
        assert_eq!(checkout.read(SPEC), FRESH);
        assert!(!checkout.has("missions/hello/packages-debian.txt"));
    }
}

#[test]
fn freeze_truncates_when_one_environment_fails() {
    let mut checkout = Checkout::new();
    let custom = checkout.read("missions/hello/Dockerfile.custom");
    let more = "RUN /opt/common-scripts/env-create other other.yml\n";
    checkout.file("missions/hello/Dockerfile.custom", &(custom + more));
    let other = "missions/hello/environments/other";
    checkout.file(&format!("{other}/other.yml"), "dependencies:\n  - python\n");
    checkout.file(&format!("{other}/tests/imports"), "sys\n");
    checkout.fail(" other", 1, "no such environment\n");
    checkout.run(&["image-build", "--floating"]).status(1).says("no such environment");
    assert_eq!(checkout.read(SPEC), FRESH);
    assert!(!checkout.has(&format!("{other}/other-frozen.yml")));
}

#[test]
fn a_spec_that_somebody_took_back_stays() {
    let checkout = Checkout::new();
    checkout.run(&["image-build", "--floating"]).status(0);
    checkout.file(SPEC, FRESH);
    checkout.run(&["image-build", "--floating"]).status(0).did_nothing();
    assert_eq!(checkout.read(SPEC), FRESH);
}
