//! Frozen specs that the scripts of images (`common/image/tests/test_frozen_cases.py`) read alike.

use std::path::Path;

use serde::Deserialize;

use crate::frozen::parse;

#[derive(Deserialize)]
struct Cases {
    good: Vec<String>,
    same: Vec<(String, String)>,
    rewritten: Vec<(String, String, String)>,
    refused: Vec<(String, String, usize)>,
}

impl Cases {
    fn read() -> Cases {
        serde_json::from_str(include_str!("../../../../common/image/tests/frozen_cases.json"))
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
    parse(Path::new("f.yml"), text).unwrap_or_else(|err| panic!("{err}")).to_string()
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
        let problem = parse(Path::new("f.yml"), &cases.replaced(old, new)).unwrap_err();
        assert_eq!(problem.line, *line, "{problem}");
    }
}
