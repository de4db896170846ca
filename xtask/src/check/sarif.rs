//! Findings as SARIF 2.1.0, the format of code scanning:
//! <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>.

use std::{fmt::Write as _, os::unix::ffi::OsStrExt as _, path::Path};

use serde_json::{Value, json};

use crate::{check::RULES, run::finding::Finding};

/// Returns the log of a run of `check` with these findings.
pub(crate) fn log(findings: &[Finding]) -> Value {
    let rules: Vec<Value> = RULES
        .iter()
        .map(|it| json!({ "id": it.name, "shortDescription": { "text": it.about } }))
        .collect();
    let results: Vec<Value> = findings.iter().map(result).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "cargo xtask check", "rules": rules } },
            "results": results,
            "columnKind": "unicodeCodePoints",
        }],
    })
}

fn result(finding: &Finding) -> Value {
    let Finding { file, line, rule, what, fix } = finding;
    let mut place = json!({ "artifactLocation": { "uri": uri(file), "uriBaseId": "%SRCROOT%" } });
    if let Some(line) = line {
        place["region"] = json!({ "startLine": line });
    }
    json!({
        "ruleId": rule,
        "ruleIndex": RULES.iter().position(|it| it.name == *rule).map_or(-1, |it| it as i64),
        "level": "error",
        "message": { "text": format!("{what}\nfix: {fix}") },
        "locations": [{ "physicalLocation": place }],
    })
}

/// Returns `path` as a relative reference: RFC 3986, section 4.2.
fn uri(path: &Path) -> String {
    let mut res = String::new();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' => res.push(char::from(*byte)),
            it if it.is_ascii_alphanumeric() => res.push(char::from(*it)),
            it => _ = write!(res, "%{it:02X}"),
        }
    }
    res
}

#[test]
fn a_path_is_a_relative_reference() {
    assert_eq!(uri(Path::new("common/my notes:é")), "common/my%20notes%3A%C3%A9");
}
