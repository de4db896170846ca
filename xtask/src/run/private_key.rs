//! Finds private keys in text: age, PGP and GnuPG, SSH and TLS. A mention is not a key: the key's
//! own characters must follow.

use std::borrow::Cow;

/// A private key in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PrivateKey {
    /// As in "age identity".
    pub(crate) kind: &'static str,
    /// Counted from 1.
    pub(crate) line: usize,
}

/// Starts of keys, and how many characters of the key's alphabet must follow. Each start is split
/// in two, so that this file does not match itself.
const MARKERS: &[(&str, &str, &str, usize)] = &[
    ("age identity", "AGE-SECRET-", "KEY-", 50),
    ("age plugin identity", "AGE-", "PLUGIN-", 20),
    ("PGP private key", "-----BEGIN PGP PRIVATE ", "KEY BLOCK-----", 40),
    ("OpenSSH private key", "-----BEGIN OPENSSH PRIVATE ", "KEY-----", 40),
    ("RSA private key", "-----BEGIN RSA PRIVATE ", "KEY-----", 40),
    ("EC private key", "-----BEGIN EC PRIVATE ", "KEY-----", 40),
    ("DSA private key", "-----BEGIN DSA PRIVATE ", "KEY-----", 40),
    ("private key", "-----BEGIN PRIVATE ", "KEY-----", 40),
    ("private key", "-----BEGIN ENCRYPTED PRIVATE ", "KEY-----", 40),
    ("PuTTY private key", "PuTTY-User-", "Key-File-", 40),
    ("GnuPG private key", "Key: (", "private-key ", 10),
    ("GnuPG private key", "Key: (protected-", "private-key ", 10),
];

/// How far after the start the key's characters may begin: headers come between.
const WINDOW: usize = 400;

/// Returns the private keys in `text`.
pub(crate) fn find(text: &str) -> Vec<PrivateKey> {
    let mut res = Vec::new();
    for (kind, one, two, length) in MARKERS {
        let marker = format!("{one}{two}");
        let (mut line, mut counted) = (1, 0);
        for (at, _) in text.match_indices(&marker) {
            line += text[counted..at].matches('\n').count();
            counted = at;
            let rest: String = text[at + marker.len()..].chars().take(WINDOW).collect();
            if longest_run(&rest) >= *length {
                res.push(PrivateKey { kind, line });
            }
        }
    }
    res.sort_by_key(|it| it.line);
    res
}

/// Returns the private keys in a file's content: in UTF-8, UTF-16, UTF-32, or any encoding that
/// represents ASCII characters as ASCII bytes.
///
/// A whole file may be a key in DER.
pub(crate) fn find_in_bytes(bytes: &[u8]) -> Vec<PrivateKey> {
    if let Some(kind) = der(bytes) {
        return vec![PrivateKey { kind, line: 1 }];
    }
    let ascii: Cow<'_, [u8]> = match bytes.contains(&0) {
        true => bytes.iter().copied().filter(|it| *it != 0).collect(),
        false => bytes.into(),
    };
    find(&String::from_utf8_lossy(&ascii))
}

/// Returns the kind of a key in DER: a sequence that fills the whole file and begins with a version
/// and the field that follows the version in PKCS #8, PKCS #1, SEC 1 or PKCS #12.
fn der(bytes: &[u8]) -> Option<&'static str> {
    let rest = bytes.strip_prefix(&[0x30])?;
    let (first, rest) = rest.split_first()?;
    let (length, body) = match first {
        0x81..=0x84 => rest.split_at_checked(usize::from(first - 0x80))?,
        _ => (&bytes[1..2], rest),
    };
    let length = length.iter().fold(0, |res, it| (res << 8) | usize::from(*it));
    if length != body.len() {
        return None;
    }
    match body.get(..4)? {
        [2, 1, 0 | 1, 0x30] => Some("private key"),
        [2, 1, 0, 2] => Some("RSA private key"),
        [2, 1, 1, 4] => Some("EC private key"),
        [2, 1, 3, 0x30] => Some("PKCS #12 key store"),
        _ => None,
    }
}

/// Returns the length of the longest run of base64 or bech32 characters.
fn longest_run(text: &str) -> usize {
    let runs = text.split(|c: char| !(c.is_ascii_alphanumeric() || "+/=#".contains(c)));
    runs.map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_and_mentions_are_not() {
        let body = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW";
        for (kind, one, two, _) in MARKERS {
            let marker = format!("{one}{two}");
            for text in [
                format!("x\n  {marker}\n  {body}\n"),
                format!("x\nkey: \"{marker}\\n{body}\"\n"),
                format!("x\n{marker}\nVersion: 1\nComment: a b\n\n{body}"),
            ] {
                assert_eq!(find(&text), [PrivateKey { kind, line: 2 }], "{text}");
            }
            assert_eq!(find(&format!("a file begins with `{marker}`, then the key\n")), []);
        }
    }

    #[test]
    fn keys_are_found_in_any_encoding() {
        let body = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj";
        let text = format!("x\n{}{}\n{body}\n", "-----BEGIN PRIVATE ", "KEY-----");
        let utf16 = |bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(bytes).collect();
        let latin1 = [b"caf\xe9 ", text.as_bytes()].concat();
        for bytes in [latin1, utf16(u16::to_le_bytes), utf16(u16::to_be_bytes)] {
            assert_eq!(find_in_bytes(&bytes), [PrivateKey { kind: "private key", line: 2 }]);
        }
    }

    #[test]
    fn keys_are_found_in_der() {
        let key = |body: &[u8]| {
            let mut res = body.to_vec();
            res.resize(300, 7);
            [&[0x30, 0x82, 1, 44][..], &res].concat()
        };
        let kinds = [
            (&[2, 1, 0, 0x30][..], Some("private key")),
            (&[2, 1, 0, 2], Some("RSA private key")),
            (&[2, 1, 3, 0x30], Some("PKCS #12 key store")),
            (&[0x30, 0x82, 0, 200], None), // a certificate
        ];
        for (body, kind) in kinds {
            assert_eq!(der(&key(body)), kind);
        }
        assert_eq!(der(&[0x30, 5, 2, 1, 1, 4, 0]), Some("EC private key"));
        assert_eq!(der(&[&key(&[2, 1, 0, 2])[..], b"x"].concat()), None);
        assert_eq!(der(&[0x30, 0x84, 1]), None);
        assert_eq!(der(b""), None);
    }

    #[test]
    fn an_age_identity_is_one_word() {
        let text =
            ["AGE-SECRET-", "KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ"];
        assert_eq!(find(&text.concat()).len(), 1);
        assert_eq!(find("AGE-SECRET-KEY-1…"), []);
    }
}
