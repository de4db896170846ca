//! LESSONS of earlier systems (cache-bust): an environment's folder was copied before its packages
//! were solved, so that each edit of a test solved them again.

use std::path::Path;

use crate::{
    check::{MissionFacts, Refuses, Rule, copy_context},
    mission::dockerfile::{
        calls::calls,
        parse::{Dockerfile, Instruction},
    },
    run::finding::Finding,
};

pub(crate) const RULE: Rule = Rule {
    name: "copy-before-solve",
    about: "no environment's folder is copied before the steps that install packages",
    refuses: Refuses::Never,
    check: |facts| facts.missions.iter().flat_map(check_mission).collect(),
};

fn check_mission(mission: &MissionFacts) -> Vec<Finding> {
    let file = mission.author_dockerfile();
    let stages = file.instructions.split(|it| it.word == "FROM");
    stages.flat_map(|it| check_stage(&file, &mission.sources.environments, it)).collect()
}

fn check_stage(file: &Dockerfile, environments: &[String], stage: &[Instruction]) -> Vec<Finding> {
    let installs =
        |it: &Instruction| it.word == "RUN" && calls(&it.args).is_ok_and(|it| !it.is_empty());
    let Some(last) = stage.iter().rposition(installs) else { return Vec::new() };
    let early = stage[..last].iter().filter(|it| it.word != "RUN").flat_map(|instruction| {
        let sources = copy_context::sources(instruction).into_iter();
        let folders = sources.filter(|(_, path)| holds_tests(path, environments));
        folders.map(move |(word, _)| (instruction, word))
    });
    let finding = |(instruction, word): (&Instruction, String)| {
        let what = format!(
            "{} `{word}` comes before a step that installs packages: each edit of a test runs that again",
            instruction.word
        );
        let fix = "remove it: each step sees the lists that it installs, and the image gets the folder at its end; copy single files if a step needs them";
        file.finding(RULE.name, (instruction, &word), what, fix)
    };
    early.map(finding).collect()
}

/// Returns whether `path`, relative to the context, holds tests of an environment.
fn holds_tests(path: &Path, environments: &[String]) -> bool {
    let parts: Vec<_> = path.iter().map(|it| it.to_string_lossy()).collect();
    let is_pattern = |it: &str| it.contains(['*', '?', '[']);
    match parts.iter().map(AsRef::as_ref).collect::<Vec<&str>>()[..] {
        [] | ["environments"] => true,
        ["environments", env] => is_pattern(env) || environments.iter().any(|it| it == env),
        ["environments", _, rest, ..] => rest == "tests" || rest == "*",
        _ => false,
    }
}
