//! Published images on a machine without curl, which is not on `PATH` here: docker is asked, and pulls what it
//! must look at. What counts is the same as with curl.

use std::fs;

use serde_json::{Value, json};

use crate::{checkout::Checkout, run::Done};

const PULL: &str = "pull quay.io/us/hello@";
const POINTER: &str = "quay.io/us/hello:inputs-";
const RECEIPT: &str = ".receipt";

/// A change of a manifest.
type Edit = Box<dyn Fn(&mut Value)>;

fn run(checkout: &Checkout, args: &[&str]) -> Done {
    checkout.run(&[&["--set", "REGISTRY=quay.io/us"], args].concat())
}

/// Returns a checkout whose images are published, on an engine that has none of them.
fn elsewhere() -> Checkout {
    let checkout = Checkout::new();
    checkout.mission("roman");
    run(&checkout, &["image-all", "--all"]).status(0);
    change(&checkout, |it| it["images"] = json!([]));
    fs::remove_dir_all(checkout.root().join("target/xtask/receipts")).unwrap();
    checkout
}

fn change(checkout: &Checkout, edit: impl Fn(&mut Value)) {
    let mut state = checkout.knows();
    edit(&mut state);
    checkout.state("state.json", &state.to_string());
}

/// Changes the manifests of `hello` whose names contain `part`.
fn tamper(checkout: &Checkout, part: &str, edit: impl Fn(&mut Value)) {
    change(checkout, |it| {
        let names = it["registry"].as_object_mut().unwrap().iter_mut();
        names
            .filter(|(name, _)| name.contains("/hello:") && name.contains(part))
            .for_each(|(_, it)| edit(it));
    });
}

fn digest(checkout: &Checkout, tag: &str) -> Value {
    checkout.knows()["registry"][format!("quay.io/us/{tag}")]["digest"].clone()
}

#[test]
fn images_are_pulled_rather_than_built() {
    let checkout = elsewhere();
    let done = run(&checkout, &["image-all", "--all", "--json"]).status(0);
    let rows = done.json()["images"].as_array().unwrap().clone();
    let of = |it: &Value| format!("{} {}", it["image"], it["action"]);
    let expected =
        ["common", "hello", "roman"].map(|it| format!("\"{it}\" \"pulled, already published\""));
    assert_eq!(rows.iter().map(of).collect::<Vec<_>>(), expected);
    assert_eq!(done.stderr.matches("curl is not on PATH").count(), 1, "{}", done.stderr);
    done.says("fix: install curl")
        .called(PULL)
        .never_called("buildx build")
        .never_called("role=test")
        .never_called("push");
    run(&checkout, &["image-all", "--all"]).status(0).did_nothing().never_says("curl");
}

#[test]
fn tags_of_pulled_images_move() {
    let checkout = elsewhere();
    let other = ["image-push", "--set", "IMAGE_TAG=v2"];
    let done = run(&checkout, &other).status(0).called(PULL);
    done.never_called("buildx build").never_called("role=test");
    assert_eq!(digest(&checkout, "hello:v2"), digest(&checkout, "hello:latest-sandbox"));
    let checkout = elsewhere();
    run(&checkout, &["image-push", "--promote", "v1"]).status(0).never_called("buildx build");
    assert_eq!(digest(&checkout, "hello:v1"), digest(&checkout, "hello:latest-sandbox"));
}

#[test]
fn what_is_started_is_pulled() {
    for task in [&["image-test"][..], &["image-exec", "true"]] {
        let done = run(&elsewhere(), task).status(0).called(PULL);
        done.never_called("buildx build").never_called("role=test");
    }
}

/// Where nothing is pulled, nothing can be looked at.
#[test]
fn without_a_pull_nothing_counts() {
    let checkout = elsewhere();
    for args in [&["explain"][..], &["-n", "image-all"]] {
        let done = run(&checkout, args).status(0).did_nothing();
        done.says("hello: the registry's image of these inputs is not used: only a pull shows");
    }
}

#[test]
fn what_does_not_count_is_built() {
    let other = "e".repeat(64);
    let label = |name: &'static str, to: String| {
        move |it: &mut Value| it["labels"][name] = json!(to.clone())
    };
    let failed = |it: &mut Value| {
        if let Some(text) = it["receipt"].as_str() {
            let mut receipt: Value = serde_json::from_str(text).unwrap();
            receipt["tests"][0]["outcome"] = json!("failed");
            it["receipt"] = json!(receipt.to_string());
        }
    };
    let (inputs, parent) = ("science-platform.inputs", "science-platform.parent");
    let id = format!("sha256:{other}");
    let config = id.clone();
    let cases: [(&str, Edit, &str); 5] = [
        (
            "",
            Box::new(label(inputs, other)),
            "the label science-platform.inputs is that of another",
        ),
        ("", Box::new(label(parent, id)), "built on common …, which does not count: not published"),
        (RECEIPT, Box::new(failed), "the receipt does not count: its tests failed"),
        (RECEIPT, Box::new(|it: &mut Value| it["receipt"] = json!("{")), "damaged receipt"),
        (
            "inputs-",
            Box::new(move |it: &mut Value| it["config"] = json!(config)),
            "pulled, but is the image",
        ),
    ];
    for (part, edit, reason) in cases {
        let checkout = elsewhere();
        tamper(&checkout, part, edit);
        let done = run(&checkout, &["image-build"]).status(0);
        let done = done.says("hello: the registry's image of these inputs is not used: ");
        let done = done.says(reason).called("/build/hello").never_called("/build/common");
        done.called("image rm quay.io/us/hello@");
    }
}

#[test]
fn nothing_is_pulled_that_cannot_count() {
    let checkout = elsewhere();
    change(&checkout, |it| {
        let registry = it["registry"].as_object_mut().unwrap();
        registry.retain(|name, _| !name.starts_with(POINTER));
    });
    let done = run(&checkout, &["image-build"]).status(0).never_called(PULL);
    done.called("/build/hello").never_called("/build/common");
}

#[test]
fn one_image_that_is_refused_or_damaged_does_not_stop_the_others() {
    for (on, said) in [
        ("manifest inspect --verbose quay.io/us/hello", "unauthorized: access is not authorized"),
        (PULL, "filesystem layer verification failed for digest"),
    ] {
        let mut checkout = elsewhere();
        checkout.fail(on, 1, &format!("{said}\n"));
        let done = run(&checkout, &["image-build", "--all"]).status(0).says(said);
        let done = done.called("/build/hello").never_called("/build/common");
        done.called("pull quay.io/us/roman@").never_called("/build/roman");
    }
}

#[test]
fn a_registry_that_does_not_answer_is_asked_once() {
    let mut checkout = elsewhere();
    checkout.fail("manifest inspect", 1, "dial tcp: lookup quay.io: no such host\n");
    let done = run(&checkout, &["image-build", "--all"]).status(0).called("/build/hello");
    let asked = done.lines.iter().filter(|it| it.contains("manifest inspect")).count();
    assert_eq!(asked, 1);
    done.says("no image of the registry is reused: cannot ask for quay.io/us/")
        .says("fix: check the registry's name and the network");
}
