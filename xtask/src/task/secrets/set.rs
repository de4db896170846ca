//! `secrets-set`: sets one value from standard input, and commits it.

use std::{
    io::{self, IsTerminal as _},
    path::Path,
};

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::{
    run::{
        failure,
        printable::Shown as _,
        process::{self, Change},
    },
    secrets::plain::{self, Leaf, Leaves},
    task::{
        Session, args,
        secrets::{Place, Target},
        shared::{
            secret_change::{self, Copy},
            stored_secret::Given,
        },
    },
    tools::sops::{self, key::Key},
};

pub(crate) fn run(session: &Session, args: &args::SecretsSet) -> anyhow::Result<u8> {
    let place = Place::cloned(session, args.of.mission.as_deref()).map_err(failure::request)?;
    let key: Key = args.key.parse().map_err(failure::request)?;
    secret_change::require_tools(session)?;
    let _lock = session.lock_secrets()?;
    let target =
        secret_change::prepare(&place, args.of.file.as_deref()).map_err(failure::request)?;
    fits(&target, &key).map_err(failure::request)?;
    let config = place.rules_file();
    let Some(permit) = session.permit else {
        let (folder, file) = secret_change::imagined(&target);
        let index = key.index();
        let cmd = sops::set_cmd(&folder, &file, config.as_deref(), &index, String::new());
        secret_change::print(&place, &target, &cmd);
        return Ok(0);
    };
    let (value, leaves) = value(&key, args.as_json).map_err(failure::request)?;
    let copy = Copy::new(&target)?;
    for cmd in commands(&copy, config.as_deref(), &target, &key, &value) {
        sops::answer(&cmd.permitted(permit), target.subject())?;
    }
    copy.keep(permit, session, &place, &target, &Given::Value(key, leaves))?;
    Ok(0)
}

/// Returns one command, or for a list one for each of its items.
fn commands(
    copy: &Copy,
    config: Option<&Path>,
    target: &Target,
    key: &Key,
    value: &Value,
) -> Vec<Change> {
    let tmp = copy.folder.path();
    let set = |index: &str, value: &Value| {
        sops::set_cmd(tmp, &copy.path, config, index, value.to_string())
    };
    let index = key.index();
    let Value::Array(items) = value else { return vec![set(&index, value)] };
    let is_there = target.encrypted.has(key);
    let unset = is_there.then(|| sops::unset_cmd(tmp, &copy.path, config, &index));
    let items = items.iter().enumerate().map(|(n, it)| set(&format!("{index}[{n}]"), it));
    unset.into_iter().chain(items).collect()
}

/// Checks the kind of the old value: sops would silently replace a value by a mapping, or the
/// reverse.
fn fits(target: &Target, key: &Key) -> anyhow::Result<()> {
    let names = target.encrypted.values.keys();
    if let Some(other) =
        names.clone().find(|it| *it != key && (it.contains(key) || key.contains(it)))
    {
        bail!(
            "{}: {key} would replace {other}; `cargo xtask secrets-edit` can do that",
            target.shown.shown()
        );
    }
    Ok(())
}

/// Returns the value of `key` from standard input, text or JSON, and its written form.
fn value(key: &Key, as_json: bool) -> anyhow::Result<(Value, Leaves)> {
    if io::stdin().is_terminal() {
        bail!(
            "the value is read from standard input: `cargo xtask secrets-set KEY < FILE`, or `(read -rs VALUE; printf %s \"$VALUE\") | cargo xtask secrets-set KEY` to type it unseen"
        );
    }
    let text = process::read_stdin()?;
    if as_json {
        // Without serde's message, which may quote the value.
        let value = serde_json::from_str(&text).ok();
        let value: Value = value.context("standard input holds no JSON value")?;
        if value.as_array().is_some_and(|it| it.is_empty() || it.iter().any(Value::is_array)) {
            bail!("sops sets no empty list, and no list in a list; `cargo xtask secrets-edit` can");
        }
        return Ok((value, plain::leaves(&text, key)?));
    }
    if is_blank(&text) {
        bail!(
            "standard input is empty, or has nothing but white space; give the value there, or `\"\"` by --as-json for an empty text"
        );
    }
    let text = without_final_newline(&text);
    Ok((Value::from(text), [(key.clone(), Leaf::Written(text.to_owned()))].into()))
}

/// Returns whether `text` has no visible character.
fn is_blank(text: &str) -> bool {
    let is_invisible = |c: char| {
        c.is_whitespace()
            || c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
    };
    text.chars().all(is_invisible)
}

/// Removes the line end of a single line, which `echo` adds; in a longer text it is kept.
fn without_final_newline(text: &str) -> &str {
    match text.strip_suffix('\n') {
        Some(line) if !line.contains('\n') => line.strip_suffix('\r').unwrap_or(line),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_to_be_seen_is_no_value() {
        for text in ["", "\n", " \t\r\n", "\u{a0}", "\u{feff}\n", "\0"] {
            assert!(is_blank(text), "{text:?}");
        }
        assert!(!is_blank(" . \n"));
    }

    #[test]
    fn only_a_single_line_loses_its_end() {
        for (text, value) in
            [("a\n", "a"), ("a\r\n", "a"), ("a", "a"), ("a\n\n", "a\n\n"), ("a\nb\n", "a\nb\n")]
        {
            assert_eq!(without_final_newline(text), value);
        }
    }
}
