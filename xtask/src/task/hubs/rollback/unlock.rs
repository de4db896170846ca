//! `--unlock`: a release that a killed Helm left pending.

use std::time::{Duration, SystemTime};

use anyhow::bail;

use super::{Release, carry_out, choice, plan::Plan, shown};
use crate::{
    hub::{
        history,
        lease::{self, Lease},
        record::{Action, Outcome, Record},
    },
    run::{process::Permit, terminal},
    task::{
        Session,
        args::HubRollback,
        shared::{hub_finish, hub_live, hub_question, hub_record, hub_target::Hub},
    },
};

/// Tells who made the pending revision, asks, and unlocks the release.
///
/// # Errors
/// Another run holds the lock, or the release is not locked.
pub(super) fn run(session: &Session, args: &HubRollback, release: Release) -> anyhow::Result<u8> {
    let newest = release.newest.clone();
    let name = release.hub.name();
    if !choice::is_locked(newest.revision, newest.status)? {
        session.ui.say(format!(
            "{name}: nothing to unlock: revision {} is {}",
            newest.revision, newest.status
        ));
        return Ok(0);
    }
    let by = hub_live::holder(&release.hub, newest.revision)?;
    session.ui.say(format!("{name}: {}", who(&release, &by)));
    old_enough(args, &release, &by)?;
    match release.live.as_ref().map(|it| it.revision) {
        None => remove(session, args, &release),
        Some(target) => {
            let what = format!("unlock {name}, and bring revision {target} back");
            let plan = Plan::heal(session, args, release, target)?;
            if !shown(&plan) {
                return Ok(2);
            }
            let Some(permit) = session.permit else { return carry_out::print(session, &plan) };
            // Held before the question: nobody begins to work on the release meanwhile.
            let lease = lock(session, permit, &plan.release.hub, &plan.record)?;
            if !hub_question::agrees(session, &plan.release.hub, args.yes, &what)? {
                return hub_question::refused();
            }
            carry_out::run(session, permit, &plan, Some(lease))
        }
    }
}

/// Takes the lock from the run that was killed.
fn lock(session: &Session, permit: Permit, hub: &Hub, record: &Record) -> anyhow::Result<Lease> {
    let progress = session.ui.progress(&format!("lock {}", hub.name()));
    progress.step("waiting until nobody holds it, a minute at most");
    let holder = carry_out::holder("unlock", record);
    lease::take_abandoned(permit, &hub.cluster, &hub.target.release, &holder)
}

/// Returns who left the revision, when, and from which commit.
fn who(release: &Release, by: &str) -> String {
    let newest = &release.newest;
    let record = release.entry(newest.revision).and_then(|it| it.record.as_ref());
    let by = match (by, record) {
        ("", None) => "by a run without this tool".to_owned(),
        ("", Some(it)) => format!("by {}, from commit {}", history::by(it), history::commit(it)),
        (by, _) => format!("by {by}"),
    };
    let age = age(&newest.updated).map(|it| format!(", {} ago", humantime::format_duration(it)));
    format!(
        "revision {} is {} since {}{}, {by}",
        newest.revision,
        newest.status,
        newest.updated,
        age.unwrap_or_default()
    )
}

fn age(updated: &str) -> Option<Duration> {
    let age = SystemTime::now().duration_since(history::time(updated)?).ok()?;
    Some(Duration::from_secs(age.as_secs()))
}

/// Fails for a young revision without a lock that could tell whether its run is alive, unless a person
/// is asked.
fn old_enough(args: &HubRollback, release: &Release, by: &str) -> anyhow::Result<()> {
    let is_of_others = by.is_empty();
    // Hooks and pods have the time-out each.
    let limit = release.hub.target.timeout * 2;
    let is_young = age(&release.newest.updated).is_none_or(|it| it < limit);
    if args.yes && is_of_others && is_young {
        bail!(
            "{}: the run that made revision {} has no lock, and may be alive: Helm has {} s\n    fix: wait, or leave `--yes` out and answer the question",
            release.hub.name(),
            release.newest.revision,
            limit.as_secs()
        );
    }
    Ok(())
}

/// Removes the revision of a first deployment, of which nothing can come back.
fn remove(session: &Session, args: &HubRollback, release: &Release) -> anyhow::Result<u8> {
    let Release { hub, helm, newest, .. } = release;
    let name = hub_live::secret_name(&hub.target.release, newest.revision);
    let cmd = hub.cluster.delete_cmd("secret", &name);
    session.ui.say(format!(
        "{}: no revision was ever deployed: the revision is removed from Helm's history; objects that it made stay, and the volume hub-db-dir with them",
        hub.name()
    ));
    let opened = hub_record::opened(session, hub, helm, Action::Heal, newest.revision, None)?;
    let known = release.entry(newest.revision).and_then(|it| it.record.clone());
    let record = Record {
        finished: Some(hub_record::now()),
        result: Outcome::Failed,
        reason: Some("killed; removed from Helm's history".to_owned()),
        live: None,
        ..known.unwrap_or(opened)
    };
    let Some(permit) = session.permit else {
        let holder = carry_out::holder("unlock", &record);
        lease::print(session.ui, &hub.cluster, &hub.target.release, &holder)?;
        terminal::print(cmd);
        hub_finish::print_store(hub, &record)?;
        return Ok(0);
    };
    let lease = lock(session, permit, hub, &record)?;
    let what = format!("unlock {} by removing revision {}", hub.name(), newest.revision);
    if !hub_question::agrees(session, hub, args.yes, &what)? {
        return hub_question::refused();
    }
    removed(session, permit, release, &lease, &record, &cmd)
}

fn removed(
    session: &Session,
    permit: Permit,
    release: &Release,
    lease: &Lease,
    record: &Record,
    cmd: &crate::run::process::Change,
) -> anyhow::Result<u8> {
    let Release { hub, helm, newest, .. } = release;
    let now = helm.history()?.pop();
    if now.as_ref() != Some(newest) {
        bail!("{}: the release changed meanwhile\n    fix: run the task again", hub.name());
    }
    lease.check()?;
    hub.cluster.change(permit, cmd)?;
    hub_finish::remove_hooks(session, permit, hub, lease);
    session.ui.say(format!(
        "{}: unlocked; `cargo xtask hub-deploy {}` deploys it",
        hub.name(),
        hub.args()
    ));
    hub_finish::store(session, permit, hub, record)?;
    Ok(0)
}
