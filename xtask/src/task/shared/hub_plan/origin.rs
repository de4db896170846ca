//! Where a deployment comes from: commits of the checkout and of the secrets.

use std::{collections::BTreeSet, path::Path};

use crate::{
    hub::{
        lock,
        preflight::{self, Checked, Row},
        record::{self, Reasons},
        values::Values,
    },
    run::redact::redact,
    task::{Session, shared::hub_target::Hub},
    tools::git,
};

/// State of the repositories.
#[derive(Debug)]
pub(super) struct Origin {
    /// Commit of the checkout, with `-dirty` if files differ.
    commit: Option<String>,
    remote: Option<String>,
    branch: Option<String>,
    diff: Option<String>,
    secrets: Option<String>,
}

/// Reads the state of the checkout and of the mission's secrets, with a row for each.
pub(super) fn read(
    session: &Session,
    hub: &Hub,
    reasons: &Reasons,
    rows: &mut Vec<Row>,
) -> anyhow::Result<Origin> {
    let root = &session.checkout.root;
    let reason = reasons.dirty.as_deref();
    let commit = checked("git", root, reason, rows)?;
    let is_dirty = commit.as_ref().is_some_and(|it| it.ends_with("-dirty"));
    let diff = is_dirty.then(|| git::difference(root)).transpose()?;
    let dir = root.join("secrets").join(&hub.of.mission.name);
    let secrets = match (dir.exists(), &hub.of.config.secrets_repo) {
        (true, _) => checked("secrets repository", &dir, reason, rows)?,
        (false, Some(_)) => {
            let fix = format!("cargo xtask secrets-clone -m {}", hub.of.mission.name);
            let what = format!("missing secrets/{}", hub.of.mission.name);
            rows.push(Row::refused("secrets repository", what, format!("run `{fix}`")));
            None
        }
        (false, None) => {
            rows.push(Row::note("secrets repository", "none: SECRETS_REPO is not set"));
            None
        }
    };
    let in_git = commit.is_some();
    let of_git = |it: fn(&Path) -> anyhow::Result<Option<String>>| match in_git {
        true => it(root),
        false => Ok(None),
    };
    Ok(Origin {
        remote: of_git(git::origin)?.map(|it| redact(&it)),
        branch: of_git(git::branch)?,
        diff: diff.map(|it| lock::hex(&it)),
        secrets,
        commit,
    })
}

/// Adds the row of one repository, and returns its state.
fn checked(
    what: &'static str,
    dir: &Path,
    reason: Option<&str>,
    rows: &mut Vec<Row>,
) -> anyhow::Result<Option<String>> {
    let state = git::state(dir)?;
    let outgoing = match &state {
        Some(it) => git::outgoing(dir, it.trim_end_matches("-dirty"))?.len(),
        None => 0,
    };
    rows.push(preflight::committed(what, &Checked { state: state.as_deref(), outgoing, reason }));
    Ok(state)
}

impl Origin {
    /// Returns what a record keeps of the repositories.
    pub(super) fn git(&self, values: &Values) -> record::Git {
        let mut keys = BTreeSet::new();
        for layer in values.layers.iter().filter(|it| it.at.source.is_secret) {
            layer.leaves("", &mut |key, _| _ = keys.insert(key.to_owned()));
        }
        let keys: Vec<String> = keys.into_iter().collect();
        let has_keys = !keys.is_empty();
        record::Git {
            commit: self.commit.clone(),
            remote: self.remote.clone(),
            branch: self.branch.clone(),
            diff: self.diff.clone(),
            secrets_commit: self.secrets.clone(),
            secrets_keys: has_keys.then(|| lock::hex(keys.join("\n").as_bytes())),
        }
    }
}
