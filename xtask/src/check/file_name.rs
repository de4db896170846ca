//! File names mean the same to shells, to COPY, to git and on case-insensitive file systems.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use crate::{
    check::{Facts, Refuses, Rule},
    mission::file_content,
    run::{finding::Finding, printable::Shown as _, text_file},
};

pub(crate) const RULE: Rule = Rule {
    name: file_content::NAME,
    about: "names of files are plain ASCII, and differ not in case alone",
    refuses: Refuses::Never,
    check,
};

pub(crate) fn check(facts: &Facts) -> Vec<Finding> {
    let mut seen = BTreeSet::new();
    let mut by_lower_case: BTreeMap<PathBuf, &Path> = BTreeMap::new();
    let mut res = Vec::new();
    for file in &facts.files {
        // From the top: a folder before its content.
        let mut parts: Vec<&Path> = file.path.ancestors().collect();
        parts.pop();
        for path in parts.into_iter().rev() {
            if !seen.insert(path)
                || facts.refused.iter().any(|it| it.file == text_file::shown(path))
            {
                continue;
            }
            res.extend(file_content::bad_name(path));
            let lower_case = path.to_string_lossy().to_lowercase();
            let first = *by_lower_case.entry(lower_case.into()).or_insert(path);
            // For two folders, without the files in them.
            if first.file_name() != path.file_name() {
                res.push(same_but_for_case(first, path));
            }
        }
    }
    res
}

fn same_but_for_case(first: &Path, path: &Path) -> Finding {
    Finding {
        file: text_file::shown(path),
        line: None,
        rule: RULE.name,
        what: format!("differs from {} in case alone", text_file::shown(first).shown()),
        fix: "rename one: some file systems take them for one file".to_owned(),
    }
}
