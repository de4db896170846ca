//! Published images: which, when, and under which names.

use serde_json::{Value, json};

use crate::{checkout::Checkout, run::Done};

const QUAY: [&str; 2] = ["--set", "REGISTRY=quay.io/us"];

fn run(checkout: &Checkout, args: &[&str]) -> Done {
    checkout.run(&[&QUAY, args].concat())
}

/// Edits the receipt of `hello`.
fn edit_receipt(checkout: &Checkout, edit: impl Fn(&mut Value)) {
    let dir = checkout.root().join("target/xtask/receipts/hello");
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let mut receipt = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        edit(&mut receipt);
        std::fs::write(path, receipt.to_string()).unwrap();
    }
}

#[test]
fn pushed_then_tested() {
    let mut checkout = Checkout::new();
    checkout.mission("roman");
    let done = run(&checkout, &["image-all", "hello", "roman"]).status(0);
    let lines: Vec<String> = done.calls.iter().map(|it| it.line()).collect();
    let last = |part: &str| lines.iter().rposition(|it| it.contains(part)).unwrap();
    let first = |part: &str| lines.iter().position(|it| it.contains(part)).unwrap();
    assert!(last("role=test") < first("image push"));
    // All immutable tags and receipts, then all human ones.
    assert!(last(".receipt") < first("image push quay.io/us/common:latest-sandbox"));
    assert!(last(".receipt") < first("image push quay.io/us/hello:latest-sandbox"));
    assert_eq!(checkout.published(":latest-sandbox").len(), 3);
    checkout.restore_docker();
}

#[test]
fn other_tag_deployed() {
    let checkout = Checkout::new();
    let done = run(&checkout, &["--json", "image-all"]).status(0);
    let summary = done.json();
    let tag = summary["images"].as_array().unwrap().last().unwrap()["tag"].clone();
    let registry = &checkout.knows()["registry"];
    let (immutable, human) =
        (&registry[tag.as_str().unwrap()], &registry["quay.io/us/hello:latest-sandbox"]);
    assert_eq!(immutable, human);
    let receipts = checkout.published(".receipt");
    let digest = human["digest"].as_str().unwrap().replace(':', "-");
    assert_eq!(receipts, [format!("quay.io/us/hello:{digest}.receipt")]);
}

#[test]
fn mutable_tag() {
    let mut checkout = Checkout::new();
    run(&checkout, &["image-all"]).status(0);
    let mut state = checkout.knows();
    for (name, manifest) in state["registry"].as_object_mut().unwrap() {
        if name.starts_with("quay.io/us/hello:") && !name.ends_with("receipt") {
            manifest["config"] = format!("sha256:{}", "e".repeat(64)).into();
        }
    }
    checkout.state("state.json", &state.to_string());
    let done = run(&checkout, &["image-push"]).status(1).never_called("image push");
    done.says("already names another image").says("which is never replaced");
    checkout.restore_docker();
}

#[test]
fn a_human_tag_follows() {
    let checkout = Checkout::new();
    run(&checkout, &["image-all"]).status(0);
    let before = checkout.knows()["registry"]["quay.io/us/hello:latest-sandbox"].clone();
    checkout.file("missions/hello/environments/hello/tests/imports", "numpy\nscipy\n");
    let done = run(&checkout, &["image-all"]).status(0);
    done.called("image push quay.io/us/hello:latest-sandbox")
        .never_called("push quay.io/us/common");
    assert_ne!(checkout.knows()["registry"]["quay.io/us/hello:latest-sandbox"], before);
    assert_eq!(checkout.published(".receipt").len(), 2);
}

#[test]
fn without_a_receipt() {
    let checkout = Checkout::new();
    run(&checkout, &["image-build"]).status(0);
    let done = run(&checkout, &["image-push"]).status(1).did_nothing();
    done.says("has no passing test receipt; run `cargo xtask image-test hello`");
}

/// Without a receipt, and only under the candidates' tags.
#[test]
fn candidates() {
    let checkout = Checkout::new();
    run(&checkout, &["image-build"]).status(0);
    let push = ["image-push", "--candidate"];
    run(&checkout, &push).status(0).says("pushed").never_called("role=test");
    let names = checkout.published("");
    let tag = |it: &String| it.rsplit(':').next().unwrap().to_owned();
    assert!(names.len() == 2 && names.iter().all(|it| tag(it).starts_with("candidate-")));
    run(&checkout, &push).status(0).says("already published").never_called("image push");
    // No tag of a person's names one.
    let of_hello = names.iter().find(|it| it.starts_with("quay.io/us/hello:")).unwrap();
    let promote = ["image-push", "--promote", "v1", "--from", &tag(of_hello)];
    run(&checkout, &promote).status(1).says("is not tested").never_called("image push");
    let promote = ["image-push", "--promote", &tag(of_hello)];
    run(&checkout, &promote).status(2).says("take another name").did_nothing();
    // A published image is not a candidate.
    run(&checkout, &["image-all"]).status(0);
    run(&checkout, &push).status(0).says("already published").never_called("image push");
    assert_eq!(checkout.published(":candidate-").len(), 2);
}

#[test]
fn with_a_failing_receipt() {
    let checkout = Checkout::new();
    checkout.failing(&["numpy"]);
    run(&checkout, &["image-all"]).status(1);
    let done = run(&checkout, &["image-push"]).status(1).did_nothing();
    done.says("its tests failed (hello: import numpy); nothing is pushed");
}

#[test]
fn with_the_receipt_of_another_image() {
    let checkout = Checkout::new();
    run(&checkout, &["image-all"]).status(0);
    edit_receipt(&checkout, |it| it["image"] = format!("sha256:{}", "f".repeat(64)).into());
    let mut state = checkout.knows();
    state["registry"] = serde_json::json!({});
    checkout.state("state.json", &state.to_string());
    run(&checkout, &["image-push"]).status(1).did_nothing().says("has no passing test receipt");
}

#[test]
fn with_an_empty_receipt() {
    let checkout = Checkout::new();
    run(&checkout, &["image-all"]).status(0);
    edit_receipt(&checkout, |it| it["tests"] = serde_json::json!([]));
    run(&checkout, &["image-push"]).status(1).did_nothing();
}

#[test]
fn with_a_damaged_receipt() {
    let checkout = Checkout::new();
    run(&checkout, &["image-all"]).status(0);
    let dir = checkout.root().join("target/xtask/receipts/hello");
    for entry in std::fs::read_dir(dir).unwrap() {
        std::fs::write(entry.unwrap().path(), "{").unwrap();
    }
    run(&checkout, &["image-push"]).status(1).did_nothing().says("remove it and run image-test");
}

#[test]
fn a_registry_that_refuses() {
    let mut checkout = Checkout::new();
    checkout.fail("image push quay.io/us/hello", 1, "unauthorized: no basic auth credentials\n");
    let done = run(&checkout, &["image-all"]).status(1);
    done.says("quay.io/us/hello").says("no basic auth credentials");
    assert_eq!(checkout.published(":latest-sandbox"), [""; 0]);
}

#[test]
fn a_registry_that_does_not_answer() {
    let mut checkout = Checkout::new();
    checkout.fail("manifest inspect", 1, "dial tcp: lookup quay.io: no such host\n");
    let done = run(&checkout, &["image-all"]).status(1).never_called("image push");
    done.says("cannot ask for quay.io/us/hello:").says("no such host");
}

/// Whoever looks for these inputs finds the image; a push succeeds if that tag is refused.
#[test]
fn tags_that_name_inputs() {
    let mut checkout = Checkout::new();
    let done = run(&checkout, &["image-all", "--set", "PULL_REQUEST=7"]).status(0);
    assert!(!done.lines.iter().any(|it| it.contains("push") && it.contains(":inputs-")));
    checkout.fail("image push quay.io/us/hello:inputs-", 1, "denied\n");
    let done = run(&checkout, &["image-all"]).status(0).says("denied");
    done.says("so that other machines build this image again");
    checkout.restore_docker();
    run(&checkout, &["image-all"]).status(0);
    run(&checkout, &["image-all"]).status(0).did_nothing();
    assert_eq!(checkout.published("common:inputs-").len(), 1);
    let named = checkout.published("hello:inputs-");
    let registry = &checkout.knows()["registry"];
    assert_eq!(registry[&*named[0]], registry["quay.io/us/hello:latest-sandbox"]);
}

/// One mission's registry refuses: no mission's human tag moves.
#[test]
fn tags_of_a_set_move_together() {
    let mut checkout = Checkout::new();
    checkout.mission("roman");
    checkout.fail("image push quay.io/us/roman", 1, "denied\n");
    run(&checkout, &["image-all", "hello", "roman"]).status(1).says("denied");
    assert_eq!(checkout.published(":latest-sandbox"), [""; 0]);
    checkout.restore_docker();
    run(&checkout, &["image-all", "hello", "roman"]).status(0).never_called("role=test");
    assert_eq!(checkout.published(":latest-sandbox").len(), 3);
}

#[test]
fn a_failed_push_is_in_the_row_of_its_image() {
    for (on, image) in [
        ("image push quay.io/us/hello:", "hello"),
        ("image push quay.io/us/common:latest-sandbox", "common"),
        ("image push quay.io/us/roman:latest-sandbox", "roman"),
    ] {
        let mut checkout = Checkout::new();
        checkout.mission("roman");
        checkout.fail(on, 1, "denied\n");
        let done = run(&checkout, &["image-all", "hello", "roman", "--json"]).status(1);
        let rows = done.json()["images"].as_array().unwrap().clone();
        let failed = rows.iter().filter(|it| !it["error"].is_null());
        let names: Vec<_> = failed.map(|it| it["image"].as_str().unwrap().to_owned()).collect();
        assert_eq!(names, [image], "{on}");
    }
}

/// The receipt alone does not prove that the image is still there.
#[test]
fn a_registry_that_forgot() {
    let checkout = Checkout::new();
    run(&checkout, &["image-all"]).status(0);
    let mut state = checkout.knows();
    state["registry"] = serde_json::json!({});
    checkout.state("state.json", &state.to_string());
    run(&checkout, &["image-all"]).status(0).never_called("role=test").called("image push");
    assert_eq!(checkout.published(":latest-sandbox").len(), 2);
    assert_eq!(checkout.published(".receipt").len(), 1);
}

/// LESSONS: exit-masked, of `docker push`.
#[test]
fn a_push_without_effect() {
    for (part, reason) in [
        ("image push quay.io/us/common:", "was pushed, but the registry does not have it"),
        ("image push quay.io/us/hello:", "was pushed, but the registry does not have it"),
        (
            "image push quay.io/us/hello:sha256-",
            ".receipt was pushed, but the registry does not have it",
        ),
        (
            "image push quay.io/us/hello:latest-sandbox",
            ":latest-sandbox was pushed, but the registry does not have it",
        ),
    ] {
        let mut checkout = Checkout::new();
        checkout.flaw(json!({ "on": part, "status": 0 }));
        run(&checkout, &["image-all"]).status(1).says(reason);
        assert_eq!(checkout.published("hello:latest-sandbox"), [""; 0], "{part}");
        checkout.restore_docker();
        run(&checkout, &["image-all"]).status(0).never_called("role=test");
        assert_eq!(checkout.published("hello:latest-sandbox").len(), 1);
    }
}

/// The earlier content of the registry does not count as pushed.
#[test]
fn a_push_without_effect_over_something_else() {
    let mut checkout = Checkout::new();
    run(&checkout, &["image-all"]).status(0);
    run(&checkout, &["image-test", "--again"]).status(0);
    checkout.flaw(json!({ "on": "image push quay.io/us/hello:sha256-", "status": 0 }));
    run(&checkout, &["image-push"]).status(1).says("is another receipt afterwards");
    checkout.restore_docker();
    checkout.file("missions/hello/environments/hello/tests/imports", "numpy\nscipy\n");
    checkout.flaw(json!({ "on": "image push quay.io/us/hello:latest-sandbox", "status": 0 }));
    let done = run(&checkout, &["image-all"]).status(1);
    done.says("quay.io/us/hello:latest-sandbox was pushed, but is sha256:… afterwards; expected");
}

/// Another checkout's run gives the engine's images the same names between two commands of this
/// run.
#[test]
fn another_run_s_names_are_noticed() {
    for part in
        ["image push quay.io/us/hello:sha256-", "image push quay.io/us/hello:latest-sandbox"]
    {
        let mut checkout = Checkout::new();
        checkout.flaw(json!({ "on": part, "status": 0, "times": 1 }));
        run(&checkout, &["image-all"]).status(0);
        assert_eq!(checkout.published("hello:latest-sandbox").len(), 1);
        assert_eq!(checkout.published(".receipt").len(), 1);
    }
}

#[test]
fn the_registry_on_this_machine() {
    let checkout = Checkout::new();
    let done = checkout.run(&["image-all"]).status(0).called("--publish 127.0.0.1:<port>:5000");
    assert!(
        done.calls.iter().any(|it| it.line().contains("manifest inspect --verbose --insecure"))
    );
    assert_eq!(checkout.published(":latest-sandbox").len(), 2);
    checkout.run(&["image-all"]).status(0).did_nothing();
}

#[test]
fn the_registry_on_this_machine_is_started_again() {
    let checkout = Checkout::new();
    checkout.run(&["image-all"]).status(0);
    let mut state = checkout.knows();
    state["containers"][0]["ports"] = "".into();
    checkout.state("state.json", &state.to_string());
    let done = checkout.run(&["image-push"]).status(0);
    done.called("container start").never_called("--detach");
}

/// What was done to each image of a run.
#[test]
fn the_table_says_what_was_done() {
    let mut checkout = Checkout::new();
    checkout.env("REGISTRY", "registry.example.org");
    let actions = |args: &[&str]| {
        let done = checkout.run(&[&["--json"], args].concat()).status(0);
        let rows = done.json()["images"].as_array().unwrap().clone();
        let action = |it: &serde_json::Value| it["action"].as_str().unwrap().to_owned();
        rows.iter().skip(2).map(action).collect::<Vec<_>>()
    };
    assert_eq!(actions(&["image-build"]), ["built", "built"]);
    assert_eq!(actions(&["image-test"]), ["unchanged", "tested"]);
    assert_eq!(actions(&["image-push"]), ["pushed, moved", "pushed, moved"]);
    assert_eq!(actions(&["image-all"]), ["already published", "already published"]);
    let tagged = ["image-all", "--set", "IMAGE_TAG=other"];
    assert_eq!(actions(&tagged), ["already published", "already published, moved"]);
}

#[test]
fn one_failed_image_needs_no_table() {
    let mut checkout = Checkout::new();
    checkout.fail("build/hello", 1, "no space left\n");
    checkout.run(&["image-all"]).status(1).says("no space left").never_says("ACTION");
    checkout.mission("roman");
    let done = checkout.run(&["image-all", "--all"]).status(1).says("no space left");
    done.says("ACTION").says("built, tested");
}
