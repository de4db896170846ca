//! Secrets of this run, in every form in which programs print them. `redact.rs` hides them in all
//! output and logs from the moment that [`hide`] is called with them.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    ops::Range,
    sync::{PoisonError, RwLock},
};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};

/// Shortest text that is hidden: a shorter one is a part of ordinary words.
pub(crate) const SHORTEST: usize = 8;

static HIDDEN: RwLock<BTreeSet<String>> = RwLock::new(BTreeSet::new());

/// Hides `secret` in everything that this process prints or logs from now on: the text, its lines,
/// JSON, YAML and URL escapes of it, and base64 of any text that contains it.
pub(crate) fn hide(secret: &str) {
    let mut hidden = HIDDEN.write().unwrap_or_else(PoisonError::into_inner);
    hidden.extend(forms(secret));
}

/// Returns the ranges of `text` that hold hidden secrets; these may overlap.
pub(super) fn ranges(text: &str) -> Vec<Range<usize>> {
    let hidden = HIDDEN.read().unwrap_or_else(PoisonError::into_inner);
    let found = |it: &String| {
        text.match_indices(it.as_str()).map(|(at, it)| at..at + it.len()).collect::<Vec<_>>()
    };
    hidden.iter().flat_map(found).collect()
}

/// Returns the forms of `secret` that are long enough to be told from ordinary text.
fn forms(secret: &str) -> BTreeSet<String> {
    let mut res = BTreeSet::new();
    for text in [secret].into_iter().chain(secret.lines()).map(str::trim) {
        let json = serde_json::Value::from(text).to_string();
        let json = &json[1..json.len() - 1];
        let for_html = ['<', '>', '&'].iter().fold(json.to_owned(), |text, c| {
            text.replace(*c, &format!("\\u{:04x}", u32::from(*c)))
        });
        let url = percent_encoded(text);
        let plain = [text.to_owned(), json.to_owned(), for_html, text.replace('\'', "''")];
        let urls = [url.replace("%20", "+"), url.to_lowercase(), url];
        let encoded = plain.iter().flat_map(|it| base64_parts(it));
        let encoded: Vec<String> = encoded.filter(|it| it.len() >= SHORTEST).collect();
        // A login of a registry is base64 within a document that is base64.
        let twice: Vec<String> = encoded.iter().flat_map(|it| base64_parts(it)).collect();
        res.extend(plain.into_iter().chain(urls).chain(encoded).chain(twice));
    }
    res.retain(|it| it.chars().count() >= SHORTEST);
    res
}

/// Returns what base64 of each text with `text` in it contains, for each of the three places in a
/// group of three bytes where it may begin, in both alphabets.
fn base64_parts(text: &str) -> Vec<String> {
    let mut res = Vec::new();
    for offset in 0..3 {
        let bytes = [&vec![0; offset], text.as_bytes()].concat();
        // The first and last digit may hold bits of neighbours.
        let range = (offset * 8).div_ceil(6)..bytes.len() * 8 / 6;
        for encoded in [STANDARD_NO_PAD.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes)] {
            res.extend(encoded.get(range.clone()).map(str::to_owned));
        }
    }
    res
}

fn percent_encoded(text: &str) -> String {
    let mut res = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                res.push(char::from(byte));
            }
            _ => _ = write!(res, "%{byte:02X}"),
        }
    }
    res
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::redact::redact;

    #[test]
    fn a_secret_is_hidden_in_every_form() {
        let secret = "canary/ä <&>'+7f3a91\nsecond line of it";
        hide(secret);
        let first = "canary/ä <&>'+7f3a91";
        let encode = |text: &str| STANDARD_NO_PAD.encode(text);
        let mut texts = vec![
            secret.to_owned(),
            first.to_owned(),
            "error: second line of it, in x".to_owned(),
            serde_json::to_string(secret).unwrap(),
            "canary/ä \\u003c\\u0026\\u003e'+7f3a91".to_owned(),
            "x='canary/ä <&>''+7f3a91'".to_owned(),
            percent_encoded(first),
            percent_encoded(first).replace("%20", "+"),
            encode(&format!("{{\"auth\": \"{}\"}}", encode(&format!("user:{first}")))),
        ];
        for before in ["", "a", "ab", "abc"] {
            let text = format!("{before}{secret}: {before}");
            texts.extend([encode(&text), URL_SAFE_NO_PAD.encode(&text)]);
        }
        for text in texts {
            let shown = redact(&text);
            assert!(shown.contains('…'), "{text}");
            assert!(!shown.contains("canary") && !shown.contains("7f3a91"), "{shown}");
            assert!(!shown.contains(&encode("7f3a9")[..6]), "{shown}");
        }
        assert_eq!(redact("canary, second line"), "canary, second line");
    }

    #[test]
    fn a_short_secret_hides_nothing() {
        assert!(forms("secret1").iter().all(|it| it.chars().count() >= SHORTEST));
        assert!(!forms("secret1").contains("secret1"));
    }
}
