use std::collections::{BTreeMap, BTreeSet};

use super::{Contents, Expected, Outcome, Receipt, missing, parse_results};

const RESULTS: &str = r#"{"environment":"hello","kind":"import","name":"numpy","outcome":"passed","seconds":0.5,"message":""}

{"environment":"hello","kind":"notebook","name":"a b.ipynb","outcome":"failed","seconds":2,"message":"ValueError"}
"#;

fn receipt() -> Receipt {
    Receipt {
        receipt: 1,
        mission: "hello".to_owned(),
        image: "sha256:0123456789abcdef".to_owned(),
        platform: "linux/amd64".to_owned(),
        inputs: String::new(),
        frozen_specs: BTreeMap::new(),
        started: "2026-11-22T10:00:00Z".to_owned(),
        seconds: 1.0,
        complete: true,
        contents: Contents::default(),
        tests: parse_results(RESULTS).unwrap(),
        refrozen: BTreeMap::new(),
        published: Vec::new(),
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
    let expected = |kind, name: &str| Expected {
        environment: "hello".to_owned(),
        kind,
        name: name.to_owned(),
    };
    let wanted = BTreeSet::from([expected("import", "numpy"), expected("import", "scipy")]);
    let missing = missing(&wanted, &parse_results(RESULTS).unwrap());
    let titles: Vec<String> = missing.iter().map(|it| it.title()).collect();
    assert_eq!(titles, ["hello: import scipy"]);
    assert!(missing.iter().all(|it| it.outcome == Outcome::Failed));
}

#[test]
fn a_receipt_is_read_as_it_was_written() {
    let text = receipt().to_json().unwrap();
    assert_eq!(serde_json::from_str::<Receipt>(&text).unwrap(), receipt());
}

#[test]
fn broken_results_name_the_line() {
    let err = parse_results("\n{").unwrap_err();
    assert!(format!("{err:#}").starts_with("results.jsonl:2: {"), "{err:#}");
}
