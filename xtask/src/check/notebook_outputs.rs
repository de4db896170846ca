//! Notebooks are kept without outputs, which are large, differ from run to run, and hide changes.

use serde_json::value::RawValue;

use crate::{
    check::{
        Facts, Refuses, Rule,
        notebook::{Notebook, Object, is_empty, readable},
    },
    run::finding::Finding,
};

pub(crate) const RULE: Rule = Rule {
    name: "notebook-outputs",
    about: "notebooks are kept without outputs",
    refuses: Refuses::Never,
    check,
};

pub(crate) fn check(facts: &Facts) -> Vec<Finding> {
    readable(facts).filter_map(|it| check_notebook(&it)).collect()
}

fn check_notebook(notebook: &Notebook<'_>) -> Option<Finding> {
    let cells = notebook.cells();
    let with_output: Vec<_> = cells.iter().filter(|it| outputs(it).next().is_some()).collect();
    let line = outputs(with_output.first()?).map(|(it, _)| notebook.line(it)).min();
    let what = match with_output.len() {
        1 => "a cell was saved with its output".to_owned(),
        n => format!("{n} cells were saved with their outputs"),
    };
    let fix = "run `cargo xtask check --fix`, or clear all outputs in JupyterLab";
    Some(notebook.file.finding(RULE.name, line, what, fix))
}

/// Returns the values that a run left in `cell`, each with its replacement.
fn outputs<'a>(cell: &Object<'a>) -> impl Iterator<Item = (&'a RawValue, &'static str)> {
    let empty = [("outputs", "[]"), ("execution_count", "null")];
    let found = empty.map(|(name, empty)| Some((*cell.get(name)?, empty)));
    found.into_iter().flatten().filter(|(it, _)| !is_empty(it))
}

/// Returns the notebook's text without outputs, otherwise unchanged.
pub(crate) fn stripped(notebook: &Notebook<'_>) -> String {
    let cells = notebook.cells();
    notebook.with(cells.iter().flat_map(outputs).collect())
}
