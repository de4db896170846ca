use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Contents, Name, Outcome, Receipt, missing, parse_results};
use crate::mission::{expected_tests::ExpectedTest, test_kind::TestKind};

const RESULTS: &str = r#"{"environment":"hello","kind":"import","name":"numpy","outcome":"passed","seconds":0.5,"message":""}

{"environment":"hello","kind":"notebook","name":"a b.ipynb","outcome":"failed","seconds":2,"message":"ValueError"}
"#;

pub(crate) fn receipt() -> Receipt {
    Receipt {
        receipt: 1,
        mission: Name::try_from("hello").unwrap(),
        image: format!("sha256:{}", "0123456789abcdef".repeat(4)).parse().unwrap(),
        platform: "linux/amd64".to_owned(),
        commit: String::new(),
        inputs: "0".repeat(64),
        frozen_specs: BTreeMap::new(),
        data: Vec::new(),
        started: "2026-11-22T10:00:00Z".to_owned(),
        seconds: 1.0,
        complete: true,
        contents: Contents::default(),
        tests: parse_results(RESULTS).unwrap(),
        dependencies: BTreeMap::new(),
        refrozen: BTreeMap::new(),
        published: Vec::new(),
        network: None,
        shard: None,
    }
}

#[test]
fn nothing_tested() {
    let mut receipt = receipt();
    receipt.tests.clear();
    assert!(!receipt.passed());
}

#[test]
fn one_failure_fails_the_receipt() {
    let mut receipt = receipt();
    assert!(!receipt.passed());
    receipt.tests[1].outcome = Outcome::Passed;
    assert!(receipt.passed());
}

#[test]
fn a_selection_proves_nothing() {
    let mut receipt = receipt();
    receipt.tests.truncate(1);
    assert!(receipt.passed());
    receipt.complete = false;
    assert!(!receipt.passed());
}

#[test]
fn a_test_that_did_not_run_is_a_failure() {
    let expected = |kind, name: &str| ExpectedTest {
        environment: "hello".to_owned(),
        kind,
        name: name.to_owned(),
    };
    let wanted =
        BTreeSet::from([expected(TestKind::Import, "numpy"), expected(TestKind::Import, "scipy")]);
    let missing = missing(&wanted, &parse_results(RESULTS).unwrap(), "");
    let titles: Vec<String> = missing.iter().map(|it| it.title()).collect();
    assert_eq!(titles, ["hello: import scipy"]);
    assert!(missing.iter().all(|it| it.outcome == Outcome::Failed));
}

#[test]
fn a_receipt_is_read_as_it_was_written() {
    let text = receipt().to_json().unwrap();
    assert_eq!(Receipt::parse(&text).unwrap(), receipt());
}

/// `receipts.py` holds the published schema to the same verdicts.
#[test]
fn what_counts_as_a_receipt() {
    let corpus: Value = serde_json::from_str(include_str!("../../../tests/receipts.json")).unwrap();
    Receipt::parse(&corpus["receipt"].to_string()).unwrap();
    for change in corpus["changes"].as_array().unwrap() {
        let mut receipt = corpus["receipt"].clone();
        apply(&mut receipt, change);
        let res = Receipt::parse(&receipt.to_string());
        assert_eq!(res.is_ok(), change["valid"] == true, "{change}: {res:?}");
    }
}

/// On CI servers a line that begins with `::` is a command.
#[test]
fn a_receipt_of_others_adds_no_line_to_a_message() {
    for (field, value) in [
        ("started", Value::from("x\n::error::forged")),
        ("mission", Value::from("x\n::error::forged")),
        ("commit", Value::from("x".repeat(1_000_000))),
        ("x\n::error::forged", Value::from(1)),
    ] {
        let mut changed = serde_json::to_value(receipt()).unwrap();
        changed[field] = value;
        let said = format!("{:#}", Receipt::parse(&changed.to_string()).unwrap_err());
        assert!(!said.contains('\n') && said.len() < 1000, "{said}");
    }
}

/// Puts `to` in the place `at`, or removes the value there if `to` is missing.
fn apply(receipt: &mut Value, change: &Value) {
    let (parent, last) = change["at"].as_str().unwrap().rsplit_once('/').unwrap();
    match (receipt.pointer_mut(parent).unwrap(), change.get("to")) {
        (Value::Object(it), Some(to)) => drop(it.insert(last.to_owned(), to.clone())),
        (Value::Object(it), None) => drop(it.remove(last).unwrap()),
        (Value::Array(it), Some(to)) => it[last.parse::<usize>().unwrap()] = to.clone(),
        (Value::Array(it), None) => drop(it.remove(last.parse().unwrap())),
        _ => panic!("{change}"),
    }
}

#[test]
fn broken_results_name_the_line() {
    let err = parse_results("\n{").unwrap_err();
    assert!(format!("{err:#}").starts_with("results.jsonl:2: {"), "{err:#}");
}
