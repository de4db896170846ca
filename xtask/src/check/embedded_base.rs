//! The embedded base has one Python, and lacks conda: a list that requires more cannot be solved.
//! All such lines are named at once; the build stops at the first.

use std::path::Path;

use crate::{
    check::{Facts, MissionFacts, Refuses, Rule, frozen_spec, spec_lines},
    image::recipe,
    run::finding::Finding,
    settings::config::{Base, Config},
    specs::{conda::MatchSpec, read::Requested},
};

pub(crate) const RULE: Rule = Rule {
    name: "embedded-base",
    about: "with BASE_IMAGE=local no list asks for conda packages or another Python",
    refuses: Refuses::Always,
    check,
};

const BASE: &str =
    "or build on a conda base: BASE_IMAGE in setup-env names it, or in setup-env.template for all";

pub(crate) fn check(facts: &Facts) -> Vec<Finding> {
    let is_embedded =
        |it: &&MissionFacts| matches!(it.config, Some(Config { base: Base::Embedded, .. }));
    let lock = facts.file(Path::new(frozen_spec::LOCK));
    let python = lock.and_then(|it| recipe::locked_python(&it.text));
    let mut res = Vec::new();
    for mission in facts.missions.iter().filter(is_embedded) {
        let (lists, _) = spec_lines::all(facts, mission);
        for line in lists.iter().flat_map(|it| &it.conda) {
            res.extend(wrong(line, python.as_deref()));
        }
    }
    res.sort();
    res.dedup();
    res
}

/// Returns the finding about a line, on a base whose Python is `python`, like 3.13.
fn wrong(line: &Requested<MatchSpec>, python: Option<&str>) -> Option<Finding> {
    let (what, fix) = match line.what.name.as_str() {
        "pip" => return None,
        "python" => {
            let minor = python.filter(|minor| !takes(&line.what, minor))?;
            let what =
                format!("`{}` is not the embedded base's Python, which is {minor}", line.text);
            (what, format!("write `python`, or `python={minor}`; {BASE}"))
        }
        _ => {
            let what =
                format!("`{}` is a conda package, and the embedded base has no conda", line.text);
            (what, format!("ask for it in a .pip list, if it is on PyPI; {BASE}"))
        }
    };
    Some(Finding { file: line.file.clone(), line: Some(line.line), rule: RULE.name, what, fix })
}

/// Highest patch release that a minor release of Python may have.
const LAST_PATCH: u32 = 60;

/// Returns whether some release of `minor` satisfies the line. Which one the base has is Debian's.
fn takes(asked: &MatchSpec, minor: &str) -> bool {
    (0..=LAST_PATCH).any(|patch| asked.takes(&format!("{minor}.{patch}")))
}
