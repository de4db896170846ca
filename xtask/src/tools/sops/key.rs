//! Names of values in a file: `hub.config.client_id`.

use std::{fmt, str::FromStr};

use anyhow::bail;

use crate::run::printable;

/// A path of mapping keys. A key that holds a dot is written with `\.`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key(pub(crate) Vec<String>);

impl Key {
    /// Returns the key in the form of `sops set` and `sops decrypt --extract`: `["hub"]["config"]`.
    /// sops removes the quotes and supports no escapes between them.
    pub(crate) fn index(&self) -> String {
        self.0.iter().map(|it| format!("[\"{it}\"]")).collect()
    }

    /// Returns the key one level down.
    pub(crate) fn child(&self, name: &str) -> Key {
        Key(self.0.iter().cloned().chain([name.to_owned()]).collect())
    }

    /// Returns whether `self` is `other` or a mapping that contains `other`.
    pub(crate) fn contains(&self, other: &Key) -> bool {
        other.0.starts_with(&self.0)
    }
}

impl FromStr for Key {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Key> {
        let mut parts = vec![String::new()];
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            let part = parts.last_mut();
            match (c, part) {
                ('.', _) => parts.push(String::new()),
                ('\\', Some(part)) => part.extend(chars.next()),
                (c, Some(part)) => part.push(c),
                (_, None) => (),
            }
        }
        if parts.iter().any(String::is_empty) {
            bail!("`{text}` is not a key; write names with dots between, as in hub.cookieSecret");
        }
        if text.contains('[') {
            bail!("`{text}`: sops cannot address a key with `[` in it; use a name without one");
        }
        if parts[0] == "sops" {
            bail!("`sops` holds what sops itself needs, and is not a key of the file");
        }
        Ok(Key(parts))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let escaped = |it: &String| it.replace('\\', r"\\").replace('.', r"\.");
        f.write_str(&printable::line(&self.0.iter().map(escaped).collect::<Vec<_>>().join(".")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_they_are_written() {
        for text in ["a", "hub.config.x", r"hub.extraConfig.00-auth\.py", r"a\\b", "--flag", "a\"b"]
        {
            assert_eq!(text.parse::<Key>().unwrap().to_string(), text);
        }
        assert_eq!(r#"a\.b.c"d"#.parse::<Key>().unwrap().index(), r#"["a.b"]["c"d"]"#);
        for text in ["", ".", "a.", "a..b", "a[0]", "sops.mac"] {
            assert!(text.parse::<Key>().is_err(), "{text}");
        }
    }
}
