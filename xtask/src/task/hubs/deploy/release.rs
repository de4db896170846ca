//! One deployment: the lock, a backup, the record, Helm, and what is looked at afterwards.

use std::{path::Path, time::SystemTime};

use anyhow::{Context as _, ensure};
use serde_json::json;

use super::{Row, failed};
use crate::{
    hub::{
        database,
        lease::{self, Holder, Lease},
        record::{Outcome, Record},
    },
    run::{failure, printable, process::Permit, terminal, text_file},
    task::{
        Session,
        shared::{
            hub_finish,
            hub_plan::{Plan, Ready},
            hub_record, hub_smoke,
            hub_target::Hub,
        },
    },
    tools::helm::Upgrade,
};

/// A deployment that Helm begins.
pub(super) struct Deployment<'a> {
    pub(super) session: &'a Session,
    pub(super) permit: Permit,
    pub(super) hub: &'a Hub,
    pub(super) ready: &'a Ready,
    pub(super) lease: Lease,
    pub(super) record: Record,
}

/// Deploys what `plan` says; a dry run prints the commands.
///
/// # Errors
/// This machine lacks a program. A deployment that fails is a row.
pub(super) fn deploy(session: &Session, plan: &Plan) -> anyhow::Result<Row> {
    let ready = plan.ready.as_ref().context("a plan without refusals is ready")?;
    let Some(permit) = session.permit else {
        print_commands(session, &plan.hub, ready)?;
        return Ok(Row::of(plan, "planned", None, 0));
    };
    match started(session, permit, plan, ready) {
        Ok(mut deployment) => {
            let status = deployment.run();
            Ok(Row::of_record(plan, deployment.record, status))
        }
        Err(err) if failure::status(&err) == 1 => {
            session.ui.say(format!("{}: the release was not changed: {err:#}", plan.hub.name()));
            let reason = hub_finish::reason(&err);
            Ok(Row::of(plan, "not deployed", Some(reason), 1))
        }
        Err(err) => Err(err),
    }
}

/// Takes the lock, backs up the database and opens the record.
fn started<'a>(
    session: &'a Session,
    permit: Permit,
    plan: &'a Plan,
    ready: &'a Ready,
) -> anyhow::Result<Deployment<'a>> {
    let hub = &plan.hub;
    if !ready.has_namespace {
        hub.cluster.change(permit, &hub.cluster.create_cmd(&namespace(hub)))?;
    }
    let lease = lease::take(permit, &hub.cluster, &hub.target.release, &holder(&ready.record))?;
    let newest = ready.helm.history()?.last().map_or(0, |it| it.revision);
    ensure!(
        newest == ready.newest,
        "{}: revision {newest} was made after the checks, which saw {}\n    fix: run the task again",
        hub.name(),
        ready.newest
    );
    let mut record = Record { started: hub_record::now(), ..ready.record.clone() };
    if ready.needs_backup {
        record.backup = Some(backup(session, permit, hub, ready)?);
    }
    hub_finish::store(session, permit, hub, &record)?;
    Ok(Deployment { session, permit, hub, ready, lease, record })
}

fn backup(session: &Session, permit: Permit, hub: &Hub, ready: &Ready) -> anyhow::Result<String> {
    let progress = session.ui.progress(&format!("backup {}", hub.name()));
    progress.step("copying the database");
    let script = text_file::read_text(&session.checkout.root, Path::new(database::SCRIPT))?;
    let live = ready.hub.as_ref().context("the live hub has no Deployment `hub`")?;
    let name = database::name(SystemTime::now());
    let cmd = database::backup_cmd(&hub.cluster, live, &script, &name)?;
    let backup = database::backup(permit, &hub.cluster, &cmd)?;
    ensure!(backup.name == name, "the backup has another name than `{name}`");
    session.ui.say(format!("{}: backup {name}, {} bytes", hub.name(), backup.bytes));
    Ok(name)
}

impl Deployment<'_> {
    /// Changes the release, completes the record whatever happens, and returns the exit status.
    fn run(&mut self) -> u8 {
        let status = self.changed().unwrap_or_else(|err| {
            self.session.ui.say(format!("{}: {err:#}", self.hub.name()));
            self.record.result = Outcome::Failed;
            self.record.reason = Some(hub_finish::reason(&err));
            failure::status(&err)
        });
        self.record.finished = Some(hub_record::now());
        if let Err(err) = hub_finish::store(self.session, self.permit, self.hub, &self.record) {
            self.session.ui.say(format!("{}: {err:#}", self.hub.name()));
            return status.max(1);
        }
        status
    }

    /// Runs Helm, and looks at the hub.
    ///
    /// # Errors
    /// Helm was not started: nothing was changed.
    fn changed(&mut self) -> anyhow::Result<u8> {
        let upgrade = upgrade(self.hub, &self.record, self.ready.newest == 0);
        let values = self.ready.values.json().to_string();
        let cmd = self.ready.helm.upgrade_cmd(&self.ready.archive, values, &upgrade);
        let is_first = self.record.previous.is_none();
        let Deployment { session, permit, hub, ready, lease, .. } = &*self;
        let watched =
            hub_finish::carry_out(session, *permit, hub, &ready.helm, &cmd, is_first, lease)?;
        Ok(match &watched.ended {
            Ok(()) => self.tested(),
            Err(err) => failed::recover(self, &watched, err),
        })
    }

    /// Runs the smoke test on the new revision, which is live.
    fn tested(&mut self) -> u8 {
        self.record.live = Some(self.record.revision);
        let reason = self.record.reasons.no_smoke.clone();
        let tested = hub_finish::smoke(self.session, self.hub, reason.as_deref(), &mut self.record);
        let tested = tested.and_then(|()| hub_finish::require_smoke(self.hub, &self.record));
        match tested {
            Ok(()) => 0,
            Err(err) => {
                self.session.ui.say(format!("{err:#}"));
                failure::status(&err)
            }
        }
    }
}

/// Prints the commands of a deployment.
fn print_commands(session: &Session, hub: &Hub, ready: &Ready) -> anyhow::Result<()> {
    let record = &ready.record;
    if !ready.has_namespace {
        terminal::print(hub.cluster.create_cmd(&namespace(hub)));
    }
    lease::print(session.ui, &hub.cluster, &hub.target.release, &holder(record))?;
    if ready.needs_backup {
        let live = ready.hub.as_ref().context("the live hub has no Deployment `hub`")?;
        let name = database::name(SystemTime::now());
        terminal::print(database::backup_cmd(&hub.cluster, live, "", &name)?);
    }
    hub_finish::print_store(hub, record)?;
    let values = ready.values.json().to_string();
    let upgrade = upgrade(hub, record, ready.newest == 0);
    terminal::print(ready.helm.upgrade_cmd(&ready.archive, values, &upgrade));
    session.ui.say("wait for `deploy/hub`, `deploy/proxy` and the hub's answer");
    if record.reasons.no_smoke.is_none() {
        hub_smoke::run(session, &hub.cluster)?;
    }
    hub_finish::print_store(hub, record)
}

fn namespace(hub: &Hub) -> serde_json::Value {
    let labels = json!({"app.kubernetes.io/managed-by": "xtask"});
    let metadata = json!({"name": hub.target.namespace, "labels": labels});
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
}

fn holder(record: &Record) -> Holder {
    Holder {
        name: hub_record::name(&record.by),
        commit: record.git.commit.clone().unwrap_or_default(),
        action: "deploy".to_owned(),
    }
}

/// Returns what Helm stores beside the revision.
fn upgrade(hub: &Hub, record: &Record, is_first: bool) -> Upgrade {
    let by = hub_record::name(&record.by);
    let commit = record.git.commit.clone().unwrap_or_default();
    let tag = record.images.first().and_then(|it| it.reference.split('@').next()?.rsplit_once(':'));
    let flag = |it: &Option<String>| it.as_ref().map(|_| "yes".to_owned());
    let labels = [
        ("xtask-by", Some(by.clone())),
        ("xtask-commit", Some(commit.clone())),
        ("xtask-environment", Some(record.environment.clone())),
        ("xtask-mission", Some(record.mission.clone())),
        ("xtask-tag", tag.map(|it| it.1.to_owned())),
        ("xtask-dirty", flag(&record.reasons.dirty)),
        ("xtask-untested", flag(&record.reasons.untested)),
    ];
    let labels = labels.into_iter().filter_map(|(key, value)| {
        let value = value.map(|it| label(&it)).filter(|it| !it.is_empty());
        // A label of an earlier revision would stay.
        let value = value.or_else(|| (!is_first).then(|| "null".to_owned()))?;
        Some((key.to_owned(), value))
    });
    let commit: String = commit.chars().take(12).collect();
    let description = format!("deployed by {by} from {commit}");
    Upgrade {
        timeout: hub.target.timeout,
        labels: labels.collect(),
        description: printable::line(&description).chars().take(200).collect(),
    }
}

/// Returns `text` as the value of a label: at most 63 letters, digits, `-`, `_` and `.`, with a letter or
/// digit at both ends. <https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/>
fn label(text: &str) -> String {
    let is_plain = |it: char| it.is_ascii_alphanumeric();
    let text = text.split(" <").next().unwrap_or_default();
    let kept = |it: char| if is_plain(it) || "-_.".contains(it) { it } else { '-' };
    let text: String = text.chars().map(kept).take(63).collect();
    text.trim_matches(|it| !is_plain(it)).to_owned()
}

#[test]
fn values_of_labels() {
    assert_eq!(label("Ada Lovelace <ada@example.org>"), "Ada-Lovelace");
    assert_eq!(label("-é-"), "");
    assert_eq!(label(&"a".repeat(70)).len(), 63);
    assert_eq!(label(&format!("{}-dirty", "0".repeat(40))).len(), 46);
}
