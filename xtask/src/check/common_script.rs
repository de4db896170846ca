//! A script of the common image that a step or a test calls is there.

use std::path::Path;

use crate::{
    check::{Facts, MissionFacts, Refuses, Rule},
    mission::dockerfile::{calls::SCRIPTS, programs},
    run::{finding::Finding, suggest::nearest},
};

pub(crate) const RULE: Rule = Rule {
    name: "common-script",
    about: "scripts below /opt/common-scripts that a mission calls are there",
    refuses: Refuses::Always,
    check,
};

/// Folder of the scripts in this repository.
const FOLDER: &str = "common/image/common-scripts";

/// Scripts of earlier frameworks of this kind, and what does the same here.
const EARLIER: [(&[&str], &str); 5] = [
    (&["env-conda"], "write `/opt/common-scripts/env-create ENV ENV.yml`"),
    (
        &["env-compile", "env-sync", "env-src-install"],
        "write `/opt/common-scripts/env-update ENV LIST…`, which solves all lists together",
    ),
    (&["env-activate"], "remove it: each script takes the environment's name"),
    (&["env-clean", "npm-audit"], "remove it: caches are no part of an image"),
    (
        &["apt-install"],
        "write `apt-get update && apt-get install --yes --no-install-recommends …` as root",
    ),
];

pub(crate) fn check(facts: &Facts) -> Vec<Finding> {
    let names = facts.files.iter().filter(|it| it.path.parent() == Some(Path::new(FOLDER)));
    let names: Vec<&str> = names.filter_map(|it| it.path.file_name()?.to_str()).collect();
    if names.is_empty() {
        return Vec::new();
    }
    facts.missions.iter().flat_map(|it| check_mission(facts, it, &names)).collect()
}

fn check_mission(facts: &Facts, mission: &MissionFacts, names: &[&str]) -> Vec<Finding> {
    let unknown = |word: &str| -> Option<(String, String)> {
        let name = word.strip_prefix(SCRIPTS)?;
        let is_there = name.is_empty() || facts.has(&Path::new(FOLDER).join(name));
        let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
        let known = EARLIER.iter().find(|(names, _)| names.contains(&name));
        let fix = match (known, nearest(name, names.iter().copied())) {
            (Some((_, fix)), _) => (*fix).to_owned(),
            (_, Some(nearest)) => format!("write `{SCRIPTS}{nearest}`"),
            _ => format!("call one of these: {}", names.join(", ")),
        };
        let what = format!("the common image has no script `{name}`");
        (!is_there && is_plain).then_some((what, fix))
    };
    let mut res = Vec::new();
    let file = mission.author_dockerfile();
    let copies = |it: &str| it.contains(SCRIPTS.trim_end_matches('/'));
    if file.instructions.iter().any(|it| ["COPY", "ADD"].contains(&&*it.word) && copies(&it.args)) {
        return res;
    }
    let starts = ["RUN", "CMD", "ENTRYPOINT"];
    for run in file.instructions.iter().filter(|it| starts.contains(&it.word.as_str())) {
        let commands = programs::commands(run);
        let commands = commands.iter().filter(|it| programs::may_start(&it.words));
        for word in commands.flat_map(|it| &it.words) {
            let found =
                unknown(word).map(|(what, fix)| file.finding(RULE.name, (run, word), what, fix));
            res.extend(found);
        }
    }
    for (file, line, word) in mission.words_of_tests(facts) {
        res.extend(
            unknown(&word).map(|(what, fix)| file.finding(RULE.name, Some(line), what, fix)),
        );
    }
    res
}
