//! Images that a registry has, on an engine that has none of them.

use serde_json::{Value, json};

use crate::{
    checkout::{Checkout, run, text},
    containers::{Registry, docker, forget},
    receipts::store,
};

const SMALL: [&str; 2] = ["sea", "sky"];
const ALL: [&str; 5] = ["image-all", "hello", "sea", "sky", "--floating"];

/// Adds small missions, each with an environment of its name.
fn add_small(checkout: &Checkout) {
    for name in SMALL {
        let dir = format!("missions/{name}");
        let env = format!("{dir}/environments/{name}");
        let steps = format!(
            "ARG BASE_IMAGE=science-platform/common:latest
FROM ${{BASE_IMAGE}}
RUN /opt/common-scripts/env-create {name} {name}.yml
RUN /opt/common-scripts/install-common {name} && /opt/common-scripts/env-update {name} {name}.pip
"
        );
        let yml = format!("name: {name}\ndependencies:\n  - python=3.13\n  - pip\n");
        let cell = json!({
            "cell_type": "code", "execution_count": null, "id": "a", "metadata": {}, "outputs": [],
            "source": "1 + 1",
        });
        let notebook =
            json!({ "cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5 });
        checkout
            .write(&format!("{dir}/.dockerignore"), "*\n!environments\n!default-home-contents\n");
        checkout.write(&format!("{dir}/Dockerfile.custom"), &steps);
        checkout.write(&format!("{dir}/default-home-contents/.gitkeep"), "");
        checkout.write(&format!("{env}/{name}.yml"), &yml);
        checkout.write(&format!("{env}/{name}.pip"), "idna==3.10\n");
        checkout.write(&format!("{env}/kernel.name"), name);
        checkout.write(&format!("{env}/tests/imports"), "idna\n");
        checkout.write(&format!("{env}/tests/good.ipynb"), &notebook.to_string());
    }
}

/// The engine without this tool's images, which have their names again when this is dropped: other tests
/// need them.
pub(crate) struct Emptied(Vec<String>);

impl Emptied {
    pub(crate) fn new() -> Emptied {
        let (filter, format) = ("reference=science-platform/*", "{{.Repository}}:{{.Tag}}");
        let list = ["image", "ls", "--filter", filter, "--format", format];
        let names = text(&run(&mut docker(&list)));
        let names = names.lines().filter(|it| !it.contains("/registry:")).map(str::to_owned);
        let res = Emptied(names.collect());
        for name in &res.0 {
            run(&mut docker(&["tag", name, &kept(name)]));
            run(&mut docker(&["image", "rm", "--no-prune", name]));
        }
        run(&mut docker(&["builder", "prune", "--all", "--force"]));
        res
    }
}

impl Drop for Emptied {
    fn drop(&mut self) {
        for name in &self.0 {
            let _ = docker(&["tag", &kept(name), name]).output();
            let _ = docker(&["image", "rm", "--no-prune", &kept(name)]).output();
        }
    }
}

fn kept(name: &str) -> String {
    name.replace("science-platform/", "kept/")
}

/// Counts pulls and new containers on the engine in the last hour.
fn pulls_and_containers() -> usize {
    let now = text(&run(std::process::Command::new("date").arg("+%s.%N")));
    let events = ["events", "--since", "1h", "--until", now.trim()];
    let kinds = ["--filter", "event=create", "--filter", "event=pull"];
    text(&run(&mut docker(&[&events[..], &kinds].concat()))).lines().count()
}

#[test]
fn an_empty_engine_builds_only_what_was_edited() {
    let mut here = Checkout::new();
    let registry = Registry::start(&mut here);
    here.set("REUSE", "registry");
    add_small(&here);
    here.rows(&ALL);
    let there = here.beside();
    add_small(&there);
    let emptied = Emptied::new();

    let before = pulls_and_containers();
    let rows = there.rows(&ALL);
    for name in ["hello", "sea", "sky"] {
        assert_eq!(rows.action(name), "reused");
    }
    assert_eq!(pulls_and_containers(), before, "an image was pulled, or a container started");
    let other = ["image-push", "sea", "--floating", "--set", "IMAGE_TAG=other"];
    assert_eq!(there.rows(&other).action("sea"), "reused, moved");
    assert_eq!(registry.digest("sea:other"), registry.digest("sea:latest-sandbox"));
    assert_eq!(pulls_and_containers(), before, "a tag was moved by the engine");

    // What is started is pulled, and found on the engine the next time.
    let start = ["image-exec", "--mission", "sea", "--set", "USE_FROZEN=0", "--", "true"];
    let started = there.run(&start);
    assert!(started.status == Some(0) && started.stderr.contains("pulling "), "{}", started.stderr);
    assert!(!there.run(&start).stderr.contains("pulling "), "it was pulled again");

    there.write("missions/sky/environments/sky/sky.pip", "idna==3.10\nsix\n");
    let rows = there.rows(&ALL);
    assert_eq!(rows.action("hello"), "reused");
    assert_eq!(rows.action("common"), "pulled, already published");
    assert_eq!(rows.action("sky"), "built, tested, pushed, moved");
    assert!(there.was_cached("sky", "env-create sky"), "an unchanged step ran again");
    assert!(!there.was_cached("sky", "env-update sky"), "an edited list did not rerun its step");

    distrusted(&there, &registry);
    drop(emptied);
}

/// What the tag of the inputs names is believed only when all about it is right.
fn distrusted(there: &Checkout, registry: &Registry) {
    let of_inputs = |name: &str| {
        let tags = registry.tags(name);
        let tag = tags.into_iter().find(|it| it.starts_with("inputs-")).unwrap();
        format!("{}/{name}:{tag}", registry.host)
    };
    let push = |from: &str, to: &str| {
        run(&mut docker(&["tag", from, to]));
        run(&mut docker(&["image", "push", "--quiet", to]));
    };
    let refused = |name: &str, reason: &str| {
        let explained = there.run(&["explain", name, "--floating", "--json"]);
        let said = format!("{name}: the registry's image of these inputs is not used: {reason}");
        assert!(explained.stderr.contains(&said), "{said}: {}", explained.stderr);
        let rows: Value = serde_json::from_str(&explained.stdout).unwrap();
        let rows = rows.as_array().unwrap();
        assert!(
            rows.iter().any(|it| it["image"] == name && it["work"] == "build" && it["due"] == true)
        );
    };
    let hello = format!("{}/hello:latest-sandbox", registry.host);
    run(&mut docker(&["pull", "--quiet", &hello]));
    let right = registry.digest("hello:latest-sandbox").unwrap();

    // A receipt that does not certify.
    let image = format!("{}/hello@{right}", registry.host);
    let stored = format!("{}/hello:{}.receipt", registry.host, right.replace(':', "-"));
    let whole = there.run(&["receipt", "show", &image, "--json"]).stdout;
    let mut receipt: Value = serde_json::from_str(&whole).unwrap();
    receipt["tests"][0]["outcome"] = "failed".into();
    store(there, &stored, &receipt.to_string());
    refused("hello", "the receipt does not count: its tests failed");
    store(there, &stored, &whole);
    assert_eq!(there.rows(&["image-build", "hello", "--floating"]).action("hello"), "reused");

    // A label that does not match, on an image with the layers of the right one.
    there.write("target/labelled/Dockerfile", &format!("FROM {hello}\n"));
    let (label, dir) =
        ("science-platform.frozen-specs={\"x\": \"y\"}", there.path("target/labelled"));
    let tag = of_inputs("hello");
    run(&mut docker(&["build", "--quiet", "--label", label, "--tag", &tag, dir.to_str().unwrap()]));
    run(&mut docker(&["image", "push", "--quiet", &tag]));
    refused("hello", "the label science-platform.frozen-specs is that of another image");

    // A forged pointer: built here, and the next push corrects it.
    forget("sea");
    push(&hello, &of_inputs("sea"));
    let refusal = "the label science-platform.inputs is that of another image";
    let built = there.run(&["image-build", "sea", "--floating", "--set", "ENVIRONMENT=dev"]);
    assert!(built.status == Some(0) && built.stderr.contains(refusal), "{}", built.stderr);
}
