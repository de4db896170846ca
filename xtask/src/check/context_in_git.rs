//! Builds send no file that git lacks: another checkout would give another image, and nobody
//! reviews the file. `.git` itself is such a file, with the addresses and logins in it.

use std::{collections::BTreeSet, path::Path};

use crate::{
    check::{Facts, File, Refuses, Rule},
    run::finding::Finding,
};

pub(crate) const RULE: Rule = Rule {
    name: "context-in-git",
    about: "builds send nothing that git ignores",
    refuses: Refuses::Never,
    check,
};

pub(crate) fn check(facts: &Facts) -> Vec<Finding> {
    let in_git = facts.files.iter().filter(|it| !it.is_unknown_to_git);
    let folders: BTreeSet<&Path> = in_git.flat_map(|it| it.path.ancestors()).collect();
    let unknown = facts.files.iter().filter(|it| it.is_unknown_to_git);
    // For a folder without any file that git has, only the folder.
    let top = |file: &File| {
        let parts = file.path.ancestors().take_while(|it| !folders.contains(it));
        parts.last().unwrap_or(&file.path).to_owned()
    };
    let tops: BTreeSet<_> = unknown.map(top).collect();
    tops.into_iter().map(|path| finding(&path)).collect()
}

fn finding(path: &Path) -> Finding {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let fix = format!("remove it, commit it, or write `**/{name}` in the context's .dockerignore");
    let file = File { path: path.to_owned(), ..File::default() };
    file.finding(RULE.name, None, "builds send this, and git ignores it", fix)
}
