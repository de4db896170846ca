//! One requirement of a pip list, with the hashes that pip allows behind it:
//! <https://packaging.python.org/en/latest/specifications/dependency-specifiers/>,
//! <https://pip.pypa.io/en/stable/reference/requirements-file-format/>.

use std::str::FromStr as _;

use pep440_rs::VersionSpecifiers;

use crate::{
    redact::{redact, userinfos},
    specs::marker::Marker,
};

/// What a line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Requirement {
    /// Normalised.
    pub(crate) name: String,
    pub(crate) extras: Vec<String>,
    pub(crate) wants: Wants,
    pub(crate) marker: Option<Marker>,
    /// SHA-256, each 64 hex digits.
    pub(crate) hashes: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wants {
    /// From an index.
    Versions(VersionSpecifiers),
    /// `git+…`, with the branch, tag or commit behind an `@`.
    Git(String),
}

/// What is wrong, and what to do about it.
pub(crate) type Wrong = (String, String);

/// As Python compares names: <https://packaging.python.org/en/latest/specifications/name-normalization/>.
pub(crate) fn normalised(name: &str) -> String {
    let mut res = String::with_capacity(name.len());
    for c in name.chars() {
        let is_separator = "-_.".contains(c);
        if !(is_separator && res.ends_with('-')) {
            res.push(if is_separator { '-' } else { c.to_ascii_lowercase() });
        }
    }
    res
}

/// Reads a line without comments.
///
/// # Errors
/// What is wrong with it; no passwords are shown.
pub(crate) fn parse(line: &str) -> Result<Requirement, Wrong> {
    if has_no_name(line) {
        let what = format!("`{}` has no name", redact(line));
        return Err((what, "write `name @ git+https://…`, or ask for a version".to_owned()));
    }
    let (text, hashes) = split_hashes(line);
    let mut res = dependency(text.trim()).map_err(|(why, fix)| {
        let line = redact(line);
        (format!("`{line}` is not a requirement: {why}"), fix)
    })?;
    if let Wants::Git(url) = &res.wants {
        check_url(url)?;
    }
    let is_sha256 = |it: &&String| it.len() != 64 || !it.bytes().all(is_lower_hex);
    if let Some(bad) = hashes.iter().find(is_sha256) {
        let fix = "write --hash=sha256:<64 hex digits>".to_owned();
        return Err((format!("`{bad}` is not a sha256"), fix));
    }
    res.hashes = hashes;
    Ok(res)
}

pub(crate) fn is_lower_hex(byte: u8) -> bool {
    byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)
}

/// A path, a file or a URL by itself.
fn has_no_name(line: &str) -> bool {
    let starts = ["git+", "hg+", "svn+", "bzr+", "http://", "https://", "file:", ".", "/", "~"];
    starts.iter().any(|it| line.starts_with(it))
}

/// Takes each ` --hash=sha256:…` out of the line.
fn split_hashes(line: &str) -> (String, Vec<String>) {
    let mut text = Vec::new();
    let mut hashes = Vec::new();
    let mut words = line.split_whitespace();
    while let Some(word) = words.next() {
        let hash = match word.strip_prefix("--hash") {
            Some("") => words.next(),
            Some(rest) => rest.strip_prefix('='),
            None => None,
        };
        match hash {
            Some(hash) => hashes.push(hash.strip_prefix("sha256:").unwrap_or(hash).to_owned()),
            None => text.push(word),
        }
    }
    (text.join(" "), hashes)
}

/// Only git URLs without credentials: their commit determines what is installed.
///
/// # Errors
/// Another URL.
pub(crate) fn check_url(url: &str) -> Result<(), Wrong> {
    if !userinfos(url).is_empty() {
        let what = format!("`{}` holds credentials", redact(url));
        return Err((what, "take them out and configure git's credentials instead".to_owned()));
    }
    let kinds = ["git+https://", "git+http://", "git+ssh://", "git+file://"];
    if kinds.iter().any(|it| url.starts_with(it)) {
        return Ok(());
    }
    let fix = "ask for a version from an index, or for git+https://…".to_owned();
    Err((format!("`{url}` is not a git URL"), fix))
}

const EXAMPLE: &str = "write it like `name[extra]>=1.2,<2; python_version >= \"3.12\"`";

/// `name[extras] versions; marker` or `name[extras] @ url ; marker`.
fn dependency(text: &str) -> Result<Requirement, Wrong> {
    let wrong = |what: &str| (what.to_owned(), EXAMPLE.to_owned());
    let is_part = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let (name, rest) = text.split_at(text.find(|c| !is_part(c)).unwrap_or(text.len()));
    let is_end = |c: Option<char>| c.is_some_and(|it| it.is_ascii_alphanumeric());
    if !is_end(name.chars().next()) || !is_end(name.chars().last()) {
        return Err(wrong("a package's name starts and ends with a letter or a digit"));
    }
    let rest = rest.trim_start();
    let (extras, rest) = match rest.strip_prefix('[') {
        None => (Vec::new(), rest),
        Some(inner) => {
            let (inner, rest) =
                inner.split_once(']').ok_or_else(|| wrong("a `[` is not closed"))?;
            (extras(inner)?, rest.trim_start())
        }
    };
    let (wants, marker) = match rest.strip_prefix('@') {
        Some(rest) => {
            let (url, marker) = split_marker(rest, " ;");
            if url.is_empty() || url.contains(char::is_whitespace) {
                return Err(wrong("after `@` stands one URL"));
            }
            (Wants::Git(url.to_owned()), marker)
        }
        None => {
            let (versions, marker) = split_marker(rest, ";");
            (Wants::Versions(specifiers(versions)?), marker)
        }
    };
    let marker = marker.map(Marker::parse).transpose().map_err(|why| wrong(&why))?;
    Ok(Requirement { name: normalised(name), extras, wants, marker, hashes: Vec::new() })
}

/// What stands before `separator`, and the marker behind it.
fn split_marker<'a>(text: &'a str, separator: &str) -> (&'a str, Option<&'a str>) {
    match text.split_once(separator) {
        Some((text, marker)) => (text.trim(), Some(marker)),
        None => (text.trim(), None),
    }
}

fn extras(inner: &str) -> Result<Vec<String>, Wrong> {
    if inner.trim().is_empty() {
        return Ok(Vec::new());
    }
    let is_part = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let one = |it: &str| match !it.is_empty() && it.chars().all(is_part) {
        true => Ok(normalised(it)),
        false => Err((format!("`{it}` is no extra"), EXAMPLE.to_owned())),
    };
    inner.split(',').map(|it| one(it.trim())).collect()
}

fn specifiers(text: &str) -> Result<VersionSpecifiers, Wrong> {
    let text = text.trim();
    let text = match text.strip_prefix('(').and_then(|it| it.strip_suffix(')')) {
        Some(inner) => inner.trim(),
        None => text,
    };
    // A comma may stand at the end: pip reads that.
    let text = text.strip_suffix(',').unwrap_or(text);
    if text.is_empty() {
        return Ok(VersionSpecifiers::empty());
    }
    VersionSpecifiers::from_str(text).map_err(|err| {
        let why = err.to_string();
        let why = why.lines().next().unwrap_or_default().trim_end_matches(':');
        (why.trim_start_matches("Failed to parse version: ").to_owned(), EXAMPLE.to_owned())
    })
}
