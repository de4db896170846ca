//! Test results that carry over from one image of a mission to the next.

use serde_json::{Value, json};

use crate::{
    checkout::{Checkout, run, text},
    containers::docker,
    receipts::{CORPUS, SCHEMA},
    tools,
};

const BUILD: [&str; 3] = ["image-build", "pair", "--floating"];
const TEST: [&str; 3] = ["image-test", "pair", "--floating"];

/// Adds a mission with two environments.
fn add_pair(checkout: &Checkout) {
    let dir = "missions/pair";
    let mut steps =
        "ARG BASE_IMAGE=science-platform/common:latest\nFROM ${BASE_IMAGE}\n".to_owned();
    for name in ["sea", "sky"] {
        let env = format!("{dir}/environments/{name}");
        steps += &format!("RUN /opt/common-scripts/env-create {name} {name}.yml\n");
        steps += &format!(
            "RUN /opt/common-scripts/install-common {name} && /opt/common-scripts/env-update {name} {name}.pip\n"
        );
        let yml = format!("name: {name}\ndependencies:\n  - python=3.13\n  - pip\n");
        let cell = json!({
            "cell_type": "code", "execution_count": null, "id": "a", "metadata": {}, "outputs": [],
            "source": "import idna",
        });
        let notebook =
            json!({ "cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5 });
        checkout.write(&format!("{env}/{name}.yml"), &yml);
        checkout.write(&format!("{env}/{name}.pip"), "idna==3.10\n");
        checkout.write(&format!("{env}/kernel.name"), name);
        checkout.write(&format!("{env}/tests/imports"), "idna\n");
        checkout.write(&format!("{env}/tests/good.ipynb"), &notebook.to_string());
    }
    checkout.write(&format!("{dir}/.dockerignore"), "*\n!environments\n!default-home-contents\n");
    checkout.write(&format!("{dir}/Dockerfile.custom"), &steps);
    checkout.write(&format!("{dir}/default-home-contents/.gitkeep"), "");
}

/// Builds and tests the mission's image, and returns its name and receipt.
fn tested(checkout: &Checkout) -> (String, Value) {
    let tag = checkout.rows(&BUILD).text("pair", "tag");
    assert_eq!(checkout.rows(&TEST).action("pair"), "tested");
    let id = tag.rsplit_once('-').unwrap().1;
    let receipt = checkout.read(&format!("target/xtask/receipts/pair/{id}.json"));
    (tag.clone(), serde_json::from_str(&receipt).unwrap())
}

/// Returns whether a notebook of an environment was executed in the last run.
fn ran(checkout: &Checkout, environment: &str) -> bool {
    let folder = "target/xtask/test/pair/notebooks";
    checkout.path(&format!("{folder}/{environment}/good.ipynb")).exists()
}

#[test]
fn results_carry_over_where_nothing_that_they_depend_on_changed() {
    let mut checkout = Checkout::for_own_missions();
    // An address where nothing listens.
    checkout.set("REGISTRY", "127.0.0.1:1");
    checkout.set("TEST_MAX_AGE", "1d");
    add_pair(&checkout);
    let (image, first) = tested(&checkout);
    assert!(ran(&checkout, "sea") && ran(&checkout, "sky"));
    each_change_is_seen(&image);

    // The steps of the other environment come after the edited ones: they run again, to the same files.
    checkout.write("missions/pair/environments/sea/sea.pip", "idna==3.10\nsix\n");
    let (_, second) = tested(&checkout);
    let known = &second["dependencies"];
    let origin = json!({ "image": first["image"], "started": first["started"] });
    assert_eq!((&known["sea"]["carried"], &known["sky"]["carried"]), (&Value::Null, &origin));
    assert!(ran(&checkout, "sea") && !ran(&checkout, "sky"));
    let count = |it: &Value| it["tests"].as_array().unwrap().len();
    assert_eq!(count(&second), count(&first));
    let file = checkout.path("target/second.json");
    std::fs::write(&file, second.to_string()).unwrap();
    tools::look("receipts.py", &[SCHEMA, CORPUS, file.to_str().unwrap()]);
    let junit = checkout.read("target/xtask/test/pair/junit.xml");
    assert!(junit.contains("carried over from"), "{junit}");

    let custom = "missions/pair/Dockerfile.custom";
    checkout.write(custom, &(checkout.read(custom) + "ENV GREETING=hello\n"));
    let (_, third) = tested(&checkout);
    for name in ["sea", "sky"] {
        let (known, before) = (&third["dependencies"][name], &second["dependencies"][name]);
        assert_ne!(known["digest"], before["digest"]);
        assert_eq!(known["carried"], Value::Null);
    }
    assert!(ran(&checkout, "sea") && ran(&checkout, "sky"));
}

/// Changes an image in a container.
fn each_change_is_seen(image: &str) {
    let script = include_str!("mutate_dependencies.py");
    let python = ["--entrypoint", "/opt/conda/bin/python", image, "-ISB", "-c", script];
    let root = ["run", "--rm", "--network", "none", "--user", "root"];
    let altered = text(&run(&mut docker(&[&root[..], &python].concat())));
    let altered: Value = serde_json::from_str(&altered).unwrap();
    let all = json!(["base", "sea", "sky"]);
    for (change, of) in altered.as_object().unwrap() {
        let expected = match change.as_str() {
            "script" | "Debian package" => all.clone(),
            "times and compiled" => json!([]),
            _ => json!(["sky"]),
        };
        assert_eq!(*of, expected, "{change}");
    }
}
