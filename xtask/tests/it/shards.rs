//! Parts of an image's tests, and the receipt that they become.

use std::{collections::BTreeSet, fs, path::PathBuf};

use serde_json::Value;

use crate::checkout::Checkout;

/// Runs a part of the tests of `hello`, and returns the file with its receipt.
#[track_caller]
fn part(checkout: &Checkout, part: &str, status: i32) -> String {
    checkout.run(&["image-test", "--shard", part]).status(status);
    let name = format!(".{}.json", part.replace('/', "-of-"));
    let files = files(checkout).into_iter().map(|it| it.to_string_lossy().into_owned());
    files.into_iter().find(|it| it.ends_with(&name)).unwrap()
}

fn files(checkout: &Checkout) -> Vec<PathBuf> {
    let dir = checkout.root().join("target/xtask/shards/hello");
    fs::read_dir(dir).unwrap().map(|it| it.unwrap().path()).collect()
}

fn receipt(file: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

/// Returns a checkout with an image, and the receipts of three parts of its tests.
fn tested() -> (Checkout, [String; 3]) {
    let checkout = Checkout::new();
    checkout.run(&["image-build"]).status(0);
    let files = ["1/3", "2/3", "3/3"].map(|it| part(&checkout, it, 0));
    (checkout, files)
}

#[test]
fn three_parts_are_one_receipt_that_is_pushed() {
    let (checkout, files) = tested();
    let names = |it: &Value| {
        let tests = it["tests"].as_array().unwrap().iter();
        let name = |it: &Value| format!("{} {} {}", it["environment"], it["kind"], it["name"]);
        tests.map(name).collect::<Vec<_>>()
    };
    let parts: Vec<Value> = files.iter().map(|it| receipt(it)).collect();
    let all: Vec<String> = parts.iter().flat_map(names).collect();
    assert!(parts.iter().all(|it| it["complete"] == false && !names(it).is_empty()));
    let push = ["--set", "REGISTRY=quay.io/us", "image-push"];
    checkout.run(&push).status(1).says("has no passing test receipt").did_nothing();

    let [a, b, c] = &files;
    checkout.run(&["receipt", "merge", c, a]).status(2).says("part 2/3 is missing").did_nothing();
    checkout.run(&["-n", "receipt", "merge", c, a, b]).status(0);
    checkout.run(&push).status(1).says("has no passing test receipt").did_nothing();
    let merged = checkout.run(&["receipt", "merge", c, a, b, "--json"]).status(0);
    let merged = merged.says("receipt: target/xtask/receipts/hello/");
    let mut whole = names(&merged.json());
    assert_eq!(whole.len(), 13);
    assert_eq!(whole.iter().collect::<BTreeSet<_>>().len(), 13, "a test ran twice");
    whole.sort();
    assert_eq!(whole, {
        let mut all = all;
        all.sort();
        all
    });
    checkout.run(&push).status(0).says("pushed");
    checkout.run(&["image-test"]).status(0).did_nothing();
}

#[test]
fn an_image_that_is_not_here() {
    let done = Checkout::new().run(&["image-test", "--shard", "1/3"]).status(1).did_nothing();
    done.says("not built (no image yet); run `cargo xtask image-push hello --candidate` where the image is built");
}

#[test]
fn a_failure_of_one_part_is_one_of_the_whole() {
    let checkout = Checkout::new();
    checkout.run(&["image-build"]).status(0);
    checkout.failing(&["numpy"]);
    let files = [part(&checkout, "1/2", 0), part(&checkout, "2/2", 1)];
    let args = ["receipt", "merge", &files[0], &files[1]];
    checkout.run(&args).status(1).says("hello: import numpy").says("numpy is broken");
    let push = ["--set", "REGISTRY=quay.io/us", "image-push"];
    checkout.run(&push).status(1).says("its tests failed").did_nothing();
}

/// Parts come from other machines.
#[test]
fn foreign_parts_are_refused() {
    let (checkout, files) = tested();
    let [a, b, c] = &files;
    let merge = |reason: &str| {
        checkout.run(&["receipt", "merge", a, b, c]).status(2).says(reason).did_nothing();
    };
    let whole = fs::read_to_string(b).unwrap();
    let with = |pointer: &str, to: Value| {
        let mut receipt: Value = serde_json::from_str(&whole).unwrap();
        *receipt.pointer_mut(pointer).unwrap() = to;
        fs::write(b, receipt.to_string()).unwrap();
    };
    for (pointer, to, reason) in [
        ("/image", format!("sha256:{}", "e".repeat(64)), "another image than in "),
        ("/shard/settings", "e".repeat(64), "another settings of tests than in "),
        ("/shard/part", "1/3".to_owned(), "part 1/3 is also in "),
        ("/shard/part", "4/3".to_owned(), "expected I/N with 1 <= I <= N <= 99, as in 2/3"),
        ("/mission", "../x".to_owned(), "not a valid receipt"),
        ("/tests/0/name", "scipy".to_owned(), "is not a test of part 2/3"),
    ] {
        with(pointer, to.into());
        merge(reason);
    }
    with("/complete", true.into());
    merge("a part of the tests is not all of them");
    fs::write(b, &whole[..whole.len() / 2]).unwrap();
    merge("not a valid receipt");
    fs::remove_file(b).unwrap();
    merge("2-of-3.json");
    std::os::unix::fs::symlink(a, b).unwrap();
    merge("not a regular file");
    checkout.run(&["receipt", "merge"]).status(2);
}

#[test]
fn a_part_without_tests() {
    let checkout = Checkout::new();
    checkout.run(&["image-build"]).status(0);
    let file = part(&checkout, "30/31", 0);
    assert_eq!(receipt(&file)["tests"], serde_json::json!([]));
    let done = checkout.run(&["image-test", "--shard", "30/31"]).status(0);
    done.never_called("role=test");
    for bad in ["0/3", "4/3", "3", "a/b", "1/100"] {
        checkout.run(&["image-test", "--shard", bad]).status(2).did_nothing();
    }
    checkout.run(&["image-test", "--shard", "1/2", "--only", "a"]).status(2).did_nothing();
}

/// A failure of all tests counts more than older parts that passed.
#[test]
fn parts_do_not_replace_a_newer_failure() {
    let (checkout, files) = tested();
    for file in &files {
        let mut receipt: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        receipt["started"] = "2026-01-01T00:00:00Z".into();
        fs::write(file, receipt.to_string()).unwrap();
    }
    checkout.failing(&["numpy"]);
    checkout.run(&["image-test"]).status(1);
    let [a, b, c] = &files;
    let merge = ["receipt", "merge", a, b, c];
    checkout.run(&merge).status(2).says("all tests of this image ran here after these parts");
    checkout.run(&["image-push"]).status(1).says("its tests failed");
}
