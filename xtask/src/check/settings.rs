//! The settings of this machine are valid: names of registries and images as docker takes them,
//! numbers, words. Found here, before a build ends with a push that docker refuses.

use std::path::PathBuf;

use crate::{
    check::{Facts, Refuses, Rule},
    run::finding::Finding,
    settings::{
        config::Config,
        layers::{FILE, Sources, TEMPLATE},
    },
};

pub(crate) const RULE: Rule = Rule {
    name: "settings",
    about: "setup-env and the environment have valid settings",
    refuses: Refuses::Never,
    check,
};

pub(crate) fn check(facts: &Facts) -> Vec<Finding> {
    facts.settings.clone()
}

/// Returns the findings about the settings of `mission`, or of the one that they name. Rule
/// `settings-template` reports lines of the template that cannot be read.
pub(super) fn findings(sources: &Sources, mission: Option<&str>) -> Vec<Finding> {
    let Err(err) = Config::read(sources, mission) else { return Vec::new() };
    let text = format!("{err:#}");
    let lines = text.lines().filter(|it| !it.starts_with(TEMPLATE));
    lines.map(finding).collect()
}

fn finding(text: &str) -> Finding {
    let place = |file: &str| {
        let (_, rest) = text.split_once(&format!("{file}:"))?;
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        Some((file.to_owned(), digits.parse().ok()?))
    };
    let (file, line) = place(TEMPLATE)
        .or_else(|| place(FILE))
        .map_or((FILE.to_owned(), None), |(file, line)| (file, Some(line)));
    // The place is the finding's.
    let place = format!("{file}:{}", line.unwrap_or(0));
    let what = text.strip_prefix(&format!("{place}: ")).unwrap_or(text);
    let what = what.replacen(&format!(" ({place})"), "", 1);
    Finding {
        file: PathBuf::from(file),
        line,
        rule: RULE.name,
        what,
        fix: "correct the value; setup-env.template explains each setting".to_owned(),
    }
}
