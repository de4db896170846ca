//! Files that builds send are complete: a submodule that is not checked out is an empty folder, and
//! a file that git-lfs or git-annex has not fetched is a line of text about it. An image would be
//! built from either.

use std::path::Path;

use crate::{
    check::{Facts, File, Refuses, Rule},
    run::{finding::Finding, printable::Shown as _},
};

pub(crate) const RULE: Rule = Rule {
    name: "checkout-complete",
    about: "submodules and files of git-lfs that builds send are fetched",
    refuses: Refuses::Always,
    check,
};

pub(crate) fn check(facts: &Facts) -> Vec<Finding> {
    let submodules = facts.empty_submodules.iter().filter(|it| is_sent(facts, it));
    let pointers = facts.files.iter().filter(|it| it.is_sent).filter_map(pointer);
    submodules.map(|it| empty(it)).chain(pointers).collect()
}

/// Returns whether a build sends the folder, a file in it, or a folder that contains it.
fn is_sent(facts: &Facts, folder: &Path) -> bool {
    let missions = facts.missions.iter().map(|it| &it.sources.mission);
    facts.sent.iter().any(|it| it.starts_with(folder) || folder.starts_with(it))
        || missions.into_iter().any(|it| it.starts_with(folder))
}

fn empty(folder: &Path) -> Finding {
    let file = File { path: folder.to_owned(), ..File::default() };
    let fix = format!(
        "run `git submodule update --init --recursive -- {}`; without an entry in .gitmodules, `git rm --cached` it and add its files",
        folder.shown()
    );
    file.finding(
        RULE.name,
        None,
        "the submodule is not checked out: images get an empty folder",
        fix,
    )
}

fn pointer(file: &File) -> Option<Finding> {
    let is_lfs = file.text.starts_with("version https://git-lfs.github.com/spec/")
        || file.text.starts_with("version https://hawser.github.com/spec/");
    let (what, fix) = if is_lfs && file.text.contains("\noid sha256:") {
        ("a pointer of git-lfs, and not the file", "git lfs pull")
    } else if file.text.starts_with("/annex/objects/") {
        ("a pointer of git-annex, and not the file", "git annex get")
    } else {
        return None;
    };
    let fix = format!(
        "run `{fix}`; to keep the file out of images, name it in .dockerignore as `**/<name>`"
    );
    Some(file.finding(RULE.name, Some(1), what, fix))
}
