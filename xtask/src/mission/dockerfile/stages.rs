//! Walks through a Dockerfile's stages: the user of each RUN, and its calls of environment scripts.

use crate::{
    mission::dockerfile::{
        calls::{Call, calls},
        parse::{Dockerfile, Instruction, RULE},
    },
    run::finding::Finding,
};

/// An instruction of one of several files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) file: usize,
    /// Index into the file's instructions.
    pub(crate) instruction: usize,
}

/// User whose caches a step may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum User {
    Root,
    /// The images' own user, 1000:100.
    Jovyan,
    Other,
}

/// A stage: from one FROM to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stage {
    pub(crate) from: Place,
    pub(crate) image: String,
    pub(crate) name: Option<String>,
    /// Whether the stage comes from the common image, with the files that build steps need.
    pub(crate) is_ours: bool,
    pub(crate) runs: Vec<Run>,
    /// User after the stage's last instruction.
    pub(crate) user: User,
    /// Whether the author declares `ARG USE_FROZEN`.
    pub(crate) declares_use_frozen: bool,
}

/// A RUN, or an ONBUILD RUN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) place: Place,
    pub(crate) user: User,
    /// Environment scripts that the step calls.
    pub(crate) calls: Vec<Call>,
}

/// Stages of a file, and findings about instructions that could not be understood.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Stages {
    /// ARG instructions before the first FROM.
    pub(crate) global_args: Vec<Place>,
    pub(crate) stages: Vec<Stage>,
    pub(crate) findings: Vec<Finding>,
}

impl Stages {
    /// Reads `files` as one Dockerfile.
    pub(crate) fn read(files: &[Dockerfile]) -> Stages {
        let mut res = Stages::default();
        for (file, dockerfile) in files.iter().enumerate() {
            for (at, instruction) in dockerfile.instructions.iter().enumerate() {
                res.step(dockerfile, instruction, Place { file, instruction: at });
            }
        }
        if res.stages.is_empty() {
            // Instructions before a missing FROM are not findings of their own.
            res.findings.clear();
        }
        res
    }

    /// Returns the RUN steps that call environment scripts, in order.
    pub(crate) fn steps(&self) -> impl Iterator<Item = &Run> {
        self.stages.iter().flat_map(|it| &it.runs).filter(|it| !it.calls.is_empty())
    }

    fn step(&mut self, file: &Dockerfile, instruction: &Instruction, place: Place) {
        let word = instruction.word.as_str();
        if word == "FROM" && !instruction.onbuild {
            let stage = self.stage(instruction, place);
            return self.stages.push(stage);
        }
        let Some(stage) = self.stages.last_mut() else {
            return self.before_from(file, instruction, place);
        };
        match word {
            "RUN" => {
                let calls = read_calls(file, instruction, &mut self.findings);
                stage.runs.push(Run { place, user: stage.user, calls });
            }
            "USER" if !instruction.onbuild => stage.user = user(&instruction.args),
            "ARG" if declares(instruction, "USE_FROZEN") => stage.declares_use_frozen = true,
            _ => (),
        }
    }

    fn before_from(&mut self, file: &Dockerfile, instruction: &Instruction, place: Place) {
        if instruction.word == "ARG" {
            return self.global_args.push(place);
        }
        let what = format!("{} stands before the first FROM", instruction.word);
        let fix = "only ARG may; start with `FROM ${BASE_IMAGE}`";
        self.findings.push(file.finding(RULE, (instruction, ""), what, fix));
    }

    fn stage(&self, instruction: &Instruction, from: Place) -> Stage {
        let mut words = instruction.args.split_whitespace();
        let image = words.next().unwrap_or_default().trim_matches('"').to_owned();
        let is_as = words.next().is_some_and(|it| it.eq_ignore_ascii_case("as"));
        let name = words.next().filter(|_| is_as).map(str::to_ascii_lowercase);
        let earlier = self.stages.iter().rev().find(|it| it.is_named(&image));
        let (user, is_ours) = match earlier {
            Some(stage) => (stage.user, stage.is_ours),
            None if is_base_image(&image) => (User::Jovyan, true),
            None => (User::Root, false),
        };
        Stage { from, image, name, is_ours, runs: Vec::new(), user, declares_use_frozen: false }
    }
}

impl Stage {
    fn is_named(&self, name: &str) -> bool {
        self.name.as_deref().is_some_and(|it| it.eq_ignore_ascii_case(name))
    }
}

/// Returns whether a FROM names the common image.
pub(crate) fn is_base_image(image: &str) -> bool {
    image == "${BASE_IMAGE}" || image == "$BASE_IMAGE"
}

/// Returns whether an ARG or ENV instruction declares `name`.
pub(crate) fn declares(instruction: &Instruction, name: &str) -> bool {
    let mut words = instruction.args.split_whitespace();
    words.any(|it| it.split('=').next() == Some(name))
}

fn read_calls(
    file: &Dockerfile,
    instruction: &Instruction,
    findings: &mut Vec<Finding>,
) -> Vec<Call> {
    let calls = calls(&instruction.args).unwrap_or_else(|unclear| {
        let at = (instruction, unclear.word.as_str());
        findings.push(file.finding(RULE, at, unclear.what, unclear.fix));
        Vec::new()
    });
    if instruction.onbuild && !calls.is_empty() {
        let what = "an environment script runs ONBUILD, where no spec files are".to_owned();
        let fix = "call it in a RUN of the image that it is for";
        findings.push(file.finding(RULE, (instruction, ""), what, fix));
        return Vec::new();
    }
    calls
}

/// Returns the user of `USER args`, as far as caches are concerned.
fn user(args: &str) -> User {
    let user = args.trim().trim_matches(['"', '\'']);
    let name = user.split(':').next().unwrap_or(user);
    match name.replace(['{', '}'], "").as_str() {
        "root" | "0" => User::Root,
        "jovyan" | "1000" | "$NB_UID" | "$NB_USER" => User::Jovyan,
        _ => User::Other,
    }
}
