//! The settings of this machine are valid: names of registries and images as docker takes them,
//! numbers, words. Found here, before a build ends with a push that docker refuses.

use std::path::PathBuf;

use crate::{
    check::{Refuses, Rule},
    run::finding::Finding,
    settings::{
        config::{Config, Wrong},
        layers::{FILE, Sources, TEMPLATE},
    },
};

pub(crate) const RULE: Rule = Rule {
    name: "settings",
    about: "setup-env and the environment have valid settings",
    refuses: Refuses::Never,
    check: |facts| facts.settings.clone(),
};

/// Returns the findings about the settings of `mission`, or of the one that they name. Rule
/// `settings-template` reports lines of the template that cannot be read.
pub(super) fn findings(sources: &Sources, mission: Option<&str>) -> Vec<Finding> {
    let wrong = Config::problems(sources, mission).into_iter();
    let wrong = wrong.filter(|it| it.value.is_some() || !it.origin.starts_with(TEMPLATE));
    wrong.map(finding).collect()
}

fn finding(Wrong { value, origin, what }: Wrong) -> Finding {
    let place = origin.split_once(':').and_then(|(file, line)| Some((file, line.parse().ok()?)));
    let what = match (&value, place) {
        (None, _) => what,
        (Some(value), Some(_)) => format!("{value}: {what}"),
        (Some(value), None) => format!("{value} ({origin}): {what}"),
    };
    Finding {
        file: PathBuf::from(place.map_or(FILE, |it| it.0)),
        line: place.map(|it| it.1),
        rule: RULE.name,
        what,
        fix: "correct the value; setup-env.template explains each setting".to_owned(),
    }
}
