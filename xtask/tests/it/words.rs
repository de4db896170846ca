//! Words that people find hard to read, in help, documents, settings and sources.

use std::{fs, path::Path};

use regex_lite::Regex;

const BANNED: &str = r"\bis no \b|\bis none\b|[Tt]here is no such|\bof ours\b|\bmend(s|ed|ing)?\b|\banew\b|\bwhom\b|\bvouch|\bstands in\b|\bsays that it\b";

/// Returns whether a line has a banned word.
pub(crate) fn is_banned(line: &str) -> bool {
    Regex::new(BANNED).unwrap().is_match(line)
}

/// Returns the lines below `path` with a banned word.
fn hits(path: &Path) -> Vec<String> {
    let banned = Regex::new(BANNED).unwrap();
    let mut res = Vec::new();
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if !path.ends_with("__pycache__") {
                res.extend(hits(&path));
            }
        }
    } else if let Ok(text) = fs::read_to_string(path) {
        let lines = text.lines().enumerate().filter(|(_, it)| banned.is_match(it));
        res.extend(lines.map(|(at, it)| format!("{}:{}: {}", path.display(), at + 1, it.trim())));
    }
    res
}

#[test]
fn everything_people_read_is_plain_english() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let places = ["README.md", "setup-env.template", "docs", "xtask/src", "common"];
    let found: Vec<String> = places.iter().flat_map(|it| hits(&root.join(it))).collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn the_patterns_match() {
    let banned = Regex::new(BANNED).unwrap();
    for text in
        ["`x` is no platform of ours", "write it anew", "for whom", "it mends", "says that it is"]
    {
        assert!(banned.is_match(text), "{text}");
    }
    assert!(!banned.is_match("this is not a recommended file"));
}
