//! Files that sops encrypted, read without any key: their values, keys and recipients. The format:
//! <https://getsops.io/docs/#sops-file-format>.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context as _, bail};
use regex_lite::Regex;
use serde::Deserialize as _;
use serde_yaml::{Mapping, Value};

use crate::{
    secrets::yaml,
    tools::sops::{key::Key, recipients::Recipients},
};

/// Content of a file, by key. A list is one value.
#[derive(Debug, Default)]
pub(crate) struct EncryptedFile {
    pub(crate) values: BTreeMap<Key, Value>,
    pub(crate) recipients: Recipients,
    /// Values that should be encrypted, and are not.
    pub(crate) plain: Vec<Key>,
}

impl EncryptedFile {
    /// Parses YAML or JSON. Messages contain no values.
    pub(crate) fn parse(text: &str) -> anyhow::Result<EncryptedFile> {
        let mut res = EncryptedFile::default();
        let mut metadata = None;
        for document in documents(text)? {
            let Value::Mapping(mut map) = document else { bail!("the file has no keys") };
            metadata = map.remove("sops").or(metadata);
            collect(&Key(Vec::new()), map, &mut res.values)?;
        }
        let metadata = metadata.filter(is_metadata).context("sops did not encrypt it")?;
        res.recipients = Recipients::of_metadata(&metadata);
        if let Some(partial) = Partial::new(&metadata)? {
            let is_plain =
                |(key, value): &(&Key, &Value)| partial.encrypts(key) && !is_whole(value);
            res.plain = res.values.iter().filter(is_plain).map(|(key, _)| key.clone()).collect();
        }
        Ok(res)
    }

    /// Returns whether `key` is a value, or a mapping with values.
    pub(crate) fn has(&self, key: &Key) -> bool {
        self.values.keys().any(|it| key.contains(it))
    }
}

/// Returns whether sops encrypted this file, judging by its metadata in the format of its name.
pub(crate) fn is_encrypted(path: &Path, text: &str) -> bool {
    let extension = path.extension().map(|it| it.to_string_lossy().to_lowercase());
    match extension.as_deref() {
        Some("env") => text.lines().any(|it| it.starts_with("sops_mac=ENC[")),
        Some("ini") => {
            let mut rest = text.lines().skip_while(|it| it.trim() != "[sops]");
            rest.any(|it| it.replace(' ', "").starts_with("mac=ENC["))
        }
        // sops treats a file of an unknown format as JSON with the whole content as one value.
        // Reading YAML takes long, and only an escaped letter may spell the key in another way.
        _ if !["sops", r"\x", r"\u", r"\U"].iter().any(|it| text.contains(it)) => false,
        _ => documents(text)
            .is_ok_and(|it| it.iter().any(|it| it.get("sops").is_some_and(is_metadata))),
    }
}

/// Returns the names of values that are not encrypted in a `.env` or `.ini` file that sops wrote,
/// whose metadata lines begin with `sops_` or follow `[sops]`.
pub(crate) fn plain_lines(text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim).take_while(|it| *it != "[sops]");
    let values =
        lines.filter(|it| !it.starts_with(['#', ';', '['])).filter_map(|it| it.split_once('='));
    let is_plain = |(name, value): &(&str, &str)| {
        !name.starts_with("sops_")
            && !name.trim_end().ends_with("_unencrypted")
            && !value.trim().is_empty()
            && !value.trim_start().starts_with("ENC[AES256_GCM,data:")
    };
    values.filter(is_plain).map(|(name, _)| name.trim().to_owned()).collect()
}

/// Returns the recipients of a file; empty if the file is not encrypted.
pub(crate) fn recipients(text: &str) -> Recipients {
    let documents = documents(text).unwrap_or_default();
    let metadata = documents.iter().find_map(|it| it.get("sops"));
    metadata.map(Recipients::of_metadata).unwrap_or_default()
}

/// Returns the values of a plain YAML or JSON file; `None` for other files.
pub(crate) fn plain_values(text: &str) -> Option<BTreeMap<Key, Value>> {
    let mut res = BTreeMap::new();
    for document in documents(text).ok()? {
        let Value::Mapping(map) = document else { return None };
        collect(&Key(Vec::new()), map, &mut res).ok()?;
    }
    Some(res)
}

fn documents(text: &str) -> anyhow::Result<Vec<Value>> {
    // serde_yaml's messages may quote their input.
    let read = |it| Value::deserialize(it).ok().context("neither YAML nor JSON");
    yaml::check_depth(text)?;
    serde_yaml::Deserializer::from_str(text).map(read).collect()
}

fn is_metadata(value: &Value) -> bool {
    value.get("mac").is_some_and(is_cipher)
}

fn collect(at: &Key, map: Mapping, values: &mut BTreeMap<Key, Value>) -> anyhow::Result<()> {
    for (name, value) in map {
        let name = match name {
            Value::String(it) => it,
            Value::Number(it) => it.to_string(),
            Value::Bool(it) => it.to_string(),
            _ => bail!("a key below `{at}` is not a name"),
        };
        match value {
            Value::Mapping(map) if !map.is_empty() => collect(&at.child(&name), map, values)?,
            value => _ = values.insert(at.child(&name), value),
        }
    }
    Ok(())
}

fn all_leaves(value: &Value, test: &impl Fn(&Value) -> bool) -> bool {
    match value {
        Value::Sequence(items) => items.iter().all(|it| all_leaves(it, test)),
        Value::Mapping(map) => map.values().all(|it| all_leaves(it, test)),
        // sops leaves these unchanged.
        Value::Null => true,
        Value::String(it) if it.is_empty() => true,
        it => test(it),
    }
}

/// Returns whether sops encrypted all of a value.
pub(crate) fn is_whole(value: &Value) -> bool {
    all_leaves(value, &is_cipher)
}

/// Returns the type that sops wrote beside a value, as in `type:str`.
pub(crate) fn value_type(value: &Value) -> Option<&str> {
    value.as_str()?.strip_suffix(']')?.rsplit_once(",type:").map(|(_, it)| it)
}

/// Returns the number of bytes of a text, from its cipher in base64: AES-GCM changes no length.
pub(crate) fn length(value: &Value) -> Option<usize> {
    let text = value.as_str().filter(|_| value_type(value) == Some("str"))?;
    let data = text.strip_prefix("ENC[AES256_GCM,data:")?.split(',').next()?;
    let padding = data.len() - data.trim_end_matches('=').len();
    (data.len() / 4 * 3).checked_sub(padding)
}

fn is_cipher(value: &Value) -> bool {
    value.as_str().is_some_and(|it| it.starts_with("ENC[AES256_GCM,data:") && it.ends_with(']'))
}

/// Selection of the values that sops leaves in plain text, repeated in the file's metadata.
enum Partial {
    UnencryptedSuffix(String),
    EncryptedSuffix(String),
    Unencrypted(Regex),
    Encrypted(Regex),
}

impl Partial {
    /// Returns `None` when comments decide, which a parser does not see.
    fn new(metadata: &Value) -> anyhow::Result<Option<Partial>> {
        let text = |name: &str| metadata.get(name).and_then(Value::as_str).unwrap_or_default();
        let set = |name: &str| Some(text(name)).filter(|it| !it.is_empty());
        let regex = |it: &str| {
            Regex::new(it).ok().with_context(|| format!("`{it}` is not a valid pattern"))
        };
        if set("unencrypted_comment_regex").or(set("encrypted_comment_regex")).is_some() {
            return Ok(None);
        }
        Ok(Some(if let Some(it) = set("encrypted_regex") {
            Partial::Encrypted(regex(it)?)
        } else if let Some(it) = set("unencrypted_regex") {
            Partial::Unencrypted(regex(it)?)
        } else if let Some(it) = set("encrypted_suffix") {
            Partial::EncryptedSuffix(it.to_owned())
        } else {
            let suffix = set("unencrypted_suffix").unwrap_or("_unencrypted");
            Partial::UnencryptedSuffix(suffix.to_owned())
        }))
    }

    /// Returns whether a key's value is encrypted. Each part of a key counts: values in an
    /// unencrypted mapping are unencrypted.
    fn encrypts(&self, key: &Key) -> bool {
        let mut parts = key.0.iter();
        match self {
            Partial::UnencryptedSuffix(it) => !parts.any(|part| part.ends_with(it.as_str())),
            Partial::EncryptedSuffix(it) => parts.any(|part| part.ends_with(it.as_str())),
            Partial::Unencrypted(it) => !parts.any(|part| it.is_match(part)),
            Partial::Encrypted(it) => parts.any(|part| it.is_match(part)),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
