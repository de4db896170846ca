//! Frozen builds contain nothing that floats: packages come from lists, which are frozen; images,
//! repositories and tools are named so that tomorrow's download is the same. Debian packages are
//! recorded, not pinned.

pub(super) mod git;
mod images;
mod installers;

use std::path::Path;

use crate::{
    check::{Facts, Refuses, Rule},
    image::build_context,
    mission::dockerfile::{
        TRAILER,
        parse::{Dockerfile, Instruction},
        programs,
    },
    run::finding::Finding,
};

pub(crate) const RULE: Rule = Rule {
    name: "unpinned",
    about: "no step of an image installs or copies what floats",
    refuses: Refuses::Frozen,
    check,
};

/// An item that may change by tomorrow.
#[derive(Debug, PartialEq, Eq)]
struct Float {
    /// Word that names it.
    word: String,
    what: String,
    fix: &'static str,
}

pub(crate) fn check(facts: &Facts) -> Vec<Finding> {
    // Other Dockerfiles do not belong to images.
    let shared = [build_context::COMMON, build_context::BASE, build_context::REGISTRY]
        .map(|it| it.dockerfile);
    let builds = |it: &Dockerfile| {
        let is = |path: &str| it.path == Path::new(path);
        it.path.starts_with("missions") || is(TRAILER) || shared.into_iter().any(is)
    };
    facts.of_dockerfiles(|it| if builds(it) { check_file(it) } else { Vec::new() })
}

fn check_file(file: &Dockerfile) -> Vec<Finding> {
    let mut res = Vec::new();
    let mut known = images::KnownNames::default();
    for instruction in &file.instructions {
        let mut floats = known.floats(&file.path, instruction);
        if instruction.word == "RUN" {
            floats.extend(of_run(&known, instruction));
        }
        res.extend(floats.into_iter().map(|Float { word, what, fix }| {
            file.finding(RULE.name, (instruction, &word), what, fix)
        }));
        known.add(instruction);
    }
    res
}

fn of_run(known: &images::KnownNames, run: &Instruction) -> Vec<Float> {
    let commands: Vec<Vec<String>> = programs::commands(run)
        .into_iter()
        .map(|it| it.words.iter().map(|it| known.expand(it)).collect())
        .collect();
    let installs = commands.iter().filter_map(|it| installers::float(it));
    installs.chain(git::floats(&commands)).collect()
}
