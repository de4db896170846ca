//! Preflight: what is checked before a deployment changes anything, a row each. Pure.

mod needs;
mod versions;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use serde::Serialize;
use serde_json::Value;

use crate::{
    hub::{gate::Passed, render::Manifests},
    run::{
        finding::{self, Finding},
        printable, ui,
    },
};

pub(crate) use needs::{access, images, secrets_of_manifests, secrets_of_values};
pub(crate) use versions::{major, satisfies};

/// Outcome of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    Ok,
    Note,
    Refused,
}

/// A check and its outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Row {
    pub(crate) what: &'static str,
    pub(crate) state: State,
    pub(crate) detail: String,
    /// Empty unless something can be done.
    pub(crate) fix: String,
}

impl Row {
    pub(crate) fn ok(what: &'static str, detail: impl Into<String>) -> Row {
        Row { what, state: State::Ok, detail: detail.into(), fix: String::new() }
    }

    pub(crate) fn note(what: &'static str, detail: impl Into<String>) -> Row {
        Row { what, state: State::Note, detail: detail.into(), fix: String::new() }
    }

    pub(crate) fn refused(
        what: &'static str,
        detail: impl Into<String>,
        fix: impl Into<String>,
    ) -> Row {
        Row { what, state: State::Refused, detail: detail.into(), fix: fix.into() }
    }

    /// Returns the first line of the detail.
    pub(crate) fn first_line(&self) -> &str {
        self.detail.lines().next().unwrap_or_default()
    }

    /// Returns the row with a fix.
    fn fix(self, fix: impl Into<String>) -> Row {
        Row { fix: fix.into(), ..self }
    }

    /// Returns the row of a check that could not be made, because another one failed.
    pub(crate) fn unchecked(what: &'static str, why: &str) -> Row {
        Row::note(what, format!("not checked: {why}"))
    }
}

/// Returns whether a row refuses the deployment.
pub(crate) fn is_refused(rows: &[Row]) -> bool {
    rows.iter().any(|it| it.state == State::Refused)
}

/// Returns the rows as a table, with the fixes below it.
pub(crate) fn table(rows: &[Row]) -> String {
    let word = |it: State| match it {
        State::Ok => "ok",
        State::Note => "note",
        State::Refused => "refused",
    };
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|it| vec![it.what.to_owned(), word(it.state).to_owned(), it.first_line().to_owned()])
        .collect();
    let mut res = ui::table(&["CHECK", "RESULT", "DETAIL"], &cells);
    for row in rows.iter().filter(|it| !it.fix.is_empty() || it.detail.lines().nth(1).is_some()) {
        let _ = writeln!(res, "{}:", row.what);
        for line in row.detail.lines() {
            let _ = writeln!(res, "    {}", printable::line(line));
        }
        if !row.fix.is_empty() {
            let _ = writeln!(res, "    fix: {}", row.fix);
        }
    }
    res
}

/// A revision of Helm's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Newest {
    pub(crate) revision: u32,
    pub(crate) status: String,
    pub(crate) updated: String,
    /// Deployer and commit, from the labels of the revision.
    pub(crate) by: String,
}

/// Checks that no operation of Helm is under way, or was when its process was killed.
pub(crate) fn release(newest: Option<&Newest>, unlock: &str) -> Row {
    const WHAT: &str = "release";
    let Some(Newest { revision, status, updated, by }) = newest else {
        return Row::ok(WHAT, "first deployment");
    };
    let by = if by.is_empty() { String::new() } else { format!(" by {by}") };
    let detail = format!("revision {revision} is {status} since {updated}{by}");
    match status.as_str() {
        "deployed" => Row::ok(WHAT, detail),
        it if it.starts_with("pending") || it == "uninstalling" => Row::refused(
            WHAT,
            format!("{detail}: another deployment works on it, or was killed"),
            format!("wait for it; if it was killed, run `{unlock}`"),
        ),
        _ => Row::note(WHAT, detail),
    }
}

/// Checks that the cluster is the one that the values pin. `found` is what identifies it, or why it
/// cannot be told.
pub(crate) fn cluster(
    context: &str,
    pinned: Option<&str>,
    found: Result<&str, &str>,
    file: &str,
) -> Row {
    const WHAT: &str = "cluster";
    match (pinned, found) {
        (Some(pinned), Ok(found)) if pinned == found => {
            Row::ok(WHAT, format!("context {context}, {found}"))
        }
        (Some(pinned), Ok(found)) => Row::refused(
            WHAT,
            format!("context {context} is another cluster: expected {pinned}, found {found}"),
            format!(
                "choose the context of the cluster; if it was made again, write its identity in {file}"
            ),
        ),
        (None, Ok(found)) => {
            Row::note(WHAT, format!("context {context}, not pinned")).fix(format!(
                "add `xtask: {{cluster: {{context: {context}, identity: \"{found}\"}}}}` to {file}"
            ))
        }
        (_, Err(why)) => Row::refused(
            WHAT,
            format!("context {context}: {why}"),
            "check KUBECONFIG, the context and the login to the cluster",
        ),
    }
}

/// Checks that the server is one that the chart supports.
pub(crate) fn kubernetes(constraint: Option<&str>, server: &str) -> Row {
    const WHAT: &str = "kubernetes";
    let Some(constraint) = constraint.filter(|it| !it.is_empty()) else {
        return Row::ok(WHAT, format!("{server}; the chart supports every version"));
    };
    match satisfies(server, constraint) {
        Some(true) => Row::ok(WHAT, format!("{server}; the chart requires {constraint}")),
        Some(false) => Row::refused(
            WHAT,
            format!("the chart requires {constraint}, the cluster runs {server}"),
            "update the cluster, or lock an older chart by `cargo xtask hub-chart update VERSION`",
        ),
        None => {
            Row::note(WHAT, format!("{server}; the chart requires {constraint}: Helm compares"))
        }
    }
}

pub(crate) fn namespace(name: &str, exists: bool) -> Row {
    match exists {
        true => Row::ok("namespace", name),
        false => Row::note("namespace", format!("{name} is missing; the deployment creates it")),
    }
}

/// Checks rights: the number of those asked for, and those that are denied, as `verb resource`.
pub(crate) fn permissions(asked: usize, denied: &[String]) -> Row {
    const WHAT: &str = "permissions";
    match denied {
        [] => Row::ok(WHAT, format!("all {asked} rights that the release needs")),
        denied => Row::refused(
            WHAT,
            format!("missing rights: {}", denied.join(", ")),
            "ask the cluster's administrators for them, or choose another context",
        ),
    }
}

/// Checks that the cluster accepts what `program` would send.
pub(crate) fn accepted(what: &'static str, detail: &str, answer: Result<(), String>) -> Row {
    match answer {
        Ok(()) => Row::ok(what, detail),
        Err(said) => Row::refused(what, said, "correct the values, or the chart's version"),
    }
}

/// Parts of a volume claim that cannot change.
const FIXED: [&str; 5] =
    ["accessModes", "selector", "storageClassName", "volumeMode", "volumeName"];

/// Checks that the claims of volumes change only where Kubernetes allows it.
pub(crate) fn volumes(old: Option<&Manifests>, new: &Manifests) -> Row {
    const WHAT: &str = "volumes";
    let claims = || new.iter().filter(|it| it.0.starts_with("PersistentVolumeClaim/"));
    let (mut fixed, mut larger) = (Vec::new(), Vec::new());
    for (name, claim) in claims() {
        let Some(live) = old.and_then(|it| it.get(name)) else { continue };
        for part in FIXED.iter().filter(|it| live["spec"][**it] != claim["spec"][**it]) {
            fixed.push(format!(
                "{name}: `{part}` cannot change: {} -> {}",
                live["spec"][*part], claim["spec"][*part]
            ));
        }
        let size = |it: &Value| it["spec"]["resources"]["requests"]["storage"].clone();
        let (before, after) = (size(live), size(claim));
        let bytes = |it: &Value| it.as_str().and_then(needs::quantity);
        match (bytes(&before), bytes(&after)) {
            (Some(a), Some(b)) if b < a => {
                fixed.push(format!("{name}: a volume cannot shrink: {before} -> {after}"));
            }
            _ if before != after => larger.push(format!("{name}: {before} -> {after}")),
            _ => (),
        }
    }
    if !fixed.is_empty() {
        return Row::refused(WHAT, fixed.join("\n"), "write the former value");
    }
    match larger.is_empty() {
        true => Row::ok(WHAT, format!("{} claims, unchanged", claims().count())),
        false => {
            Row::note(WHAT, format!("{}; its storage class has to allow it", larger.join("; ")))
        }
    }
}

/// What registries have of the images.
#[derive(Debug, Default)]
pub(crate) struct Existing {
    pub(crate) found: BTreeSet<String>,
    pub(crate) missing: BTreeSet<String>,
    /// Images whose registry did not answer, with the reason.
    pub(crate) unknown: BTreeMap<String, String>,
}

/// Checks that every image exists; `users` are those that users can start, which no pull of Helm's
/// would miss.
pub(crate) fn existing(images: &Existing, users: &BTreeSet<String>) -> Row {
    const WHAT: &str = "images";
    let missing: Vec<&str> = images.missing.iter().map(String::as_str).collect();
    if !missing.is_empty() {
        return Row::refused(
            WHAT,
            format!("the registry does not have {}", missing.join(", ")),
            "push it by `cargo xtask image-push`, or correct the values",
        );
    }
    let unknown: Vec<String> =
        images.unknown.iter().map(|(image, why)| format!("{image}: {why}")).collect();
    let is_of_users = images.unknown.keys().any(|it| users.contains(it));
    match (unknown.is_empty(), is_of_users) {
        (true, _) => Row::ok(WHAT, format!("all {} exist", images.found.len())),
        (_, false) => {
            Row::note(WHAT, format!("not all could be looked up: {}", unknown.join("; ")))
        }
        (_, true) => Row::refused(
            WHAT,
            format!("cannot be looked up: {}", unknown.join("; ")),
            "check the network and `docker login`",
        ),
    }
}

/// Checks that every image that a user can start is certified, or allowed for a reason.
///
/// `problems` tells by image why its receipt does not certify it.
pub(crate) fn tested(
    decision: Result<&Passed, &[Finding]>,
    problems: &BTreeMap<String, String>,
) -> Row {
    const WHAT: &str = "tests";
    match decision {
        Err(found) => {
            let mut text = finding::text(found.to_vec());
            for (image, why) in problems {
                text = format!("{}\n{image}: {}", text.trim_end(), printable::line(why));
            }
            Row::refused(
                WHAT,
                text,
                "test and push the images, or pass `--untested REASON` for images with a digest",
            )
        }
        Ok(passed) if passed.allowed.is_empty() => {
            let certified = format!("{} certified by receipts", passed.certified.len());
            let notes = passed.notes.iter().map(|it| format!("; {it}")).collect::<String>();
            let row = if notes.is_empty() { Row::ok } else { Row::note };
            row(WHAT, certified + &notes)
        }
        Ok(passed) => {
            let allowed: Vec<String> =
                passed.allowed.iter().map(|(it, reason)| format!("{it} ({reason})")).collect();
            Row::note(WHAT, format!("without a receipt: {}", allowed.join(", ")))
        }
    }
}

/// Checks that each named Secret exists: `named` with the places that name it.
pub(crate) fn secrets(
    named: &BTreeMap<String, String>,
    existing: &BTreeSet<String>,
    namespace: &str,
) -> Row {
    const WHAT: &str = "secrets";
    let missing: Vec<String> = named
        .iter()
        .filter(|it| !existing.contains(it.0))
        .map(|(name, place)| format!("{name} ({place})"))
        .collect();
    match missing.is_empty() {
        true => Row::ok(WHAT, format!("{} named, all exist", named.len())),
        false => Row::refused(
            WHAT,
            format!("missing in the namespace {namespace}: {}", missing.join(", ")),
            format!(
                "create them, as `kubectl create secret generic NAME --namespace {namespace}` does"
            ),
        ),
    }
}

/// Checks that nodes can reach the registry of the images. `nodes` is `HUB_REGISTRY`.
pub(crate) fn registry(here: &str, is_loopback: bool, nodes: Option<&str>) -> Row {
    const WHAT: &str = "registry";
    match nodes {
        Some(nodes) if nodes != here => Row::ok(WHAT, format!("{nodes}, here {here}")),
        _ if is_loopback && nodes.is_none() => Row::refused(
            WHAT,
            format!("{here} is on this machine: nodes would look on themselves"),
            "set HUB_REGISTRY to the registry as nodes see it",
        ),
        _ => Row::ok(WHAT, here),
    }
}

/// Tells what nodes log in with.
pub(crate) fn pull_secret(names: &[String]) -> Row {
    const WHAT: &str = "pull secret";
    match names {
        [] => Row::note(WHAT, "none: the images have to be public, or nodes logged in"),
        names => Row::ok(WHAT, names.join(", ")),
    }
}

/// Checks that nodes can run the images: platforms like `linux/amd64`, with the images, and the number
/// of nodes of each; `None` if nodes cannot be listed.
pub(crate) fn platforms(
    images: &BTreeMap<String, String>,
    nodes: Result<&BTreeMap<String, usize>, &str>,
) -> Row {
    const WHAT: &str = "platforms";
    let nodes = match nodes {
        Ok(nodes) => nodes,
        Err(why) => return Row::unchecked(WHAT, why),
    };
    let list = nodes.iter().map(|(it, n)| format!("{n} of {it}")).collect::<Vec<_>>().join(", ");
    let unfit: Vec<String> = images
        .iter()
        .filter(|it| !nodes.contains_key(it.1))
        .map(|(image, platform)| format!("{image} is for {platform}"))
        .collect();
    match (unfit.is_empty(), images.is_empty() || nodes.len() < 2) {
        (false, _) => Row::refused(
            WHAT,
            format!("{}; the nodes are {list}", unfit.join(", ")),
            "build, test and push for the platform of the nodes",
        ),
        (true, true) => Row::ok(WHAT, format!("nodes: {list}")),
        (true, false) => Row::note(
            WHAT,
            format!("nodes: {list}; set `singleuser.nodeSelector`, for images have one platform"),
        ),
    }
}

/// Compares the JupyterHub of users' images, where known, with the hub's.
pub(crate) fn jupyterhub(images: &BTreeMap<String, String>, hub: Option<&str>) -> Row {
    const WHAT: &str = "jupyterhub";
    let Some((hub, number)) = hub.and_then(|it| Some((it, major(it)?))) else {
        return Row::note(WHAT, "the hub's version is unknown: `hub.image` has no receipt");
    };
    let (mut far, mut near) = (Vec::new(), Vec::new());
    for (image, version) in images {
        let text = format!("{image} has {version}");
        match major(version).map(|it| it.abs_diff(number)) {
            Some(0) => (),
            Some(1) => near.push(text),
            Some(_) => far.push(text),
            None => near.push(format!("{image}: unknown")),
        }
    }
    match (far.is_empty(), near.is_empty()) {
        (false, _) => Row::refused(
            WHAT,
            format!("the hub has {hub}, {}", far.join(", ")),
            "build the image with a JupyterHub of the hub's major version, or one beside it",
        ),
        (true, false) => Row::note(WHAT, format!("the hub has {hub}, {}", near.join(", "))),
        (true, true) => Row::ok(WHAT, format!("hub and images: {hub}")),
    }
}

/// Facts about the hub's database.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Database<'a> {
    /// JupyterHub of the live hub, and whether there is one.
    pub(crate) live: Option<&'a str>,
    pub(crate) is_first: bool,
    pub(crate) new: Option<&'a str>,
    /// Value of `hub.db.type`.
    pub(crate) kind: &'a str,
    /// Backup of before a deployment that failed, if the hub does not run since.
    pub(crate) kept: Option<&'a str>,
    pub(crate) backup_done: Option<&'a str>,
}

/// Checks that the new hub can open the live hub's database, and that it was backed up.
pub(crate) fn database(of: Database<'_>) -> Row {
    const WHAT: &str = "database";
    let Database { live, is_first, new, kind, kept, backup_done } = of;
    if is_first {
        return Row::ok(WHAT, format!("{kind}, first deployment"));
    }
    let is_here = kind.starts_with("sqlite");
    let backup = match kept {
        Some(it) => format!("the hub does not run; its backup of before is {it}"),
        None => "the database is backed up first".to_owned(),
    };
    let (Some(from), Some(to)) = (live.and_then(major), new.and_then(major)) else {
        if let (Some(from), true) = (live.and_then(major), is_here) {
            let what = "a failed deployment is not rolled back if the new hub has started";
            return Row::note(
                WHAT,
                format!(
                    "{kind}, JupyterHub {from} -> an image of unknown version: {backup}; {what}"
                ),
            );
        }
        let what = "the major versions of JupyterHub are not both known; a failed deployment is not rolled back if the new hub has started";
        return Row::note(WHAT, format!("{kind}: {what}"));
    };
    let step = format!("JupyterHub {from} -> {to}");
    if to < from {
        return Row::refused(
            WHAT,
            format!("{step}: an older hub cannot open the database"),
            "deploy the newer chart, or restore a backup by `cargo xtask hub-rollback --restore-db NAME`",
        );
    }
    match (to == from, is_here, backup_done) {
        (true, ..) => Row::ok(WHAT, format!("{kind}, JupyterHub {to}")),
        (_, true, _) => Row::note(WHAT, format!("{step}: {backup}")),
        (_, false, Some(reason)) => Row::note(WHAT, format!("{step}: backed up: {reason}")),
        (_, false, None) => Row::refused(
            WHAT,
            format!(
                "{step}: the new hub changes the database for good, and this tool cannot back up {kind}"
            ),
            "back it up, and pass `--backup-done REASON`",
        ),
    }
}

/// State of a repository.
#[derive(Debug, Clone, Default)]
pub(crate) struct Checked<'a> {
    /// Commit, with `-dirty` if files differ; `None` outside of git.
    pub(crate) state: Option<&'a str>,
    /// Number of commits that `origin` lacks.
    pub(crate) outgoing: usize,
    pub(crate) reason: Option<&'a str>,
}

/// Checks that what is deployed can be found again: a clean working tree at a pushed commit.
pub(crate) fn committed(what: &'static str, of: &Checked<'_>) -> Row {
    let commit = of.state.map(|it| it.chars().take(12).collect::<String>()).unwrap_or_default();
    let (detail, fix) = match of.state {
        None => ("not in git".to_owned(), "commit and push"),
        Some(it) if it.ends_with("-dirty") => {
            (format!("files differ from commit {commit}"), "commit and push them")
        }
        Some(_) if of.outgoing > 0 => {
            (format!("{commit}: {} commits are not pushed", of.outgoing), "push")
        }
        Some(_) => return Row::ok(what, commit),
    };
    match of.reason {
        Some(reason) => Row::note(what, format!("{detail}; {reason}")),
        None => Row::refused(what, detail, format!("{fix}, or pass `--dirty REASON`")),
    }
}

/// Checks that the smoke test can work afterwards.
pub(crate) fn smoke(has_token: bool, has_auth_state: bool, reason: Option<&str>) -> Row {
    const WHAT: &str = "smoke test";
    match (reason, has_token) {
        (Some(reason), _) => Row::note(WHAT, format!("left out: {reason}")),
        (None, true) if has_auth_state => Row::note(
            WHAT,
            "runs afterwards; its user has no auth_state, which servers here may need",
        )
        .fix("if they do, pass `--no-smoke REASON`"),
        (None, true) => Row::ok(WHAT, "runs afterwards"),
        (None, false) => Row::refused(
            WHAT,
            "missing token `hub.services.xtask-smoke.apiToken`",
            "store one by `cargo xtask secrets-set hub.services.xtask-smoke.apiToken`, or pass `--no-smoke REASON`",
        ),
    }
}

#[cfg(test)]
mod tests;
