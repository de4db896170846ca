//! Registries that are busy, down or silent.

use serde_json::json;

use crate::{
    checkout::Checkout,
    run::Done,
    served::Server,
    server::{Pages, answer, serve},
};

const PUSH: &str = "image push quay.io/us/hello:latest-sandbox";
const ASK: &str = "manifest inspect";

fn checkout() -> Checkout {
    let mut checkout = Checkout::new();
    checkout.env("REGISTRY", "quay.io/us");
    checkout.env("XTASK_PAUSE", "10");
    // The first question is the push's.
    checkout.env("REUSE", "never");
    checkout.run(&["image-build"]).status(0);
    checkout.run(&["image-test"]).status(0);
    checkout
}

fn attempts(done: &Done, part: &str) -> usize {
    done.calls.iter().filter(|it| it.line().contains(part)).count()
}

#[test]
fn a_registry_that_is_busy_is_asked_again() {
    for (said, on) in [
        ("received unexpected HTTP status: 503 Service Unavailable\n", PUSH),
        ("toomanyrequests: 429 Too Many Requests\n", ASK),
    ] {
        let mut checkout = checkout();
        checkout.flaw(json!({ "on": on, "status": 1, "stderr": said, "times": 2 }));
        checkout.run(&["image-push"]).status(0);
    }
}

#[test]
fn but_not_for_ever() {
    let mut checkout = checkout();
    checkout.fail(PUSH, 1, "received unexpected HTTP status: 500 Internal Server Error\n");
    let done = checkout.run(&["image-push"]).status(1);
    assert_eq!(attempts(&done, PUSH), 3);
    done.says("500 Internal Server Error");
}

#[test]
fn a_refusal_stands() {
    for said in ["401 Unauthorized", "403 Forbidden", "404 page not found"] {
        let mut checkout = checkout();
        checkout.fail(PUSH, 1, &format!("received unexpected HTTP status: {said}\n"));
        let done = checkout.run(&["image-push"]).status(1);
        assert_eq!(attempts(&done, PUSH), 1);
        done.says(said);
    }
}

#[test]
fn a_push_that_hangs() {
    hangs(PUSH, 3);
}

#[test]
fn a_question_that_hangs() {
    // The first questions are answered: the registry has neither image yet.
    hangs(ASK, 5);
}

/// Pushes while docker's command lines with `on` are silent and do not end. The patience is longer
/// than docker's stand-in takes to start on a busy machine.
#[track_caller]
fn hangs(on: &str, expected: usize) {
    let mut checkout = checkout();
    checkout.env("XTASK_PATIENCE", "5000");
    checkout.flaw(json!({ "on": on, "hold": true }));
    let done = checkout.run(&["image-push"]).status(1);
    assert_eq!(attempts(&done, on), expected);
    done.says("quay.io/us/");
}

#[test]
fn lists_need_curl() {
    let done = checkout().run(&["image-list"]).status(3);
    done.says("curl is not on PATH").says("install it");
}

/// Whichever task asks, and whichever program it asks by.
#[test]
fn what_helps_against_a_registry_that_does_not_answer() {
    const NETWORK: &str = "fix: check the registry's name and the network";
    let mut checkout = checkout();
    checkout.run(&["image-push"]).status(0);
    let digest = checkout.knows()["registry"]["quay.io/us/hello:latest-sandbox"]["digest"].clone();
    let image = format!("quay.io/us/hello@{}", digest.as_str().unwrap());
    let (show, promote) = (["receipt", "show", &image], ["image-push", "--promote", "v1"]);
    for (said, fix) in [("no such host", NETWORK), ("unauthorized", "fix: `docker login` to this")]
    {
        for args in [&show[..], &promote, &["image-push"]] {
            checkout.restore_docker();
            checkout.fail(ASK, 1, &format!("{said}\n"));
            checkout.run(args).status(1).says("cannot ask for quay.io/us/").says(fix);
        }
    }
    checkout.restore_docker();
    checkout.fail("push quay.io/us/hello:v2", 1, "connection refused\n");
    checkout.run(&["--set", "IMAGE_TAG=v2", "image-push"]).status(1).says(NETWORK);
    checkout.tool("curl");
    let list = ["--set", "REGISTRY=127.0.0.1:1/us", "image-list"];
    checkout.run(&list).status(1).says("curl: (7) ").says(NETWORK);
}

/// curl asked for all names at once, and docker, which would not reach this registry, is not asked again.
#[test]
fn an_empty_registry_is_asked_once() {
    let mut checkout = checkout();
    checkout.tool("curl");
    let registry = Server::new(checkout.dir().join("home"));
    checkout.env("REGISTRY", &format!("127.0.0.1:{}/us", registry.port));
    let done = checkout.run(&["explain"]).status(0).did_nothing().never_called(ASK);
    assert!(done.stdout.contains(" is not there"), "{}", done.stdout);
    let done = checkout.run(&["image-all", "--dry-run"]).status(0).did_nothing();
    done.never_called(ASK).says("pushing 127.0.0.1:");
}

#[test]
fn layers_that_are_refused() {
    let path = "/v2/us/hello/manifests/latest-sandbox".to_owned();
    let address = serve(Pages::from([
        ("/v2/us/hello/tags/list?n=1".to_owned(), answer("200 OK", "{}")),
        (path, answer("403 Forbidden", "")),
    ]));
    let mut checkout = Checkout::new();
    checkout.tool("curl");
    checkout.env("REGISTRY", &format!("{}/us", address.replace("http://", "")));
    let done = checkout.run(&["image-build"]).status(0);
    done.says(
        "warning: hello: no layers of the registry are used: the registry answered with status 403",
    );
}

#[test]
fn the_registry_of_an_engine_elsewhere() {
    let mut checkout = Checkout::new();
    checkout.env("DOCKER_HOST", "ssh://ann@lab");
    let done = checkout.run(&["image-all"]).status(1);
    assert_eq!(attempts(&done, "image push"), 0);
    done.says("the engine is on another machine (ssh://…@lab)").says("set REGISTRY");
    checkout.env("REGISTRY", "quay.io/us");
    checkout.run(&["image-all"]).status(0);
}
