//! Checks that sops stored its input: read back and compared, in memory.

use anyhow::bail;

use crate::{
    run::{failure::Failure, printable::Shown as _},
    secrets::{
        changes::{self, Kind},
        encrypted::{self, EncryptedFile},
        plain::{self, Leaves},
    },
    task::secrets::{Place, Target},
    tools::sops::{self, Subject, key::Key},
};

/// Input of sops.
pub(crate) enum Given {
    /// A whole file, as saved by the editor.
    File(String),
    /// The value of a key.
    Value(Key, Leaves),
}

/// Checks `text`, which sops made from `target` and its input.
///
/// # Errors
/// The text is not an encrypted file, or does not contain the input.
pub(crate) fn check(
    place: &Place,
    target: &Target,
    given: &Given,
    text: &str,
) -> anyhow::Result<EncryptedFile> {
    if let Given::File(saved) = given
        && saved.trim().is_empty()
    {
        return refuse(
            target,
            "the saved file is empty",
            "leave values in it, or remove the file by git",
        );
    }
    let Ok(new) = EncryptedFile::parse(text) else {
        bail!(
            "the saved file is encrypted already; {} is unchanged\n    fix: save plain values, which sops encrypts",
            target.shown.shown()
        );
    };
    check_changes(target, given, &new)?;
    let subject = Subject { file: &target.shown, recipients: &new.recipients };
    let whole = Key(Vec::new());
    let is_structured = plain::is_structured(&target.name);
    let stored = sops::decrypt(&place.dir, subject, None, false, text.to_owned())?;
    let difference = match given {
        Given::File(saved) if !is_structured => (*saved != stored).then_some(whole),
        Given::File(saved) => {
            let (given, stored) = (plain::leaves(saved, &whole)?, plain::leaves(&stored, &whole)?);
            plain::difference(&given, &stored).cloned()
        }
        Given::Value(key, given) => {
            let mut stored = plain::leaves(&stored, &whole)?;
            stored.retain(|it, _| key.contains(it));
            plain::difference(given, &stored).cloned()
        }
    };
    let Some(key) = difference else { return Ok(new) };
    let what = format!("sops would change the value of {key}, as it does to 0042, 1.10 or a date");
    refuse(target, &what, "put the value in quotes, so that it is text")
}

/// Checks which keys changed, and that their values are encrypted.
fn check_changes(target: &Target, given: &Given, new: &EncryptedFile) -> anyhow::Result<()> {
    let changes = changes::between(&target.encrypted, new);
    for change in changes.iter().filter(|it| it.kind != Kind::Removed) {
        let key = &change.key;
        if !new.values.get(key).is_none_or(encrypted::is_whole) {
            let what = format!("sops would leave {key} in plain text");
            let fix = "choose another name: those ending in `_unencrypted` are not encrypted, nor what .sops.yaml leaves out";
            return refuse(target, &what, fix);
        }
        if let Given::Value(wanted, _) = given
            && !wanted.contains(key)
        {
            let what = format!("sops would store {wanted} as {key}");
            return refuse(target, &what, "choose another name, or use `cargo xtask secrets-edit`");
        }
    }
    Ok(())
}

fn refuse<T>(target: &Target, what: &str, fix: &str) -> anyhow::Result<T> {
    let text = format!("{what}; {} is unchanged\n    fix: {fix}", target.shown.shown());
    Err(Failure::Request(text).into())
}
