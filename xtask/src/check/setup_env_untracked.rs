//! `setup-env` belongs to one machine, and `secrets/` is a repository of its own: git must ignore
//! both.

use crate::{
    check::{Facts, Refuses, Rule},
    run::{finding::Finding, printable::Shown as _},
};

pub(crate) const RULE: Rule = Rule {
    name: "setup-env-untracked",
    about: "setup-env and secrets/ are not in git",
    refuses: Refuses::Never,
    check,
};

pub(crate) fn check(facts: &Facts) -> Vec<Finding> {
    let is_private =
        |path: &std::path::Path| path.ends_with("setup-env") || path.starts_with("secrets");
    let files = facts.files.iter().filter(|it| is_private(&it.path));
    files
        .map(|it| Finding {
            file: it.path.clone(),
            line: None,
            rule: RULE.name,
            what: "git tracks this file, or would".to_owned(),
            fix: format!(
                "keep it in .gitignore, and run `git rm --cached {}` if it is tracked",
                it.path.shown()
            ),
        })
        .collect()
}
