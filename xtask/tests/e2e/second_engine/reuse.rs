//! Images that a registry has, on an engine that has none of them: none is built or tested again.

use std::{fs, path::Path};

use serde_json::{Value, json};

use super::{ADDRESS, SecondEngine};
use crate::{
    checkout::{Checkout, run, text},
    containers::{Registry, docker},
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

/// Fails unless the engine has no image, and had no pull and no container.
#[track_caller]
fn assert_untouched(engine: &SecondEngine) {
    let nothing = [""; 0];
    assert_eq!(engine.lines(&["image", "ls", "--all"])[1..], nothing);
    assert_eq!(engine.lines(&["ps", "--all"])[1..], nothing);
    let now = text(&run(std::process::Command::new("date").arg("+%s.%N")));
    assert_eq!(engine.lines(&["events", "--since", "1h", "--until", now.trim()]), nothing);
}

/// Gives the tool a context for the engine, in a configuration of its own, in place of `DOCKER_HOST`.
fn use_context(there: &mut Checkout) {
    let config = there.path("target/docker-config");
    fs::create_dir_all(&config).unwrap();
    let own = there.env.iter().rev().find(|(name, _)| name == "DOCKER_CONFIG").unwrap();
    fs::copy(Path::new(&own.1).join("config.json"), config.join("config.json")).unwrap();
    let host = format!("host={ADDRESS}");
    let create = ["context", "create", "second", "--docker", &host];
    run(docker(&create).env("DOCKER_CONFIG", &config));
    there.set("DOCKER_CONFIG", config.to_str().unwrap());
    there.set("DOCKER_CONTEXT", "second");
    there.without.push("DOCKER_HOST");
}

#[test]
fn an_empty_engine_builds_only_what_was_edited() {
    let mut here = Checkout::new();
    let registry = Registry::start(&mut here);
    here.set("REUSE", "registry");
    // A receipt of the registry is one that results carry over from.
    here.set("TEST_MAX_AGE", "1d");
    here.has_tested(&["--floating"]);
    add_small(&here);
    here.rows(&ALL);
    let mut there = here.beside();
    add_small(&there);
    let engine = SecondEngine::start(&registry);
    there.on(&engine, ADDRESS);

    let all_are_reused = |there: &Checkout| {
        let rows = there.rows(&ALL);
        for name in ["hello", "sea", "sky"] {
            assert_eq!(rows.action(name), "reused");
        }
    };
    all_are_reused(&there);
    let other = ["image-push", "sea", "--floating", "--set", "IMAGE_TAG=other"];
    assert_eq!(there.rows(&other).action("sea"), "reused, moved");
    assert_eq!(registry.digest("sea:other"), registry.digest("sea:latest-sandbox"));
    use_context(&mut there);
    all_are_reused(&there);
    assert_untouched(&engine);

    // What is started is pulled, and found on the engine the next time.
    let start = ["image-exec", "--mission", "sea", "--set", "USE_FROZEN=0", "--", "true"];
    let started = there.run(&start);
    assert!(started.status == Some(0) && started.stderr.contains("pulling "), "{}", started.stderr);
    assert!(!there.run(&start).stderr.contains("pulling "), "it was pulled again");

    there.write("missions/sky/environments/sky/sky.pip", "idna==3.10\nsix\n");
    let rows = there.rows(&ALL);
    for name in ["hello", "sea"] {
        assert_eq!(rows.action(name), "reused");
    }
    assert_eq!(rows.action("common"), "pulled, already published");
    assert_eq!(rows.action("sky"), "built, tested, pushed, moved");
    assert!(there.was_cached("sky", "env-create sky"), "an unchanged step ran again");
    assert!(!there.was_cached("sky", "env-update sky"), "an edited list did not rerun its step");

    distrusted(&there, &engine, &registry);
    a_hub(&mut there, &engine);
}

/// A hub starts with the published image.
fn a_hub(there: &mut Checkout, engine: &SecondEngine) {
    // Hubs' own images are in no registry.
    engine.load(&["science-platform/rootfs", "science-platform/hub"]);
    there.without = vec!["DOCKER_CONTEXT"];
    there.set("DOCKER_HOST", &engine.socket());
    there.set("USE_FROZEN", "0");
    let up = there.run(&["hub-up", "hello", "--detach"]);
    assert!(up.status == Some(0) && up.stderr.contains("pulling "), "{}", up.stderr);
    assert_eq!(there.run(&["hub-smoke", "hello"]).status, Some(0));
    assert_eq!(there.run(&["hub-down", "--volumes", "--yes"]).status, Some(0));
    assert_eq!(engine.lines(&["ps", "--all"]).len(), 1);
}

/// What the tag of the inputs names is believed only when all about it is right; else the image is built.
fn distrusted(there: &Checkout, engine: &SecondEngine, registry: &Registry) {
    let tags = registry.tags("sea");
    let tag = tags.iter().find(|it| it.starts_with("inputs-")).unwrap();
    let pointer = format!("{}/sea:{tag}", registry.host);
    let push = || run(&mut docker(&["image", "push", "--quiet", &pointer]));
    let right = registry.digest("sea:latest-sandbox").unwrap();
    let is_refused = |reason: &str| {
        let names = ["image", "ls", "--filter", "reference=*/sea", "--format", "{{.ID}}"];
        let names = engine.lines(&names);
        let names = names.iter().map(String::as_str);
        let remove = ["image", "rm", "--force"].into_iter().chain(names).collect::<Vec<_>>();
        engine.lines(&remove);
        let built = there.run(&["image-build", "sea", "--floating", "--json"]);
        let said = format!("sea: the registry's image of these inputs is not used: {reason}");
        assert!(
            built.status == Some(0) && built.stderr.contains(&said),
            "{said}: {}",
            built.stderr
        );
        let rows: Value = serde_json::from_str(&built.stdout).unwrap();
        let rows = rows["images"].as_array().unwrap();
        assert!(rows.iter().any(|it| it["image"] == "sea" && it["action"] == "built"), "{rows:?}");
    };

    // A receipt that does not certify.
    let image = format!("{}/sea@{right}", registry.host);
    let stored = format!("{}/sea:{}.receipt", registry.host, right.replace(':', "-"));
    let whole = there.run(&["receipt", "show", &image, "--json"]).stdout;
    let mut receipt: Value = serde_json::from_str(&whole).unwrap();
    receipt["tests"][0]["outcome"] = "failed".into();
    store(there, &stored, &receipt.to_string());
    is_refused("the receipt does not count: its tests failed");
    store(there, &stored, &whole);

    // A label that does not match, on an image with the layers of the right one.
    let sea = format!("{}/sea:latest-sandbox", registry.host);
    there.write("target/labelled/Dockerfile", &format!("FROM {sea}\n"));
    let dir = there.path("target/labelled");
    let label = ["--label", "science-platform.frozen-specs={\"x\": \"y\"}"];
    let build = ["build", "--quiet", "--tag", &pointer, dir.to_str().unwrap()];
    run(&mut docker(&[&build[..], &label].concat()));
    push();
    is_refused("the label science-platform.frozen-specs is that of another image");

    // A forged pointer, which the next push corrects.
    let hello = format!("{}/hello:latest-sandbox", registry.host);
    run(&mut docker(&["tag", &hello, &pointer]));
    push();
    is_refused("the label science-platform.inputs is that of another image");
    assert_ne!(registry.digest(&format!("sea:{tag}")), registry.digest("sea:latest-sandbox"));
    there.rows(&["image-all", "sea", "--floating"]);
    assert_eq!(registry.digest(&format!("sea:{tag}")), registry.digest("sea:latest-sandbox"));
}
