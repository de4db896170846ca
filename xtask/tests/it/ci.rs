//! `ci` where a private engine is impossible, and single steps of it.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    thread,
};

use expect_test::expect;

use crate::checkout::Checkout;

const STEP: &str = "common/image/tests/run";
const TEST: &str =
    "import unittest\n\n\nclass A(unittest.TestCase):\n    def test(self):\n        pass\n";
const ONLY: &[&str] = &["ci", "--only", "script tests"];

/// Returns a checkout where no private engine is started on any machine: addresses on loopback
/// would not be reachable there.
fn checkout() -> Checkout {
    let mut checkout = Checkout::new();
    checkout.script("../tools/mmdebstrap", "#!/bin/bash\n");
    checkout.script(STEP, "#!/bin/bash\necho the tests, \"$DOCKER\"\n");
    checkout.file("common/hub/tests/test_a.py", TEST);
    let host = host();
    checkout.env("PIP_INDEX_URL", &format!("{host}/simple"));
    checkout.env("DEBIAN_MIRROR", &format!("{host}/debian"));
    checkout
}

/// Starts a package index and a mirror that have everything that `doctor` checks.
fn host() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n");
        }
    });
    format!("http://{address}")
}

#[test]
fn the_default_engine_and_why() {
    let checkout = checkout();
    let done =
        checkout.run(ONLY).status(0).says("engine: this machine's default; no private one: ");
    assert!(done.stdout.contains("1 passed, 0 failed\na part only: "), "{}", done.stdout);
    let log = checkout.read("target/xtask/logs/ci-script-tests.log");
    assert!(log.contains("the tests, "), "{log}");
}

#[test]
fn a_step_that_fails() {
    let checkout = checkout();
    checkout.script(STEP, "#!/bin/bash\necho why\nexit 7\n");
    let done = checkout.run(&[ONLY, &["--engine", "default"]].concat()).status(1);
    done.says("failed with status 7").says("why").never_says("engine: ");
}

#[test]
fn no_private_engine() {
    let done = checkout().run(&[ONLY, &["--engine", "private"]].concat()).status(3).did_nothing();
    done.says("no private engine: ").says("fix: ").says("--engine default");
}

#[test]
fn a_second_engine_where_none_can_be_started() {
    let done = checkout().run(&["ci", "--engine", "default", "--only", "second engine"]).status(0);
    let done = done.says("second engine: not run: ");
    assert!(done.stdout.contains("0 passed, 0 failed\na part only: "), "{}", done.stdout);
}

#[test]
fn a_dry_run() {
    let checkout = checkout();
    let done = checkout.run(&[&["-n"], ONLY].concat()).status(0).did_nothing();
    done.printed(&expect![[r#"
        python3 -m unittest discover --start-directory common/hub/tests
        DOCKER=/bin/docker common/image/tests/run
    "#]]);
    assert!(!checkout.has("target/xtask/logs/ci-script-tests.log"));
}

#[test]
fn a_cluster_and_its_registry() {
    let mut checkout = checkout();
    let cluster = ["ci", "--cluster"];
    checkout.run(&cluster).status(3).did_nothing().says("KUBECONFIG is not set");
    checkout.env("KUBECONFIG", "/there");
    checkout.run(&cluster).status(3).did_nothing().says("nodes cannot pull from REGISTRY=local");
    checkout.env("REGISTRY", "r.example");
    let done = checkout.run(&[&["-n"], &cluster[..]].concat()).status(0).did_nothing();
    let tests = "REGISTRY=r.example HUB_REGISTRY=r.example cargo test --locked --test cluster -- --nocapture";
    assert!(done.stdout.contains(tests), "{}", done.stdout);
    // Not a part of a run of all steps.
    let all = checkout.run(&["-n", "ci", "--engine", "default"]);
    assert!(!all.stdout.contains("cargo test --locked --test cluster"), "{}", all.stdout);
    checkout.run(&["ci", "--cluster", "--keep"]).status(2);
}

#[test]
fn an_unknown_step() {
    checkout().run(&["ci", "--only", "scripts"]).status(2).says("script tests");
}
