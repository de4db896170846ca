//! `mission-new`: the files of a new mission that builds and passes its tests at once.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use crate::{
    mission::{
        checkout::{self, Checkout},
        dockerfile::update,
    },
    run::{failure, files, printable::Shown as _, process::Permit},
    specs,
    task::{Session, args},
};

pub(crate) fn run(session: &Session, args: &args::MissionNew) -> anyhow::Result<u8> {
    let envs = if args.envs.is_empty() { vec![args.name.clone()] } else { args.envs.clone() };
    // Locked before existing files are checked: this run must not remove files that another run
    // creates meanwhile.
    checkout::check_mission_name(&args.name).map_err(failure::request)?;
    let _locks = session.lock_missions([&args.name].into_iter())?;
    check(&session.checkout, &args.name, &envs).map_err(failure::request)?;
    let dir = session.checkout.root.join("missions").join(&args.name);
    let texts: Vec<(PathBuf, String)> =
        texts(&args.name, &envs)?.into_iter().map(|(path, text)| (dir.join(path), text)).collect();
    for (path, _) in &texts {
        session.ui.say(format!("write {}", session.checkout.relative(path).shown()));
    }
    let Some(permit) = session.permit else { return Ok(0) };
    // An incomplete mission would block all other tasks.
    write(permit, session, &args.name, &texts)
        .inspect_err(|_| _ = files::remove_tree(permit, &dir))?;
    session.ui.say(next(&args.name, &envs[0]));
    Ok(0)
}

fn write(
    permit: Permit,
    session: &Session,
    name: &str,
    texts: &[(PathBuf, String)],
) -> anyhow::Result<()> {
    let all: Vec<(&Path, &[u8])> =
        texts.iter().map(|(path, text)| (path.as_path(), text.as_bytes())).collect();
    files::write_all(permit, &all)?;
    let checkout = Checkout::read(&session.checkout.root)?;
    let updates = update::updates(&checkout, &[checkout.mission(name)?])?;
    update::write(permit, &checkout, &updates)
}

/// Returns the next steps for the user, with paths and commands.
fn next(name: &str, env: &str) -> String {
    let dir = format!("missions/{name}/environments/{env}");
    let rows = [
        (format!("{dir}/{env}.pip"), "its packages, one per line"),
        (format!("{dir}/tests/imports"), "what each is imported as: that is tested"),
        (format!("{dir}/tests/"), "notebooks here are tested, too: all cells have to run"),
        (
            format!("cargo xtask image-all {name} --floating"),
            "solves the lists, builds, tests, freezes and pushes",
        ),
    ];
    let width = rows.iter().map(|it| it.0.len()).max().unwrap_or_default();
    let rows = rows.map(|(it, what)| format!("  {it:width$}  {what}\n"));
    format!("\nNext:\n{}docs/missions.md says how to go on from there.", rows.concat())
}

fn check(checkout: &Checkout, name: &str, envs: &[String]) -> anyhow::Result<()> {
    checkout::check_mission_name(name)?;
    envs.iter().try_for_each(|it| checkout::check_environment_name(it))?;
    if envs.iter().any(|it| it == specs::BASE) {
        bail!("`{}` is in every image already; choose another name", specs::BASE);
    }
    let mut sorted = envs.to_vec();
    sorted.sort();
    if let Some(twice) = sorted.windows(2).find(|it| it[0] == it[1]) {
        bail!("environment `{}` is named twice", twice[0]);
    }
    let dir = checkout.root.join("missions").join(name);
    if dir.exists() {
        bail!("{} is there already; choose another name", checkout.relative(&dir).shown());
    }
    Ok(())
}

/// Returns the mission's files, relative to its folder.
fn texts(name: &str, envs: &[String]) -> anyhow::Result<Vec<(PathBuf, String)>> {
    let mut res = vec![
        ("Dockerfile.custom".into(), dockerfile(name, envs)),
        (".dockerignore".into(), DOCKERIGNORE.to_owned()),
        ("default-home-contents/welcome.ipynb".into(), notebook(&envs[0], &welcome(name))?),
    ];
    for (idx, env) in envs.iter().enumerate() {
        let dir = PathBuf::from("environments").join(env);
        res.push((dir.join(format!("{env}.yml")), yml(env)));
        res.push((dir.join(format!("{env}.pip")), PIP.to_owned()));
        res.push((dir.join("kernel.name"), format!("{env}\n")));
        res.push((dir.join("tests/imports"), IMPORTS.to_owned()));
        res.push((dir.join("tests/spectrum.ipynb"), notebook(env, &spectrum())?));
        if idx == 0 {
            res.push((dir.join("tests/notebooks"), NOTEBOOKS.to_owned()));
        }
    }
    Ok(res)
}

fn dockerfile(name: &str, envs: &[String]) -> String {
    let steps = envs.iter().map(|env| {
        format!(
            "
RUN /opt/common-scripts/env-create {env} {env}.yml
RUN /opt/common-scripts/install-common {env} && /opt/common-scripts/env-update {env} {env}.pip
"
        )
    });
    let head = format!(
        "# The mission {name}: say here what it is for.
ARG BASE_IMAGE=science-platform/common:latest
FROM ${{BASE_IMAGE}}
"
    );
    head + &steps.collect::<String>()
}

const DOCKERIGNORE: &str = "\
*
!environments
!default-home-contents
**/.ipynb_checkpoints
**/__pycache__
**/.git
";

fn yml(env: &str) -> String {
    format!("name: {env}\ndependencies:\n  - python=3.13\n  - pip\n")
}

const PIP: &str = "\
# One package per line, as pip writes requirements. What it is imported as goes into tests/imports.
numpy
matplotlib
";

const IMPORTS: &str = "\
# What users import, one per line: a package that is not imported here is installed, but not tried.
numpy
matplotlib.pyplot
";

const NOTEBOOKS: &str = "\
# Notebooks outside this folder that must run, too; those inside are found by themselves.
/opt/default-home-contents/*.ipynb
";

fn welcome(name: &str) -> Vec<Value> {
    vec![
        markdown(&format!("# Welcome to {name}\n\nThis notebook is in every new home.")),
        code("import sys\n\nprint(sys.version)"),
    ]
}

fn spectrum() -> Vec<Value> {
    vec![
        markdown("# The period of a noisy signal\n\nA test that computes something of the field."),
        code(
            "import matplotlib.pyplot as plt
import numpy as np

rng = np.random.default_rng(1)
time = np.arange(0, 100, 0.1)
signal = np.sin(2 * np.pi * time / 7) + rng.normal(scale=0.5, size=time.size)",
        ),
        code(
            "power = np.abs(np.fft.rfft(signal)) ** 2
frequency = np.fft.rfftfreq(time.size, d=0.1)
period = 1 / frequency[1:][np.argmax(power[1:])]
plt.plot(frequency, power)
period",
        ),
        code("assert abs(period - 7) < 0.5, period"),
    ]
}

fn markdown(text: &str) -> Value {
    json!({ "cell_type": "markdown", "metadata": {}, "source": lines(text) })
}

fn code(text: &str) -> Value {
    json!({
        "cell_type": "code", "execution_count": null, "metadata": {}, "outputs": [],
        "source": lines(text),
    })
}

/// Returns a cell's source in Jupyter's form: a list of lines with their ends.
fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

/// Returns the text of a notebook:
/// <https://nbformat.readthedocs.io/en/latest/format_description.html>.
fn notebook(env: &str, cells: &[Value]) -> anyhow::Result<String> {
    let mut cells = cells.to_vec();
    for (idx, cell) in cells.iter_mut().enumerate() {
        cell["id"] = json!(format!("cell-{idx}"));
    }
    let notebook = json!({
        "cells": cells,
        "metadata": {
            "kernelspec": { "display_name": env, "language": "python", "name": env },
            "language_info": { "name": "python" },
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    });
    // One space, like Jupyter.
    let mut res = Vec::new();
    let indent = serde_json::ser::PrettyFormatter::with_indent(b" ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut res, indent);
    serde::Serialize::serialize(&notebook, &mut serializer)?;
    Ok(String::from_utf8(res).context("JSON is UTF-8")? + "\n")
}
