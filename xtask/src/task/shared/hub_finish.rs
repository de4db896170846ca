//! What follows Helm in every task that changes a hub: the hub answers, its smoke test, and the record.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::{
    hub::{
        lease::Lease,
        record::{self, Outcome, Record},
        watch::{self, Watched},
    },
    run::{
        process::{self, Change, Permit},
        terminal,
    },
    task::{
        Session,
        shared::{hub_live, hub_smoke, hub_target::Hub},
    },
    tools::{
        helm::{Helm, Revision},
        kubectl::{Cluster, Kind},
    },
};

/// How often a record is written until the cluster takes it.
const ATTEMPTS: usize = 6;

/// Pause after the cluster did not answer.
const PAUSE: Duration = Duration::from_secs(2);

/// Time that the hub has to answer once its pods are ready.
const HEALTH: Duration = Duration::from_secs(60);

/// Kinds of the chart's hooks that go on pulling images after they failed, and their label.
const HOOKS: (&str, &str) = ("daemonsets,jobs", "hub.jupyter.org/deletable=true");

/// Stores a record beside those of other revisions, also after an interruption. The caller has the lock of
/// the release.
///
/// # Errors
/// The cluster refuses it, or does not answer.
pub(crate) fn store(
    session: &Session,
    permit: Permit,
    hub: &Hub,
    record: &Record,
) -> anyhow::Result<()> {
    let progress = session.ui.progress(&format!("record {}", hub.name()));
    progress.step("storing");
    let stored = process::finishing(|| {
        let mut attempts = 1;
        loop {
            match stored(permit, hub, record) {
                Err(err) if attempts < ATTEMPTS && pause(&err).is_some() => {
                    thread::sleep(pause(&err).unwrap_or_default());
                    attempts += 1;
                }
                res => return res,
            }
        }
    });
    stored.with_context(|| {
        let (name, revision) = (record::name(&hub.target.release), record.revision);
        format!("the record of revision {revision} cannot be written to the ConfigMap `{name}`")
    })
}

fn stored(permit: Permit, hub: &Hub, record: &Record) -> anyhow::Result<()> {
    let live = hub.records()?.stored;
    let cmd = store_cmd(&hub.cluster, live.as_ref(), record)?;
    hub.cluster.store(permit, &cmd).map(drop)
}

fn store_cmd(cluster: &Cluster, live: Option<&Value>, record: &Record) -> anyhow::Result<Change> {
    let object = record::with(live, record)?;
    Ok(match live {
        Some(_) => cluster.replace_cmd(&object),
        None => cluster.create_cmd(&object),
    })
}

/// Prints, for a dry run, the command that stores a record.
pub(crate) fn print_store(hub: &Hub, record: &Record) -> anyhow::Result<()> {
    let live = hub.records()?.stored;
    terminal::print(store_cmd(&hub.cluster, live.as_ref(), record)?);
    Ok(())
}

/// Returns the pause before the next attempt; `None` for an error that stays.
fn pause(err: &anyhow::Error) -> Option<Duration> {
    match Kind::of_error(err)? {
        Kind::Conflict | Kind::AlreadyExists => Some(Duration::ZERO),
        Kind::Unavailable | Kind::Unreachable | Kind::TimedOut => Some(PAUSE),
        _ => None,
    }
}

/// Runs `cmd` of Helm and waits for the hub that it makes; the outcome is that of both.
///
/// # Errors
/// Helm was not started: nothing was changed.
pub(crate) fn carry_out(
    session: &Session,
    permit: Permit,
    hub: &Hub,
    helm: &Helm,
    cmd: &Change,
    is_first: bool,
    lease: &Lease,
) -> anyhow::Result<Watched> {
    let mut res = watch::run(session.ui, permit, helm, cmd, is_first, &|| lease.check())?;
    res.ended = res.ended.and_then(|()| live(hub));
    Ok(res)
}

/// Returns the newest revision after a rollback that failed, and what is live; `before` was the newest one.
pub(crate) fn after_failed_rollback(
    hub: &Hub,
    helm: &Helm,
    before: u32,
) -> (Option<Revision>, String) {
    process::finishing(|| {
        let newest = helm.history().ok().and_then(|mut it| it.pop());
        let answer = match answers(hub) {
            Ok(()) => "the hub answers",
            Err(_) => "the hub does not answer",
        };
        let text = match &newest {
            None => format!("the cluster does not tell what is live now; {answer}"),
            Some(it) if it.revision == before => {
                format!("no revision was made: {before} stays, {}; {answer}", it.status)
            }
            Some(it) => format!(
                "revision {} is {}, and its objects are partly those of revision {before}; {answer}",
                it.revision, it.status
            ),
        };
        (newest, text)
    })
}

/// Waits until the pods of hub and proxy are new and ready, and the hub answers.
fn live(hub: &Hub) -> anyhow::Result<()> {
    let deadline = Instant::now() + hub.target.timeout;
    for workload in ["deploy/hub", "deploy/proxy"] {
        let left = deadline.saturating_duration_since(Instant::now());
        hub.cluster
            .rollout(workload, left)
            .with_context(|| format!("`{workload}` is not ready"))?;
    }
    await_answer(hub)
}

/// Waits until the hub answers, through the proxy.
fn await_answer(hub: &Hub) -> anyhow::Result<()> {
    let deadline = Instant::now() + HEALTH;
    loop {
        let Err(err) = answers(hub) else { return Ok(()) };
        if Instant::now() >= deadline {
            let seconds = HEALTH.as_secs();
            return Err(err.context(format!("the hub does not answer after {seconds} s")));
        }
        process::check_interrupted()?;
        thread::sleep(Duration::from_secs(1));
    }
}

/// Removes what failed hooks left, after it was looked at: Helm keeps it, and it would go on pulling images.
pub(crate) fn remove_hooks(session: &Session, permit: Permit, hub: &Hub, lease: &Lease) {
    if lease.check().is_err() {
        return; // They may be another run's.
    }
    let cmd = hub.cluster.delete_all_cmd(HOOKS.0, HOOKS.1);
    if let Err(err) = process::finishing(|| hub.cluster.change(permit, &cmd)) {
        session.ui.say(format!("{}: hooks of the chart stay: {err:#}", hub.name()));
    }
}

/// Fails unless the hub answers now.
pub(crate) fn answers(hub: &Hub) -> anyhow::Result<()> {
    hub_live::answer(hub, "health").map(drop)
}

/// Runs the smoke test on the hub, which is live, unless there is a reason to leave it out, and sets the
/// record's smoke test, its result and its reason, and the version that the hub says it has. A dry run
/// prints the command.
///
/// # Errors
/// The test cannot be run, or its user cannot be removed. The record has that as its reason.
pub(crate) fn smoke(
    session: &Session,
    hub: &Hub,
    no_smoke: Option<&str>,
    record: &mut Record,
) -> anyhow::Result<()> {
    if session.permit.is_some() {
        record.jupyterhub.new = hub_live::jupyterhub(hub).or(record.jupyterhub.new.take());
    }
    if let Some(reason) = no_smoke {
        session.ui.say(format!("{}: no smoke test: {reason}", hub.name()));
        record.reasons.no_smoke = Some(reason.to_owned());
        record.result = Outcome::Deployed;
        return Ok(());
    }
    let tested = hub_smoke::run(session, &hub.cluster);
    if let Ok(Some(it)) = &tested {
        session.ui.say(hub_smoke::table(&it.smoke));
    }
    judge(record, tested)
}

/// Sets what a smoke test says about the release.
fn judge(
    record: &mut Record,
    tested: anyhow::Result<Option<hub_smoke::Tested>>,
) -> anyhow::Result<()> {
    let (smoke, why, error) = match tested {
        Ok(None) => return Ok(()),
        Ok(Some(it)) => (Some(it.smoke), it.failed, None),
        Err(err) => (None, Some(reason(&err)), Some(err)),
    };
    record.smoke = smoke;
    record.result = if why.is_none() { Outcome::Deployed } else { Outcome::SmokeFailed };
    record.reason = why;
    error.map_or(Ok(()), Err)
}

/// Returns the first line of an error, for a record.
pub(crate) fn reason(err: &anyhow::Error) -> String {
    crate::run::printable::line(format!("{err:#}").lines().next().unwrap_or_default())
}

/// Fails for a hub whose smoke test failed.
pub(crate) fn require_smoke(hub: &Hub, record: &Record) -> anyhow::Result<()> {
    if record.result != Outcome::SmokeFailed {
        return Ok(());
    }
    let why = record.reason.as_deref().unwrap_or_default();
    bail!(
        "{}: revision {} is live, and its smoke test failed: {why}\n    fix: `cargo xtask hub-rollback {}` brings the former revision back",
        hub.name(),
        record.revision,
        hub.args()
    )
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;
    use crate::hub::record::{Smoke, Step, tests::record};

    #[test]
    fn a_smoke_test_sets_the_result() {
        let steps = vec![Step { step: "login".to_owned(), seconds: 1.0 }];
        let tested = |failed: Option<&str>| hub_smoke::Tested {
            smoke: Smoke { passed: failed.is_none(), steps: steps.clone() },
            failed: failed.map(str::to_owned),
        };
        let opened = || crate::hub::record::Record { result: Outcome::Started, ..record(3) };
        let mut it = opened();
        judge(&mut it, Ok(Some(tested(None)))).unwrap();
        assert_eq!((it.result, it.reason), (Outcome::Deployed, None));
        let mut it = opened();
        judge(&mut it, Ok(Some(tested(Some("no server"))))).unwrap();
        assert_eq!(it.result, Outcome::SmokeFailed);
        assert_eq!(it.reason.as_deref(), Some("no server"));
        assert!(it.smoke.is_some_and(|it| !it.passed));
        let mut it = opened();
        assert!(judge(&mut it, Err(anyhow!("gone\nfix: x"))).is_err());
        assert_eq!((it.result, it.reason.as_deref()), (Outcome::SmokeFailed, Some("gone")));
        let mut it = opened();
        judge(&mut it, Ok(None)).unwrap();
        assert_eq!(it.result, Outcome::Started);
    }
}
