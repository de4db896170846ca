//! Frozen specs that the scripts of images (`common/image/tests/test_frozen_cases.py`) read alike.

use serde::Deserialize;

use crate::specs::tests::form;

#[derive(Deserialize)]
struct Cases {
    good: Vec<String>,
    same: Vec<(String, String)>,
    rewritten: Vec<(String, String, String)>,
    refused: Vec<(String, String, usize)>,
}

impl Cases {
    fn read() -> Cases {
        serde_json::from_str(include_str!("../../../../../common/image/tests/frozen_cases.json"))
            .unwrap()
    }

    fn replaced(&self, old: &str, new: &str) -> String {
        let good: String = self.good.iter().map(|it| format!("{it}\n")).collect();
        if old.is_empty() {
            return good;
        }
        assert_eq!(good.matches(old).count(), 1, "{old}");
        good.replace(old, new)
    }
}

fn written(text: &str) -> String {
    let lines = form::frozen(text).unwrap_or_else(|line| panic!("line {line} of {text}"));
    lines.iter().map(|it| format!("{it}\n")).collect()
}

#[test]
fn cases_of_host_and_scripts() {
    let cases = Cases::read();
    for (old, new) in &cases.same {
        let text = cases.replaced(old, new);
        assert_eq!(written(&text), text);
    }
    for (old, new, newer) in &cases.rewritten {
        assert_eq!(written(&cases.replaced(old, new)), cases.replaced(old, newer));
    }
    for (old, new, line) in &cases.refused {
        assert_eq!(form::frozen(&cases.replaced(old, new)), Err(*line), "{new}");
    }
}
