//! Lists and frozen specs are read here and, in Python, by the scripts of images: what one reads and the
//! other refuses or reads differently is a mistake in one of them.
//!
//!     cargo xtask ci --only 'hostile input'
//!
//! `FUZZ_SEED` chooses other cases, `FUZZ_TIMES=20` makes twenty times as many.

use std::{env, path::Path};

use serde::{Deserialize, Serialize};

use super::{generator, setting};
use crate::{
    run::{
        process::{self, query},
        terminal,
    },
    specs::{frozen::tests::property::Random, tests::form},
};

const LISTS: usize = 5000;
const FROZEN: usize = 2000;

/// A list of one or a few lines, or a frozen spec.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Case {
    pub(super) kind: &'static str,
    pub(super) name: String,
    pub(super) text: String,
}

/// Content of a case, or the line that is refused.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Reads(Vec<String>),
    Line(usize),
}

impl Case {
    fn answer(&self) -> Answer {
        let res = match self.kind {
            "frozen" => form::frozen(&self.text),
            _ => form::list(&self.name, &self.text),
        };
        res.map_or_else(Answer::Line, Answer::Reads)
    }
}

/// Returns the answers of the scripts' Python, from one process.
fn answers_of_python(cases: &[Case]) -> Vec<Answer> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let python = env::var("SPECS_PYTHON").expect("SPECS_PYTHON is a Python with `packaging`");
    let lines = cases.iter().map(|it| serde_json::to_string(it).unwrap() + "\n").collect();
    let cmd = query!(root, "{python} -B common/image/tests/spec_reader.py")
        .env("COMMON_SCRIPTS", "common/image/common-scripts")
        .stdin(lines);
    let text = process::read(&cmd).unwrap();
    text.lines().map(|it| serde_json::from_str(it).unwrap()).collect()
}

#[test]
fn host_and_scripts_read_alike() {
    let seed = setting("FUZZ_SEED").unwrap_or(7);
    let times = usize::try_from(setting("FUZZ_TIMES").unwrap_or(1)).unwrap();
    let mut random = Random(seed.max(1));
    let lists = (0..LISTS * times).map(|_| generator::list(&mut random));
    let mut cases: Vec<Case> = lists.collect();
    cases.extend((0..FROZEN * times).map(|_| generator::frozen(&mut random)));
    let others = answers_of_python(&cases);
    assert_eq!(others.len(), cases.len());
    let answers: Vec<Answer> = cases.iter().map(Case::answer).collect();
    shares(&cases, &answers);
    let mut differences: Vec<(&Case, &Answer, &Answer)> = Vec::new();
    for ((case, here), there) in cases.iter().zip(&answers).zip(&others) {
        if here != there {
            differences.push((case, here, there));
        }
    }
    differences.sort_by_key(|it| it.0.text.len());
    let shown = differences.iter().map(|(case, here, there)| difference(case, here, there));
    let shown: String = shown.take(20).collect();
    let count = differences.len();
    assert!(count == 0, "seed {seed}: {count} differences, the smallest first\n{shown}");
}

/// Returns the differing lines; a frozen spec is too long to show all of it.
fn difference(case: &Case, here: &Answer, there: &Answer) -> String {
    let (here, there) = match (here, there) {
        (Answer::Reads(a), Answer::Reads(b)) => {
            let only = |a: &[String], b: &[String]| {
                format!("{:?}", a.iter().filter(|it| !b.contains(it)).collect::<Vec<_>>())
            };
            (only(a, b), only(b, a))
        }
        (a, b) => (brief(a, &case.text), brief(b, &case.text)),
    };
    format!("{} {:?}\n  host:    {here}\n  scripts: {there}\n", case.name, case.text)
}

fn brief(answer: &Answer, text: &str) -> String {
    match answer {
        Answer::Reads(lines) => format!("reads {} lines", lines.len()),
        Answer::Line(line) => {
            let text = text.lines().nth(line - 1).unwrap_or_default();
            format!("refuses line {line}, {text:?}")
        }
    }
}

/// Checks the shares of the cases: most are valid, some are not, and each element of a line is in
/// many of them; otherwise little is compared.
fn shares(cases: &[Case], answers: &[Answer]) {
    let of_kind = |name: &'static str| {
        let both = cases.iter().zip(answers).filter(move |it| it.0.name == name);
        both.map(|it| it.1)
    };
    let mut found = Vec::new();
    for name in ["a.pip", "a.conda", "a.yml", "a.build", "f.yml"] {
        let read = of_kind(name).filter(|it| matches!(it, Answer::Reads(_))).count();
        let share = 100 * read / of_kind(name).count();
        found.push(format!("{name} {share} %"));
        assert!((35..=85).contains(&share), "{name}: {share} % are valid");
    }
    let lines: Vec<&String> = answers
        .iter()
        .filter_map(|it| if let Answer::Reads(it) = it { Some(it) } else { None })
        .flatten()
        .collect();
    let parts = [
        "[b-c",
        "~=",
        "==1!",
        ".*",
        " @ git+",
        " ; (",
        " or ",
        " not in ",
        "[true false]",
        "[machine]",
        " --hash",
        "limit ",
        "source ",
        "need ",
        "channel ",
        "conda ",
        "# build: ",
        "# build-for: ",
        "# missing: ",
        "; provides ",
        "::",
        "--no-require-hashes",
    ];
    for part in parts {
        let count = lines.iter().filter(|it| it.contains(part)).count();
        assert!(count * 400 >= LISTS, "{count} lines with `{part}`");
    }
    terminal::say(format_args!("{} cases; valid: {}", cases.len(), found.join(", ")));
}
