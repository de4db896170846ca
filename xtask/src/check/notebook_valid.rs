//! Notebooks are valid: JupyterLab opens them, and nbformat's schema of version 4 accepts them.

use std::collections::BTreeSet;

use serde_json::value::RawValue;

use crate::{
    check::{
        Facts, Refuses, Rule,
        notebook::{Notebook, Object, Wrong, notebooks, object, string},
    },
    run::finding::Finding,
};

pub(crate) const RULE: Rule = Rule {
    name: "notebook-valid",
    about: "notebooks are of nbformat 4, and whole",
    refuses: Refuses::Never,
    check,
};

pub(crate) fn check(facts: &Facts) -> Vec<Finding> {
    let wrong = notebooks(facts).flat_map(|(file, notebook)| {
        let wrong = notebook.map_or_else(|it| vec![it], |it| problems(&it));
        wrong.into_iter().map(move |(line, what)| {
            let fix = "open and save it in JupyterLab, or restore it from git";
            file.finding(RULE.name, Some(line), what, fix)
        })
    });
    wrong.collect()
}

fn problems(notebook: &Notebook<'_>) -> Vec<Wrong> {
    let members = &notebook.members;
    let number = |name: &str| members.get(name).and_then(|it| it.get().parse::<u32>().ok());
    if number("nbformat") != Some(4) {
        let line = members.get("nbformat").map_or(1, |it| notebook.line(it));
        return vec![(line, "`nbformat` is not 4".to_owned())];
    }
    let Some(minor) = number("nbformat_minor") else {
        return vec![(1, "missing `nbformat_minor`".to_owned())];
    };
    let mut res = Vec::new();
    if members.get("metadata").and_then(|it| object(it)).is_none() {
        res.push((1, "missing `metadata`".to_owned()));
    }
    let cells: Option<Vec<&RawValue>> =
        members.get("cells").and_then(|it| serde_json::from_str(it.get()).ok());
    let Some(cells) = cells else {
        res.push((1, "missing list `cells`".to_owned()));
        return res;
    };
    let mut ids = BTreeSet::new();
    for cell in cells {
        let line = notebook.line(cell);
        let Some(cell) = object(cell) else {
            res.push((line, "this cell is not an object".to_owned()));
            continue;
        };
        let whats = shape(&cell).into_iter().chain(id(&cell, minor, &mut ids));
        res.extend(whats.map(|it| (line, it)));
    }
    res
}

/// Returns the members that a cell lacks, or has and may not have.
fn shape(cell: &Object<'_>) -> Vec<String> {
    let mut res = Vec::new();
    let kind = cell.get("cell_type").and_then(|it| string(it)).unwrap_or_default();
    if !["code", "markdown", "raw"].contains(&kind.as_str()) {
        res.push("`cell_type` is not code, markdown or raw".to_owned());
    }
    if cell.get("metadata").and_then(|it| object(it)).is_none() {
        res.push("this cell has no `metadata`".to_owned());
    }
    let is_text = |it: &RawValue| {
        string(it).is_some() || serde_json::from_str::<Vec<String>>(it.get()).is_ok()
    };
    if !cell.get("source").is_some_and(|it| is_text(it)) {
        res.push("`source` is not text".to_owned());
    }
    let has = |name| cell.contains_key(name);
    let is_list = |it: &RawValue| serde_json::from_str::<Vec<&RawValue>>(it.get()).is_ok();
    match kind.as_str() {
        "code" => {
            if !cell.get("outputs").is_some_and(|it| is_list(it)) {
                res.push("this code cell has no list `outputs`".to_owned());
            }
            let count = cell.get("execution_count").map(|it| it.get());
            if !count.is_some_and(|it| it == "null" || it.parse::<u32>().is_ok()) {
                res.push("this code cell has no `execution_count`".to_owned());
            }
        }
        "" => (),
        _ if has("outputs") || has("execution_count") => {
            res.push(format!("a {kind} cell has no outputs"));
        }
        _ => (),
    }
    res
}

/// Checks the cell's id, which must be unique since nbformat 4.5.
fn id(cell: &Object<'_>, minor: u32, ids: &mut BTreeSet<String>) -> Option<String> {
    let id = cell.get("id").and_then(|it| string(it));
    let is_plain = |it: &str| {
        (1..=64).contains(&it.len())
            && it.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    match id {
        _ if minor < 5 => None,
        None => Some("this cell has no `id`".to_owned()),
        Some(id) if !is_plain(&id) => Some("`id` is not 1 to 64 letters, digits, `-`, `_`".into()),
        Some(id) if ids.contains(&id) => Some(format!("an earlier cell has the id `{id}`")),
        Some(id) => {
            ids.insert(id);
            None
        }
    }
}
