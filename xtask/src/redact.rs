//! Credentials in text: where they are, and the text without them.

use std::ops::Range;

/// How tokens of well-known services begin.
pub(crate) const TOKENS: [&str; 8] =
    ["AKIA", "ghp_", "gho_", "ghs_", "github_pat_", "glpat-", "hf_", "xoxb-"];

/// Returns `text` with `…` in the place of each user, password and token in it.
pub(crate) fn redact(text: &str) -> String {
    let mut hidden = userinfos(text);
    for word in words(text) {
        let within = &text[word.clone()];
        let found =
            schemeless(within).into_iter().chain(channel_tokens(within)).chain(tokens(within));
        hidden.extend(found.map(|it| word.start + it.start..word.start + it.end));
    }
    replace(text, hidden, "…")
}

/// Returns the URL `url` as it is sent without a login.
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

/// Returns where in `text` the users and passwords of URLs are. A user's name alone is not one, as in
/// `git+ssh://git@host/…`.
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

/// Returns where the userinfo of a URL ends, which begins at `start` without its scheme; the last `@`
/// of its word is at `last`.
fn userinfo(text: &str, start: usize, last: usize) -> Option<usize> {
    let rest = &text[start..];
    let is_end = |c: char| "/?#".contains(c) || c.is_whitespace();
    let authority = &rest[..rest.find(is_end).unwrap_or(rest.len())];
    if let Some(at) = authority.rfind('@') {
        return Some(start + at);
    }
    // A password with a slash in it: what follows the colon is not a port.
    let port = authority.split_once(':').map_or("", |it| it.1);
    let is_port = authority.starts_with('[') || port.bytes().all(|it| it.is_ascii_digit());
    (!is_port && last > start).then_some(last)
}

/// Returns where `user:password` of `user:password@host` is, which proxies may have without a
/// scheme. An image's `name:tag@sha256:…` is not one.
fn schemeless(word: &str) -> Option<Range<usize>> {
    let word = word.split("@sha256:").next().unwrap_or(word);
    let (first, last) = (word.find('@')?, word.rfind('@')?);
    let is_login = word[..first].contains(':') && !word.contains("://");
    is_login.then_some(0..last)
}

/// Returns where the token of a conda channel's URL `https://host/t/TOKEN/channel` is.
fn channel_tokens(word: &str) -> Vec<Range<usize>> {
    let start = word.find("://").unwrap_or(word.len());
    let tokens = word[start..].match_indices("/t/").map(|(at, it)| start + at + it.len());
    let end = |start: usize| word[start..].find('/').map_or(word.len(), |it| start + it);
    tokens.map(|start| start..end(start)).filter(|it| !it.is_empty()).collect()
}

/// Returns where tokens of well-known services are.
pub(crate) fn tokens(word: &str) -> Vec<Range<usize>> {
    let mut res = Vec::new();
    for prefix in TOKENS {
        let mut end = 0;
        for (at, _) in word.match_indices(prefix).filter(|(at, _)| starts_token(word, *at)) {
            // One that is within another ends where that does.
            if at >= end {
                let rest = word[at + prefix.len()..].bytes();
                let length =
                    rest.take_while(|it| it.is_ascii_alphanumeric() || *it == b'_').count();
                end = at + prefix.len() + length;
            }
            if end >= at + prefix.len() + 16 {
                res.push(at..end);
            }
        }
    }
    res
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
