//! A rollback: the lock, the record, the database, Helm, and what is looked at afterwards.

use anyhow::ensure;

use super::plan::Plan;
use crate::{
    hub::{
        lease::{self, Holder, Lease},
        record::{Action, Outcome, Record},
        watch::{self, Watched},
    },
    run::{
        failure,
        process::{Change, Permit},
        terminal,
    },
    task::{
        Session,
        shared::{hub_finish, hub_record, hub_smoke, hub_target::Hub},
    },
};

/// A rollback that has begun.
struct Running<'a> {
    session: &'a Session,
    permit: Permit,
    plan: &'a Plan,
    lease: &'a Lease,
    record: Record,
}

/// Returns the holder of the lock that does `action`.
pub(super) fn holder(action: &str, record: &Record) -> Holder {
    Holder {
        name: hub_record::name(&record.by),
        commit: record.git.commit.clone().unwrap_or_default(),
        action: action.to_owned(),
    }
}

/// Prints the commands of a rollback.
pub(super) fn print(session: &Session, plan: &Plan) -> anyhow::Result<u8> {
    let hub = &plan.release.hub;
    let holder = holder("rollback", &plan.record);
    lease::print(session.ui, &hub.cluster, &hub.target.release, &holder)?;
    hub_finish::print_store(hub, &plan.record)?;
    if let Some(it) = &plan.restore {
        it.print(hub)?;
    }
    terminal::print(rollback_cmd(plan)?);
    session.ui.say("wait for `deploy/hub`, `deploy/proxy` and the hub's answer");
    if plan.no_smoke.is_none() {
        hub_smoke::run(session, &hub.cluster)?;
    }
    hub_finish::print_store(hub, &plan.record)?;
    Ok(0)
}

fn rollback_cmd(plan: &Plan) -> anyhow::Result<Change> {
    plan.release.helm.rollback_cmd(plan.target, plan.release.hub.target.timeout)
}

/// Makes the rollback, and returns the exit status. `held` is the lock if it is held already.
///
/// # Errors
/// Nothing was changed, or the database could not be restored.
pub(super) fn run(
    session: &Session,
    permit: Permit,
    plan: &Plan,
    held: Option<Lease>,
) -> anyhow::Result<u8> {
    let hub = &plan.release.hub;
    let lease = match held {
        Some(it) => it,
        None => {
            let holder = holder("rollback", &plan.record);
            lease::take(permit, &hub.cluster, &hub.target.release, &holder)?
        }
    };
    unchanged(plan)?;
    let record = Record { started: hub_record::now(), ..plan.record.clone() };
    hub_finish::store(session, permit, hub, &record)?;
    Running { session, permit, plan, lease: &lease, record }.run()
}

/// Fails if another run made a revision after the checks.
fn unchanged(plan: &Plan) -> anyhow::Result<()> {
    let (hub, seen) = (&plan.release.hub, &plan.release.newest);
    let newest = plan.release.helm.history()?.pop();
    let is_same =
        newest.as_ref().is_some_and(|it| it.revision == seen.revision && it.status == seen.status);
    ensure!(
        is_same,
        "{}: the release changed after the checks, which saw revision {}, {}\n    fix: run the task again",
        hub.name(),
        seen.revision,
        seen.status
    );
    Ok(())
}

impl Running<'_> {
    fn hub(&self) -> &Hub {
        &self.plan.release.hub
    }

    fn run(mut self) -> anyhow::Result<u8> {
        let status = match self.changed() {
            Ok(it) => it,
            Err(err) => {
                self.record.result = Outcome::Failed;
                self.record.reason = Some(hub_finish::reason(&err));
                self.session.ui.say(format!("error: {}: {err:#}", self.hub().name()));
                failure::status(&err)
            }
        };
        self.completed(status)
    }

    /// Restores the database, runs Helm, and looks at the hub.
    fn changed(&mut self) -> anyhow::Result<u8> {
        if let Some(it) = &self.plan.restore {
            it.run(self.session, self.permit, self.hub())?;
            self.record.backup = Some(it.kept.clone());
        }
        if self.record.action == Action::Heal {
            hub_finish::remove_hooks(self.session, self.permit, self.hub(), self.lease);
        }
        let cmd = rollback_cmd(self.plan)?;
        let (permit, helm) = (self.permit, &self.plan.release.helm);
        let watched =
            hub_finish::carry_out(self.session, permit, self.hub(), helm, &cmd, false, self.lease)?;
        match &watched.ended {
            Ok(()) => Ok(self.tested()),
            Err(err) => Ok(self.failed(&watched, err)),
        }
    }

    /// Runs the smoke test on the new revision, which is live.
    fn tested(&mut self) -> u8 {
        let (session, plan) = (self.session, self.plan);
        let hub = &plan.release.hub;
        self.record.live = Some(self.record.revision);
        session.ui.say(format!(
            "{}: revision {} is live, the same as {}",
            hub.name(),
            self.record.revision,
            plan.target
        ));
        let tested = hub_finish::smoke(session, hub, plan.no_smoke.as_deref(), &mut self.record);
        if let Err(err) = tested.and_then(|()| hub_finish::require_smoke(hub, &self.record)) {
            session.ui.say(format!("error: {err:#}"));
            return failure::status(&err);
        }
        0
    }

    /// Tells what failed and what is live, and returns the exit status.
    fn failed(&mut self, watched: &Watched, err: &anyhow::Error) -> u8 {
        let (session, plan) = (self.session, self.plan);
        let (name, args) = (self.hub().name(), self.hub().args());
        session.ui.say(match &watched.problem {
            Some(_) => format!("error: {name}: revision {} cannot become ready", plan.target),
            None => {
                format!("error: {name}: revision {} was not brought back: {err:#}", plan.target)
            }
        });
        if !watched.said.is_empty() {
            session.ui.say(&watched.said);
        }
        let problem = watched.problem.as_ref().map(watch::Problem::headline);
        self.record.reason = Some(problem.unwrap_or_else(|| hub_finish::reason(err)));
        self.record.result = Outcome::Failed;
        let before = plan.release.newest.revision;
        let (newest, mut state) =
            hub_finish::after_failed_rollback(self.hub(), &plan.release.helm, before);
        let is_made = newest.is_some_and(|it| it.revision != before);
        if plan.restore.is_some() && !is_made {
            state += ": stopped, with the restored database";
        }
        let again = match &plan.restore {
            Some(it) => format!(
                "`cargo xtask hub-rollback {} {args} --restore-db {}`; the database of before is the backup {}",
                plan.target, it.name, it.kept
            ),
            None => format!("`cargo xtask hub-rollback {} {args}`", plan.target),
        };
        session.ui.say(format!(
            "{name}: {state}\n    fix: `cargo xtask hub-status {args}` shows the pods; correct what failed, and try again by {again}"
        ));
        if is_made {
            self.record.live = None;
        }
        // Also while the hub's answer was waited for.
        match watched.interrupted || failure::status(err) == failure::INTERRUPTED {
            true => failure::INTERRUPTED,
            false => 1,
        }
    }

    /// Completes the record, and that of the run whose Helm was killed.
    fn completed(mut self, status: u8) -> anyhow::Result<u8> {
        self.record.finished = Some(hub_record::now());
        let mut records = vec![self.record.clone()];
        if self.record.action == Action::Heal && self.record.live == Some(self.record.revision) {
            let killed = self.plan.release.entry(self.plan.release.newest.revision);
            let killed = killed.and_then(|it| it.record.clone());
            records.extend(killed.filter(|it| it.result == Outcome::Started).map(|it| Record {
                finished: self.record.finished.clone(),
                result: Outcome::Failed,
                reason: Some(format!("killed; unlocked by revision {}", self.record.revision)),
                live: self.record.live,
                ..it
            }));
        }
        for it in records {
            if let Err(err) = hub_finish::store(self.session, self.permit, self.hub(), &it) {
                self.session.ui.say(format!("error: {}: {err:#}", self.hub().name()));
                return Ok(status.max(1));
            }
        }
        Ok(status)
    }
}
