//! `hub-rollback`: brings an earlier revision of a hub back, or unlocks a release whose Helm was killed.

mod choice;
mod checks;
mod plan;
mod restore;
mod carry_out;
mod unlock;

use crate::{
    hub::{
        history::{self, Entry},
        preflight,
    },
    run::{failure, terminal},
    task::{
        Session,
        args::HubRollback,
        shared::{hub_question, hub_target::Hub},
    },
    tools::helm::{Helm, Revision, Status},
};

use plan::Plan;

/// Revisions of a hub's release, with at least one.
struct Release {
    hub: Hub,
    helm: Helm,
    /// Newest first, with the records of runs that made no revision.
    entries: Vec<Entry>,
    newest: Revision,
    /// The last revision that was deployed.
    live: Option<Revision>,
}

pub(crate) fn run(session: &Session, args: &HubRollback) -> anyhow::Result<u8> {
    let (mission, revision) = choice::words(&args.words).map_err(failure::request)?;
    if args.unlock && revision.is_some() {
        let text = "`--unlock` brings back what was live before: leave the revision out";
        return Err(failure::request(anyhow::anyhow!(text)));
    }
    let hub = Hub::read(session, mission, args.env.as_deref())?;
    hub.check_identity()?;
    let release = Release::read(hub)?;
    if args.unlock {
        return unlock::run(session, args, release);
    }
    if release.newest.status.is_pending() && !release.has_ended() {
        return Err(pending(&release));
    }
    let target = match revision {
        Some(it) => choice::checked(&release.entries, it),
        None => choice::default(&release.entries),
    };
    let target = target.map_err(|err| of_history(&release.hub, &err))?;
    let what = format!("roll {} back to revision {target}", release.hub.name());
    let plan = Plan::rollback(session, args, release, target)?;
    if !shown(&plan) {
        return Ok(2);
    }
    if !hub_question::agrees(session, &plan.release.hub, args.yes, &what)? {
        return hub_question::refused();
    }
    match session.permit {
        None => carry_out::print(session, &plan),
        Some(permit) => carry_out::run(session, permit, &plan, None),
    }
}

/// Prints the plan, and returns whether all checks passed.
fn shown(plan: &Plan) -> bool {
    terminal::print(plan.text().trim_end());
    !preflight::is_refused(&plan.rows)
}

impl Release {
    /// # Errors
    /// The hub was never deployed, or the cluster cannot be asked.
    fn read(hub: Hub) -> anyhow::Result<Release> {
        let helm = hub.helm()?;
        let history = helm.history()?;
        let Some(newest) = history.last().cloned() else {
            anyhow::bail!(
                "{}: not deployed: no release {} in the namespace {}",
                hub.name(),
                hub.target.release,
                hub.target.namespace
            );
        };
        let live = history.iter().rfind(|it| it.status == Status::Deployed).cloned();
        let entries = history::joined(&history, hub.records()?.by_revision);
        Ok(Release { hub, helm, entries, newest, live })
    }

    /// Returns whether the run that made the newest revision has completed its record, so that its Helm
    /// has ended: an interrupted `helm rollback` leaves the revision pending.
    fn has_ended(&self) -> bool {
        let record = self.entry(self.newest.revision).and_then(|it| it.record.as_ref());
        record.is_some_and(|it| it.finished.is_some())
    }

    fn entry(&self, revision: u32) -> Option<&Entry> {
        self.entries.iter().find(|it| it.revision == revision)
    }
}

/// Returns the error for a release that another run changes, or whose Helm was killed.
fn pending(release: &Release) -> anyhow::Error {
    let Release { hub, newest, .. } = release;
    anyhow::anyhow!(
        "{}: revision {} is {} since {}: another run works on it, or was killed\n    fix: wait for it; if it was killed, `cargo xtask hub-rollback {} --unlock`",
        hub.name(),
        newest.revision,
        newest.status,
        newest.updated,
        hub.args()
    )
}

fn of_history(hub: &Hub, err: &anyhow::Error) -> anyhow::Error {
    let text = format!(
        "{}: {err:#}\n    fix: `cargo xtask hub-history {}` lists the revisions",
        hub.name(),
        hub.args()
    );
    failure::request(anyhow::anyhow!(text))
}
