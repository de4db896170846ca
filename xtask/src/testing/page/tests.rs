use serde_json::{Value, json};

use super::{Changes, Image, Notebook, Page, Section, text};
use crate::{
    mission::test_kind::TestKind,
    testing::{
        differences::Difference,
        receipt::{Outcome, Receipt, Test},
    },
};

fn receipt() -> Receipt {
    let corpus: Value = serde_json::from_str(include_str!("../../../tests/receipts.json")).unwrap();
    Receipt::parse(&corpus["receipt"].to_string()).unwrap()
}

fn page(section: Section) -> String {
    text(&Page { made: "2026-11-24T16:00:00Z".to_owned(), missions: vec![section] })
}

/// Returns a page with one notebook of these cells, whose test has this outcome.
fn of_notebook(outcome: Outcome, cells: &Value) -> String {
    let mut receipt = receipt();
    receipt.tests.push(Test {
        environment: "hello".to_owned(),
        kind: TestKind::Notebook,
        name: "a <b>.ipynb".to_owned(),
        outcome,
        seconds: 1.0,
        message: String::new(),
        again: String::new(),
    });
    let text = json!({ "nbformat": 4, "cells": cells }).to_string();
    let (environment, name) = ("hello".to_owned(), "a <b>.ipynb".to_owned());
    page(Section {
        mission: "hello".to_owned(),
        receipt: Some(receipt),
        notebooks: vec![Notebook { environment, name, text }],
        ..Section::default()
    })
}

/// Checks the part of the page for a code cell with one output.
#[track_caller]
fn shows(output: &Value, expected: &str) {
    let cell = json!({
        "cell_type": "code", "execution_count": 7, "source": ["x\n", "y"], "outputs": [output],
    });
    let page = of_notebook(Outcome::Passed, &json!([cell]));
    assert!(page.contains("<p class=\"label\">Cell [7]"), "{page}");
    assert!(page.contains("<code>x\ny</code></pre>"), "{page}");
    assert!(page.contains(expected), "{expected}\n{page}");
}

fn data(data: &Value) -> Value {
    json!({ "output_type": "display_data", "data": data })
}

#[test]
fn many_changes_are_folded() {
    let one = |at: usize| Difference {
        environment: String::new(),
        name: format!("p{at}"),
        old: None,
        new: Some("1".to_owned()),
    };
    let of = |count: usize| {
        let differences = (0..count).map(one).collect();
        let changes = Some(Changes { since: "a".to_owned(), differences });
        page(Section { mission: "hello".to_owned(), changes, ..Section::default() })
    };
    assert!(of(0).contains("list the same contents"));
    assert!(!of(30).contains("<details>"));
    assert!(of(31).contains("<summary>31 changes</summary>"));
}

#[test]
fn a_mission_with_all_there_is() {
    let image = |name: &str| Image {
        name: name.to_owned(),
        id: format!("sha256:{name}"),
        inputs: format!("inputs of {name}"),
        size: 123_456_789,
    };
    let page = page(Section {
        mission: "hello".to_owned(),
        starts_from: Some("quay.io/base@sha256:0".to_owned()),
        images: vec![image("common"), image("hello")],
        receipt: Some(receipt()),
        changes: Some(Changes {
            since: "latest-prod, 0-1".to_owned(),
            differences: vec![Difference {
                environment: "sky".to_owned(),
                name: "nu<py".to_owned(),
                old: Some("1.0".to_owned()),
                new: None,
            }],
        }),
        ..Section::default()
    });
    let parts = [
        "<h3>Changes since <code>latest-prod, 0-1</code></h3>",
        "<th scope=\"row\">nu&lt;py</th><td>sky</td><td>1.0</td><td>-</td>",
        "<title>Image report: hello</title>",
        "2 passed, 0 failed",
        "6.0.0",
        "quay.io/base@sha256:0",
        "<code title=\"sha256:common\">common</code>",
        "inputs of hello",
        "<h4>The image as a whole</h4>",
        "123 MB",
        "3.13.5",
        "<th scope=\"row\">numpy</th><td>2.3.1</td>",
        "quay.io/us/hello:0123456789ab-0123456789ab",
        "pip check",
    ];
    for part in parts {
        assert!(page.contains(part), "{part}\n{page}");
    }
    assert!(!page.contains("Failures"), "{page}");
}

#[test]
fn failures_come_first() {
    let mut receipt = receipt();
    receipt.tests[1].outcome = Outcome::Failed;
    receipt.tests[1].message = "\x1b[31mno <answer>\x1b[0m".to_owned();
    let page =
        page(Section { mission: "hello".to_owned(), receipt: Some(receipt), ..Section::default() });
    let place = |part: &str| page.find(part).unwrap_or_else(|| panic!("{part}\n{page}"));
    assert!(place("<h3>Failures</h3>") < place("<pre>no &lt;answer&gt;</pre>"));
    assert!(place("no &lt;answer&gt;") < place("<h3>Environments</h3>"));
    let table = &page[place("<h3>Tests</h3>")..];
    assert!(table.find("a server starts").unwrap() < table.find("pip check").unwrap());
}

#[test]
fn nothing_known() {
    let notes = vec!["no current <image>".to_owned()];
    let page = page(Section { mission: "hello".to_owned(), notes, ..Section::default() });
    assert!(page.contains("not tested"), "{page}");
    assert!(page.contains("no current &lt;image&gt;"), "{page}");
}

#[test]
fn what_a_cell_printed() {
    let stream = |name: &str| json!({ "output_type": "stream", "name": name, "text": ["<", "1>"] });
    shows(&stream("stdout"), "<pre>&lt;1&gt;</pre>");
    shows(&stream("stderr"), "<pre class=\"stderr\">&lt;1&gt;</pre>");
    let long = json!({ "output_type": "stream", "name": "stdout", "text": "µ".repeat(50_007) });
    shows(&long, "µ\n… and 7 more characters</pre>");
    shows(&data(&json!({ "text/plain": "<1>" })), "<pre>&lt;1&gt;</pre>");
    shows(&data(&json!({ "text/latex": "$x$" })), "<pre>$x$</pre>");
}

#[test]
fn what_a_cell_drew() {
    let png = data(&json!({ "image/png": "AA\nBB\n", "text/plain": "<Figure>" }));
    let alt = "Picture 1 that cell [7] of a &lt;b&gt;.ipynb drew";
    shows(&png, &format!("<img src=\"data:image/png;base64,AABB\" alt=\"{alt}\">"));
    let svg = data(&json!({ "image/svg+xml": ["<svg a=\"1\">", "#"] }));
    shows(&svg, "src=\"data:image/svg+xml,%3Csvg a=%221%22%3E%23\"");
    let quote = data(&json!({ "image/png": "\"><script>f()</script>" }));
    shows(&quote, "base64,&quot;&gt;&lt;script&gt;f()&lt;/script&gt;\"");
}

/// Figures are seen without opening the notebook.
#[test]
fn a_notebook_with_a_figure_is_open() {
    let is_open = |output: &Value| {
        let cell = json!({ "cell_type": "code", "source": "x", "outputs": [output] });
        let page = of_notebook(Outcome::Passed, &json!([cell]));
        page.contains("<details class=\"notebook\" open>")
    };
    assert!(is_open(&data(&json!({ "image/png": "AA" }))));
    assert!(!is_open(&data(&json!({ "text/plain": "1" }))));
}

#[test]
fn what_a_cell_wrote_as_html() {
    let table = data(&json!({ "text/html": "<table><tr><td>1</table>", "text/plain": "1" }));
    shows(&table, "<table><tr><td>1</td></tr></table></div>");
    let script = data(&json!({ "text/html": "<script>f()</script>", "text/plain": "a plot" }));
    shows(&script, "<pre>a plot</pre>");
}

#[test]
fn where_a_notebook_failed() {
    let error = |traceback: Value| json!({ "output_type": "error", "ename": "E", "evalue": "<v>", "traceback": traceback });
    shows(
        &error(json!(["\x1b[1mLine\x1b[0m", "E: <v>"])),
        "<pre class=\"error\">Line\nE: &lt;v&gt;</pre>",
    );
    shows(&error(json!([])), "<pre class=\"error\">E: &lt;v&gt;</pre>");
    shows(&error(json!([])), "<div class=\"cell failed\">");
    let page = of_notebook(Outcome::Failed, &json!([]));
    assert!(page.contains("<details class=\"notebook\" open>"), "{page}");
    assert!(page.contains("as executed"), "{page}");
}

#[test]
fn texts_of_a_notebook() {
    let text =
        "# Title\n\n<b onclick=f()>bold</b> $x_1$ ![p](attachment:p.png) ![q](https://e.org/q)";
    let cell = json!({
        "cell_type": "markdown", "source": text,
        "attachments": { "p.png": { "image/png": "AAAA" } },
    });
    let page =
        of_notebook(Outcome::Passed, &json!([cell, { "cell_type": "raw", "source": "<r>" }]));
    for part in [
        "<h5>Title</h5>",
        "<b>bold</b> <code>x_1</code> <img src=\"data:image/png;base64,AAAA\" alt=\"p\"> </p>",
        "<pre>&lt;r&gt;</pre>",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
}

#[test]
fn a_notebook_that_is_none() {
    for text in ["{", "[]", "{\"cells\": 1}", "{\"cells\": [1, {}]}"] {
        let page = page(Section {
            mission: "hello".to_owned(),
            notebooks: vec![Notebook {
                environment: "hello".to_owned(),
                name: "a.ipynb".to_owned(),
                text: text.to_owned(),
            }],
            ..Section::default()
        });
        assert!(page.contains("hello: a.ipynb"), "{page}");
    }
}
