//! Finds and hides credentials in text. `terminal.rs` and logs call [`redact`] on all their output;
//! the scripts in images do the same (`redact.py`).

use std::ops::Range;

use crate::run::{mask, printable};

/// Prefixes of the tokens of well-known services.
pub(crate) const TOKENS: [&str; 15] = [
    "AGE-SECRET-KEY-",
    "AKIA",
    "ASIA",
    "dckr_pat_",
    "ghp_",
    "gho_",
    "ghr_",
    "ghs_",
    "ghu_",
    "github_pat_",
    "glpat-",
    "hf_",
    "pypi-AgE",
    "xoxb-",
    "xoxp-",
];

/// Parts of the names of variables that hold secrets, and last parts of names that only point to
/// one.
const SECRET: [&str; 8] =
    ["APIKEY", "CREDENTIAL", "CREDENTIALS", "PASSPHRASE", "PASSWD", "PASSWORD", "SECRET", "TOKEN"];
const KEYS: [&str; 6] =
    ["ACCESS_KEY", "API_KEY", "AUTH_KEY", "ENCRYPTION_KEY", "PRIVATE_KEY", "SIGNING_KEY"];
const POINTERS: [&str; 8] = ["DIR", "FILE", "ID", "LENGTH", "NAME", "PATH", "TYPE", "URL"];

/// Returns whether a variable of this name holds a secret.
pub(crate) fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let is_pointer = name.rsplit('_').next().is_some_and(|it| POINTERS.contains(&it));
    let is_secret =
        name.split('_').any(|it| SECRET.contains(&it)) || KEYS.iter().any(|it| name.contains(it));
    is_secret && !is_pointer
}

/// Returns `text` with `…` in the place of each user, password and token in it, of the values of
/// variables whose names mark them as secrets, and of what [`mask::hide`] was called with.
pub(crate) fn redact(text: &str) -> String {
    let mut hidden = mask::ranges(text);
    // Most lines have none of these, and one word after the other takes long.
    let has_login = text.contains('@');
    if has_login {
        hidden.extend(userinfos(text));
    }
    hidden.extend(values(text));
    let has = |part: &&str| memchr::memmem::find(text.as_bytes(), part.as_bytes()).is_some();
    if !has_login && !has(&"/t/") && !TOKENS.iter().any(has) {
        return replace(text, hidden, "…");
    }
    for word in words(text) {
        let within = &text[word.clone()];
        let found =
            schemeless(within).into_iter().chain(channel_tokens(within)).chain(tokens(within));
        hidden.extend(found.map(|it| word.start + it.start..word.start + it.end));
    }
    replace(text, hidden, "…")
}

/// Returns `text` for people: without credentials, and without terminal control characters, which
/// could also hide a credential from [`redact`].
pub(crate) fn text(text: &str) -> String {
    redact(&printable::text(text))
}

/// Returns the JSON `document` with each of its strings as [`redact`] returns it.
pub(crate) fn json(document: &str) -> String {
    let mut res = String::with_capacity(document.len());
    let mut rest = document;
    while let Some(start) = rest.find('"') {
        let string = &rest[start..];
        let end = end_of_string(string);
        res += &rest[..start];
        match serde_json::from_str::<String>(&string[..end]) {
            Ok(text) if redact(&text) != text => {
                res += &serde_json::Value::from(redact(&text)).to_string();
            }
            _ => res += &string[..end],
        }
        rest = &string[end..];
    }
    res + rest
}

/// Returns the length of the JSON string at the start of `text`.
fn end_of_string(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, it) in text.bytes().enumerate().skip(1) {
        match it {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return at + 1,
            _ => (),
        }
    }
    text.len()
}

/// Returns the URL `url` without its login.
pub(crate) fn without_login(url: &str) -> String {
    let with_at = userinfos(url).into_iter().map(|it| it.start..it.end + 1);
    replace(url, with_at.collect(), "")
}

/// Returns whether a conda channel, or a conda line with one, holds a password or a token.
pub(crate) fn in_channel(text: &str) -> bool {
    let has_token = |word: &str| {
        let mut parts = word.split('/').skip_while(|it| *it != "t");
        parts.next().is_some() && parts.next().is_some_and(|it| !it.is_empty())
    };
    redact(text) != text || text.split_whitespace().any(has_token)
}

/// Returns the ranges of `text` that hold the users and passwords of URLs. A user's name alone does
/// not count, as in `git+ssh://git@host/…`.
pub(crate) fn userinfos(text: &str) -> Vec<Range<usize>> {
    let of_word = |word: Range<usize>| {
        let last = text[word.clone()].rfind('@').map(|it| word.start + it);
        let urls = text[word.clone()].match_indices("://");
        let starts = urls.map(move |(at, it)| word.start + at + it.len());
        starts.filter_map(move |start| Some(start..userinfo(text, start, last?)?))
    };
    let is_login =
        |it: &Range<usize>| !(text[..it.start].ends_with("ssh://") && &text[it.clone()] == "git");
    words(text).flat_map(of_word).filter(is_login).collect()
}

/// Returns the end of the userinfo of a URL that begins at `start` without its scheme; the last `@`
/// of its word is at `last`.
fn userinfo(text: &str, start: usize, last: usize) -> Option<usize> {
    let rest = &text[start..];
    let is_end = |c: char| "/?#".contains(c) || c.is_whitespace();
    let authority = &rest[..rest.find(is_end).unwrap_or(rest.len())];
    if let Some(at) = authority.rfind('@') {
        return Some(start + at);
    }
    // A password with one of these characters: the text after the colon is not a port.
    let port = authority.split_once(':').map_or("", |it| it.1);
    let is_port = authority.starts_with('[') || port.bytes().all(|it| it.is_ascii_digit());
    let is_cut_off = rest[authority.len()..].starts_with(['?', '#']);
    ((!is_port || is_cut_off) && last > start).then_some(last)
}

/// Returns the range of `user:password` in `user:password@host`, which proxies may have without a
/// scheme. An image's `name:tag@sha256:…` does not match.
fn schemeless(word: &str) -> Option<Range<usize>> {
    let mut ats = word.match_indices('@').map(|it| it.0);
    let is_digest = |at: &usize| ["sha256:", "<"].iter().any(|it| word[at + 1..].starts_with(it));
    let last = ats.rfind(|at| !is_digest(at))?;
    let starts = word.match_indices(is_delimiter).map(|(at, it)| at + it.len());
    let is_login = |start: &usize| {
        let name = word[*start..last].find(|c: char| ":/@".contains(c) || is_delimiter(c));
        let after = name.map_or("", |it| &word[start + it..]);
        after.starts_with(':') && !after.starts_with("://")
    };
    let start = [0].into_iter().chain(starts.filter(|it| *it < last)).find(is_login)?;
    Some(start..last)
}

/// Returns whether `c` can precede a user's name: `HTTP_PROXY=user:password@host`.
fn is_delimiter(c: char) -> bool {
    ",;=\"'`(<>{|".contains(c)
}

/// Returns the ranges of the values of `NAME=value` whose names mark them as secrets; quotes around
/// both or around the value are those of a shell.
fn values(text: &str) -> Vec<Range<usize>> {
    let mut res: Vec<Range<usize>> = Vec::new();
    let is_of_name = |it: char| it.is_ascii_uppercase() || it.is_ascii_digit() || it == '_';
    for (at, _) in text.match_indices('=') {
        let before = text[..at].trim_end_matches(is_of_name);
        let is_whole = !before.ends_with(|it: char| it.is_alphanumeric());
        if res.last().is_some_and(|it| at < it.end)
            || !is_whole
            || !is_secret_name(&text[before.len()..at])
        {
            continue;
        }
        let quote = |it: &char| *it == '\'' || *it == '"';
        let inner = text[at + 1..].chars().next().filter(quote);
        let start = at + 1 + inner.map_or(0, char::len_utf8);
        let end = match inner.or(before.chars().next_back().filter(quote)) {
            Some(quote) => text[start..].find(quote),
            None => text[start..].find(char::is_whitespace),
        };
        res.push(start..end.map_or(text.len(), |it| start + it));
    }
    res
}

/// Returns the range of the token in a conda channel's URL `https://host/t/TOKEN/channel`.
fn channel_tokens(word: &str) -> Vec<Range<usize>> {
    let start = word.find("://").unwrap_or(word.len());
    let tokens = word[start..].match_indices("/t/").map(|(at, it)| start + at + it.len());
    let end = |start: usize| word[start..].find('/').map_or(word.len(), |it| start + it);
    tokens.map(|start| start..end(start)).filter(|it| !it.is_empty()).collect()
}

/// Returns the ranges of tokens of well-known services.
pub(crate) fn tokens(word: &str) -> Vec<Range<usize>> {
    let mut res = Vec::new();
    for prefix in TOKENS {
        let mut end = 0;
        for (at, _) in word.match_indices(prefix).filter(|(at, _)| starts_token(word, *at)) {
            // A token within another one ends where that one does.
            if at >= end {
                let rest = word[at + prefix.len()..].bytes();
                end = at + prefix.len() + rest.take_while(|it| is_of_token(prefix, *it)).count();
            }
            if end >= at + prefix.len() + 16 {
                res.push(at..end);
            }
        }
    }
    res
}

/// Returns whether `byte` can follow `prefix` in a token.
fn is_of_token(prefix: &str, byte: u8) -> bool {
    match prefix {
        // Capitals alone, so that the base64 of an image holds none by chance.
        "AKIA" | "ASIA" | "AGE-SECRET-KEY-" => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
        _ if prefix.ends_with('-') && byte == b'-' => true,
        _ => byte.is_ascii_alphanumeric() || byte == b'_',
    }
}

fn starts_token(word: &str, at: usize) -> bool {
    !word[..at].ends_with(|c: char| c.is_ascii_alphanumeric())
}

fn words(text: &str) -> impl Iterator<Item = Range<usize>> {
    let words = text.split_whitespace();
    words.map(|it| {
        let start = it.as_ptr().addr() - text.as_ptr().addr();
        start..start + it.len()
    })
}

/// Returns `text` with `new` in the place of each of `ranges`, which may overlap.
fn replace(text: &str, mut ranges: Vec<Range<usize>>, new: &str) -> String {
    ranges.sort_by_key(|it| it.start);
    let (mut res, mut done) = (String::new(), 0);
    for range in ranges.iter().filter(|it| !it.is_empty()) {
        if range.start >= done {
            res += &text[done..range.start];
            res += new;
        }
        done = done.max(range.end);
    }
    res + &text[done..]
}

#[cfg(test)]
mod tests;
