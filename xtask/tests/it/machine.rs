//! Status 3: this machine lacks something; and the choice of the docker CLI.

use std::{fs::File, io::Write as _, process::Stdio};

use nix::pty::openpty;

use crate::checkout::Checkout;

#[test]
fn no_docker() {
    let mut checkout = Checkout::new();
    checkout.path(&["tools"]);
    let done = checkout.run(&["image-all"]).status(3);
    done.says("no docker CLI on PATH").says("see `engine` in `cargo xtask doctor`");
    let done =
        checkout.run(&["--json", "doctor", "--offline"]).status(3).never_says("see `engine`");
    assert_eq!(done.json()[0]["name"], "engine");
}

#[test]
fn no_git() {
    let checkout = Checkout::new();
    checkout.remove("../tools/git");
    checkout.run(&["check"]).status(3).says("`git` is not on PATH").says("see `tools` in");
    checkout.run(&["doctor", "--offline"]).status(3).says("tools: not on PATH: git");
}

#[test]
fn no_engine() {
    let mut checkout = Checkout::new();
    checkout.fail("version --format", 1, "Cannot connect to the Docker daemon\n");
    let done = checkout.run(&["image-all"]).status(3).did_nothing();
    done.says("Cannot connect to the Docker daemon").says("see `engine` in `cargo xtask doctor`");
}

#[test]
fn a_docker_that_is_not_there() {
    let checkout = Checkout::new();
    let done = checkout.run(&["--set", "DOCKER=/no/docker", "image-all"]).status(2);
    done.says("DOCKER=/no/docker: the program does not exist");
}

#[test]
fn no_builder() {
    let mut checkout = Checkout::new();
    checkout.docker("bin", "neither");
    let done = checkout.run(&["image-all"]).status(3);
    done.says("neither the buildx plugin nor a built-in BuildKit").says("see `buildkit`");
    checkout.path(&["bin", "other", "tools"]);
    checkout.docker("other", "neither");
    let done = checkout.run(&["--json", "doctor", "--offline"]).status(3);
    assert_eq!(done.json()[0]["name"], "buildkit");
}

#[test]
fn a_cli_that_cannot_build_is_passed_over() {
    for kind in ["buildx", "built-in"] {
        let mut checkout = Checkout::new();
        checkout.docker("bin", "neither");
        checkout.docker("other", kind);
        checkout.path(&["bin", "other", "tools"]);
        let done = checkout.run(&["image-all"]).status(0);
        let builds = done.calls.iter().filter(|it| it.line().contains("--iidfile"));
        let programs: Vec<&str> = builds.map(|it| it.argv[0].as_str()).collect();
        assert!(programs.len() > 2);
        assert!(programs.iter().all(|it| it.ends_with("/other/docker")), "{programs:?}");
    }
}

#[test]
fn the_docker_of_the_settings_has_to_build() {
    let mut checkout = Checkout::new();
    checkout.docker("other", "neither");
    checkout.path(&["bin", "tools"]);
    let docker = format!("DOCKER={}", checkout.root().join("../other/docker").display());
    checkout.run(&["--set", &docker, "image-all"]).status(3).says("see `buildkit`");
}

#[test]
fn the_docker_of_the_settings_does_all() {
    let checkout = Checkout::new();
    checkout.docker("bin", "neither");
    checkout.docker("other", "buildx");
    let docker = checkout.dir().join("other/docker").display().to_string();
    let done = checkout.run(&["--set", &format!("DOCKER={docker}"), "image-all"]).status(0);
    assert!(done.calls.iter().all(|it| it.argv[0] == docker));
}

#[test]
fn built_in_buildkit() {
    let checkout = Checkout::new();
    checkout.docker("bin", "built-in");
    let done = checkout.run(&["image-build"]).status(0);
    let builds = done.calls.iter().filter(|it| it.argv[1] == "build");
    assert!(builds.clone().count() > 1);
    assert!(builds.clone().all(|it| it.env.contains(&"DOCKER_BUILDKIT".to_owned())));
}

#[test]
fn no_mmdebstrap() {
    let checkout = Checkout::new();
    checkout.script("common/base/rootfs", "#!/bin/bash\necho no mmdebstrap >&2\nexit 3\n");
    let done = checkout.run(&["image-all"]).status(3);
    done.says("no mmdebstrap").says("see `rootfs` in `cargo xtask doctor`");
    let done = checkout.run(&["--json", "doctor", "--offline"]).status(3);
    let found = done.json();
    assert_eq!(found[0]["name"], "rootfs");
    assert!(found[0]["fix"].as_str().unwrap().contains("mmdebstrap"));
}

#[test]
fn quickstart() {
    let checkout = Checkout::new();
    checkout.run(&["quickstart"]).status(3).says("rootfs: mmdebstrap").did_nothing();
    checkout.script("../tools/mmdebstrap", "#!/bin/bash\n");
    let done = checkout.run(&["quickstart"]).status(0).called("image push");
    done.says("nothing is missing").says("cargo xtask image-lab hello").says("mission-new");
    checkout.run(&["quickstart"]).status(0).did_nothing();
}

#[test]
fn a_quickstart_offers_a_hub_to_a_person() {
    let checkout = Checkout::new();
    checkout.script("../tools/mmdebstrap", "#!/bin/bash\n");
    let pty = openpty(None, None).unwrap();
    let mut command = checkout.command(&["quickstart"]);
    command.stdin(pty.slave.try_clone().unwrap()).stdout(pty.slave).stderr(Stdio::piped());
    File::from(pty.master.try_clone().unwrap()).write_all(b"n\n").unwrap();
    let output = command.spawn().unwrap().wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("start a JupyterHub on this machine now, until Ctrl-C? [y/N]"), "{said}");
}

#[test]
fn a_quickstart_that_fails_says_nothing_of_what_is_next() {
    let checkout = Checkout::new();
    checkout.script("../tools/mmdebstrap", "#!/bin/bash\n");
    checkout.failing(&["numpy"]);
    checkout.run(&["quickstart"]).status(1).never_says("Next:").says("import numpy");
}

#[test]
fn a_dry_doctor_changes_nothing() {
    let mut checkout = Checkout::new();
    checkout.path(&["tools"]);
    checkout.script("../tools/apt-get", "#!/bin/bash\necho \"$@\" >> apt-calls\n");
    checkout.script("../tools/sudo", "#!/bin/bash\n\"$@\"\n");
    let fix = ["doctor", "--offline", "--fix", "--yes"];
    checkout.run(&[&["-n"], &fix[..]].concat()).did_nothing();
    assert!(!checkout.has("apt-calls"));
    // It would otherwise.
    checkout.run(&fix);
    assert!(checkout.has("apt-calls"));
}

#[test]
fn doctor_runs_nothing_without_consent() {
    let mut checkout = Checkout::new();
    checkout.path(&["tools"]);
    // A stand-in for Debian as root; where this user is not root, no consent is needed.
    checkout.script("../tools/apt-get", "#!/bin/bash\necho \"$@\" >> apt-calls\n");
    let done = checkout.run(&["doctor", "--offline", "--fix"]).status(3);
    if done.stderr.contains("$ apt-get update") {
        done.says("pass `--yes`");
    }
    assert!(!checkout.has("apt-calls"));
}

#[test]
fn a_slow_storage_driver_is_no_lack() {
    let mut checkout = Checkout::new();
    checkout.script("../tools/mmdebstrap", "#!/bin/bash\n");
    checkout.run(&["doctor", "--offline"]).status(0).never_says("note: ");
    checkout.env("STAND_IN_DRIVER", "fuse-overlayfs");
    let done = checkout.run(&["doctor", "--offline"]).status(0);
    done.says("note: docker keeps layers with fuse-overlayfs").says("nothing is missing");
}

#[test]
fn hosts_that_do_not_answer() {
    let mut checkout = Checkout::new();
    checkout.script("../tools/mmdebstrap", "#!/bin/bash\n");
    checkout.env("PIP_INDEX_URL", "http://127.0.0.1:9/simple");
    checkout.env("DEBIAN_MIRROR", "http://127.0.0.1:9/debian");
    let done = checkout.run(&["--json", "doctor"]).status(3);
    let found = done.json().as_array().unwrap().clone();
    let names: Vec<&str> = found.iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["network", "network"]);
    assert!(found[0]["what"].as_str().unwrap().starts_with("http://127.0.0.1:9/simple/pip/ "));
    let done = checkout.run(&["--set", "HTTP_PROXY=http://127.0.0.1:9", "doctor"]).status(3);
    done.says("proxy: ").says("correct HTTPS_PROXY");
}
