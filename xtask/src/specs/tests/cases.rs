//! Lists that the scripts of images (`common/image/tests/test_spec_lines.py`) read alike.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::form;

/// A list's name, its text, and the expected result.
type Case = (String, String, Expected);

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Expected {
    Reads(Vec<String>),
    /// Number of the refused line.
    Line(usize),
}

#[derive(Deserialize)]
struct Cases {
    #[serde(rename = "about")]
    _about: String,
    #[serde(flatten)]
    groups: BTreeMap<String, Vec<Case>>,
}

#[test]
fn cases_of_host_and_scripts() {
    let text = include_str!("../../../../common/image/tests/spec_lines.json");
    let cases: Cases = serde_json::from_str(text).unwrap();
    let cases: Vec<&Case> = cases.groups.values().flatten().collect();
    assert!(cases.len() > 300);
    for (name, text, expected) in cases {
        let expected = match expected {
            Expected::Reads(lines) => Ok(lines.clone()),
            Expected::Line(line) => Err(*line),
        };
        assert_eq!(form::list(name, text), expected, "{name} {text:?}");
    }
}

/// The reader of lists in `ci`'s comparison is the one in images.
#[test]
fn one_version_of_packaging() {
    let pinned =
        |text: &'static str| text.lines().find(|it| it.starts_with("packaging==")).unwrap();
    let image = pinned(include_str!("../../../../common/base/requirements.txt"));
    assert_eq!(pinned(include_str!("../../../tools.txt")), image);
}
