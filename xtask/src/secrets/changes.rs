//! Keys in which two versions of an encrypted file differ, found by comparing ciphertexts. sops
//! keeps the ciphertext of an unchanged value, so nothing is decrypted.

use std::{collections::BTreeSet, path::Path};

use serde::Serialize;

use crate::{run::printable::Shown as _, secrets::encrypted::EncryptedFile, tools::sops::key::Key};

/// Kind of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Added,
    Changed,
    Removed,
}

/// A key that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) key: Key,
    pub(crate) kind: Kind,
}

/// Returns the keys in which `new` differs from `old`, in order.
pub(crate) fn between(old: &EncryptedFile, new: &EncryptedFile) -> Vec<Change> {
    let keys: BTreeSet<&Key> = old.values.keys().chain(new.values.keys()).collect();
    let kind = |key: &Key| match (old.values.get(key), new.values.get(key)) {
        (None, _) => Some(Kind::Added),
        (_, None) => Some(Kind::Removed),
        (old, new) => (old != new).then_some(Kind::Changed),
    };
    keys.into_iter().filter_map(|key| Some(Change { key: key.clone(), kind: kind(key)? })).collect()
}

/// Returns a commit message that names keys and no values.
pub(crate) fn message(file: &Path, old: &EncryptedFile, new: &EncryptedFile) -> String {
    let changes = between(old, new);
    let file = file.shown();
    let subject = match changes.as_slice() {
        [] if old.recipients != new.recipients => format!("{file}: change the recipients"),
        [] => format!("{file}: change comments or order"),
        [one] => return format!("{file}: {}", line(one)),
        many => format!("{file}: change {} keys", many.len()),
    };
    let lines = changes.iter().map(|it| format!("{}\n", line(it))).collect::<String>();
    if lines.is_empty() { subject } else { format!("{subject}\n\n{lines}") }
}

fn line(change: &Change) -> String {
    let verb = match change.kind {
        Kind::Added => "add",
        Kind::Changed => "change",
        Kind::Removed => "remove",
    };
    format!("{verb} {}", change.key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::encrypted::tests::{cipher, file};

    #[test]
    fn a_message_names_keys() {
        let (a, b) = (cipher("a"), cipher("b"));
        let read = |lines: &str| EncryptedFile::parse(&file(lines)).unwrap();
        let old = read(&format!("x: {a}\ny:\n  z:\n    - {a}\nw: {a}"));
        let path = Path::new("dev.yaml");
        let text = |new: &str| message(path, &old, &read(new));
        assert_eq!(text(&format!("x: {b}\ny:\n  z:\n    - {a}\nw: {a}")), "dev.yaml: change x");
        assert_eq!(
            text(&format!("y:\n  z:\n    - {b}\nw: {a}\nv: {b}")),
            "dev.yaml: change 3 keys\n\nadd v\nremove x\nchange y.z\n"
        );
        assert_eq!(message(path, &old, &old), "dev.yaml: change comments or order");
    }
}
