//! Receipts in a registry: which are honoured and shown, and which tags they let move.

use std::fs;

use serde_json::{Value, json};

use crate::{checkout::Checkout, run::Done};

fn run(checkout: &Checkout, args: &[&str]) -> Done {
    checkout.run(&[&["--set", "REGISTRY=quay.io/us"], args].concat())
}

/// Returns a checkout whose image is published, without its receipt.
fn published() -> Checkout {
    let checkout = Checkout::new();
    run(&checkout, &["image-all"]).status(0);
    forget(&checkout);
    checkout
}

/// Removes the receipts of this machine.
fn forget(checkout: &Checkout) {
    fs::remove_dir_all(checkout.root().join("target/xtask/receipts")).unwrap();
}

/// Edits the receipts in the registry, as texts.
fn tamper(checkout: &Checkout, edit: impl Fn(&str) -> String) {
    let mut state = checkout.knows();
    for (name, manifest) in state["registry"].as_object_mut().unwrap() {
        if name.ends_with(".receipt") {
            manifest["receipt"] = edit(manifest["receipt"].as_str().unwrap()).into();
        }
    }
    checkout.state("state.json", &state.to_string());
}

fn tamper_field(checkout: &Checkout, pointer: &str, to: &Value) {
    tamper(checkout, |text| {
        let mut receipt: Value = serde_json::from_str(text).unwrap();
        *receipt.pointer_mut(pointer).unwrap() = to.clone();
        receipt.to_string()
    });
}

/// Returns the digest of `quay.io/us/<name>` in the registry.
fn digest(checkout: &Checkout, name: &str) -> String {
    let manifest = &checkout.knows()["registry"][format!("quay.io/us/{name}")];
    manifest["digest"].as_str().unwrap().to_owned()
}

/// Returns flaws of a receipt, and the message about each.
fn flaws() -> Vec<(&'static str, Value, &'static str)> {
    let other = format!("sha256:{}", "f".repeat(64));
    vec![
        ("/image", other.clone().into(), "the receipt is about another image"),
        (
            "/platform",
            "linux/arm64".into(),
            "the receipt is about linux/arm64, the image linux/amd64",
        ),
        ("/published/0/digest", other.into(), "the receipt does not list this digest"),
        ("/mission", "roman".into(), "the receipt is about the mission roman"),
        ("/mission", "/tmp/x".into(), "is not the name of a mission or an environment"),
        ("/inputs", "e".repeat(64).into(), "the receipt names other inputs than the image"),
        (
            "/frozen_specs",
            json!({ "hello": "e".repeat(64) }),
            "the receipt names other frozen specs",
        ),
        (
            "/frozen_specs",
            json!({ "../x": "e".repeat(64) }),
            "is not the name of a mission or an env",
        ),
        (
            "/refrozen",
            json!({ "../x": "identical" }),
            "is not the name of a mission or an environment",
        ),
        ("/published/0/repository", "quay.io/\u{1b}]8;;".into(), "is not a repository"),
        ("/complete", false.into(), "partial: "),
        ("/tests/0/outcome", "failed".into(), "its tests failed"),
        ("/tests", serde_json::json!([]), "no tests"),
        ("/tests/0/outcome", "skipped".into(), "not a valid receipt"),
        ("/receipt", 2.into(), "not a valid receipt"),
    ]
}

#[test]
fn honoured_on_another_machine() {
    let checkout = published();
    let done = run(&checkout, &["image-all"]).status(0);
    done.never_called("role=test").never_called("push").called("pull quay.io/us/hello");
    forget(&checkout);
    run(&checkout, &["image-push"]).status(0).never_called("push");
    forget(&checkout);
    run(&checkout, &["image-test"]).status(0).never_called("role=test");
    // From then on the receipt is this machine's.
    run(&checkout, &["image-test"]).status(0).did_nothing();
    run(&checkout, &["image-test", "--again"]).status(0).called("role=test");
}

#[test]
fn refused_on_another_machine() {
    for (pointer, to, reason) in flaws() {
        let checkout = published();
        tamper_field(&checkout, pointer, &to);
        let done = run(&checkout, &["image-push"]).status(1).never_called("push");
        done.says(reason).says("has no passing test receipt; run `cargo xtask image-test hello`");
        let done = run(&checkout, &["image-all"]).status(0).called("role=test");
        done.called(".receipt");
        // The stored receipt is now the new one.
        forget(&checkout);
        run(&checkout, &["image-all"]).status(0).never_called("role=test");
    }
}

/// An image under another mission's name, with a receipt about that mission, too.
#[test]
fn receipts_of_other_missions() {
    let checkout = Checkout::new();
    checkout.mission("roman");
    run(&checkout, &["image-all", "hello", "roman"]).status(0);
    let mut state = checkout.knows();
    let registry = state["registry"].as_object_mut().unwrap();
    let of_hello: Vec<_> =
        registry.iter().filter(|(name, _)| name.starts_with("quay.io/us/hello:")).collect();
    let as_roman = |(name, manifest): (&String, &Value)| {
        let mut manifest = manifest.clone();
        if let Some(text) = manifest["receipt"].as_str() {
            manifest["receipt"] =
                text.replace("\"mission\": \"hello\"", "\"mission\": \"roman\"").into();
        }
        (name.replace("us/hello:", "us/roman:"), manifest)
    };
    let forged: Vec<_> = of_hello.into_iter().map(as_roman).collect();
    registry.extend(forged);
    checkout.state("state.json", &state.to_string());
    let digest = digest(&checkout, "hello:latest-sandbox");
    let image = format!("roman@{digest}");
    let done = run(&checkout, &["receipt", "show", &image]).status(1);
    done.says("the receipt is about the mission roman, the image hello");
    let from = ["image-push", "roman", "--promote", "prod", "--from", &digest];
    run(&checkout, &from)
        .status(1)
        .never_called("image push")
        .says("the receipt is about the mission roman");
}

/// An image that is not on the engine is pulled before its tag moves; `receipt show` reports what
/// it does not compare.
#[test]
fn labels_of_an_image_that_is_elsewhere() {
    let checkout = published();
    let digest = digest(&checkout, "hello:latest-sandbox");
    let mut state = checkout.knows();
    state["images"] = json!([]);
    checkout.state("state.json", &state.to_string());
    let shown = run(&checkout, &["receipt", "show", &format!("hello@{digest}")]).status(0);
    shown
        .says("is not on this engine: the inputs and frozen specs of its receipt are not compared");
    let from = ["image-push", "--promote", "prod", "--from", &digest];
    run(&checkout, &from).status(0).never_says("are not compared");
    let mut state = checkout.knows();
    state["images"] = json!([]);
    checkout.state("state.json", &state.to_string());
    tamper_field(&checkout, "/inputs", &"e".repeat(64).into());
    let from = ["image-push", "--promote", "v2", "--from", &digest];
    run(&checkout, &from)
        .status(1)
        .never_called("image push")
        .says("the receipt names other inputs");
}

/// Receipts of this machine have the same requirements.
#[test]
fn one_here_that_is_about_something_else() {
    for (pointer, to) in [
        ("/mission", json!("roman")),
        ("/platform", json!("linux/arm64")),
        ("/inputs", json!("e".repeat(64))),
        ("/frozen_specs", json!({ "hello": "e".repeat(64) })),
    ] {
        let checkout = Checkout::new();
        checkout.run(&["image-build"]).status(0);
        checkout.run(&["image-test"]).status(0);
        let dir = checkout.root().join("target/xtask/receipts/hello");
        let path = fs::read_dir(dir).unwrap().next().unwrap().unwrap().path();
        let mut receipt: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        *receipt.pointer_mut(pointer).unwrap() = to;
        fs::write(&path, receipt.to_string()).unwrap();
        let done = run(&checkout, &["image-push"]).status(1).never_called("image push");
        done.says("has no passing test receipt; run `cargo xtask image-test hello`");
        checkout.run(&["image-test"]).status(0).called("role=test");
    }
}

/// The sources of a frozen image are those that were sent, whatever the working tree contains
/// later.
#[test]
fn frozen_specs_are_those_of_the_image() {
    let mut checkout = Checkout::new();
    checkout.run(&["image-build", "--floating"]).status(0);
    checkout.env("USE_FROZEN", "1");
    checkout.run(&["image-build"]).status(0);
    checkout.run(&["image-test"]).status(0);
    let state = checkout.knows();
    let labels = state["images"].as_array().unwrap().iter().map(|it| &it["labels"]);
    let mut of_missions = labels.filter(|it| it["science-platform.mission"] == "hello");
    let spec = |it: &Value| it["science-platform.frozen-specs"].as_str().unwrap().to_owned();
    assert_eq!(spec(of_missions.next().unwrap()), "{}");
    let frozen = spec(of_missions.next().unwrap());
    let dir = checkout.root().join("target/xtask/receipts/hello");
    let path = fs::read_dir(dir).unwrap().next().unwrap().unwrap().path();
    let receipt: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(receipt["frozen_specs"], serde_json::from_str::<Value>(&frozen).unwrap());
    assert_eq!(receipt["frozen_specs"].as_object().unwrap().len(), 1);
}

#[test]
fn not_even_json() {
    let checkout = published();
    tamper(&checkout, |text| text[..text.len() / 2].to_owned());
    run(&checkout, &["image-push"]).status(1).says("not a valid receipt");
    tamper(&checkout, |_| "[]".to_owned());
    run(&checkout, &["image-push"]).status(1).says("not a valid receipt");
}

/// A failure on this machine has priority.
#[test]
fn a_failure_here_counts() {
    let checkout = published();
    checkout.failing(&["numpy"]);
    run(&checkout, &["image-test", "--again"]).status(1);
    run(&checkout, &["image-push"]).status(1).never_called("push").says("its tests failed");
}

#[test]
fn tests_need_no_registry() {
    let mut checkout = published();
    checkout.fail("manifest inspect", 1, "dial tcp: lookup quay.io: no such host\n");
    let done = run(&checkout, &["image-test"]).status(0).called("role=test");
    done.says("hello: no receipt from the registry: ").says("no such host");
}

#[test]
fn shown() {
    let checkout = published();
    let digest = digest(&checkout, "hello:latest-sandbox");
    let done = checkout.run(&["receipt", "show", &format!("quay.io/us/hello@{digest}")]).status(0);
    assert!(done.stdout.contains("all 13 tests passed"), "{}", done.stdout);
    let done = run(&checkout, &["--json", "receipt", "show", &format!("hello@{digest}")]).status(0);
    assert_eq!(done.json()["published"][0]["digest"], digest.as_str());
    assert!(checkout.knows()["containers"].as_array().unwrap().is_empty());
    assert!(!checkout.has("target/xtask/receipts"));
}

#[test]
fn shown_only_when_it_vouches() {
    for (pointer, to, reason) in flaws() {
        let checkout = published();
        tamper_field(&checkout, pointer, &to);
        let digest = digest(&checkout, "hello:latest-sandbox");
        let done = run(&checkout, &["receipt", "show", &format!("hello@{digest}")]).status(1);
        assert_eq!(done.says(reason).stdout, "");
    }
}

#[test]
fn nothing_to_show() {
    let checkout = published();
    let absent = format!("hello@sha256:{}", "0".repeat(64));
    run(&checkout, &["receipt", "show", &absent]).status(1).says("the registry has no such image");
    let common = format!("common@{}", digest(&checkout, "common:latest-sandbox"));
    run(&checkout, &["receipt", "show", &common]).status(1).says("is not tested");
    run(&checkout, &["receipt", "show", "hello:v1"]).status(2).says("a tag can move");
    let local = checkout.run(&["receipt", "show", &absent]).status(1);
    local.says("the registry on this machine does not run");
}

#[test]
fn promoted_without_building() {
    let checkout = Checkout::new();
    checkout.mission("roman");
    run(&checkout, &["image-all", "hello", "roman"]).status(0);
    let both = ["image-push", "hello", "roman", "--promote"];
    let done = run(&checkout, &[&both[..], &["v1"]].concat()).status(0);
    done.never_called("build").never_called("role=test").never_called(".receipt quay");
    for name in ["hello", "roman"] {
        let (tag, latest) = (format!("{name}:v1"), format!("{name}:latest-sandbox"));
        assert_eq!(digest(&checkout, &tag), digest(&checkout, &latest));
    }
    run(&checkout, &[&both[..], &["v1"]].concat()).status(0).never_called("push");

    // A newer image, and back to the older one, by tag and by digest.
    let old = digest(&checkout, "hello:v1");
    checkout.file("missions/hello/environments/hello/tests/imports", "numpy\nscipy\n");
    run(&checkout, &["image-all", "hello", "--promote"]).status(2);
    run(&checkout, &["image-all", "hello"]).status(0);
    let hello = ["image-push", "hello", "--promote"];
    run(&checkout, &[&hello[..], &["prod"]].concat()).status(0);
    assert_ne!(digest(&checkout, "hello:prod"), old);
    run(&checkout, &[&hello[..], &["prod", "--from", "v1"]].concat()).status(0);
    assert_eq!(digest(&checkout, "hello:prod"), old);
    run(&checkout, &[&hello[..], &["prod", "--from", "latest-sandbox"]].concat()).status(0);
    let done = run(&checkout, &[&["--json"], &hello[..], &["prod", "--from", &old]].concat());
    assert_eq!(done.status(0).json()[0]["digest"], old.as_str());
    assert_eq!(digest(&checkout, "hello:prod"), old);
}

#[test]
fn promoted_only_when_all_are_tested() {
    let checkout = Checkout::new();
    checkout.mission("roman");
    run(&checkout, &["image-all", "hello", "roman"]).status(0);
    let mut state = checkout.knows();
    let registry = state["registry"].as_object_mut().unwrap();
    registry.retain(|name, _| !(name.contains("roman") && name.ends_with(".receipt")));
    checkout.state("state.json", &state.to_string());
    let both = ["image-push", "hello", "roman", "--promote", "v1"];
    let done = run(&checkout, &both).status(1).never_called("push");
    done.says("quay.io/us/roman@").says("is not tested");
    let from = [&both[..], &["--from", "latest-sandbox"]].concat();
    run(&checkout, &from).status(1).never_called("push");
    let from = [&both[..], &["--from", "nowhere"]].concat();
    run(&checkout, &from).status(1).says("the registry has no such image");
}

#[test]
fn promoted_only_to_a_tag_that_may_move() {
    let checkout = published();
    for tag in ["0123456789ab-0123456789ab", "sha256-0.receipt", "v 1", ""] {
        run(&checkout, &["image-push", "--promote", tag]).status(2).did_nothing();
    }
    run(&checkout, &["image-push", "--from", "v1"]).status(2);
}

#[test]
fn promoted_only_what_is_published() {
    let checkout = Checkout::new();
    run(&checkout, &["image-build"]).status(0);
    let done = run(&checkout, &["image-push", "--promote", "v1"]).status(1).did_nothing();
    done.says("is not there; run `cargo xtask image-push hello`");
    checkout.run(&["image-push", "--promote", "v1"]).status(1).says("does not run");
}

#[test]
fn promoted_in_a_dry_run() {
    let checkout = published();
    let done = run(&checkout, &["-n", "image-push", "--promote", "v1"]).status(0);
    let done = done.never_called("push").says("a dry run does not read the receipt");
    let done = done.never_says("hello:v1 is ");
    assert!(done.stdout.ends_with("image push quay.io/us/hello:v1\n"), "{}", done.stdout);
}

#[test]
fn a_report_of_what_was_tested() {
    let checkout = Checkout::new();
    run(&checkout, &["report"]).status(1).says("nothing was tested yet");
    checkout.failing(&["numpy"]);
    run(&checkout, &["image-all"]).status(1);
    run(&checkout, &["-n", "report"]).status(0).did_nothing();
    assert!(!checkout.has("target/xtask/report.html"));
    let done = run(&checkout, &["--json", "report"]).status(0).did_nothing();
    assert!(done.json()["report"].as_str().unwrap().ends_with("/target/xtask/report.html"));
    let page = checkout.read("target/xtask/report.html");
    for part in ["numpy is broken", "linux/amd64", "the last run left no executed notebook"] {
        assert!(page.contains(part), "{part}");
    }

    checkout.mission("roman");
    let both = ["report", "hello", "roman", "--output", "other.html"];
    run(&checkout, &both).status(0);
    let page = checkout.read("common/other.html");
    assert!(page.contains("no current image: image roman: not built"), "{page}");
}

/// A failed run of a part of the tests, and one of an image that an edit made obsolete.
#[test]
fn a_report_of_the_run_that_failed() {
    let checkout = Checkout::new();
    run(&checkout, &["image-all"]).status(0);
    let page = |of: &str| {
        run(&checkout, &["report"]).status(0);
        let page = checkout.read("target/xtask/report.html");
        assert!(page.contains(of), "{page}");
        page.contains("numpy is broken")
    };
    assert!(!page("badge passed"));
    checkout.failing(&["numpy"]);
    run(&checkout, &["image-test", "--only", "numpy"]).status(1);
    assert!(page("which failed: of a part of the tests"));
    run(&checkout, &["image-test", "--again"]).status(1);
    fs::remove_dir_all(checkout.root().join("target/xtask/test-selection")).unwrap();
    assert!(page("badge failed"));
    // The current image is another one, first not built, then built and not tested.
    checkout.file("missions/hello/environments/hello/tests/new.txt", "new\n");
    assert!(page("no current image"));
    run(&checkout, &["image-build"]).status(0);
    assert!(page("which failed: of an earlier image"));
    // Once it is tested, the failure is of the past.
    checkout.failing(&[]);
    run(&checkout, &["image-test"]).status(0);
    assert!(!page("badge passed"));
}

#[test]
fn results_for_ci_servers() {
    let checkout = Checkout::new();
    checkout.failing(&["numpy"]);
    run(&checkout, &["image-all"]).status(1);
    let junit = checkout.read("target/xtask/test/hello/junit.xml");
    assert!(
        junit.contains("<testsuite name=\"hello.hello\" tests=\"4\" failures=\"1\""),
        "{junit}"
    );
    assert!(junit.contains("message=\"numpy is broken\""), "{junit}");
}

/// A receipt from elsewhere has no notebooks; those of another image do not count as its own.
#[test]
fn a_report_without_notebooks() {
    let checkout = published();
    fs::remove_dir_all(checkout.root().join("target/xtask/test")).unwrap();
    run(&checkout, &["image-all"]).status(0).never_called("role=test");
    run(&checkout, &["report"]).status(0);
    let page = checkout.read("target/xtask/report.html");
    assert!(page.contains("without executed notebooks"), "{page}");
}

/// A receipt that claims to be complete, from a version of this tool that tested less.
#[test]
fn one_that_lacks_tests_vouches_for_nothing() {
    let checkout = published();
    tamper(&checkout, |text| {
        let mut receipt: Value = serde_json::from_str(text).unwrap();
        receipt["tests"].as_array_mut().unwrap().retain(|it| it["kind"] != "kernel");
        receipt.to_string()
    });
    run(&checkout, &["image-push"]).status(1).says("its receipt lacks tests").never_called("push");
    run(&checkout, &["image-test"]).status(0).called("role=test");
    run(&checkout, &["image-push"]).status(0);
}
