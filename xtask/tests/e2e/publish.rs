//! The main job; nothing is published when any part of it fails.

use crate::{
    checkout::{Checkout, run, text},
    containers::{Registry, docker, log_in},
};

const PIP: &str = "missions/hello/environments/hello/hello.pip";
const IMPORTS: &str = "missions/hello/environments/hello/tests/imports";
const NOTEBOOK: &str = "missions/hello/environments/hello/tests/cmb.ipynb";

#[test]
fn quickstart_then_nothing_to_do() {
    let checkout = Checkout::new();
    assert_eq!(checkout.run(&["quickstart"]).status, Some(0));
    let before = containers_ever_made();
    let rows = checkout.rows(&["image-all"]);
    rows.did_nothing();
    assert_eq!(containers_ever_made(), before, "a container was started for nothing");
    let tag = rows.text("hello", "tag");
    assert!(tag.starts_with("127.0.0.1:"), "{tag}");
    let host = tag.split('/').next().unwrap();
    log_in(host, &checkout.read("target/xtask/registry.password"));
    assert_eq!(run(&mut docker(&["pull", "--quiet", &tag])).status.code(), Some(0));
}

/// Counts the engine's events of the last hour that created a container.
fn containers_ever_made() -> usize {
    // Not in whole seconds: containers created in this one would be missing.
    let now = text(&run(std::process::Command::new("date").arg("+%s.%N")));
    let events = ["events", "--since", "1h", "--until", now.trim(), "--filter", "event=create"];
    text(&run(&mut docker(&events))).lines().count()
}

#[test]
fn breaking_any_one_thing_publishes_nothing() {
    let mut checkout = Checkout::new();
    let registry = Registry::start(&mut checkout);
    checkout.rows(&["image-all", "hello", "--floating"]);
    let before = (registry.digest("hello:latest-sandbox"), registry.tags("hello"));
    assert!(before.0.is_some());

    let breaks = |file: &str, from: &str, to: &str, named: &str| {
        let whole = checkout.read(file);
        assert!(whole.contains(from), "{file} has no `{from}`");
        checkout.write(file, &whole.replacen(from, to, 1));
        let result = checkout.run(&["image-all", "hello", "--floating"]);
        assert_eq!(result.status, Some(1), "{file}: {from} -> {to}");
        let screen: Vec<&str> = result.stderr.lines().rev().take(45).collect();
        assert!(screen.iter().any(|it| it.contains(named)), "{named} is not on the last screen");
        let after = (registry.digest("hello:latest-sandbox"), registry.tags("hello"));
        assert_eq!(after, before, "{file}: something was published");
        checkout.write(file, &whole);
    };
    breaks(PIP, "numpy", "numpy-that-is-not-there", "numpy-that-is-not-there");
    breaks(IMPORTS, "numpy", "no_such_module", "no_such_module");
    breaks(
        NOTEBOOK,
        "import numpy",
        "raise ValueError('broken cell')\\nimport numpy",
        "broken cell",
    );

    checkout.set("REGISTRY", "127.0.0.1:1");
    let result = checkout.run(&["image-all", "hello", "--floating"]);
    assert_eq!(result.status, Some(1));
    assert!(result.stderr.contains("127.0.0.1:1/"), "the registry is not named");
}
