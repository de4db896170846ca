//! Mistakes in files of a repository with secrets: content that should be encrypted and is not, and
//! copies of encrypted content.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use serde_yaml::Value;

use crate::{
    run::{finding::Finding, printable::Shown as _},
    secrets::{
        encrypted::{self, EncryptedFile},
        rules::{self, Rules},
    },
    tools::sops::key::Key,
};

/// A mistake that must be fixed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mistake {
    pub(crate) file: PathBuf,
    pub(crate) what: String,
    pub(crate) fix: String,
}

impl Mistake {
    /// Returns the finding of the rule `rule`.
    pub(crate) fn finding(self, rule: &'static str) -> Finding {
        let Mistake { file, what, fix } = self;
        Finding { file, line: None, rule, what, fix }
    }
}

/// A file: its path and text.
pub(crate) type Named<'a> = (&'a Path, &'a str);

/// Returns covered files that are not encrypted, or not completely. The closest `.sops.yaml`
/// upwards counts.
pub(crate) fn not_encrypted(files: &[Named<'_>]) -> Vec<Mistake> {
    let configs: Vec<(&Path, anyhow::Result<Rules>)> = files
        .iter()
        .filter(|(path, _)| path.file_name().is_some_and(|it| it == rules::FILE))
        .filter_map(|(path, text)| Some((path.parent()?, Rules::parse(text))))
        .collect();
    let mut res = Vec::new();
    for (dir, rules) in &configs {
        if let Err(err) = rules {
            let fix = "correct it; see docs/secrets.md for an example".to_owned();
            res.push(Mistake { file: dir.join(rules::FILE), what: format!("{err:#}"), fix });
        }
    }
    for (path, text) in files {
        let above = configs.iter().filter(|(dir, _)| path.starts_with(dir));
        let closest = above.max_by_key(|(dir, _)| dir.components().count());
        if let Some((dir, Ok(rules))) = closest
            && rules.covers(path.strip_prefix(dir).unwrap_or(path))
            && let Some((what, fix)) = problem(path, text)
        {
            res.push(Mistake { file: path.to_path_buf(), what, fix });
        }
    }
    res
}

/// Returns the problem of a file that should be encrypted, and its fix.
pub(crate) fn problem(path: &Path, text: &str) -> Option<(String, String)> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if !encrypted::is_encrypted(path, text) {
        let what = format!("not encrypted, although a rule of {} requires it", rules::FILE);
        return Some((what, format!("run `sops encrypt --in-place {name}` in its folder")));
    }
    let plain = match path.extension().and_then(|it| it.to_str()) {
        Some("env" | "ini") => encrypted::plain_lines(text),
        _ => match EncryptedFile::parse(text) {
            Ok(it) => it.plain.iter().map(ToString::to_string).collect(),
            Err(err) => return Some((format!("damaged: {err:#}"), RESTORE.to_owned())),
        },
    };
    if plain.is_empty() {
        return None;
    }
    let fix = "take it out and add it by `cargo xtask secrets-set`, which encrypts it";
    Some((format!("contains values that are not encrypted: {}", plain.join(", ")), fix.to_owned()))
}

const RESTORE: &str = "take the last version that was whole: `git restore` in its folder";

/// Returns plain files that are copies of encrypted ones: by their name, or by having exactly their
/// keys.
pub(crate) fn decrypted_copies(files: &[Named<'_>]) -> Vec<Mistake> {
    let (encrypted, others): (Vec<Named<'_>>, Vec<Named<'_>>) =
        files.iter().partition(|(path, text)| encrypted::is_encrypted(path, text));
    let key_sets: Vec<(&Path, BTreeSet<Key>)> =
        encrypted.iter().filter_map(|(path, text)| Some((*path, keys(text)?))).collect();
    let mut res = Vec::new();
    for (path, text) in &others {
        let what = if says_decrypted(path) {
            "the name is that of a decrypted file".to_owned()
        } else {
            // Reading YAML takes long.
            let keys = if key_sets.is_empty() { None } else { plain_keys(path, text) };
            let Some((of, _)) = key_sets.iter().find(|(_, it)| keys.as_ref() == Some(it)) else {
                continue;
            };
            format!("contains the keys of {} in plain text", of.shown())
        };
        let fix = "delete it; `cargo xtask secrets-cat` shows values without a file".to_owned();
        res.push(Mistake { file: path.to_path_buf(), what, fix });
    }
    res
}

/// Returns whether a name says so, like `env.yaml.decrypted` or `dev.dec.yaml`. Programs and
/// documents may have such names.
fn says_decrypted(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let mut parts = name.split('.').skip(1);
    parts.any(|it| ["dec", "decrypted", "decoded", "plaintext"].contains(&it))
}

/// Returns the keys of an encrypted file.
fn keys(text: &str) -> Option<BTreeSet<Key>> {
    let keys: BTreeSet<Key> = EncryptedFile::parse(text).ok()?.values.into_keys().collect();
    (!keys.is_empty()).then_some(keys)
}

/// Returns the keys of a plain YAML or JSON file in which some value is text or a number.
fn plain_keys(path: &Path, text: &str) -> Option<BTreeSet<Key>> {
    let extension = path.extension()?.to_string_lossy().to_lowercase();
    if !["yaml", "yml", "json", "bak", "orig", "old", "tmp"].contains(&extension.as_str()) {
        return None;
    }
    let values = encrypted::plain_values(text)?;
    let has_value = |it: &Value| it.as_str().is_some_and(|it| !it.is_empty()) || it.is_number();
    values.values().any(has_value).then(|| values.into_keys().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::encrypted::tests::{cipher, file};

    fn names(mistakes: &[Mistake]) -> Vec<String> {
        mistakes.iter().map(|it| format!("{}: {}", it.file.shown(), it.what)).collect()
    }

    const RULES: &str = "creation_rules:\n- path_regex: \\.yaml$\n  age: age1x\n";

    #[test]
    fn covered_files_are_encrypted_whole() {
        let whole = file(&format!("a: {}", cipher("x")));
        let damaged = format!("{whole}  encrypted_regex: (\n");
        let part = file(&format!("a: {}\nb: plain", cipher("x")));
        let files: Vec<(&Path, &str)> = [
            ("s/.sops.yaml", RULES),
            ("s/whole.yaml", &whole),
            ("s/part.yaml", &part),
            ("s/damaged.yaml", &damaged),
            ("s/sub/plain.yaml", "a: b\n"),
            ("s/README.md", "text"),
            ("other/plain.yaml", "a: b\n"),
            ("bad/.sops.yaml", "x"),
        ]
        .map(|(path, text)| (Path::new(path), text))
        .to_vec();
        assert_eq!(
            names(&not_encrypted(&files)),
            [
                "bad/.sops.yaml: .sops.yaml: missing list creation_rules",
                "s/part.yaml: contains values that are not encrypted: b",
                "s/damaged.yaml: damaged: `(` is not a valid pattern",
                "s/sub/plain.yaml: not encrypted, although a rule of .sops.yaml requires it",
            ]
        );
    }

    #[test]
    fn copies_have_the_keys_or_the_name() {
        let secret = file(&format!("a:\n  b: {}\nc: {}", cipher("x"), cipher("y")));
        let files: Vec<(&Path, &str)> = [
            ("dev.yaml", secret.as_str()),
            ("copy.yaml", "c: 1\na: {b: two}\n"),
            ("empty.yaml", "c: ''\na: {b: }\n"),
            ("other.yaml", "a: {b: two}\n"),
            ("env.yaml.decrypted", "text"),
            ("decrypted-copy.md", "text"),
        ]
        .map(|(path, text)| (Path::new(path), text))
        .to_vec();
        assert_eq!(
            names(&decrypted_copies(&files)),
            [
                "copy.yaml: contains the keys of dev.yaml in plain text",
                "env.yaml.decrypted: the name is that of a decrypted file",
            ]
        );
    }
}
