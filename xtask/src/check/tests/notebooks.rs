//! Rules about notebooks.

use std::{fmt::Write as _, path::Path};

use expect_test::{Expect, expect, expect_file};

use super::{check as check_facts, check_files, file, mission};
use crate::{
    check::{
        self, Facts, File, Rule,
        fix::{Change, change},
    },
    mission::file_content::Content,
};

const GOOD: &str = r#"{
 "cells": [
  {"cell_type": "markdown", "id": "a", "metadata": {}, "source": "text"},
  {
   "cell_type": "code",
   "execution_count": null,
   "id": "b",
   "metadata": {},
   "outputs": [ ],
   "source": ["a\n", "b"]
  }
 ],
 "metadata": {
  "kernelspec": {
   "name": "hello"
  }
 },
 "nbformat": 4,
 "nbformat_minor": 5
}
"#;

#[track_caller]
fn check(rule: &Rule, old: &str, new: &str, expect: Expect) {
    assert!(GOOD.contains(old), "{old}");
    check_files(rule, &[("a.ipynb", &GOOD.replacen(old, new, 1))], expect);
}

#[test]
fn notebooks_are_whole() {
    let rule = &check::notebook_valid::RULE;
    check(rule, "", "", expect![[""]]);
    check(rule, "", "\u{feff}", expect![[""]]);
    check(
        rule,
        r#""id": "a", "#,
        "",
        expect![[r#"
        a.ipynb:3: notebook-valid: this cell has no `id`
            fix: open and save it in JupyterLab, or restore it from git"#]],
    );
    check(
        rule,
        r#""nbformat": 4"#,
        r#""nbformat": 3"#,
        expect![[r#"
        a.ipynb:18: notebook-valid: `nbformat` is not 4
            fix: open and save it in JupyterLab, or restore it from git"#]],
    );
    check(
        rule,
        "{",
        "<<<<<<< HEAD\n{",
        expect![[r#"
            a.ipynb:1: notebook-valid: not a valid notebook: an unresolved merge conflict
                fix: open and save it in JupyterLab, or restore it from git"#]],
    );
    check(
        rule,
        "\"cells\"",
        "\"worksheets\"",
        expect![[r#"
        a.ipynb:1: notebook-valid: missing list `cells`
            fix: open and save it in JupyterLab, or restore it from git"#]],
    );
    check(
        rule,
        "\"source\": [",
        "\"input\": [",
        expect![[r#"
        a.ipynb:4: notebook-valid: `source` is not text
            fix: open and save it in JupyterLab, or restore it from git"#]],
    );
    check(
        rule,
        r#""id": "b""#,
        r#""id": "a""#,
        expect![[r#"
        a.ipynb:4: notebook-valid: an earlier cell has the id `a`
            fix: open and save it in JupyterLab, or restore it from git"#]],
    );
    check(
        rule,
        r#""cell_type": "code""#,
        r#""cell_type": "markdown""#,
        expect![[r#"
        a.ipynb:4: notebook-valid: a markdown cell has no outputs
            fix: open and save it in JupyterLab, or restore it from git"#]],
    );
    check(
        rule,
        r#""cell_type": "markdown""#,
        r#""cell_type": "code""#,
        expect![[r#"
        a.ipynb:3: notebook-valid: this code cell has no `execution_count`
            fix: open and save it in JupyterLab, or restore it from git
        a.ipynb:3: notebook-valid: this code cell has no list `outputs`
            fix: open and save it in JupyterLab, or restore it from git"#]],
    );
    check_files(
        rule,
        &[("a.ipynb", ""), ("b.ipynb", "[]\n"), ("c.ipynb", "{}\n")],
        expect![[r#"
            a.ipynb:1: notebook-valid: not a valid notebook: the file is empty
                fix: open and save it in JupyterLab, or restore it from git
            b.ipynb:1: notebook-valid: not a valid notebook: not a JSON object
                fix: open and save it in JupyterLab, or restore it from git
            c.ipynb:1: notebook-valid: `nbformat` is not 4
                fix: open and save it in JupyterLab, or restore it from git"#]],
    );
}

#[test]
fn outputs_are_stripped_and_nothing_else_is_changed() {
    let rule = &check::notebook_outputs::RULE;
    check(rule, "", "", expect![[""]]);
    let count = "\"execution_count\": 7";
    check(
        rule,
        "\"execution_count\": null",
        count,
        expect![[r#"
        a.ipynb:6: notebook-outputs: a cell was saved with its output
            fix: run `cargo xtask check --fix`, or clear all outputs in JupyterLab"#]],
    );
    let output = "\"outputs\": [\n    {\"output_type\": \"stream\"}\n   ]";
    let text = GOOD.replace("\"outputs\": [ ]", output).replace("\"execution_count\": null", count);
    let facts = Facts { files: vec![file(&("a.ipynb", &text))], ..Facts::default() };
    check_facts(
        rule,
        &facts,
        expect![[r#"
        a.ipynb:6: notebook-outputs: a cell was saved with its output
            fix: run `cargo xtask check --fix`, or clear all outputs in JupyterLab"#]],
    );
    let change = change(&facts, &(rule.check)(&facts)[0]);
    let good = GOOD.replace("[ ]", "[]");
    assert_eq!(change, Some(Change::Text("a.ipynb".into(), good)));
}

/// JupyterLab's times of execution, and the state of widgets, differ from run to run like outputs.
#[test]
fn times_and_widgets_are_outputs() {
    let rule = &check::notebook_outputs::RULE;
    let of_cell = r#""metadata": {"execution": {"iopub.execute_input": "2026-01-01T00:00:00Z"}, "tags": []},
   "outputs""#;
    let widgets = r#"{
  "widgets": {"application/vnd.jupyter.widget-state+json": {"state": {"a": {"b": 1}}}},
  "execution": {"timeout": 60},
  "kernelspec": {"#;
    let text = GOOD
        .replace("\"metadata\": {},\n   \"outputs\"", of_cell)
        .replace("{\n  \"kernelspec\": {", widgets);
    let facts = Facts { files: vec![file(&("a.ipynb", &text))], ..Facts::default() };
    check_facts(
        rule,
        &facts,
        expect![[r#"
            a.ipynb:8: notebook-outputs: a cell was saved with the times of its execution; the state of widgets was saved
                fix: run `cargo xtask check --fix`"#]],
    );
    let Some(Change::Text(_, text)) = change(&facts, &(rule.check)(&facts)[0]) else { panic!() };
    assert!(text.contains("\"metadata\": {\"execution\": {}, \"tags\": []}"), "{text}");
    assert!(text.contains("\"widgets\": {},\n  \"execution\": {\"timeout\": 60}"), "{text}");
    check_files(rule, &[("a.ipynb", &text)], expect![[""]]);
}

#[test]
fn kernels_exist() {
    let rule = &check::notebook_kernel::RULE;
    let files = [("hello/tests/imports", "numpy\n")];
    let check = |name: &str, text: &str, expect| {
        let mut facts = mission("RUN env-create hello\n", &files);
        facts.files.push(file(&(name, text)));
        check_facts(rule, &facts, expect);
    };
    let other = |name: &str| GOOD.replace("\"hello\"", name);
    check("missions/m/a.ipynb", GOOD, expect![[""]]);
    check("common/a.ipynb", &other("\"python3\""), expect![[""]]);
    check("missions/unknown/a.ipynb", &other("\"x\""), expect![[""]]);
    check(
        "missions/m/a.ipynb",
        &other("\"base\""),
        expect![[r#"
        missions/m/a.ipynb:15: notebook-kernel: unknown kernel `base`
            fix: choose one of these in JupyterLab: hello, python3"#]],
    );
    check(
        "missions/m/a.ipynb",
        &GOOD.replace("\"name\"", "\"nom\""),
        expect![[r#"
        missions/m/a.ipynb:14: notebook-kernel: `metadata.kernelspec.name` names no kernel
            fix: choose one of these in JupyterLab: hello, python3"#]],
    );
    check(
        "docs/a.ipynb",
        &GOOD.replace("\"kernelspec\"", "\"k\""),
        expect![[r#"
        docs/a.ipynb:13: notebook-kernel: `metadata.kernelspec.name` names no kernel
            fix: choose one of these in JupyterLab: hello, python3"#]],
    );
}

/// The image's tests say the same about each case (`common/image/tests/test_notebook_cases.py`).
#[test]
fn broken_notebooks_of_the_shared_cases() {
    let path = "../../../../common/image/tests/notebook_cases.json";
    let cases = include_str!("../../../../common/image/tests/notebook_cases.json");
    let cases: Vec<(String, Vec<String>)> = serde_json::from_str(cases).unwrap();
    assert!(cases.len() > 120);
    let mut text = "[".to_owned();
    for (at, (given, _)) in cases.iter().enumerate() {
        let end = if at == 0 { "" } else { "," };
        let case = serde_json::to_string(&(given, problems(given))).unwrap();
        write!(text, "{end}\n{case}").unwrap();
    }
    expect_file![path].assert_eq(&format!("{text}\n]\n"));
}

/// Returns `line: problem; fix` of a notebook, a text or `hex:` and bytes.
fn problems(given: &str) -> Vec<String> {
    let byte = |it: &[u8]| u8::from_str_radix(str::from_utf8(it).unwrap(), 16).unwrap();
    let bytes = match given.strip_prefix("hex:") {
        Some(digits) => digits.as_bytes().chunks(2).map(byte).collect(),
        None => given.as_bytes().to_vec(),
    };
    let mut facts = mission("RUN env-create hello\n", &[("hello/tests/imports", "numpy\n")]);
    let path = Path::new("missions/m/environments/hello/tests/a.ipynb");
    facts.files.push(File::of(path, Content::of(path, &bytes)));
    let rules = [
        &check::text_file::RULE,
        &check::notebook_valid::RULE,
        &check::notebook_kernel::RULE,
        &check::notebook_timeout::RULE,
    ];
    // Tests run in the kernel of their environment: a notebook need not name one.
    let found = rules.into_iter().flat_map(|it| (it.check)(&facts));
    let found = found.filter(|it| !it.what.ends_with("names no kernel"));
    found.map(|it| format!("{}: {}; {}", it.line.unwrap(), it.what, it.fix)).collect()
}
