//! Old images go from a registry and from the engine, and going back works for those that stay.

use serde_json::Value;

use crate::{
    checkout::{Checkout, run},
    containers::{Registry, docker},
};

const IMPORTS: &str = "missions/hello/environments/hello/tests/imports";

/// Publishes another image of hello, and returns its digest.
fn publish(checkout: &Checkout, registry: &Registry, module: &str) -> String {
    checkout.write(IMPORTS, &format!("{}{module}\n", checkout.read(IMPORTS)));
    checkout.rows(&["image-all", "hello", "--floating"]);
    registry.digest("hello:latest-sandbox").unwrap()
}

/// Returns the images of hello in the registry, newest first, each certified.
fn images(checkout: &Checkout) -> Vec<(String, String)> {
    let list = checkout.run(&["image-list", "hello", "--json"]);
    assert_eq!(list.status, Some(0), "{}", list.stderr);
    let list: Value = serde_json::from_str(&list.stdout).unwrap();
    let text = |it: &Value| it.as_str().unwrap().to_owned();
    let images = list[0]["images"].as_array().unwrap().iter();
    images
        .map(|it| {
            assert!(it["passed"].as_u64().unwrap() > 10, "{it}");
            (text(&it["digest"]), text(&it["tag"]))
        })
        .collect()
}

#[test]
fn what_is_kept_can_be_gone_back_to() {
    let mut checkout = Checkout::new();
    let registry = Registry::start(&mut checkout);
    let first = publish(&checkout, &registry, "colorsys");
    let second = publish(&checkout, &registry, "cmath");
    let third = publish(&checkout, &registry, "wave");
    let before = registry.tags("hello");
    let (images_before, common) = (images(&checkout), registry.tags("common"));
    assert_eq!(images_before.len(), 3);
    let oldest = &images_before[2];
    assert_eq!(oldest.0, first);

    let prune = |more: &[&str]| {
        let args = ["image-prune", "--registry", "--days", "0"];
        checkout.run(&[&args[..], more].concat())
    };
    let dry = checkout.run(&["-n", "image-prune", "--registry", "--keep", "2", "--days", "0"]);
    assert_eq!(dry.status, Some(0), "{}", dry.stderr);
    let lines: Vec<&str> = dry.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{}", dry.stdout);
    assert_eq!(lines[0], format!("DELETE {}/hello@{first}", registry.host));
    assert!(dry.stderr.contains("newer certified images: 2"), "{}", dry.stderr);
    let unasked = prune(&["--keep", "2"]);
    assert_eq!(unasked.status, Some(1), "{}", unasked.stderr);
    assert!(unasked.stderr.contains("pass `--yes` to remove these images"), "{}", unasked.stderr);
    let young = checkout.run(&["image-prune", "--registry", "--keep", "0", "--yes"]);
    assert_eq!(young.status, Some(0), "{}", young.stderr);
    assert_eq!(registry.tags("hello"), before, "something was removed");

    let pruned = prune(&["--keep", "2", "--yes"]);
    assert_eq!(pruned.status, Some(0), "{}", pruned.stderr);
    let gone: Vec<&String> = before.iter().collect();
    let left = registry.tags("hello");
    let gone: Vec<&&String> = gone.iter().filter(|it| !left.contains(it)).collect();
    let receipt = format!("{}.receipt", first.replace(':', "-"));
    assert_eq!(gone.len(), 3, "{gone:?}");
    assert!(gone.iter().any(|it| ***it == receipt) && gone.iter().any(|it| ***it == oldest.1));
    assert!(gone.iter().any(|it| it.starts_with("inputs-")), "{gone:?}");
    assert_eq!(images(&checkout), images_before[..2]);
    assert_eq!(registry.tags("common"), common, "the parent of what stays was removed");

    // The engine has none of the registry's images any more: all comes from the registry.
    let name = format!("{}/hello@{second}", registry.host);
    run(&mut docker(&["image", "rm", &name]));
    let back = ["image-push", "hello", "--promote", "latest-sandbox", "--from", &second];
    let back = checkout.run(&back);
    assert_eq!(back.status, Some(0), "{}", back.stderr);
    assert!(back.stderr.contains(&format!("{second}, and was {third}")), "{}", back.stderr);
    // The tag keeps the older image.
    let pruned = prune(&["--keep", "1", "--yes"]);
    assert!(pruned.stderr.contains("nothing is old enough to remove"), "{}", pruned.stderr);
    let pruned = prune(&["--keep", "0", "--yes"]);
    assert_eq!(pruned.status, Some(0), "{}", pruned.stderr);
    assert_eq!(images(&checkout), images_before[1..2]);
}

#[test]
fn the_engine_keeps_what_the_working_tree_needs() {
    let mut checkout = Checkout::new();
    let registry = Registry::start(&mut checkout);
    let list = checkout.read(IMPORTS);
    publish(&checkout, &registry, "colorsys");
    publish(&checkout, &registry, "cmath");
    let pruned = checkout.run(&["image-prune", "hello", "--keep", "1", "--days", "0", "--yes"]);
    assert_eq!(pruned.status, Some(0), "{}", pruned.stderr);
    assert!(pruned.stderr.contains("newer certified images: 1"), "{}", pruned.stderr);
    let explained = checkout.run(&["explain", "hello", "--floating"]);
    assert_eq!(explained.stdout.matches("no build").count(), 4, "{}", explained.stdout);
    // A tree that was taken back has to build its image again.
    checkout.write(IMPORTS, &format!("{list}colorsys\n"));
    let explained = checkout.run(&["explain", "hello", "--floating", "--json"]);
    let rows: Value = serde_json::from_str(&explained.stdout).unwrap();
    let due =
        rows.as_array().unwrap().iter().filter(|it| it["work"] == "build" && it["due"] == true);
    assert_eq!(due.count(), 1, "{rows}");
}
