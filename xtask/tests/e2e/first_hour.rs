//! The first hour of a user who only has the README and the screen: every command and every path is
//! read from there.

use std::fs;

use serde_json::{Value, json};

use crate::{
    checkout::{Checkout, run, text},
    containers::{docker, forget, log_in},
    documents,
};

const PACKAGE: &str = "ephem";

/// The deep field near the ecliptic's pole can be observed all year.
const CELLS: [&str; 2] = [
    "import math

import ephem

field = ephem.FixedBody()
field._ra, field._dec = '17:58:56', '66:01:04'",
    "def from_sun(day):
    sun = ephem.Sun(day)
    field.compute(day)
    return math.degrees(ephem.separation(sun, field))


angles = [from_sun(ephem.Date('2027/1/1') + day) for day in range(365)]
assert 85 < min(angles) < max(angles) < 95, (min(angles), max(angles))",
];

#[test]
fn from_the_readme_to_a_mission_of_one_s_own() {
    let checkout = Checkout::new();
    let readme = checkout.read("README.md");
    let screen = follow(&checkout, &readme, "quickstart");
    assert_eq!(head(&readme), head(&screen), "the README shows another table");
    let screen = follow(&checkout, &screen, "mission-new");

    add(&checkout, path(&screen, ".pip"), PACKAGE);
    add(&checkout, path(&screen, "/imports"), PACKAGE);
    let notebook = format!("{}field.ipynb", path(&screen, "/tests/"));
    checkout.write(&notebook, &notebook_of(&CELLS, &checkout.mark()).to_string());
    let screen = follow(&checkout, &screen, "image-all");

    let row: Vec<&str> = line(&screen, "euclid ").split_whitespace().collect();
    let [.., passed, "0", tag] = row[..] else { panic!("{row:?}") };
    let receipt = receipt(&checkout);
    let tests = receipt["tests"].as_array().unwrap();
    assert_eq!(passed, tests.len().to_string());
    for (kind, name) in [("import", PACKAGE), ("notebook", "field.ipynb")] {
        let is_it = |it: &&Value| it["kind"] == kind && it["name"] == name;
        assert_eq!(tests.iter().filter(is_it).count(), 1, "{kind} {name}: {tests:#?}");
    }

    // The image that is pulled is the registry's, since the engine forgets its own.
    forget("euclid");
    log_in(tag.split('/').next().unwrap(), &checkout.read("target/xtask/registry.password"));
    run(&mut docker(&["pull", "--quiet", tag]));
    let import = ["/opt/conda/envs/euclid/bin/python", "-c", "import ephem; print(ephem.Moon())"];
    let said = run(&mut docker(&[&["run", "--rm", tag], &import[..]].concat()));
    assert!(text(&said).contains("Moon"), "{said:?}");
    forget("euclid");
}

/// Runs the command for `task` that a text names, and returns its output.
#[track_caller]
fn follow(checkout: &Checkout, told: &str, task: &str) -> String {
    let words =
        documents::words(&line(told, &format!("cargo xtask {task}"))["cargo xtask ".len()..]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let run = checkout.run(&words);
    assert_eq!(run.status, Some(0), "{words:?}");
    run.stdout + &run.stderr
}

/// Returns the first line that begins so, without its indentation.
#[track_caller]
fn line<'a>(told: &'a str, start: &str) -> &'a str {
    let mut lines = told.lines().map(str::trim_start);
    lines.find(|it| it.starts_with(start)).unwrap_or_else(|| panic!("no `{start}` in:\n{told}"))
}

/// Returns the first word that is a path in the mission, and ends so.
#[track_caller]
fn path<'a>(told: &'a str, end: &str) -> &'a str {
    let next = told.split_once("Next:").expect("what to do next").1;
    let mut paths = next.split_whitespace().filter(|it| it.starts_with("missions/"));
    paths.find(|it| it.ends_with(end)).unwrap_or_else(|| panic!("no path …{end} in:\n{told}"))
}

fn head(told: &str) -> Vec<&str> {
    line(told, "IMAGE ").split_whitespace().collect()
}

fn add(checkout: &Checkout, list: &str, entry: &str) {
    let old = checkout.read(list);
    checkout.write(list, &format!("{old}{entry}\n"));
}

/// Returns a notebook with a title that no earlier run's image has: an image of the same content
/// would already have a receipt in the registry.
fn notebook_of(cells: &[&str], title: &str) -> Value {
    let cell = |(idx, source): (usize, &&str)| {
        json!({
            "id": format!("cell-{idx}"), "cell_type": "code", "metadata": {},
            "execution_count": null, "outputs": [], "source": source,
        })
    };
    let kernel = json!({ "name": "euclid", "display_name": "euclid", "language": "python" });
    json!({
        "cells": cells.iter().enumerate().map(cell).collect::<Vec<_>>(),
        "metadata": { "kernelspec": kernel, "title": title }, "nbformat": 4, "nbformat_minor": 5,
    })
}

/// Returns the only receipt of the mission.
fn receipt(checkout: &Checkout) -> Value {
    let dir = fs::read_dir(checkout.path("target/xtask/receipts/euclid")).unwrap();
    let [file] = &dir.map(|it| it.unwrap().path()).collect::<Vec<_>>()[..] else {
        panic!("not one receipt")
    };
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}
