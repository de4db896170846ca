//! Notebooks are kept without outputs, which are large, differ from run to run, and hide changes.
//! Timestamps of cells and the state of widgets are outputs, too.

use serde_json::value::RawValue;

use crate::{
    check::{
        Refuses, Rule,
        notebook::{Notebook, Object, is_empty, object, readable},
    },
    run::finding::Finding,
};

pub(crate) const RULE: Rule = Rule {
    name: "notebook-outputs",
    about: "notebooks are kept without outputs",
    refuses: Refuses::Never,
    check: |facts| readable(facts).filter_map(|it| check_notebook(&it)).collect(),
};

fn check_notebook(notebook: &Notebook<'_>) -> Option<Finding> {
    let Left { outputs, times, widgets, record } = Left::of(notebook);
    let parts = [
        match outputs.len() {
            0 => None,
            1 => Some("a cell was saved with its output".to_owned()),
            n => Some(format!("{n} cells were saved with their outputs")),
        },
        match times.len() {
            0 => None,
            1 => Some("a cell was saved with the times of its execution".to_owned()),
            n => Some(format!("{n} cells were saved with the times of their execution")),
        },
        (!widgets.is_empty()).then(|| "the state of widgets was saved".to_owned()),
        (!record.is_empty()).then(|| "papermill's record of a run was saved".to_owned()),
    ];
    let what: Vec<String> = parts.into_iter().flatten().collect();
    let values = outputs.iter().chain(&times).flatten().chain(&widgets).chain(&record);
    let line = values.map(|(it, _)| notebook.line(it)).min()?;
    let fix = match (widgets.as_slice(), record.as_slice()) {
        ([], []) => "run `cargo xtask check --fix`, or clear all outputs in JupyterLab",
        _ => "run `cargo xtask check --fix`",
    };
    Some(notebook.file.finding(RULE.name, Some(line), what.join("; "), fix))
}

/// A value that a run left in a notebook, and its replacement.
type Leftover<'a> = (&'a RawValue, &'static str);

/// Values that a run left in a notebook.
struct Left<'a> {
    /// Of each cell with an output.
    outputs: Vec<Vec<Leftover<'a>>>,
    /// Of each cell with timestamps: JupyterLab's `recordTiming`, the extension `ExecuteTime`, Colab
    /// and papermill.
    times: Vec<Vec<Leftover<'a>>>,
    /// <https://github.com/jupyter-widgets/ipywidgets/blob/main/packages/schema/v8.md>
    widgets: Vec<Leftover<'a>>,
    /// Times, paths and parameters of papermill's run.
    record: Vec<Leftover<'a>>,
}

/// Members of a cell's metadata that have timestamps.
const TIMES: [(&str, &str); 4] =
    [("execution", "{}"), ("ExecuteTime", "{}"), ("executionInfo", "{}"), ("papermill", "{}")];

impl<'a> Left<'a> {
    fn of(notebook: &Notebook<'a>) -> Left<'a> {
        let cells = notebook.cells();
        let outputs =
            cells.iter().map(|it| members(it, &[("outputs", "[]"), ("execution_count", "null")]));
        let times = cells.iter().map(|it| of_metadata(it, &TIMES));
        Left {
            outputs: outputs.filter(|it| !it.is_empty()).collect(),
            times: times.filter(|it| !it.is_empty()).collect(),
            widgets: of_metadata(&notebook.members, &[("widgets", "{}")]),
            record: of_metadata(&notebook.members, &[("papermill", "{}")]),
        }
    }
}

/// Returns the members of `object` with these names that are not empty, each with its replacement.
fn members<'a>(object: &Object<'a>, names: &[(&str, &'static str)]) -> Vec<Leftover<'a>> {
    let found = names.iter().filter_map(|(name, empty)| Some((*object.get(*name)?, *empty)));
    found.filter(|(it, _)| !is_empty(it)).collect()
}

/// Returns [`members`] of the `metadata` of a notebook or cell.
fn of_metadata<'a>(owner: &Object<'a>, names: &[(&str, &'static str)]) -> Vec<Leftover<'a>> {
    let metadata = owner.get("metadata").and_then(|it| object(it));
    metadata.map_or(Vec::new(), |it| members(&it, names))
}

/// Returns the notebook's text without outputs, otherwise unchanged.
pub(crate) fn stripped(notebook: &Notebook<'_>) -> String {
    let Left { outputs, times, widgets, record } = Left::of(notebook);
    let of_cells = outputs.into_iter().chain(times).flatten();
    notebook.with(of_cells.chain(widgets).chain(record).collect())
}
