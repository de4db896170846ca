//! `secrets-clone`: clones `SECRETS_REPO` to `secrets/<mission>/`, completely or not at all.

use std::path::Path;

use anyhow::{Context as _, bail};
use fs_err as fs;

use crate::{
    run::{
        failure::{self, Failure},
        files,
        printable::Shown as _,
        process::Permit,
        redact::redact,
        terminal,
    },
    secrets::rules,
    task::{
        Session,
        secrets::{Place, is_same_repository},
    },
    tools::git,
};

pub(crate) fn run(session: &Session, mission: Option<&str>) -> anyhow::Result<u8> {
    let place = Place::new(session, mission).map_err(failure::request)?;
    let shown = place.shown.shown();
    let Some(url) = &place.config.secrets_repo else {
        let text = "SECRETS_REPO is not set; write `export SECRETS_REPO=<git URL>` into setup-env";
        return Err(Failure::Request(text.to_owned()).into());
    };
    let _lock = session.lock_secrets()?;
    if place.dir.exists() {
        Place::cloned(session, mission).map_err(failure::request)?;
        session
            .ui
            .say(format!("{shown} is there already; `{} pull --ff-only` updates it", place.git()));
        return Ok(0);
    }
    let access = place.access(session)?;
    let root = &session.checkout.root;
    let Some(permit) = session.permit else {
        terminal::print(redact(&git::clone(root, url, &place.shown, &access).to_string()));
        return Ok(0);
    };
    let parent = place.dir.parent().context("a clone has a folder")?;
    files::make_dirs(permit, parent)?;
    remove_leftovers(permit, parent)?;
    // Removed however the run ends; after the rename nothing is left to remove.
    let staged = files::temporary(permit, Some(parent), PREFIX, 0o700)?;
    let cloned = git::remote(permit, &git::clone(root, url, staged.path(), &access))
        .and_then(|()| check(session, staged.path(), url))
        .and_then(|()| files::rename(permit, staged.path(), &place.dir));
    drop(staged);
    if cloned.is_err() {
        // The folder stays if it has other clones.
        files::remove_empty(permit, parent);
    }
    cloned?;
    session.ui.say(format!("{shown} is a clone of {}", redact(url)));
    say_what_is_missing(session, &place);
    Ok(0)
}

/// Checks that git made the expected clone.
fn check(session: &Session, dir: &Path, url: &str) -> anyhow::Result<()> {
    let top = git::top(dir)?.map(fs::canonicalize).transpose()?;
    let origin = git::origin(dir)?;
    let is_clone = top == Some(fs::canonicalize(dir)?)
        && origin.is_some_and(|it| is_same_repository(&session.checkout.root, url, &it));
    if !is_clone {
        bail!("`git clone` succeeded, but created no clone of {}", redact(url));
    }
    Ok(())
}

const PREFIX: &str = ".clone-";

/// Removes the remains of a killed run; the lock proves that no other run is active.
fn remove_leftovers(permit: Permit, dir: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            files::remove_tree(permit, &entry.path())?;
        }
    }
    Ok(())
}

/// Names missing files. The clone is as its owners made it; a new one is empty.
fn say_what_is_missing(session: &Session, place: &Place) {
    let file = format!("{}.yaml", place.config.environment);
    let has = |name: &str| place.dir.join(name).is_file();
    let text = match (has(rules::FILE), has(&file)) {
        (true, true) => return,
        (true, false) => format!("the clone has no {file}; `cargo xtask secrets-init` makes it"),
        (false, true) => format!(
            "the clone has no {}, so that nothing says who can read its files; see docs/secrets.md",
            rules::FILE
        ),
        (false, false) => format!(
            "the clone has no {} and no {file}; `cargo xtask secrets-init --age <public key>` (or --kms <ARN>) makes both",
            rules::FILE
        ),
    };
    session.ui.say(text);
}
