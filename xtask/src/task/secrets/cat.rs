//! `secrets-cat`: prints values on standard output, and nowhere else.

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::{
    run::{
        failure::{self, Failure},
        printable::Shown as _,
        suggest::nearest,
        terminal,
    },
    secrets::{encrypted, plain},
    task::{
        Session, args,
        secrets::{Place, Target},
    },
    tools::{
        git,
        sops::{self, key::Key},
    },
};

pub(crate) fn run(session: &Session, args: &args::SecretsCat) -> anyhow::Result<u8> {
    let place = Place::cloned(session, args.of.mission.as_deref()).map_err(failure::request)?;
    let target = target(&place, args).map_err(failure::request)?;
    let key: Option<Key> =
        args.key.as_deref().map(str::parse).transpose().map_err(failure::request)?;
    if let Some(key) = &key {
        check_key(&target, key)?;
    }
    sops::require()?;
    let text = decrypted(session, &place, &target, key.as_ref())?;
    terminal::exact(&text);
    Ok(0)
}

/// Returns the current file, or the version of `--at`.
fn target(place: &Place, args: &args::SecretsCat) -> anyhow::Result<Target> {
    let Some(at) = &args.at else { return place.target(args.of.file.as_deref()) };
    let name = place.name(args.of.file.as_deref())?;
    let git = place.git();
    let revision = git::revision(&place.dir, at)?.with_context(|| {
        format!("unknown commit `{at}`; `{git} log --oneline --all` lists them")
    })?;
    let entry = git::tree(&place.dir, &revision)?.into_iter().find(|it| it.path == name);
    let entry = entry.with_context(|| format!("{at} has no {}", name.shown()))?;
    let text = git::blob(&place.dir, &entry.blob)?;
    let shown = place.shown.join(&name);
    let encrypted = place.parse(&shown, &text)?;
    Ok(Target { path: place.dir.join(&name), name, shown, text, encrypted })
}

fn check_key(target: &Target, key: &Key) -> anyhow::Result<()> {
    if target.encrypted.has(key) {
        return Ok(());
    }
    let names: Vec<String> = target.encrypted.values.keys().map(ToString::to_string).collect();
    let hint = match nearest(&key.to_string(), names.iter().map(String::as_str)) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => format!("its keys are {}", names.join(", ")),
    };
    Err(Failure::Request(format!("{} has no key {key}; {hint}", target.shown.shown())).into())
}

/// Refuses incomplete output: sops' status does not show that a stream was cut off.
fn check_whole(target: &Target, key: Option<&Key>, text: &str) -> anyhow::Result<()> {
    let all = Key(Vec::new());
    let key = key.unwrap_or(&all);
    let value = target.encrypted.values.get(key);
    let is_whole = match value.and_then(encrypted::length) {
        Some(length) => text.len() == length,
        None if value.is_some() || !plain::is_structured(&target.name) => {
            !text.is_empty() || value.is_some_and(|it| it.is_null() || it.as_str() == Some(""))
        }
        None => {
            let found = plain::leaves(text, key)?;
            let expected = target.encrypted.values.keys().filter(|it| key.contains(it));
            expected.into_iter().all(|it| found.keys().any(|found| it.contains(found)))
        }
    };
    if is_whole {
        return Ok(());
    }
    bail!("sops printed a part of {} only\n    fix: run it again", target.shown.shown())
}

/// Returns the value, or all values; as JSON if requested.
fn decrypted(
    session: &Session,
    place: &Place,
    target: &Target,
    key: Option<&Key>,
) -> anyhow::Result<String> {
    let value = key.and_then(|it| target.encrypted.values.get(it));
    let is_leaf = value.is_some_and(|it| !it.is_sequence() && !it.is_mapping());
    let as_json = session.flags.json;
    let read =
        |as_json| sops::decrypt(&place.dir, target.subject(), key, as_json, target.text.clone());
    let text = read(as_json)?;
    check_whole(target, key, &text)?;
    // sops prints a single text without quotes, whatever the format.
    let is_text = value.is_some_and(|it| encrypted::value_type(it).is_none_or(|it| it == "str"));
    if as_json && is_leaf && is_text && !value.is_some_and(serde_yaml::Value::is_null) {
        return Ok(Value::from(text).to_string());
    }
    Ok(text)
}
