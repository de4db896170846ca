//! A deployment that failed: what is live now, and whether the former revision comes back.

use super::release::Deployment;
use crate::{
    hub::{
        record::{Action, Outcome, Record},
        watch::{self, Watched},
    },
    run::{failure, process},
    task::shared::{hub_finish, hub_record},
    tools::helm::Revision,
};

/// What a failure left behind.
#[derive(Debug, PartialEq, Eq)]
enum Left {
    /// Helm made no revision.
    Nothing,
    /// Another run made a revision in the meantime.
    Others(u32),
    /// The revision of a first deployment failed.
    First,
    /// The former revision can come back.
    Former(u32),
    /// The former hub might not open the database.
    Database(u32),
    /// A person interrupted the deployment.
    Interrupted(u32),
}

/// Decides what to do. `newest` is the newest revision now.
fn left(record: &Record, before: u32, newest: u32, watched: &Facts) -> Left {
    if newest == before {
        return Left::Nothing;
    }
    if newest != record.revision {
        return Left::Others(newest);
    }
    match record.previous {
        None => Left::First,
        Some(it) if watched.interrupted => Left::Interrupted(it),
        // A revision in between may have changed the database.
        Some(it) if !watched.hub_started && it == before => Left::Former(it),
        Some(it) if record.jupyterhub.is_same_major() => Left::Former(it),
        Some(it) => Left::Database(it),
    }
}

/// What was seen while Helm ran.
struct Facts {
    hub_started: bool,
    interrupted: bool,
}

/// Tells what failed, brings the former revision back where that is safe, and returns the exit status.
pub(super) fn recover(
    deployment: &mut Deployment<'_>,
    watched: &Watched,
    err: &anyhow::Error,
) -> u8 {
    let name = deployment.hub.name();
    let ui = deployment.session.ui;
    match &watched.problem {
        Some(_) => {
            ui.say(format!("{name}: revision {} cannot become ready", deployment.record.revision))
        }
        None => ui.say(format!("{name}: revision {} failed: {err:#}", deployment.record.revision)),
    }
    if !watched.said.is_empty() {
        ui.say(&watched.said);
    }
    let reason =
        watched.problem.as_ref().map_or_else(|| hub_finish::reason(err), watch::Problem::headline);
    deployment.record.reason = Some(reason);
    deployment.record.result = Outcome::Failed;
    deployment.record.live = None;
    let Deployment { session, permit, hub, lease, .. } = &*deployment;
    hub_finish::remove_hooks(session, *permit, hub, lease);
    let history = process::finishing(|| deployment.ready.helm.history());
    let newest = history.as_ref().ok().and_then(|it| it.last()).cloned();
    // Also while the hub's answer was waited for.
    let interrupted = watched.interrupted || failure::status(err) == failure::INTERRUPTED;
    let facts = Facts { hub_started: watched.hub_started, interrupted };
    let (record, before) = (&deployment.record, deployment.ready.newest);
    let left = match &newest {
        Some(it) => left(record, before, it.revision, &facts),
        None if history.is_ok() => Left::Nothing,
        None => return unknown(deployment),
    };
    if let (Left::Former(_), Err(err)) = (&left, deployment.lease.check()) {
        ui.say(format!(
            "{name}: the lock was lost, so nothing is rolled back: {err:#}\n    fix: `cargo xtask hub-history {}` shows who deploys",
            deployment.hub.args()
        ));
        return 1;
    }
    if let Left::Former(revision) = left {
        // Helm 3 does not stop a rollback cleanly: an interruption would leave the release locked.
        return process::finishing(|| roll_back(deployment, revision));
    }
    let args = deployment.hub.args();
    ui.say(format!("{name}: {}", told(&left, &args, newest.as_ref(), &deployment.record)));
    if left == Left::Nothing {
        deployment.record.live = deployment.record.previous;
    }
    if interrupted { failure::INTERRUPTED } else { 1 }
}

fn unknown(deployment: &Deployment<'_>) -> u8 {
    deployment.session.ui.say(format!(
        "{}: the cluster does not tell what is live now\n    fix: `cargo xtask hub-status {}` once it answers",
        deployment.hub.name(),
        deployment.hub.args()
    ));
    1
}

/// Returns what is live now, and the way out.
fn told(left: &Left, args: &str, newest: Option<&Revision>, record: &Record) -> String {
    let status = newest.map(|it| it.status.to_string()).unwrap_or_default();
    match left {
        Left::Nothing => "no revision was made: the former one is live, as before".to_owned(),
        Left::Others(it) => format!(
            "revision {it} was made by another run in the meantime, so nothing is rolled back\n    fix: `cargo xtask hub-history {args}` shows who made it"
        ),
        Left::First => format!(
            "no revision was live before; all objects of the deployment stay, with the volume hub-db-dir\n    fix: correct what failed, and run `cargo xtask hub-deploy {args}` again"
        ),
        Left::Database(it) => {
            let restore = match &record.backup {
                Some(name) => format!("--restore-db {name}`"),
                None => "--restore-db NAME` with a backup of before".to_owned(),
            };
            format!(
                "the new revision stays, {status}: its hub has started, and the hub of revision {it} might not open the database any more\n    fix: correct what failed, and run `cargo xtask hub-deploy {args}` again; or `cargo xtask hub-rollback {it} {args} {restore}"
            )
        }
        Left::Interrupted(it) => format!(
            "interrupted: the new revision is {status}, and its pods may be half-way\n    fix: `cargo xtask hub-rollback {args}` brings revision {it} back, or run `cargo xtask hub-deploy {args}` again"
        ),
        Left::Former(it) => format!("revision {it} comes back"),
    }
}

/// Brings `revision` back, straight from the one that failed: a later upgrade would keep what only the
/// failed one added.
fn roll_back(deployment: &mut Deployment<'_>, revision: u32) -> u8 {
    let Deployment { session, permit, hub, ready, lease, record, .. } = &*deployment;
    let (name, args, helm) = (hub.name(), hub.args(), &ready.helm);
    session.ui.say(format!("{name}: bringing revision {revision} back"));
    let started = hub_record::now();
    let rolled = helm
        .rollback_cmd(revision, hub.target.timeout)
        .and_then(|cmd| hub_finish::carry_out(session, *permit, hub, helm, &cmd, false, lease));
    if let Ok(it) = &rolled
        && !it.said.is_empty()
    {
        session.ui.say(&it.said);
    }
    if let Err(err) = rolled.and_then(|it| it.ended) {
        let (newest, state) = hub_finish::after_failed_rollback(hub, helm, record.revision);
        session.ui.say(format!(
            "{name}: revision {revision} could not be brought back: {err:#}\n{name}: {state}\n    fix: `cargo xtask hub-status {args}` shows the pods; correct what failed, and try again by `cargo xtask hub-rollback {revision} {args}`"
        ));
        if let Some(it) = newest.filter(|it| it.revision != record.revision) {
            let reason = hub_finish::reason(&err);
            keep_record(deployment, revision, it.revision, started, Err(reason));
        }
        return match failure::status(&err) {
            failure::INTERRUPTED => failure::INTERRUPTED,
            _ => 1,
        };
    }
    let made = deployment.record.revision + 1;
    deployment.session.ui.say(format!(
        "{name}: revision {made} is live, the same as {revision}; databases, users' volumes, and what hooks made stay as they are"
    ));
    deployment.record.result = Outcome::RolledBack;
    deployment.record.live = Some(made);
    let reason = format!("revision {} failed", deployment.record.revision);
    keep_record(deployment, revision, made, started, Ok(reason));
    1
}

/// Stores a record of the revision that a rollback made; `outcome` is why it was made, or failed.
fn keep_record(
    deployment: &Deployment<'_>,
    revision: u32,
    made: u32,
    started: String,
    outcome: Result<String, String>,
) {
    let Deployment { session, permit, hub, record, .. } = deployment;
    let records = hub.records().map(|it| it.by_revision).unwrap_or_default();
    let Some(Ok(former)) = records.get(&revision) else { return };
    let record = Record {
        revision: made,
        previous: Some(record.revision),
        action: Action::Rollback,
        started,
        finished: Some(hub_record::now()),
        result: if outcome.is_ok() { Outcome::Deployed } else { Outcome::Failed },
        live: outcome.is_ok().then_some(made),
        reason: Some(outcome.unwrap_or_else(|it| it)),
        by: record.by.clone(),
        smoke: None,
        backup: None,
        ..former.clone()
    };
    if let Err(err) = hub_finish::store(session, *permit, hub, &record) {
        session.ui.say(format!("{}: {err:#}", hub.name()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::record::{JupyterHub, tests::record};

    fn facts(hub_started: bool, interrupted: bool) -> Facts {
        Facts { hub_started, interrupted }
    }

    #[test]
    fn what_a_failure_leaves() {
        let same = Record { previous: Some(6), ..record(7) };
        let text = |it: &str| Some(it.to_owned());
        let step = JupyterHub { new: text("6.1.1"), previous: text("5.5.0") };
        let step = Record { jupyterhub: step, ..same.clone() };
        let unknown = Record { jupyterhub: JupyterHub::default(), ..same.clone() };
        assert_eq!(left(&same, 6, 6, &facts(false, false)), Left::Nothing);
        assert_eq!(left(&same, 6, 8, &facts(true, false)), Left::Others(8));
        assert_eq!(left(&same, 6, 7, &facts(true, false)), Left::Former(6));
        assert_eq!(left(&same, 6, 7, &facts(true, true)), Left::Interrupted(6));
        assert_eq!(left(&step, 6, 7, &facts(true, false)), Left::Database(6));
        assert_eq!(left(&step, 6, 7, &facts(false, false)), Left::Former(6));
        assert_eq!(left(&unknown, 6, 7, &facts(true, false)), Left::Database(6));
        let after_failed = Record { previous: Some(5), ..step.clone() };
        assert_eq!(left(&after_failed, 6, 7, &facts(false, false)), Left::Database(5));
        let with = Record { backup: text("b"), ..step.clone() };
        let said = |it: &Record| told(&Left::Database(6), "hello --env test", None, it);
        assert!(
            said(&with).ends_with("`cargo xtask hub-rollback 6 hello --env test --restore-db b`")
        );
        assert!(said(&step).ends_with("--restore-db NAME` with a backup of before"));
        let first = Record { previous: None, ..record(1) };
        assert_eq!(left(&first, 0, 1, &facts(true, false)), Left::First);
    }
}
