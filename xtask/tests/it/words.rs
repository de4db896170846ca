//! Words that people find hard to read, in help, documents and settings; in the sources their number
//! only goes down.

use std::{fs, path::Path};

use regex_lite::Regex;

const BANNED: &str = r"\bis no \b|\bis none\b|[Tt]here is no such|\bof ours\b|\bmend(s|ed|ing)?\b|\banew\b|\bwhom\b|\bvouch|\bstands in\b|\bsays that it\b";

/// Hits in `xtask/src` and `common` that are left to rewrite. Lower it with each one that goes.
const LEFT: usize = 75;

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
fn help_and_documents_are_plain_english() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let found: Vec<String> = ["README.md", "setup-env.template", "docs"]
        .iter()
        .flat_map(|it| hits(&root.join(it)))
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn banned_words_in_the_sources_only_get_fewer() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let found: Vec<String> =
        ["xtask/src", "common"].iter().flat_map(|it| hits(&root.join(it))).collect();
    assert!(found.len() <= LEFT, "{} instead of {LEFT}: {found:#?}", found.len());
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
