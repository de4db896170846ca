//! Keys in which the files of two commits differ.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use anyhow::bail;
use serde::Serialize;

use crate::{
    run::printable::Shown as _,
    secrets::{
        changes::{self, Kind},
        encrypted::{self, EncryptedFile},
    },
    tools::{git, sops::key::Key},
};

/// A difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Row {
    pub(crate) file: PathBuf,
    /// `None` for the file's recipients.
    #[serde(serialize_with = "as_text")]
    pub(crate) key: Option<Key>,
    pub(crate) change: Kind,
}

fn as_text<S: serde::Serializer>(key: &Option<Key>, to: S) -> Result<S::Ok, S::Error> {
    key.as_ref().map(ToString::to_string).serialize(to)
}

/// Returns the keys in which the files of two commits differ.
pub(crate) fn between(dir: &Path, from: Option<&str>, to: &str) -> anyhow::Result<Vec<Row>> {
    let tree = |it: &str| -> anyhow::Result<BTreeMap<PathBuf, String>> {
        Ok(git::tree(dir, it)?.into_iter().map(|it| (it.path, it.blob)).collect())
    };
    let (old, new) = (from.map(tree).transpose()?.unwrap_or_default(), tree(to)?);
    let mut res = Vec::new();
    let files: BTreeSet<&PathBuf> = old.keys().chain(new.keys()).collect();
    for file in files.into_iter().filter(|it| old.get(*it) != new.get(*it)) {
        let read = |tree: &BTreeMap<PathBuf, String>| match tree.get(file) {
            Some(blob) => parse(file, &git::blob(dir, blob)?),
            None => Ok(None),
        };
        let (old, new) = (read(&old)?, read(&new)?);
        if old.is_none() && new.is_none() {
            continue;
        }
        let (is_new, is_gone) = (old.is_none(), new.is_none());
        let (old, new) = (old.unwrap_or_default(), new.unwrap_or_default());
        let changes = changes::between(&old, &new).into_iter();
        res.extend(changes.map(|it| Row {
            file: file.clone(),
            key: Some(it.key),
            change: it.kind,
        }));
        if !is_new && !is_gone && old.recipients != new.recipients {
            res.push(Row { file: file.clone(), key: None, change: Kind::Changed });
        }
    }
    Ok(res)
}

/// Parses an encrypted file; returns `None` for a file that sops did not encrypt.
fn parse(file: &Path, text: &str) -> anyhow::Result<Option<EncryptedFile>> {
    if !encrypted::is_encrypted(file, text) {
        return Ok(None);
    }
    match EncryptedFile::parse(text) {
        Ok(it) => Ok(Some(it)),
        Err(err) => bail!("{}: {err:#}", file.shown()),
    }
}
