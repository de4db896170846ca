//! Containers and volumes that outlive their run: named, recorded, and removed by the next run.

use nix::sys::signal::Signal;
use serde_json::json;

use crate::checkout::Checkout;

const EXEC: [&str; 3] = ["image-exec", "exit", "0"];

fn built() -> Checkout {
    let checkout = Checkout::new();
    checkout.run(&["image-build"]).status(0);
    checkout
}

/// Returns the numbers of the engine's containers and volumes, and of recorded runs.
fn left(checkout: &Checkout) -> (usize, usize, usize) {
    let count = |name: &str| checkout.knows()[name].as_array().map_or(0, Vec::len);
    let runs = std::fs::read_dir(checkout.root().join("target/xtask/runs"));
    (count("containers"), count("volumes"), runs.map_or(0, Iterator::count))
}

#[test]
fn nothing_is_left_and_no_run_is_on_record() {
    let checkout = built();
    let done = checkout.run(&["image-test"]).status(0);
    // Docker is asked once for all of them whether they are gone.
    for (object, asked) in [("container ls --all --quiet", 1), ("volume ls", 1)] {
        assert_eq!(done.calls.iter().filter(|it| it.line().contains(object)).count(), asked);
    }
    checkout.run(&["image-exec", "exit", "1"]).status(1);
    assert_eq!(left(&checkout), (0, 0, 0));
}

/// LESSONS: exit-masked, of `docker rm`.
#[test]
fn a_container_that_is_not_removed() {
    for status in [0, 1, 137] {
        let mut checkout = built();
        checkout.flaw(json!({ "on": "rm --force --volumes", "status": status }));
        let done = checkout.run(&EXEC).status(0);
        done.says("warning: container … could not be removed")
            .says("fix: `docker rm --force --volumes …`");
        assert_eq!(left(&checkout), (1, 0, 1));
        // The next run fails to, as well.
        checkout.run(&["image-build"]).status(0).says("warning: container … could not be removed");
        assert_eq!(left(&checkout), (1, 0, 1));
        checkout.restore_docker();
        let done = checkout.run(&["image-build"]).status(0);
        done.says("removed a container that an earlier run left: …")
            .called("rm --force --volumes …");
        assert_eq!(left(&checkout), (0, 0, 0));
    }
}

#[test]
fn a_volume_that_is_not_removed() {
    let mut checkout = built();
    checkout.flaw(json!({ "on": "volume rm --force", "status": 0 }));
    checkout
        .run(&["image-test"])
        .status(0)
        .says("warning: volume science-platform-test-… could not");
    assert_eq!(left(&checkout), (0, 1, 1));
    checkout.restore_docker();
    let done = checkout.run(&["image-build"]).status(0);
    done.says("removed a volume that an earlier run left: science-platform-test-…");
    assert_eq!(left(&checkout), (0, 0, 0));
}

#[test]
fn an_engine_that_does_not_say_what_is_there() {
    let mut checkout = built();
    checkout.fail("container ls --all --quiet", 1, "Cannot connect to the Docker daemon\n");
    let done = checkout.run(&EXEC).status(0);
    done.says("warning: docker did not say whether the containers of this run are gone (1)");
    checkout.run(&["image-build"]).status(0);
    assert_eq!(left(&checkout), (0, 0, 1));
    checkout.restore_docker();
    checkout.run(&["image-build"]).status(0).never_says("earlier run");
    assert_eq!(left(&checkout), (0, 0, 0));
}

/// By its label: such a run cannot even record the id.
#[test]
fn a_killed_run() {
    let mut checkout = built();
    checkout.flaw(json!({ "on": "role=exec", "hold": true }));
    let mut running = checkout.start(&EXEC);
    running.wait_for_hold();
    // The containers of a live run are its own.
    checkout.run(&["image-build"]).status(0).never_called("rm --force");
    running.signal(Signal::SIGKILL);
    checkout.state("go", "");
    running.finish().killed();
    std::fs::remove_dir_all(checkout.root().join("target/xtask/exec")).unwrap();
    // A dry run changes nothing, and another engine's containers are not on this one.
    checkout.run(&["-n", "image-build"]).status(0).did_nothing();
    checkout.env("DOCKER_HOST", "unix:///run/another.sock");
    checkout.run(&["image-build"]).status(0).never_called("rm --force");
    assert_eq!(left(&checkout), (1, 0, 1));
    checkout.env("DOCKER_HOST", "");
    checkout.run(&["image-build"]).status(0).says("removed a container that an earlier run left");
    assert_eq!(left(&checkout), (0, 0, 0));
}

/// A container may exist although docker's CLI did not print its id.
#[test]
fn a_container_without_an_id() {
    let mut checkout = built();
    checkout.fail("role=exec", 125, "docker: unexpected EOF\n");
    checkout.run(&EXEC).status(125);
    assert_eq!(left(&checkout), (0, 0, 1));
    checkout.run(&["image-build"]).status(0).called("container ls --all --quiet --no-trunc");
    assert_eq!(left(&checkout), (0, 0, 0));
}
