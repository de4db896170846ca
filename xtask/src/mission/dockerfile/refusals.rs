//! Instructions that an author may not write, because the generated parts would not work beside
//! them.

use crate::{
    mission::dockerfile::{
        parse::{Dockerfile, Instruction, RULE},
        stages::{Place, Stages, declares, is_base_image},
    },
    run::finding::Finding,
};

/// Stages that the generator adds.
pub(crate) const OURS: [&str; 5] = ["specs-0", "specs-1", "specs", "environments", "image-build"];

/// Returns all findings in `files`, which form one Dockerfile.
pub(crate) fn refusals(files: &[Dockerfile], stages: &Stages) -> Vec<Finding> {
    let mut res: Vec<Finding> = last_from(files, stages).into_iter().collect();
    for stage in &stages.stages {
        let name = stage.name.as_deref().filter(|it| OURS.contains(it));
        res.extend(name.map(|name| {
            let what = format!("the stage name `{name}` is one of the generated file's own");
            finding(files, stage.from, what, "choose another name")
        }));
    }
    for file in files {
        for instruction in &file.instructions {
            res.extend(refused(instruction).map(|(word, what, fix)| {
                file.finding(RULE, (instruction, word), what.to_owned(), fix)
            }));
        }
    }
    res
}

/// Returns the finding that the last stage is not the mission's image, on the common one.
pub(crate) fn last_from(files: &[Dockerfile], stages: &Stages) -> Option<Finding> {
    let Some(stage) = stages.stages.last() else {
        let what = "missing FROM".to_owned();
        let fix = "write `ARG BASE_IMAGE=science-platform/common:latest` and `FROM ${BASE_IMAGE}`";
        let (file, line) = (files.first()?.path.clone(), None);
        return Some(Finding { file, line, rule: RULE, what, fix: fix.to_owned() });
    };
    if !is_base_image(&stage.image) {
        let what = format!("the last FROM is `{}`, not the common image", stage.image);
        return Some(finding(files, stage.from, what, "write `FROM ${BASE_IMAGE}` there"));
    }
    let get = |place: &Place| &files[place.file].instructions[place.instruction];
    if !stages.global_args.iter().any(|it| declares(get(it), "BASE_IMAGE")) {
        let what = "BASE_IMAGE is not declared before the first FROM".to_owned();
        let fix = "write `ARG BASE_IMAGE=science-platform/common:latest` above it";
        return Some(finding(files, stage.from, what, fix));
    }
    None
}

fn finding(files: &[Dockerfile], place: Place, what: String, fix: &str) -> Finding {
    let file = &files[place.file];
    file.finding(RULE, (&file.instructions[place.instruction], ""), what, fix)
}

/// Returns the wrong text in `instruction`, the problem, and the fix.
fn refused(instruction: &Instruction) -> Option<(&str, &'static str, &'static str)> {
    let by_number = |flag: &&String| {
        let from = flag.split(['=', ',']).skip_while(|it| !it.ends_with("from")).nth(1);
        from.is_some_and(|it| !it.is_empty() && it.bytes().all(|b| b.is_ascii_digit()))
    };
    if let Some(flag) = instruction.flags.iter().find(by_number) {
        let what = "a stage is named by its number, which generated stages change";
        return Some((flag, what, "write `FROM … AS name`, and the name here"));
    }
    if instruction.word == "ENV" && declares(instruction, "USE_FROZEN") {
        let what = "ENV USE_FROZEN would stay in the image, where a user's own env-update skips";
        return Some(("USE_FROZEN", what, "remove it; the generated file declares it as ARG"));
    }
    None
}
