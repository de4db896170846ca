//! Finds private keys in text: age, PGP and GnuPG, SSH and TLS. A mention is none: a key's own
//! characters have to follow.

/// A private key in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// As in "age identity".
    pub(crate) kind: &'static str,
    /// Counted from 1.
    pub(crate) line: usize,
}

/// How a key begins, and how many characters of its alphabet must follow. Each in two parts, so
/// that this file is none.
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

/// How far behind its beginning a key's characters may start: headers come between.
const WINDOW: usize = 400;

/// The private keys in `text`.
pub(crate) fn find(text: &str) -> Vec<Found> {
    let mut res = Vec::new();
    for (kind, one, two, length) in MARKERS {
        let marker = format!("{one}{two}");
        for (at, _) in text.match_indices(&marker) {
            let rest: String = text[at + marker.len()..].chars().take(WINDOW).collect();
            if longest_run(&rest) >= *length {
                res.push(Found { kind, line: text[..at].matches('\n').count() + 1 });
            }
        }
    }
    res.sort_by_key(|it| it.line);
    res
}

/// Returns the private keys in a file's content: in UTF-8, UTF-16, UTF-32, or any encoding that has
/// ASCII's bytes for ASCII's characters.
pub(crate) fn find_in_bytes(bytes: &[u8]) -> Vec<Found> {
    let ascii: Vec<u8> = bytes.iter().copied().filter(|it| *it != 0).collect();
    find(&String::from_utf8_lossy(&ascii))
}

/// The longest run of characters of base64 or bech32.
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
                assert_eq!(find(&text), [Found { kind, line: 2 }], "{text}");
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
            assert_eq!(find_in_bytes(&bytes), [Found { kind: "private key", line: 2 }]);
        }
    }

    #[test]
    fn an_age_identity_is_one_word() {
        let text =
            ["AGE-SECRET-", "KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ"];
        assert_eq!(find(&text.concat()).len(), 1);
        assert_eq!(find("AGE-SECRET-KEY-1…"), []);
    }
}
