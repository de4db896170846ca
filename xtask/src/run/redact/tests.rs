use serde_json::json;

use super::{TOKENS, in_channel, redact, without_login};
use crate::{
    mission::test_kind::TestKind,
    specs::frozen::tests::property::Random,
    testing::{
        junit,
        page::{self, Notebook, Page, Section},
        receipt::{self, Receipt, Test},
    },
};

/// The scripts in images read the same cases.
#[test]
fn credentials_are_hidden() {
    let cases = include_str!("../../../../common/image/tests/redact_cases.json");
    let cases: Vec<[String; 2]> = serde_json::from_str(cases).unwrap();
    for [given, expected] in cases {
        assert_eq!(redact(&given), expected, "{given}");
    }
    assert_eq!(without_login("https://me:a@b@host/simple"), "https://host/simple");
    assert_eq!(without_login("http://host:80/a@b"), "http://host:80/a@b");
}

#[test]
fn control_characters_hide_no_credentials() {
    for text in ["https://me:p\x1b[ qw@host", "gh\x1b[1mp_0123456789abcdef", "me:\x1b[31mpw@host"] {
        assert!(super::text(text).starts_with(['…', 'h']), "{text}");
        assert!(!super::text(text).contains("pw") && !super::text(text).contains("0123"), "{text}");
    }
}

#[test]
fn json_stays_json() {
    for (given, expected) in [
        (r#"{"a": "me:pw@host", "b": [1, "x"]}"#, r#"{"a": "…@host", "b": [1, "x"]}"#),
        (r#"{"a":"\"https://me:p\\w@host\""}"#, r#"{"a":"\"https://…@host\""}"#),
        (r#""me:\u0070w@host""#, r#""…@host""#),
        (r#"["\\", "a\nb"]"#, r#"["\\", "a\nb"]"#),
        (r#"["not closed"#, r#"["not closed"#),
    ] {
        assert_eq!(super::json(given), expected);
    }
}

#[test]
fn credentials_of_channels() {
    let with = [
        "https://me:pw@host/c",
        "https://me@host/c::numpy",
        "https://host/t/token/c",
        "t/token/c::numpy=2",
        "me:pw@host/c",
        "numpy[channel='https://host/t/token/c']",
    ];
    let without =
        ["conda-forge", "https://host/c", "conda-forge/label/dev::numpy", "t", "host/t", "numpy=2"];
    assert_eq!(with.map(in_channel), [true; 6]);
    assert_eq!(without.map(in_channel), [false; 6]);
}

/// Returns text around secrets, which all contain `S3cret`.
fn generated(random: &mut Random) -> String {
    let mut text = String::new();
    for _ in 0..=random.below(4) {
        let before = random.pick(&[
            "",
            "x ",
            "PIP_INDEX_URL=",
            "'",
            "\"",
            "[",
            "warning: ",
            "a,",
            "=",
            "\n",
        ]);
        let after = random.pick(&[" ", "\t", "\n", "  ", "' ", "\"", ", ", "]\n"]);
        text += &format!("{before}{}{after}", secret(random));
    }
    text
}

/// Returns a URL, a proxy without a scheme, or a token.
fn secret(random: &mut Random) -> String {
    if random.below(4) == 0 {
        let prefix = random.pick(&TOKENS);
        return format!("{prefix}S3CRET{}", "0".repeat(16)).replace("S3CRET", token(prefix));
    }
    // A password with `@` and one of these characters cannot be told from a URL with an `@` in its
    // path.
    let end = random.pick(&["@", "/", "#", "?"]);
    let parts =
        ["S3cret", end, ":", "'", "\"", ",", "é", "%40", "[", "]", "=", ";", "<", "\u{1f30d}"];
    let rest: String = (0..random.below(4)).map(|_| random.pick(&parts)).collect();
    let user = random.pick(&["me", "S3cret", "a.b", "DOMAIN\\me"]);
    let login = format!("{user}:S3cret{rest}S3cret");
    let scheme = random.pick(&["https://", "http://", "git+https://", "ssh://", "socks5://", ""]);
    let host = random.pick(&["host", "127.0.0.1:3128", "[::1]:80", "h.example.org"]);
    let path = random.pick(&["", "/", "/simple", "/x@y", "/x?a=b@c", "/a:b", "/t/S3cret/c"]);
    // Conda's tokens are those of URLs.
    let path = if scheme.is_empty() { path.replace("S3cret", "x") } else { path.to_owned() };
    format!("{scheme}{login}@{host}{path}")
}

/// Returns the marker in the letter case that the service of `prefix` uses.
fn token(prefix: &str) -> &'static str {
    if prefix.starts_with('A') { "S3CRET" } else { "S3cret" }
}

fn survives(text: &str) -> bool {
    text.to_lowercase().contains("s3cret")
}

#[test]
fn no_credential_survives() {
    let mut random = Random(0xC0DE);
    for case in 0..5000 {
        let text = generated(&mut random);
        assert!(!survives(&redact(&text)), "case {case}\n{text}\n{}", redact(&text));
        let document = serde_json::to_string(&[&text]).unwrap();
        let redacted = super::json(&document);
        serde_json::from_str::<Vec<String>>(&redacted).unwrap();
        assert!(!survives(&redacted), "case {case}\n{redacted}");
    }
}

/// Redacted texts have nothing left to hide.
#[test]
fn redacting_twice_is_redacting_once() {
    let mut random = Random(0x5EED);
    for _ in 0..2000 {
        let once = redact(&generated(&mut random));
        assert_eq!(redact(&once), once);
    }
}

/// The records that a run writes, and the page made from them.
#[test]
fn no_credential_survives_in_receipts_and_reports() {
    let mut random = Random(0xBEEF);
    for case in 0..300 {
        let text = generated(&mut random);
        let test = Test {
            kind: TestKind::Notebook,
            name: "a.ipynb".into(),
            ..Test::of_mission("a", text.clone())
        };
        let line = serde_json::to_string(&test).unwrap();
        let tests = receipt::parse_results(&line).unwrap();
        let receipt = Receipt { tests: vec![test], ..receipt::tests::receipt() };
        let cell = json!({ "cell_type": "code", "source": text, "outputs": [
            { "output_type": "stream", "text": text }, { "output_type": "display_data", "data": { "text/html": text } } ] });
        let notebook = Notebook {
            environment: "a".into(),
            name: "a.ipynb".into(),
            text: json!({ "cells": [cell, { "cell_type": "markdown", "source": text }] })
                .to_string(),
        };
        let section = Section {
            receipt: Some(receipt.clone()),
            notes: vec![text.clone()],
            notebooks: vec![notebook],
            ..Section::default()
        };
        let page = Page { made: String::new(), missions: vec![section] };
        for written in [
            tests[0].message.clone(),
            receipt.to_json().unwrap(),
            junit::text(&receipt),
            page::text(&page),
        ] {
            assert!(!survives(&written), "case {case}: {text}\n{written}");
        }
    }
}
