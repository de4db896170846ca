//! A requirement of a pip list, with the hashes that pip allows after it:
//! <https://packaging.python.org/en/latest/specifications/dependency-specifiers/>,
//! <https://pip.pypa.io/en/stable/reference/requirements-file-format/>.

use std::str::FromStr as _;

use pep440_rs::{Operator, Version, VersionSpecifiers};

use crate::{
    run::{
        printable::is_invisible,
        redact::{redact, userinfos},
    },
    specs::marker::Marker,
};

/// The request of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Requirement {
    /// Normalised name.
    pub(crate) name: String,
    pub(crate) extras: Vec<String>,
    pub(crate) wants: Wants,
    pub(crate) marker: Option<Marker>,
    /// SHA-256 digests, each 64 hex digits.
    pub(crate) hashes: Vec<String>,
}

impl Requirement {
    /// Returns whether one version alone satisfies it, as `==` without a `*` says.
    pub(crate) fn is_pinned(&self) -> bool {
        let Wants::Versions(wanted) = &self.wants else { return false };
        let is_exact = |it: &Operator| matches!(it, Operator::Equal | Operator::ExactEqual);
        wanted.iter().any(|it| is_exact(it.operator()))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wants {
    /// Versions of an index.
    Versions(VersionSpecifiers),
    /// `git+…`, with the branch, tag or commit after an `@`.
    Git(String),
}

/// The problem and its fix.
pub(crate) type Wrong = (String, String);

/// Returns a name as Python compares it:
/// <https://packaging.python.org/en/latest/specifications/name-normalization/>.
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

/// Parses a line without comments.
///
/// # Errors
/// The problem of the line; passwords are hidden.
pub(crate) fn parse(line: &str) -> Result<Requirement, Wrong> {
    if has_no_name(line) {
        return Err(without_name(line));
    }
    let refused = |(why, fix): Wrong| {
        let line = redact(line);
        (format!("`{line}` is not a requirement: {why}"), fix)
    };
    let (text, options) = split_options(line);
    let mut res = dependency(text).map_err(refused)?;
    res.hashes = hashes(options)?;
    if let Wants::Git(url) = &res.wants {
        check_url(url)?;
    }
    Ok(res)
}

pub(crate) fn is_lower_hex(byte: u8) -> bool {
    byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)
}

/// Returns whether the line is a path, a file or a URL by itself.
fn has_no_name(line: &str) -> bool {
    let starts = ["git+", "hg+", "svn+", "bzr+", "http://", "https://", "file:", ".", "/", "~"];
    starts.iter().any(|it| line.starts_with(it))
}

/// Returns the error about a line without a name, and the name that its `#egg=` or its repository
/// has.
fn without_name(line: &str) -> Wrong {
    let what = format!("`{}` does not begin with the package's name", redact(line));
    let url = line.split(BLANKS).next().unwrap_or_default();
    let egg = url.split_once("#egg=").map(|(_, it)| it.split(['&', '[']).next().unwrap_or(it));
    let path = url.split(['#', '?']).next().unwrap_or_default();
    let path = path.rsplit_once('@').filter(|(_, it)| !it.contains('/')).map_or(path, |it| it.0);
    let path = path.trim_end_matches('/').trim_end_matches(".git");
    let name = egg.or(path.rsplit('/').next()).map(str::to_lowercase);
    let url = redact(url.split("#egg=").next().unwrap_or_default());
    let fix = match name.filter(|it| is_name(it) && line.starts_with("git+")) {
        Some(name) if egg.is_some() => format!("write `{name} @ {url}`"),
        Some(name) => format!("write `{name} @ {url}`, if `{name}` is what the package is called"),
        None => "write `name @ git+https://…`, or ask for a version".to_owned(),
    };
    (what, fix)
}

const BLANKS: [char; 2] = [' ', '\t'];

/// Returns the requirement of a line, and the options after it.
fn split_options(line: &str) -> (&str, &str) {
    let starts = |it: &usize| line[..*it].ends_with(BLANKS);
    let at = line.match_indices("--").map(|it| it.0).find(starts).unwrap_or(line.len());
    let (text, options) = line.split_at(at);
    (text.trim_matches(BLANKS), options)
}

/// Returns the SHA-256 of each `--hash=sha256:…` or `--hash sha256:…`.
fn hashes(options: &str) -> Result<Vec<String>, Wrong> {
    let fix = || "write --hash=sha256:<64 hex digits>".to_owned();
    let mut res = Vec::new();
    let mut words = options.split(BLANKS).filter(|it| !it.is_empty());
    while let Some(word) = words.next() {
        let hash = match word.strip_prefix("--hash") {
            Some("") => words.next(),
            Some(rest) => rest.strip_prefix('='),
            None => None,
        };
        let hash =
            hash.ok_or_else(|| (format!("`{word}` behind a requirement is not known"), fix()))?;
        let digest = hash.strip_prefix("sha256:").filter(|it| is_sha256(it));
        let digest = digest.ok_or_else(|| (format!("`{hash}` is not a sha256"), fix()))?;
        res.push(digest.to_owned());
    }
    Ok(res)
}

pub(crate) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(is_lower_hex)
}

/// Accepts only git URLs without credentials: their commit determines the installed content.
///
/// # Errors
/// The URL is of another kind.
pub(crate) fn check_url(url: &str) -> Result<(), Wrong> {
    if !userinfos(url).is_empty() {
        let what = format!("`{}` holds credentials", redact(url));
        return Err((what, "take them out and configure git's credentials instead".to_owned()));
    }
    let kinds = ["git+https://", "git+http://", "git+ssh://", "git+file://"];
    if let Some(kind) = kinds.iter().find(|it| url.starts_with(**it)) {
        return check_port(kind, &url[kind.len()..]);
    }
    let fix = "ask for a version from an index, or for git+https://…".to_owned();
    Err((format!("`{url}` is not a git URL"), fix))
}

/// Refuses `git@host:path`, git's short form, behind a scheme, where a port comes after the `:`.
fn check_port(kind: &str, rest: &str) -> Result<(), Wrong> {
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host = authority.rfind(['@', ']']).map_or(0, |at| at + 1);
    let Some((_, port)) = authority[host..].split_once(':') else { return Ok(()) };
    if port.bytes().all(|it| it.is_ascii_digit()) {
        return Ok(());
    }
    let before = &authority[..authority.len() - port.len() - 1];
    let what = format!("`{kind}{rest}` has `{port}` behind the `:`; expected a port");
    Err((what, format!("write `{kind}{before}/{port}{path}`")))
}

const EXAMPLE: &str =
    "write the requirement like `name[extra]>=1.2,<2; python_version >= \"3.12\"`";

/// Fix for an invisible character.
pub(crate) const INVISIBLE: &str = "delete the character, or write an ordinary space in its place";

/// Deepest nesting of parentheses.
const DEEPEST: usize = 50;

/// Parses `name[extras] versions; marker` or `name[extras] @ url ; marker`. Syntax that pip accepts
/// and uv refuses, or that both read differently, is refused, like in
/// `platform_env/environments/requirement.py`.
fn dependency(text: &str) -> Result<Requirement, Wrong> {
    let wrong = |what: &str| (what.to_owned(), EXAMPLE.to_owned());
    if let Some(c) = text.chars().find(|it| !is_plain(*it)) {
        let (what, fix) = wrong(&format!("unexpected character U+{:04X}", u32::from(c)));
        return Err((what, if is_invisible(c) { INVISIBLE.to_owned() } else { fix }));
    }
    if text.matches('(').count() > DEEPEST {
        return Err(wrong("too many parentheses"));
    }
    let (name, rest) = text.split_at(text.find(|c| !is_name_part(c)).unwrap_or(text.len()));
    if !is_name(name) {
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
            let (url, marker) = url_and_marker(rest.trim()).ok_or_else(|| {
                wrong("expected one URL behind `@`, then a space and `;` before a marker")
            })?;
            (Wants::Git(url.to_owned()), marker)
        }
        None => match rest.split_once(';') {
            Some((versions, marker)) => (Wants::Versions(specifiers(versions)?), Some(marker)),
            None => (Wants::Versions(specifiers(rest)?), None),
        },
    };
    let marker = marker.map(Marker::parse).transpose().map_err(|why| wrong(&why))?;
    Ok(Requirement { name: normalised(name), extras, wants, marker, hashes: Vec::new() })
}

fn url_and_marker(text: &str) -> Option<(&str, Option<&str>)> {
    let (url, rest) = text.split_at(text.find(BLANKS).unwrap_or(text.len()));
    let marker = match rest.trim_start() {
        "" => None,
        rest => Some(rest.strip_prefix(';')?),
    };
    (!url.is_empty()).then_some((url, marker))
}

/// Returns whether `text` is a valid name of a package or an extra:
/// <https://packaging.python.org/en/latest/specifications/name-normalization/#name-format>.
pub(crate) fn is_name(text: &str) -> bool {
    let is_end = |c: Option<char>| c.is_some_and(|it| it.is_ascii_alphanumeric());
    is_end(text.chars().next()) && is_end(text.chars().last()) && text.chars().all(is_name_part)
}

fn is_name_part(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._-".contains(c)
}

/// Returns whether a line about a package may contain `c`. `\` is for line ends; pip and uv read it
/// differently in quotes.
pub(crate) fn is_plain(c: char) -> bool {
    c == '\t' || ((' '..='~').contains(&c) && c != '\\')
}

fn extras(inner: &str) -> Result<Vec<String>, Wrong> {
    if inner.trim().is_empty() {
        return Ok(Vec::new());
    }
    let one = |it: &str| match is_name(it) {
        true => Ok(normalised(it)),
        false => Err((format!("`{it}` is not a valid extra name"), EXAMPLE.to_owned())),
    };
    inner.split(',').map(|it| one(it.trim())).collect()
}

fn specifiers(text: &str) -> Result<VersionSpecifiers, Wrong> {
    let text = text.trim();
    let inner = text.strip_prefix('(').and_then(|it| it.strip_suffix(')'));
    if text.is_empty() {
        return Ok(VersionSpecifiers::empty());
    }
    let text = inner.unwrap_or(text).trim();
    // A comma may come last: pip and uv accept that.
    let text = text.strip_suffix(',').unwrap_or(text);
    let wrong = |why: &str| Err((why.to_owned(), EXAMPLE.to_owned()));
    match VersionSpecifiers::from_str(text) {
        Ok(it) if it.is_empty() => wrong("missing version"),
        // pip accepts no space after the comma.
        Ok(it) if it.len() > 1 && text.contains("===") => {
            wrong("expected no other version beside `===`")
        }
        Ok(_) if !has_small_numbers(text) => wrong("a number in it is too large"),
        Ok(it) => Ok(it),
        Err(err) => {
            let why = err.to_string();
            let why = why.lines().next().unwrap_or_default().trim_end_matches(':');
            wrong(why.trim_start_matches("Failed to parse version: "))
        }
    }
}

/// Returns whether `text` is a valid version for both Python and uv.
pub(crate) fn is_version(text: &str) -> bool {
    Version::from_str(text).is_ok() && has_small_numbers(text)
}

/// Returns whether all numbers are within uv's limit, which is below that of `pep440_rs`.
fn has_small_numbers(text: &str) -> bool {
    let digits = text.split(|c: char| !c.is_ascii_digit()).filter(|it| !it.is_empty());
    digits.map(str::parse::<u64>).all(|it| it.is_ok_and(|it| it < u64::MAX))
}
