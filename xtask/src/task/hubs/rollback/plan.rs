//! The plan of a rollback: whether the revision can come back, and what that changes.

use std::{fmt::Write as _, path::Path};

use anyhow::Context as _;
use serde_json::Value;

use super::{Release, checks, restore::Restore};
use crate::{
    hub::{
        database, gate,
        preflight::{self, Row},
        record::{self, Action, JupyterHub, Reasons, Record, digest},
        render::{self, Manifests},
        values::Values,
    },
    run::{printable, unified},
    task::{
        Session,
        args::HubRollback,
        shared::{hub_images, hub_live, hub_record},
    },
};

/// A planned rollback.
pub(super) struct Plan {
    pub(super) release: Release,
    /// Revision that comes back.
    pub(super) target: u32,
    pub(super) rows: Vec<Row>,
    summary: Vec<String>,
    /// Difference from the newest revision, without secrets.
    diff: String,
    /// The record as it is opened.
    pub(super) record: Record,
    /// Backup that replaces the database.
    pub(super) restore: Option<Restore>,
    pub(super) no_smoke: Option<String>,
}

/// What Helm keeps for the revision that comes back.
struct Target {
    manifests: Manifests,
    /// Values that were deployed.
    values: Values,
    /// The same over the chart's own, without secrets.
    whole: Values,
}

impl Plan {
    pub(super) fn rollback(
        session: &Session,
        args: &HubRollback,
        release: Release,
        target: u32,
    ) -> anyhow::Result<Plan> {
        Plan::new(session, args, release, target, Action::Rollback)
    }

    /// Plans to unlock the release.
    pub(super) fn heal(
        session: &Session,
        args: &HubRollback,
        release: Release,
        target: u32,
    ) -> anyhow::Result<Plan> {
        Plan::new(session, args, release, target, Action::Heal)
    }

    fn new(
        session: &Session,
        args: &HubRollback,
        release: Release,
        target: u32,
        action: Action,
    ) -> anyhow::Result<Plan> {
        let own = Target::read(&release, target)?;
        let deployment = release.hub.cluster.get("deployment", "hub")?;
        let versions = versions(&release, target, &own, deployment.as_ref());
        let restore = args.restore_db.as_deref().map(|name| {
            let deployment = deployment.clone().context("the hub has no Deployment `hub`")?;
            Restore::new(session, &release.hub, deployment, name)
        });
        let restore = restore.transpose()?;
        let rows = rows(session, args, &release, target, &own, &versions, restore.as_ref())?;
        let newest = render::shown(release.helm.manifests(release.newest.revision)?)?;
        // A rollback runs no hook of an upgrade.
        let newest = render::without_hooks(newest);
        let name = format!("{}.yaml", release.hub.target.release);
        let (old, new) = (render::text(&newest)?, render::text(&own.manifests)?);
        let mut summary = render::summary(&newest, &own.manifests);
        let live = release.live.as_ref().map(|it| it.revision);
        render::after_failure(&mut summary, release.newest.revision, live);
        summary.extend(left(&newest, restore.as_ref()));
        let record = record(session, &release, target, &own, versions, action)?;
        Ok(Plan {
            target,
            rows,
            summary,
            diff: unified::diff(Path::new(&name), Some(&old), &new),
            record,
            restore,
            no_smoke: args.no_smoke.clone(),
            release,
        })
    }

    /// Returns the plan for people.
    pub(super) fn text(&self) -> String {
        let mut res = format!("{}\n{}", self.release.hub.name(), preflight::table(&self.rows));
        res += "\nchanges:\n";
        self.summary.iter().for_each(|it| _ = writeln!(res, "    {it}"));
        if !self.diff.is_empty() {
            let _ = write!(res, "\n{}", self.diff);
        }
        res
    }
}

impl Target {
    fn read(release: &Release, target: u32) -> anyhow::Result<Target> {
        let manifests = render::without_hooks(render::shown(release.helm.manifests(target)?)?);
        let values = Values::stored(&release.helm.values(target)?);
        let whole = Values::stored(
            manifests.get("Secret/hub").map_or(&Value::Null, |it| &it["data"]["values.yaml"]),
        );
        Ok(Target { manifests, values, whole })
    }
}

/// Returns the versions of JupyterHub: of the hub that opened the database last, and of the one that
/// comes back.
fn versions(
    release: &Release,
    target: u32,
    own: &Target,
    deployment: Option<&Value>,
) -> JupyterHub {
    let of = |revision: u32| release.entry(revision)?.record.as_ref()?.jupyterhub.new.clone();
    let image = |it: &Value| hub_live::image(it).map(str::to_owned);
    let previous = hub_live::jupyterhub(&release.hub);
    // A hub that does not answer may have opened the database with its newest version.
    let previous = previous.or_else(|| of(release.newest.revision));
    let is_same_image = deployment
        .and_then(image)
        .is_some_and(|it| own.manifests.get("Deployment/hub").and_then(image) == Some(it));
    let new = of(target).or_else(|| previous.clone().filter(|_| is_same_image));
    JupyterHub { new, previous }
}

fn rows(
    session: &Session,
    args: &HubRollback,
    release: &Release,
    target: u32,
    own: &Target,
    versions: &JupyterHub,
    restore: Option<&Restore>,
) -> anyhow::Result<Vec<Row>> {
    let entry = release.entry(target).context("the history has the revision")?;
    let mut res = vec![state(release), checks::revision(entry)];
    let source = hub_images::source(session, &release.hub)?;
    let existing = source.existing(&own.manifests, &own.values)?;
    let users = gate::images(&own.whole).users.into_iter().map(|it| it.reference).collect();
    res.push(preflight::existing(&existing, &users));
    let records = || release.entries.iter().filter_map(|it| it.record.as_ref());
    let restored = args.restore_db.as_deref();
    res.push(checks::database(&checks::Database {
        kind: database::kind(&own.whole),
        live: versions.previous.as_deref(),
        target: versions.new.as_deref(),
        restore: restored,
        of_backup: restored.and_then(|it| checks::of_backup(records(), it)),
        fitting: checks::fitting(records(), versions.new.as_deref()),
    }));
    if let Some(it) = restore {
        res.push(checks::backup(&it.name, it.known(&release.hub).as_deref()));
    }
    let (has_token, has_auth_state) = (own.values.has_smoke_token(), own.values.has_auth_state());
    res.push(preflight::smoke(has_token, has_auth_state, args.no_smoke.as_deref()));
    Ok(res)
}

/// Returns the row about the newest revision.
fn state(release: &Release) -> Row {
    let newest = &release.newest;
    let detail =
        format!("revision {} is {} since {}", newest.revision, newest.status, newest.updated);
    match &release.live {
        Some(it) if it.revision == newest.revision => Row::ok("release", detail),
        Some(it) => {
            Row::note("release", format!("{detail}; revision {} was live before", it.revision))
        }
        None => Row::note("release", detail),
    }
}

/// Returns what a rollback leaves as it is.
fn left(newest: &Manifests, restore: Option<&Restore>) -> Vec<String> {
    let is_hook = |it: &Value| it["metadata"]["annotations"]["helm.sh/hook"].is_string();
    // Others are removed and made again with each release.
    let is_kept = |it: &Value| is_hook(it) && it["kind"] == "Secret";
    let hooks: Vec<String> =
        newest.iter().filter(|it| is_kept(it.1)).map(|it| printable::line(it.0)).collect();
    let mut res = Vec::new();
    match restore {
        Some(it) => res.push(format!(
            "database: the hub stops, and the backup {} comes back; the database of now is kept as the backup {}",
            it.name, it.kept
        )),
        None => res.push("database: stays as it is, with all users".to_owned()),
    }
    res.push("users' servers and volumes: stay as they are".to_owned());
    if !hooks.is_empty() {
        res.push(format!("stays as it is, since a hook made it: {}", hooks.join(", ")));
    }
    res
}

/// Returns the record of the revision that Helm will make: what it consists of is that of `target`.
fn record(
    session: &Session,
    release: &Release,
    target: u32,
    own: &Target,
    jupyterhub: JupyterHub,
    action: Action,
) -> anyhow::Result<Record> {
    let previous = release.live.as_ref().map(|it| it.revision);
    let revision = release.newest.revision + 1;
    let Release { hub, helm, .. } = release;
    let opened = hub_record::opened(session, hub, helm, action, revision, previous)?;
    let opened = Record { live: previous, jupyterhub, ..opened };
    let Some(of) = release.entry(target).and_then(|it| it.record.as_ref()) else {
        let entry = release.entry(target).context("the history has the revision")?;
        let image = |it: gate::Image<'_>| record::Image {
            mission: None,
            reference: it.reference,
            receipt: None,
        };
        let chart = entry.chart.as_deref().unwrap_or_default();
        let (name, version) = chart.rsplit_once('-').unwrap_or((chart, ""));
        return Ok(Record {
            images: gate::images(&own.whole).users.into_iter().map(image).collect(),
            chart: record::Chart {
                name: name.to_owned(),
                version: version.to_owned(),
                app_version: entry.app_version.clone().unwrap_or_default(),
                sha256: String::new(),
            },
            values: digest::values(&own.values),
            ..opened
        });
    };
    Ok(Record {
        images: of.images.clone(),
        git: of.git.clone(),
        chart: of.chart.clone(),
        values: of.values.clone(),
        reasons: Reasons {
            untested: of.reasons.untested.clone(),
            dirty: of.reasons.dirty.clone(),
            ..Reasons::default()
        },
        from: of.from.clone(),
        ..opened
    })
}
