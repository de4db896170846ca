//! LESSONS of earlier systems: `ARG USE_FROZEN` came before the apt layer, and a change of its
//! value ran everything again. The flag comes after the steps that do not depend on it.

use crate::{
    check::{Refuses, Rule},
    mission::dockerfile::{
        parse::Dockerfile,
        stages::{Run, Stage, Stages, declares},
    },
    run::finding::Finding,
};

pub(crate) const RULE: Rule = Rule {
    name: "flag-first",
    about: "ARG USE_FROZEN comes after the steps that it does not concern",
    refuses: Refuses::Never,
    check: |facts| facts.of_dockerfiles(check_file),
};

fn check_file(file: &Dockerfile) -> Vec<Finding> {
    let stages = Stages::read(std::slice::from_ref(file)).stages;
    stages.iter().filter_map(|it| check_stage(file, it)).collect()
}

fn check_stage(file: &Dockerfile, stage: &Stage) -> Option<Finding> {
    let of_stage = &file.instructions[stage.from.instruction + 1..];
    let of_stage = of_stage.iter().take_while(|it| it.word != "FROM");
    let flag = of_stage.clone().find(|it| it.word == "ARG" && declares(it, "USE_FROZEN"))?;
    let get = |run: &Run| &file.instructions[run.place.instruction];
    let first = stage.runs.iter().find(|it| get(it).lines.start() > flag.lines.start())?;
    let concerned = !first.calls.is_empty() || get(first).args.contains("USE_FROZEN");
    let line = get(first).lines.start() + 1;
    let what = format!("flipping USE_FROZEN runs the step of line {line} again for nothing");
    let fix = "declare it just before the first step that calls an environment script";
    (!concerned).then(|| file.finding(RULE.name, (flag, "USE_FROZEN"), what, fix))
}
