//! A hub mounts a volume over the home: users never see the image's files there. Judged by the
//! Dockerfile; a test of the image checks the image itself.

mod writes;

use std::path::{Path, PathBuf};

use crate::{
    check::{Facts, Refuses, Rule},
    mission::dockerfile::parse::{Dockerfile, Instruction, exec_form},
    run::finding::Finding,
};

pub(crate) const RULE: Rule = Rule {
    name: "home-files",
    about: "no step leaves files in the home, which a hub's volume hides",
    refuses: Refuses::Never,
    check,
};

/// Home in images.
const HOME: &str = "/home/jovyan";

pub(crate) fn check(facts: &Facts) -> Vec<Finding> {
    let is_mission = |it: &Dockerfile| it.path.starts_with("missions");
    facts.of_dockerfiles(|it| if is_mission(it) { check_file(it) } else { Vec::new() })
}

fn check_file(file: &Dockerfile) -> Vec<Finding> {
    let mut written: Vec<(&Instruction, Effect)> = Vec::new();
    let mut folder = PathBuf::from(HOME);
    for instruction in of_image(file) {
        for effect in effects(instruction, &mut folder) {
            match effect {
                Effect::Removes(path) => written.retain(|(_, it)| !it.path().starts_with(&path)),
                it => written.push((instruction, it)),
            }
        }
    }
    let is_below = |it: &Effect| it.path().starts_with(HOME) && it.path() != Path::new(HOME);
    let written = written.iter().filter(|(_, it)| is_below(it));
    let finding = |(instruction, effect): &(&Instruction, Effect)| {
        let below = effect.path().strip_prefix(HOME).unwrap_or(effect.path());
        let what = format!(
            "{} leaves ~/{} in the image, where a hub's volume hides it",
            instruction.word,
            below.to_string_lossy()
        );
        let fix = "put it into default-home-contents/, which new homes get, or below /opt";
        file.finding(RULE.name, (instruction, &below.to_string_lossy()), what, fix)
    };
    written.map(finding).collect()
}

/// Effect of a step on a path.
#[derive(Debug, PartialEq, Eq)]
enum Effect {
    Writes(PathBuf),
    Removes(PathBuf),
}

impl Effect {
    fn path(&self) -> &Path {
        match self {
            Effect::Writes(path) | Effect::Removes(path) => path,
        }
    }
}

/// Returns the instructions of the last stage, and of the stages that it starts from.
fn of_image(file: &Dockerfile) -> Vec<&Instruction> {
    let all = &file.instructions;
    let words = |it: &Instruction| -> Vec<String> {
        it.args.split_whitespace().map(str::to_lowercase).collect()
    };
    let mut res = Vec::new();
    let mut end = all.len();
    let mut from = all.iter().rposition(|it| it.word == "FROM");
    while let Some(start) = from {
        res.extend(all[start + 1..end].iter().rev());
        let image = words(&all[start]).into_iter().next();
        let is_it = |it: &Instruction| it.word == "FROM" && words(it).get(2) == image.as_ref();
        from = all[..start].iter().rposition(is_it).filter(|_| image.is_some());
        let next = from.map_or(0, |it| it + 1);
        let length = all[next..].iter().take_while(|it| it.word != "FROM").count();
        end = next + length;
    }
    res.reverse();
    res
}

/// Returns the effects of an instruction in `folder`, which it may change.
fn effects(instruction: &Instruction, folder: &mut PathBuf) -> Vec<Effect> {
    match instruction.word.as_str() {
        "WORKDIR" => {
            *folder = writes::resolve(folder, instruction.args.trim().trim_matches('"'));
            vec![Effect::Writes(folder.clone())]
        }
        "COPY" | "ADD" => {
            let words = exec_form(&instruction.args).unwrap_or_else(|| {
                instruction.args.split_whitespace().map(str::to_owned).collect()
            });
            let Some((to, from)) = words.split_last() else { return Vec::new() };
            let name = from.first().and_then(|it| Path::new(it).file_name()).unwrap_or_default();
            let path = writes::resolve(folder, to);
            // A copied file keeps its name in a folder.
            let path = if path == Path::new(HOME) { path.join(name) } else { path };
            vec![Effect::Writes(path)]
        }
        "RUN" => writes::of_run(instruction, folder),
        _ => Vec::new(),
    }
}
