//! Files are not large: git keeps them for ever, and each clone and each build context carries
//! them.

use crate::{
    check::{Facts, File, Refuses, Rule, notebook::Notebook, notebook_outputs},
    run::{finding::Finding, text_file},
};

pub(crate) const RULE: Rule = Rule {
    name: text_file::SIZE,
    about: "no file has 1 MB or more",
    refuses: Refuses::Never,
    check,
};

pub(crate) fn check(facts: &Facts) -> Vec<Finding> {
    let large = facts.files.iter().filter(|it| it.size >= text_file::LIMIT);
    large.map(finding).collect()
}

/// Returns the finding about a large file; about a notebook that is small without its outputs, with
/// the fix that takes them out.
fn finding(file: &File) -> Finding {
    let mut res = text_file::too_large(&file.path, file.size);
    let notebook = Some(file).filter(|it| it.path.extension().is_some_and(|it| it == "ipynb"));
    let notebook = notebook.and_then(|it| Notebook::read(it).ok());
    let stripped = notebook.map(|it| notebook_outputs::stripped(&it).len() as u64);
    if stripped.is_some_and(|it| it < text_file::LIMIT) {
        res.what += ", most of it outputs of cells";
        res.fix = "run `cargo xtask check --fix`, which takes the outputs out".to_owned();
    }
    res
}
