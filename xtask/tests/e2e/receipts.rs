//! Receipts that go from one machine to another through a registry.

use std::fs;

use serde_json::Value;

use crate::{
    checkout::{Checkout, run},
    clis,
    containers::{Registry, docker},
    seed::CONTENT,
    tools,
};

pub(crate) const SCHEMA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/receipt.schema.json");
pub(crate) const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/receipts.json");

/// Publishes `hello` from a checkout; returns it, the registry, and a checkout without state.
fn published() -> (Checkout, Registry, Checkout) {
    let mut here = Checkout::new();
    let registry = Registry::start(&mut here);
    here.has_tested(&["--frozen"]);
    here.rows(&["image-all", "hello"]);
    let there = here.beside();
    (here, registry, there)
}

/// Returns path and text of the only receipt in a checkout.
fn receipt(checkout: &Checkout) -> (String, String) {
    let dir = checkout.path("target/xtask/receipts/hello");
    let path = fs::read_dir(dir).unwrap().next().unwrap().unwrap().path();
    (path.to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap())
}

fn forget(checkout: &Checkout) {
    let _ = fs::remove_dir_all(checkout.path("target/xtask/receipts"));
}

#[test]
fn honoured_on_another_machine() {
    let (here, registry, there) = published();
    let digest = registry.digest("hello:latest-sandbox").unwrap();
    let image = format!("{}/hello@{digest}", registry.host);
    let shown = there.run(&["receipt", "show", &image, "--json"]);
    assert_eq!(shown.status, Some(0));
    assert_eq!(shown.stdout, receipt(&here).1);
    let rows = there.rows(&["image-all", "hello"]);
    rows.did_nothing();
    assert_eq!(receipt(&there).1, receipt(&here).1, "it was tested again");
    tools::look("receipts.py", &[SCHEMA, CORPUS, &receipt(&here).0, &receipt(&there).0]);

    let promoted = there.run(&["image-push", "hello", "--promote", "v1", "--from", &digest]);
    assert_eq!(promoted.status, Some(0));
    assert_eq!(registry.digest("hello:v1"), Some(digest));
    assert_eq!(there.run(&["image-push", "common", "--promote", "v1"]).status, Some(2));
}

#[test]
fn refused_on_another_machine() {
    let (_here, registry, there) = published();
    let digest = registry.digest("hello:latest-sandbox").unwrap();
    let image = format!("{}/hello@{digest}", registry.host);
    let stored = format!("{}/hello:{}.receipt", registry.host, digest.replace(':', "-"));
    let whole = there.run(&["receipt", "show", &image, "--json"]).stdout;
    let other = format!("sha256:{}", "f".repeat(64));
    let with = |pointer: &str, to: Value| {
        let mut receipt: Value = serde_json::from_str(&whole).unwrap();
        *receipt.pointer_mut(pointer).unwrap() = to;
        receipt.to_string()
    };
    let texts = [
        (with("/image", other.into()), "the receipt is about another image"),
        (with("/published", serde_json::json!([])), "the receipt does not list this digest"),
        (with("/platform", "linux/arm64".into()), "the receipt is about linux/arm64"),
        (with("/complete", false.into()), "partial: "),
        (with("/tests/0/outcome", "failed".into()), "its tests failed"),
        (with("/tests/0/outcome", "fine".into()), "not a valid receipt"),
        (whole[..whole.len() / 2].to_owned(), "not a valid receipt"),
    ];
    for (text, reason) in &texts {
        store(&there, &stored, text);
        forget(&there);
        let shown = there.run(&["receipt", "show", &image]);
        assert_eq!((shown.status, shown.stdout.as_str()), (Some(1), ""), "{reason}");
        assert!(shown.stderr.contains(reason), "{reason}");
        let pushed = there.run(&["image-push", "hello"]);
        assert_eq!(pushed.status, Some(1), "{reason}");
        assert!(pushed.stderr.contains("has no passing test receipt"), "{reason}");
        let promoted = there.run(&["image-push", "hello", "--promote", "v1"]);
        assert_eq!(promoted.status, Some(1), "{reason}");
    }
    assert_eq!(registry.digest("hello:v1"), None);
    // The new test replaces the receipt that did not count.
    there.rows(&["image-all", "hello"]);
    let again = there.run(&["receipt", "show", &image, "--json"]);
    assert_eq!(again.status, Some(0));
    assert_ne!(again.stdout, whole, "it was not tested again");
}

/// Stores `text` as the receipt, like somebody with write access to the registry could.
pub(crate) fn store(checkout: &Checkout, stored: &str, text: &str) {
    let dir = checkout.path("target/forged");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("receipt.json"), text).unwrap();
    fs::write(dir.join("Dockerfile"), "FROM scratch\nCOPY receipt.json /\n").unwrap();
    run(&mut docker(&["build", "--quiet", "--tag", stored, dir.to_str().unwrap()]));
    run(&mut docker(&["image", "push", "--quiet", stored]));
}

/// A registry that sends other bytes than those of the digest; each CLI notices.
#[test]
fn tampered_bytes() {
    let (_here, registry, mut there) = published();
    let digest = registry.digest("hello:latest-sandbox").unwrap();
    let image = format!("{}/hello@{digest}", registry.host);
    let hex = digest.trim_start_matches("sha256:");
    let blobs = format!("{CONTENT}/docker/registry/v2/blobs/sha256");
    let edit =
        format!("sed --in-place 's/\"size\": /\"size\":  /' {blobs}/{}/{hex}/data", &hex[..2]);
    let clis = clis::fetch();
    let clis = ["docker.io/usr/bin/docker", "docker-cli/usr/bin/docker"].map(|it| clis.join(it));
    for cli in &clis {
        there.set("DOCKER", cli.to_str().unwrap());
        assert_eq!(there.run(&["receipt", "show", &image]).status, Some(0));
    }
    run(&mut docker(&["exec", "--user", "0", registry.id(), "sh", "-c", &edit]));
    for cli in &clis {
        there.set("DOCKER", cli.to_str().unwrap());
        let shown = there.run(&["receipt", "show", &image]);
        assert_eq!((shown.status, shown.stdout.as_str()), (Some(1), ""));
        assert!(shown.stderr.contains("or not of this digest"), "{}", cli.display());
    }
}
