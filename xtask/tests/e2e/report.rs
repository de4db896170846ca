//! The page of `report`, in a browser.

use serde_json::{Value, json};

use crate::{checkout::Checkout, tools};

const TESTS: &str = "missions/reported/environments/hello/tests";

/// Outputs of every kind, including those that a page must not contain.
const RICH: &str = r##"
from IPython.display import HTML, SVG, Image, Latex, Markdown, display

display(HTML("<table><tr><th></th><th>a</th></tr><tr><th>1</th><td>2</td></tr></table>"))
display(HTML("<script>document.title = 'taken'; fetch('https://example.org')</script>"))
display(HTML("<img src='https://example.org/a.png' onerror='f()'><h1>deep</h1></div></main>"))
display(SVG("<svg xmlns='http://www.w3.org/2000/svg' width='90' height='9'><path d='M0 5H90'/></svg>"))
display(Markdown("# Found\n\n| a | b |\n| - | - |\n| 1 | $x^2$ |\n\n![away](https://example.org/b.png)"))
display(Latex("$x$"))
print("\x1b[31mred\x1b[0m \x00 <b>", "wide " * 400)
"##;

/// Returns a notebook of the environment `hello`, with a title and one cell.
fn notebook(title: &str, source: &str) -> String {
    let cell = |kind: &str, source: &str| {
        let mut res = json!({ "cell_type": kind, "metadata": {}, "source": source });
        if kind == "code" {
            res["execution_count"] = Value::Null;
            res["outputs"] = json!([]);
        }
        res
    };
    let kernel = json!({ "name": "hello", "display_name": "Hello", "language": "python" });
    json!({
        "cells": [cell("markdown", title), cell("code", source)],
        "metadata": { "kernelspec": kernel },
        "nbformat": 4,
        "nbformat_minor": 4,
    })
    .to_string()
}

#[test]
fn read_in_a_browser() {
    let checkout = Checkout::of_copy("reported");
    checkout.write(&format!("{TESTS}/rich outputs.ipynb"), &notebook("## Rich", RICH));
    let broken = notebook("# Broken\n\n### Deep", "print('before')\n1 / 0");
    checkout.write(&format!("{TESTS}/broken.ipynb"), &broken);
    assert_eq!(checkout.run(&["image-build", "reported"]).status, Some(0));
    assert_eq!(checkout.run(&["image-test", "reported", "--again"]).status, Some(1));
    assert_eq!(checkout.run(&["report", "reported"]).status, Some(0));

    let page = checkout.read("target/xtask/report.html");
    for part in ["ZeroDivisionError", "T = 2.725", "<h5>Rich</h5>", "<code>x^2</code>"] {
        assert!(page.contains(part), "{part}");
    }
    let failures = page.find("<h3>Failures</h3>").unwrap();
    assert!(failures < page.find("<h3>Tests</h3>").unwrap());
    let path = checkout.path("target/xtask/report.html");
    // Figures of cmb.ipynb and welcome.ipynb, and the SVG.
    tools::look("e2e/browse_report.py", &[path.to_str().unwrap(), "4", "3"]);
    let junit = checkout.read("target/xtask/test/reported/junit.xml");
    assert!(junit.contains("failures=\"1\"") && junit.contains("ZeroDivisionError"), "{junit}");
}
