//! The main job; nothing is published when any part of it fails.

use std::collections::BTreeSet;

use serde_json::json;

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
    checkout.has_tested(&["--frozen"]);
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

/// Counts the engine's events of the last hour that created a container of this test's images: other tests may
/// start some meanwhile.
fn containers_ever_made() -> usize {
    // Not in whole seconds: containers created in this one would be missing.
    let now = text(&run(std::process::Command::new("date").arg("+%s.%N")));
    let events = ["events", "--since", "1h", "--until", now.trim(), "--filter", "event=create"];
    let image = ["--format", "{{.From}}"];
    let images = text(&run(&mut docker(&[&events[..], &image].concat())));
    images.lines().filter(|it| it.contains("/hello") || it.contains("registry")).count()
}

#[test]
fn breaking_any_one_thing_publishes_nothing() {
    let mut checkout = Checkout::new();
    let registry = Registry::start(&mut checkout);
    checkout.has_tested(&["--floating"]);
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

    let whole = checkout.read(PIP);
    checkout.write(PIP, &whole.replacen("numpy", "numpy-that-is-not-there", 1));
    for file in checkout.git(&["ls-files", "missions/hello"]).lines() {
        let other = checkout.path(&file.replacen("hello", "other", 1));
        std::fs::create_dir_all(other.parent().unwrap()).unwrap();
        std::fs::copy(checkout.path(file), other).unwrap();
    }
    std::fs::write(checkout.path("missions/other/environments/hello/hello.pip"), &whole).unwrap();
    let result = checkout.run(&["--json", "image-all", "hello", "other", "--floating"]);
    assert_eq!(result.status, Some(1));
    let summary: serde_json::Value = serde_json::from_str(&result.stdout).unwrap();
    let rows = summary["images"].as_array().unwrap();
    let action = |name: &str| rows.iter().find(|it| it["image"] == name).unwrap()["action"].clone();
    assert_eq!((action("hello"), action("other")), (json!("failed"), json!("built, tested")));
    let after = (registry.digest("hello:latest-sandbox"), registry.tags("hello"));
    assert_eq!((after, registry.tags("other")), (before, Vec::new()));
    checkout.write(PIP, &whole);

    checkout.set("REGISTRY", "127.0.0.1:1");
    let result = checkout.run(&["image-all", "hello", "--floating"]);
    assert_eq!(result.status, Some(1));
    assert!(result.stderr.contains("127.0.0.1:1/"), "the registry is not named");
}

/// An operator finds last week's image in the list, and goes back to it.
#[test]
fn back_to_an_earlier_image_of_the_list() {
    let mut checkout = Checkout::new();
    let registry = Registry::start(&mut checkout);
    checkout.has_tested(&["--floating"]);
    checkout.rows(&["image-all", "hello", "--floating"]);
    let first = registry.digest("hello:latest-sandbox").unwrap();
    checkout.write(IMPORTS, &format!("{}\ncolorsys\n", checkout.read(IMPORTS)));
    checkout.write(PIP, &format!("{}\nsix\n", checkout.read(PIP)));
    checkout.rows(&["image-all", "hello", "--floating"]);
    let second = registry.digest("hello:latest-sandbox").unwrap();
    assert_ne!(first, second);

    let tags = registry.tags("hello");
    let of_inputs: Vec<&String> = tags.iter().filter(|it| it.starts_with("inputs-")).collect();
    let named = of_inputs.iter().map(|it| registry.digest(&format!("hello:{it}")).unwrap());
    let named: BTreeSet<String> = named.collect();
    assert_eq!(named, [first.clone(), second.clone()].into());
    let list = checkout.run(&["image-list", "hello", "--json"]);
    assert_eq!(list.status, Some(0), "{}", list.stderr);
    let list: serde_json::Value = serde_json::from_str(&list.stdout).unwrap();
    let images = list[0]["images"].as_array().unwrap();
    assert_eq!(images.len(), 2, "{list}");
    assert_eq!(
        (images[0]["digest"].as_str(), images[1]["digest"].as_str()),
        (Some(&*second), Some(&*first))
    );
    assert_eq!((&images[0]["tags"], &images[1]["tags"]), (&json!(["latest-sandbox"]), &json!([])));
    assert!(images.iter().all(|it| it["passed"].as_u64().unwrap() > 10), "{list}");
    let commits: Vec<&str> = images.iter().map(|it| it["commit"].as_str().unwrap()).collect();
    assert!(commits[0].len() >= 40 && commits[0].ends_with("-dirty"), "{commits:?}");

    let earlier = images[1]["tag"].as_str().unwrap();
    let diff = checkout.run(&["image-diff", "hello", earlier, "latest-sandbox"]);
    assert_eq!(diff.status, Some(0), "{}", diff.stderr);
    assert!(
        diff.stdout.contains("hello: six ") && diff.stdout.contains(" added"),
        "{}",
        diff.stdout
    );
    assert_eq!(checkout.run(&["report", "hello", "--floating"]).status, Some(0));
    let page = checkout.read("target/xtask/report.html");
    let since = format!("Changes since <code>{earlier}</code>");
    assert!(page.contains(&since) && page.contains("<th scope=\"row\">six</th>"), "{since}");
    let back = ["image-push", "hello", "--promote", "latest-sandbox", "--from", earlier];
    let back = checkout.run(&back);
    assert_eq!(back.status, Some(0), "{}", back.stderr);
    assert!(back.stderr.contains(&format!("{first}, and was {second}")), "{}", back.stderr);
    assert_eq!(registry.digest("hello:latest-sandbox").unwrap(), first);

    // A receipt that cannot be read: its tag names an image of many megabytes.
    let stored = format!("{}/hello:{}.receipt", registry.host, second.replace(':', "-"));
    run(&mut docker(&["tag", "science-platform/registry:latest", &stored]));
    run(&mut docker(&["push", "--quiet", &stored]));
    let list = checkout.run(&["image-list", "hello", "--json"]);
    assert_eq!(list.status, Some(0), "{}", list.stderr);
    let list: serde_json::Value = serde_json::from_str(&list.stdout).unwrap();
    let [newer, older] = [&list[0]["images"][0], &list[0]["images"][1]];
    assert!(newer["passed"].is_null() && older["passed"].is_u64(), "{list}");
    let problem = newer["problem"].as_str().unwrap();
    assert!(problem.starts_with("damaged receipt: "), "{problem}");
}
