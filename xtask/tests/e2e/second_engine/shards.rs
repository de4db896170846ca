//! Parts of the tests of a candidate, on an engine that built it and on one that has no image.

use std::fs;

use serde_json::Value;

use super::{ADDRESS, SecondEngine};
use crate::{
    checkout::Checkout,
    containers::Registry,
    receipts::{CORPUS, SCHEMA},
    tools,
};

/// Runs a part of the tests of `hello`. Returns the file with its receipt, and what was said.
#[track_caller]
fn part(checkout: &Checkout, part: &str) -> (String, String) {
    let run = checkout.run(&["image-test", "hello", "--floating", "--shard", part]);
    assert_eq!(run.status, Some(0), "{}", run.stderr);
    let name = format!(".{}.json", part.replace('/', "-of-"));
    let dir = checkout.path("target/xtask/shards/hello");
    let files = fs::read_dir(dir).unwrap().map(|it| it.unwrap().path());
    let file = files.map(|it| it.to_str().unwrap().to_owned()).find(|it| it.ends_with(&name));
    (file.unwrap(), run.stderr)
}

#[test]
fn parts_of_a_candidate_are_one_receipt() {
    let mut here = Checkout::new();
    let registry = Registry::start(&mut here);
    here.set("REUSE", "registry");
    here.rows(&["image-build", "hello", "--floating"]);
    let candidate = ["image-push", "hello", "--floating", "--candidate"];
    assert_eq!(here.rows(&candidate).action("hello"), "pushed");
    assert_eq!(here.rows(&candidate).action("hello"), "already published");
    let tags = [registry.tags("hello"), registry.tags("common")].concat();
    assert!(tags.len() == 2 && tags.iter().all(|it| it.starts_with("candidate-")), "{tags:?}");
    let listed = here.run(&["image-list", "hello"]);
    assert!(listed.stdout.contains("candidate, not tested"), "{}", listed.stdout);
    let prune = ["-n", "image-prune", "--registry", "hello", "--days", "0"];
    assert!(here.run(&prune).stderr.contains("d old, a candidate"));
    let (first, _) = part(&here, "1/3");

    let mut there = here.beside();
    let engine = SecondEngine::start(&registry);
    there.on(&engine, ADDRESS);
    let (second, said) = part(&there, "2/3");
    assert!(said.contains(&format!("pulling {}/hello@sha256:", registry.host)), "{said}");
    let (third, said) = part(&there, "3/3");
    assert!(!said.contains("pulling "), "{said}");
    tools::look("receipts.py", &[SCHEMA, CORPUS, &first, &second, &third]);
    let push = ["image-push", "hello", "--floating"];
    // Pulls the image below, too.
    let refused = there.run(&push);
    assert!(refused.stderr.contains("has no passing test receipt"), "{}", refused.stderr);
    let two = there.run(&["receipt", "merge", &first, &third]);
    assert_eq!(two.status, Some(2));
    assert!(two.stderr.contains("part 2/3 is missing"), "{}", two.stderr);

    let merged = there.run(&["receipt", "merge", &first, &second, &third, "--json"]);
    assert_eq!(merged.status, Some(0), "{}", merged.stderr);
    let receipt: Value = serde_json::from_str(&merged.stdout).unwrap();
    assert!(receipt["complete"] == true && receipt["tests"].as_array().unwrap().len() > 10);
    let rows = there.rows(&push);
    assert_eq!(rows.action("common"), "pushed, moved");
    assert_eq!(rows.action("hello"), "pushed, moved");
    let digest = registry.digest("hello:latest-sandbox").unwrap();
    let image = format!("{}/hello@{digest}", registry.host);
    assert_eq!(there.run(&["receipt", "show", &image]).status, Some(0));
    let listed = here.run(&["image-list", "hello"]);
    assert!(!listed.stdout.contains("candidate"), "{}", listed.stdout);
    here.rows(&["image-all", "hello", "--floating"]).did_nothing();
}
