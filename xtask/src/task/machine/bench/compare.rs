//! `image-all` beside docker's bare commands, and beside the sequence of steps of a bash script: as rows, and
//! as files with all times and a plot.

mod page;

use std::{collections::BTreeMap, path::Path};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::{Figure, clone, read};
use crate::{
    run::{
        files,
        printable::Shown as _,
        process::{Permit, cmd},
    },
    task::Session,
    tools::{docker::Docker, python},
};

/// Script that runs all ways in the clone.
const SCRIPT: &str = include_str!("compare.py");

/// What the script has in place of docker while it looks what `image-all` has docker do.
const RECORDER: &[u8] = include_bytes!("record_docker.py");

const ROUNDS: &str = "3";

/// Name of a row in the output of the script, and what is measured.
const ROWS: [(&str, &str); 4] = [
    ("cold", "image-all from nothing but the base"),
    ("warm", "image-all with docker's build cache alone"),
    ("edited", "image-all after one package was added"),
    ("unchanged", "image-all again"),
];

/// Times that `compare.py` prints.
#[derive(Debug, Serialize, Deserialize)]
struct Comparison {
    machine: Vec<String>,
    /// Seconds of each round, by row and way.
    seconds: BTreeMap<String, Ways>,
    /// Seconds of each round of `image-all` that no child process took, by row.
    own: BTreeMap<String, Vec<f64>>,
    /// Seconds of each round of `image-all` in which a child process changed something, by row.
    changing: BTreeMap<String, Vec<f64>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Ways {
    image_all: Vec<f64>,
    bare: Vec<f64>,
    sequence: Vec<f64>,
}

/// Compares in a clone, and writes `compare.json`, `compare.md` and `compare.svg` to `target/xtask/`.
pub(super) fn figures(
    permit: Permit,
    session: &Session,
    docker: &Docker,
    exe: &Path,
) -> anyhow::Result<Vec<Figure>> {
    let dir = files::temporary(permit, None, "bench-", 0o755)?;
    let (root, scratch) = (dir.path().join("clone"), dir.path().join("scratch"));
    clone(permit, session, &root)?;
    files::make_dirs(permit, &scratch)?;
    let recorder = dir.path().join("docker");
    files::write(permit, &recorder, RECORDER)?;
    files::make_executable(permit, &recorder)?;
    // The base and the registry's image.
    read(permit, &cmd!(root, "{exe} image-all hello"))?;
    session.ui.say("removing the images of missions and the build cache, in each round");
    let script = python::text(&root, SCRIPT);
    let script = script.args([exe, &docker.program, &recorder, &scratch]).args([ROUNDS]);
    let printed = read(permit, &script)?;
    let compared: Comparison =
        serde_json::from_str(&printed).context("compare.py prints seconds")?;
    let target = session.checkout.root.join("target/xtask");
    let json = serde_json::to_string_pretty(&compared)? + "\n";
    for (name, text) in [
        ("compare.json", json),
        ("compare.md", page::table(&compared)),
        ("compare.svg", page::plot(&compared)),
    ] {
        files::write(permit, &target.join(name), text.as_bytes())?;
    }
    session.ui.say(format!("comparison: {}", target.join("compare.md").shown()));
    // Other figures need the images.
    read(permit, &cmd!(session.checkout.root, "{exe} image-all hello"))?;
    Ok(compared.figures())
}

impl Comparison {
    /// Returns the rows that were measured: name, description, times.
    fn rows(&self) -> impl Iterator<Item = (&'static str, &'static str, &Ways)> {
        ROWS.iter().filter_map(|(name, what)| Some((*name, *what, self.seconds.get(*name)?)))
    }

    /// Returns the seconds of `image-all` in which no docker command changed anything, in the round in
    /// which they were fewest, and the seconds of all commands that did.
    fn between(&self, row: &str) -> Option<(f64, f64)> {
        let whole = &self.seconds.get(row)?.image_all;
        let rounds = self.changing.get(row)?.iter().zip(whole).map(|(it, all)| (all - it, *it));
        rounds.min_by(|a, b| a.0.total_cmp(&b.0))
    }

    fn figures(&self) -> Vec<Figure> {
        let mut res = Vec::new();
        let figure = |what, measured, budget| Figure { what, measured, budget, unit: "s" };
        for (_, what, ways) in self.rows() {
            let measured = fastest(&ways.image_all);
            res.push(figure(what, measured, fastest(&ways.bare) * 1.02));
            res.push(figure("beside the sequence", measured, fastest(&ways.sequence)));
        }
        // Not where nothing is to be changed.
        for (row, what) in [
            ("cold", "from nothing, between docker's commands"),
            ("warm", "with the cache, between docker's commands"),
            ("edited", "one package, between docker's commands"),
        ] {
            if let Some((beside, changing)) = self.between(row) {
                res.push(figure(what, beside, changing * 0.02));
            }
        }
        for (name, measured) in &self.own {
            if name == "cold" {
                let whole = self.seconds.get(name).map_or(0.0, |it| fastest(&it.image_all));
                let (what, budget) = ("image-all's own share of the first", whole / 100.0);
                res.push(Figure { what, measured: fastest(measured), budget, unit: "s" });
            }
        }
        res
    }
}

/// Returns the shortest of some times: what else the machine does only adds to them.
fn fastest(times: &[f64]) -> f64 {
    times.iter().copied().min_by(f64::total_cmp).unwrap_or_default()
}
