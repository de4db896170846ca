//! `setup-env.template` has a default for every setting, and no line that bash would read
//! differently.

use std::path::Path;

use crate::{
    check::{File, Refuses, Rule},
    run::{finding::Finding, suggest::nearest},
    settings::{
        layers::{NAMES, TEMPLATE},
        setup_env::{self, Assigned, Scope, Unreadable, Vars},
    },
};

pub(crate) const RULE: Rule = Rule {
    name: "settings-template",
    about: "setup-env.template can be read, and has every setting and no other",
    refuses: Refuses::Never,
    check: |facts| facts.file(Path::new(TEMPLATE)).map_or(Vec::new(), check_file),
};

fn check_file(file: &File) -> Vec<Finding> {
    // Rule `text-file` reports line ends.
    let text = super::text_file::corrected(&file.text);
    let (assigned, unreadable) = read(&text);
    let unreadable = unreadable.into_iter().map(|it| {
        let fix = "write `export NAME=value`; the head of the file says what else can be read";
        file.finding(RULE.name, Some(it.line), it.what, fix)
    });
    let unknown = assigned.iter().filter(|(name, _)| !NAMES.contains(&name.as_str()));
    let unknown = unknown.map(|(name, (_, line))| {
        let fix = match nearest(name, NAMES.iter().copied()) {
            Some(nearest) => format!("write `{nearest}`, or take the line out"),
            None => "take the line out".to_owned(),
        };
        file.finding(RULE.name, Some(*line), format!("`{name}` is not a setting"), fix)
    });
    // A line that cannot be read may be the missing one.
    let is_missing = |it: &&&str| !assigned.contains_key(**it) && !names(&text, it);
    let missing = NAMES.iter().filter(is_missing).map(|name| {
        let fix = format!("write `export {name}=<default>`, and what it means");
        file.finding(RULE.name, None, format!("`{name}` has no default"), fix)
    });
    unreadable.chain(unknown).chain(missing).collect()
}

/// Returns whether `text` has `name=`, and not only `other_name=`.
fn names(text: &str, name: &str) -> bool {
    let is_start =
        |at: usize| !text[..at].ends_with(|it: char| it == '_' || it.is_ascii_alphanumeric());
    text.match_indices(&format!("{name}=")).any(|(at, _)| is_start(at))
}

/// Returns the assignments of `text`, and each line that cannot be read.
fn read(text: &str) -> (Assigned, Vec<Unreadable>) {
    // Variables that every shell has.
    let ambient = Vars::from([("HOME".to_owned(), "/".to_owned())]);
    let scope = Scope { root: "/", fixed: &Vars::new(), ambient: &ambient };
    setup_env::read(text, &scope)
}
