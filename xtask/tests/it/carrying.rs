//! Results that carry over from another image.

use serde_json::{Value, json};

use crate::{checkout::Checkout, run::Done};

const PART: &str = "missions/hello/Dockerfile.custom";

/// Returns a checkout whose image was tested, and what its container said of dependencies.
fn tested() -> Checkout {
    let checkout = Checkout::new();
    says(&checkout, "a");
    checkout.run(&["image-all"]).status(0);
    let known = receipts(&checkout).remove(0)["dependencies"]["hello"].clone();
    assert_eq!((known["digest"].as_str().unwrap().len(), &known["carried"]), (64, &Value::Null));
    checkout
}

/// Sets the digest of the files that containers say.
fn says(checkout: &Checkout, digit: &str) {
    checkout.state("dependencies", &json!({ "hello": digit.repeat(64) }).to_string());
}

/// Makes another image of the mission, and tests it.
fn edited(checkout: &Checkout, more: &[&str]) -> Done {
    checkout.file(PART, &(checkout.read(PART) + "RUN true\n"));
    checkout.run(&[&["image-all", "--json"], more].concat())
}

/// Returns the receipts of the mission, the newest file first.
fn receipts(checkout: &Checkout) -> Vec<Value> {
    let dir = checkout.root().join("target/xtask/receipts/hello");
    let files = std::fs::read_dir(dir).unwrap().map(|it| it.unwrap());
    let mut files: Vec<_> =
        files.map(|it| (it.metadata().unwrap().modified().unwrap(), it.path())).collect();
    files.sort();
    let text = |path| std::fs::read_to_string(path).unwrap();
    files.into_iter().rev().map(|it| serde_json::from_str(&text(it.1)).unwrap()).collect()
}

fn plan(checkout: &Checkout) -> Value {
    let sent = checkout.knows()["sent"].as_array().unwrap().clone();
    let plans = sent.iter().rev().filter_map(|it| serde_json::from_str(it.as_str().unwrap()).ok());
    plans.into_iter().next().unwrap()
}

#[track_caller]
fn assert_carried(checkout: &Checkout, done: &Done, carried: bool) {
    let newest = receipts(checkout).remove(0);
    let known = &newest["dependencies"]["hello"];
    let row = done.json()["images"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(known["carried"].is_object(), carried, "{known}");
    assert_eq!(row["carried"]["hello"].is_object(), carried, "{row}");
    assert_eq!(plan(checkout)["carried"], if carried { json!(["hello"]) } else { json!([]) });
}

#[test]
fn results_of_equal_dependencies() {
    let checkout = tested();
    let first = receipts(&checkout).remove(0);
    let done = edited(&checkout, &[]).status(0).called("push").called("role=test-hub");
    let from = first["image"].as_str().unwrap();
    let started = first["started"].as_str().unwrap();
    let note = format!("hello: results of hello carried over from image …, tested {started}");
    let done = done.says(&note);
    assert_carried(&checkout, &done, true);
    let second = receipts(&checkout).remove(0);
    let known = &second["dependencies"]["hello"];
    assert_eq!(known["carried"], json!({ "image": from, "started": started }));
    assert_eq!(known["digest"], first["dependencies"]["hello"]["digest"]);
    let own = |receipt: &Value| -> Vec<Value> {
        let tests = receipt["tests"].as_array().unwrap().iter();
        let own = |it: &&Value| it["environment"] == "hello" && it["kind"] != "kernel";
        let mut res: Vec<Value> = tests.filter(own).cloned().collect();
        res.sort_by_key(ToString::to_string);
        res
    };
    assert_eq!(own(&second), own(&first));
    assert_eq!(second["tests"].as_array().unwrap().len(), first["tests"].as_array().unwrap().len());
    // From the third image on, the first is still the origin.
    let done = edited(&checkout, &[]).status(0);
    assert_carried(&checkout, &done, true);
    assert_eq!(receipts(&checkout)[0]["dependencies"]["hello"]["carried"]["image"], from);
}

#[test]
fn everything_runs_again_when_asked() {
    let checkout = tested();
    let done = edited(&checkout, &["--again"]).status(0);
    assert_carried(&checkout, &done, false);
    let done = edited(&checkout, &[]).status(0);
    assert_carried(&checkout, &done, true);
    let done = checkout.run(&["image-test", "--again", "--json"]).status(0);
    assert_carried(&checkout, &done, false);
}

#[test]
fn other_dependencies_settings_and_scripts() {
    let checkout = tested();
    says(&checkout, "b");
    let done = edited(&checkout, &[]).status(0);
    assert_carried(&checkout, &done, false);
    for set in ["TEST_MEMORY=5g", "TEST_DISK=9g", "PATIENCE=2"] {
        let done = edited(&checkout, &["--set", set]).status(0);
        assert_carried(&checkout, &done, false);
    }
    checkout.file("common/image/common-scripts/platform_env/more.py", "");
    let done = edited(&checkout, &[]).status(0);
    assert_carried(&checkout, &done, false);
    let done = edited(&checkout, &[]).status(0);
    assert_carried(&checkout, &done, true);
}

#[test]
fn what_is_not_known_well_enough() {
    let checkout = tested();
    for set in ["TEST_MAX_AGE=0", "TEST_NETWORK=egress", "TEST_DATA=/data/crds:/opt/crds"] {
        edited(&checkout, &["--set", set]).status(0);
        assert_eq!(plan(&checkout)["dependencies"], false, "{set}");
        assert_eq!(receipts(&checkout)[0]["dependencies"], json!({}), "{set}");
    }
    checkout.state("dependencies", r#"{"hello": "x"}"#);
    edited(&checkout, &[]).status(0).says("hello: no result carries over: dependencies.json");
    assert_eq!(receipts(&checkout)[0]["dependencies"], json!({}));
    checkout.state("dependencies", "they are in more than 2 folders\u{1b}[2J");
    let done = edited(&checkout, &[]).status(0);
    done.says("warning: hello: no result carries over: the image's files have no digest: they are in more than 2 folders");
    assert_eq!(receipts(&checkout)[0]["dependencies"], json!({}));
    // Nothing is known of environments that the mission does not have.
    checkout.state("dependencies", &json!({ "base": "a".repeat(64) }).to_string());
    edited(&checkout, &[]).status(0);
    assert_eq!(receipts(&checkout)[0]["dependencies"], json!({}));
}

/// Replaces texts in all receipts.
fn replace_in_receipts(checkout: &Checkout, texts: &[(&str, &str)]) {
    let dir = checkout.root().join("target/xtask/receipts/hello");
    for path in std::fs::read_dir(dir).unwrap().map(|it| it.unwrap().path()) {
        let text = std::fs::read_to_string(&path).unwrap();
        let text = texts.iter().fold(text, |text, (from, to)| text.replace(from, to));
        std::fs::write(path, text).unwrap();
    }
}

/// Removes the receipts of former runs, which may be of the same second.
fn only_newest_receipt(checkout: &Checkout) {
    let newest = receipts(checkout).remove(0)["image"].as_str().unwrap().replace("sha256:", "");
    let dir = checkout.root().join("target/xtask/receipts/hello");
    for it in std::fs::read_dir(dir).unwrap().map(|it| it.unwrap().path()) {
        if !it.to_string_lossy().contains(&newest) {
            std::fs::remove_file(it).unwrap();
        }
    }
}

#[test]
fn failed_tests_and_new_ones_run() {
    let checkout = Checkout::new();
    says(&checkout, "a");
    checkout.failing(&["numpy"]);
    checkout.run(&["image-all"]).status(1);
    checkout.failing(&[]);
    let done = edited(&checkout, &[]).status(0);
    assert_carried(&checkout, &done, false);
    let sources = |it: &Value| it["dependencies"]["hello"]["sources"].as_str().unwrap().to_owned();
    let before = sources(&receipts(&checkout)[0]);
    checkout.file("missions/hello/environments/hello/tests/imports", "numpy\nscipy\n");
    let done = edited(&checkout, &[]).status(0);
    assert_carried(&checkout, &done, false);
    // Nor where the earlier receipt says that these are the files of then, and lacks the test.
    let now = sources(&receipts(&checkout)[0]);
    assert_ne!(now, before);
    replace_in_receipts(&checkout, &[(&before, &now), ("scipy", "other")]);
    let done = edited(&checkout, &[]).status(0);
    assert_carried(&checkout, &done, false);
    only_newest_receipt(&checkout);
    // The image as a whole is tested, whatever carries over.
    checkout.failing(&["login"]);
    let done = edited(&checkout, &[]).status(1).never_called("push");
    assert_carried(&checkout, &done, true);
    done.says("shell login");
}

/// Nothing is compared where the files of each environment were edited.
#[test]
fn edited_environments_run_at_once() {
    let checkout = tested();
    let list = "missions/hello/environments/hello/tests/imports";
    checkout.file(list, &(checkout.read(list) + "# more\n"));
    let done = edited(&checkout, &[]).status(0);
    assert_carried(&checkout, &done, false);
    let done = edited(&checkout, &[]).status(0);
    assert_carried(&checkout, &done, true);
    let known = receipts(&checkout)[0]["dependencies"]["hello"].clone();
    assert_eq!(known["sources"].as_str().unwrap().len(), 64);
}

#[test]
fn selections_carry_nothing_over() {
    let checkout = tested();
    checkout.file(PART, &(checkout.read(PART) + "RUN true\n"));
    checkout.run(&["image-build"]).status(0);
    checkout.run(&["image-test", "--imports"]).status(0);
    let told = plan(&checkout);
    assert_eq!((&told["dependencies"], &told["carried"]), (&json!(false), &json!([])));
}

/// A machine that has no receipt takes that of the published image, if it may and if it certifies.
#[test]
fn a_receipt_of_the_registry() {
    let checkout = tested();
    let first = receipts(&checkout).remove(0);
    let folder = checkout.root().join("target/xtask/receipts");
    let forget = || std::fs::remove_dir_all(&folder).unwrap();
    forget();
    let done = edited(&checkout, &["--set", "REUSE=never"]).status(0);
    assert_carried(&checkout, &done, false);
    forget();
    let done = edited(&checkout, &[]).status(0);
    assert_carried(&checkout, &done, true);
    // The newest push moved the tag.
    let origin = &receipts(&checkout)[0]["dependencies"]["hello"]["carried"];
    assert_ne!(origin["image"], first["image"]);
    forget();
    let done = edited(&checkout, &["--set", "IMAGE_TAG=other"]).status(0);
    assert_carried(&checkout, &done, false);
}
