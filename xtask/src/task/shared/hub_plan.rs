//! The plan of a deployment: what would be deployed, whether it may be, and what would change. Making
//! one changes nothing.

mod origin;
mod cluster;
mod promotion;

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::{
    hub::{
        database, gate, history,
        lock::Lock,
        preflight::{self, Database, Newest, Row},
        record::{self, Action, JupyterHub, Reasons, Record, digest},
        render::{self, Manifests},
        values::{Node, Values},
    },
    run::{failure, unified},
    task::{
        MissionConfig, Session,
        shared::{
            hub_chart,
            hub_images::{self as images, Source},
            hub_live, hub_record,
            hub_target::Hub,
            hub_values::{self, Secrets},
        },
    },
    tools::helm::{Helm, Revision, Status},
};

use cluster::Facts;

pub(crate) use promotion::Promotion;

/// A planned deployment.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) hub: Hub,
    /// Checks, in the order in which they were made.
    pub(crate) rows: Vec<Row>,
    /// Revision that is live, where that is known.
    pub(crate) live: Option<u32>,
    /// What the deployment needs; `None` if a check failed on which others depend.
    pub(crate) ready: Option<Ready>,
}

/// What a deployment needs.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) helm: Helm,
    pub(crate) archive: PathBuf,
    pub(crate) values: Values,
    /// Number of the newest revision; 0 for a first deployment.
    pub(crate) newest: u32,
    pub(crate) has_namespace: bool,
    /// The live Deployment `hub`.
    pub(crate) hub: Option<Value>,
    pub(crate) needs_backup: bool,
    /// The record as it is opened.
    pub(crate) record: Record,
    pub(crate) summary: Vec<String>,
    /// Difference from the live release, without secrets; empty without one.
    pub(crate) diff: String,
}

impl Plan {
    pub(crate) fn is_refused(&self) -> bool {
        self.ready.is_none() || preflight::is_refused(&self.rows)
    }
}

/// Plans to deploy the working tree, or what `promotion` says.
///
/// # Errors
/// The values are not valid, or this machine lacks a program. What is wrong with the cluster or the
/// images is a row.
pub(crate) fn read(
    session: &Session,
    of: MissionConfig,
    environment: String,
    reasons: &Reasons,
    promotion: Option<&Promotion>,
) -> anyhow::Result<Plan> {
    let (values, lock) = match promotion {
        Some(it) => (it.values(session, &of, &environment)?, it.lock(session)?),
        None => {
            let values = hub_values::read(session, &of, &environment, Secrets::Merged)?;
            (values, hub_chart::read(session)?)
        }
    };
    let hub = Hub::new(session, of, environment, &values)?;
    let mut planner =
        Planner { session, hub: &hub, lock, reasons, promotion, rows: Vec::new(), live: None };
    let ready = planner.ready(values)?;
    let Planner { rows, live, .. } = planner;
    Ok(Plan { hub, rows, live, ready })
}

/// The cluster and the release before a deployment.
struct Start {
    facts: Facts,
    helm: Helm,
    /// Number of the newest revision; 0 without one.
    newest: u32,
    /// When it was made.
    updated: String,
    /// The revision that is live.
    live: Option<u32>,
    is_pending: bool,
}

/// The manifests of a deployment.
struct Rendered {
    /// As the cluster would get them.
    documents: Vec<serde_yaml::Value>,
    /// Without secrets: of the live release, and of the new one.
    old: Option<Manifests>,
    new: Manifests,
}

impl Rendered {
    /// Returns what changes, in short and as a difference.
    fn changes(&self, release: &str) -> anyhow::Result<(Vec<String>, String)> {
        let Some(mut old) = self.old.clone() else {
            let text = "first deployment: the hub and its database are made".to_owned();
            return Ok((vec![text], String::new()));
        };
        // What a hook made stays, or is gone already.
        old.retain(|name, it| !render::is_hook(it) || self.new.contains_key(name));
        let name = format!("{release}.yaml");
        let diff =
            unified::diff(Path::new(&name), Some(&render::text(&old)?), &render::text(&self.new)?);
        Ok((render::summary(&old, &self.new), diff))
    }
}

struct Planner<'a> {
    session: &'a Session,
    hub: &'a Hub,
    lock: Lock,
    reasons: &'a Reasons,
    promotion: Option<&'a Promotion>,
    rows: Vec<Row>,
    live: Option<u32>,
}

impl Planner<'_> {
    /// Makes all checks, those first on which others depend.
    fn ready(&mut self, values: Values) -> anyhow::Result<Option<Ready>> {
        let archive = self.lock.archive().map_err(failure::request);
        if self.checked("chart", archive)?.is_none() {
            return Ok(None);
        }
        let Some(start) = self.start()? else { return Ok(None) };
        let git = self.git(&values)?;
        let no_smoke = self.reasons.no_smoke.as_deref();
        let (has_token, has_auth_state) = (values.has_smoke_token(), values.has_auth_state());
        self.rows.push(preflight::smoke(has_token, has_auth_state, no_smoke));
        let Some(source) = self.checked("registry", images::source(self.session, self.hub))? else {
            return Ok(None);
        };
        self.rows.push(source.row(self.hub));
        let Some(values) = self.with_image(&source, values)? else { return Ok(None) };
        let Some(users) = self.users(&source, &values)? else { return Ok(None) };
        // Dry runs of Helm fail then.
        if start.is_pending {
            return Ok(None);
        }
        let Some(archive) = self.archive()? else { return Ok(None) };
        let Some(rendered) = self.rendered(&start, &archive, &values)? else { return Ok(None) };
        self.objects(&start.facts, &rendered, &values)?;
        let existing = source.existing(&rendered.new, &values)?;
        self.rows.push(preflight::existing(&existing, &users.references()));
        let nodes = start.facts.nodes.as_ref().map_err(String::as_str);
        self.rows.push(preflight::platforms(&users.platforms, nodes));
        self.rows.push(preflight::volumes(rendered.old.as_ref(), &rendered.new));
        let hub = self.hub.cluster.get("deployment", "hub")?;
        let jupyterhub = self.jupyterhub(&users, &values, start.live, hub.as_ref());
        self.rows.push(preflight::jupyterhub(&users.versions, jupyterhub.new.as_deref()));
        let (needs_backup, backup) = self.database(&values, &jupyterhub, &start, hub.as_ref())?;
        let record = Record {
            backup,
            images: users.recorded,
            git,
            values: digest::values(&values),
            jupyterhub,
            ..self.opened(&start)?
        };
        let (mut summary, diff) = rendered.changes(&record.release)?;
        let Start { helm, newest, facts, live, .. } = start;
        if live.is_some() {
            render::after_failure(&mut summary, newest, live);
        }
        let has_namespace = facts.has_namespace;
        Ok(Some(Ready {
            helm,
            archive,
            values,
            newest,
            has_namespace,
            hub,
            needs_backup,
            record,
            summary,
            diff,
        }))
    }

    /// Looks at the cluster and at the release.
    fn start(&mut self) -> anyhow::Result<Option<Start>> {
        let Some(facts) = self.checked("cluster", Facts::read(self.hub))? else { return Ok(None) };
        let helm = Helm::find(&self.hub.cluster, &self.hub.target.release, &facts.server)?;
        let Some(history) = self.checked("release", helm.history())? else { return Ok(None) };
        let is_pending = self.release(&history)?;
        facts.rows(self.hub, &mut self.rows);
        self.rows.push(preflight::kubernetes(self.lock.kube_version.as_deref(), &facts.server));
        // Another cluster gets no secrets: its dry run would be sent all objects.
        let is_other = |it: &Row| it.what == "cluster" && it.state == preflight::State::Refused;
        if self.rows.iter().any(is_other) {
            return Ok(None);
        }
        let newest = history.last().map_or(0, |it| it.revision);
        let live = history.iter().rfind(|it| it.status == Status::Deployed);
        self.live = live.map(|it| it.revision);
        let updated = history.last().map(|it| it.updated.clone()).unwrap_or_default();
        Ok(Some(Start { live: self.live, facts, helm, newest, updated, is_pending }))
    }

    /// Returns the record as far as no check adds to it.
    fn opened(&self, start: &Start) -> anyhow::Result<Record> {
        let (revision, live) = (start.newest + 1, start.live);
        let opened = hub_record::opened(
            self.session,
            self.hub,
            &start.helm,
            Action::Deploy,
            revision,
            live,
        )?;
        Ok(Record {
            live,
            reasons: self.reasons.clone(),
            chart: self.chart(),
            from: self.promotion.map(Promotion::from),
            ..opened
        })
    }

    /// Renders the chart beside the live release.
    fn rendered(
        &mut self,
        Start { helm, live, .. }: &Start,
        archive: &Path,
        values: &Values,
    ) -> anyhow::Result<Option<Rendered>> {
        let documents = helm.render(archive, values.json().to_string());
        let Some(documents) = self.checked("helm", documents)? else { return Ok(None) };
        self.rows.push(Row::ok("helm", "renders the chart with these values"));
        let old = live.map(|it| helm.manifests(it)).transpose();
        let Some(old) = self.checked("live release", old)? else { return Ok(None) };
        let old = old.map(render::shown).transpose()?;
        let new = render::shown(documents.clone())?;
        Ok(Some(Rendered { documents, old, new }))
    }

    /// Returns the result; for a failure of the cluster or a registry, a row instead.
    fn checked<T>(
        &mut self,
        what: &'static str,
        result: anyhow::Result<T>,
    ) -> anyhow::Result<Option<T>> {
        match result {
            Ok(it) => Ok(Some(it)),
            Err(err) if matches!(failure::status(&err), 1 | 2) => {
                let text = format!("{err:#}");
                let (detail, fix) =
                    text.split_once("\n    fix: ").unwrap_or((&text, "see the message"));
                self.rows.push(Row::refused(what, detail, fix));
                Ok(None)
            }
            Err(err) => Err(err),
        }
    }

    /// Adds the row about the newest revision, and returns whether it is pending.
    fn release(&mut self, history: &[Revision]) -> anyhow::Result<bool> {
        let unlock = format!("cargo xtask hub-rollback {} --unlock", self.hub.args());
        let Some(newest) = history.last() else {
            self.rows.push(preflight::release(None, &unlock));
            return Ok(false);
        };
        let is_pending = newest.status.is_pending();
        let by =
            if is_pending { hub_live::holder(self.hub, newest.revision)? } else { String::new() };
        let newest = Newest {
            revision: newest.revision,
            status: newest.status.to_string(),
            updated: newest.updated.clone(),
            by,
        };
        self.rows.push(preflight::release(Some(&newest), &unlock));
        Ok(is_pending)
    }

    /// Returns the values with the newest certified image of the mission where no layer sets one.
    fn with_image(&mut self, source: &Source, values: Values) -> anyhow::Result<Option<Values>> {
        if values.has_image() {
            return Ok(Some(values));
        }
        let image = match self.promotion {
            Some(it) => it.image(&self.hub.of.mission.name, &source.registries),
            None => source.newest(self.hub),
        };
        let image = self.checked("images", image)?;
        Ok(image.map(|it| values.with_image(&it)))
    }

    /// Returns what the record keeps of the repositories, with a row for each; those of a promoted
    /// release are in its record.
    fn git(&mut self, values: &Values) -> anyhow::Result<record::Git> {
        let origin = match self.promotion {
            Some(it) => return Ok(it.record.git.clone()),
            None => origin::read(self.session, self.hub, self.reasons, &mut self.rows)?,
        };
        Ok(origin.git(values))
    }

    /// Lets the images through the gate that users can start.
    fn users(&mut self, source: &Source, values: &Values) -> anyhow::Result<Option<images::Users>> {
        let named = gate::images(values);
        let Some(users) = self.checked("tests", source.users(self.hub, &named))? else {
            return Ok(None);
        };
        if let Some(it) = self.promotion {
            self.rows.push(it.row(values));
        }
        let untested = self.reasons.untested.as_deref();
        let decision = gate::decide(&named, &users.certified, &gate::exceptions(values), untested);
        let decision = decision.as_ref().map_err(Vec::as_slice);
        self.rows.push(preflight::tested(decision, &users.problems));
        self.rows.push(preflight::pull_secret(&values.pull_secrets()));
        Ok(Some(users))
    }

    /// Returns the chart's archive; a dry run downloads none.
    fn archive(&mut self) -> anyhow::Result<Option<PathBuf>> {
        let path = match self.session.permit {
            Some(permit) => hub_chart::archive(self.session, permit, &self.lock).map(Some),
            None => hub_chart::cached(self.session, &self.lock),
        };
        let Some(path) = self.checked("chart", path)? else { return Ok(None) };
        let Some(path) = path else {
            let why = "the cache lacks the locked chart, and a dry run downloads none";
            self.rows.push(Row::unchecked("chart", why));
            return Ok(None);
        };
        let sha256 = self.lock.sha256.clone().unwrap_or_default();
        let name = format!("{} {}, sha256 {}", self.lock.name, self.lock.version, &sha256[..12]);
        self.rows.push(Row::ok("chart", name));
        Ok(Some(path))
    }

    /// Asks the cluster about rights, Secrets, and the objects themselves.
    fn objects(
        &mut self,
        facts: &Facts,
        rendered: &Rendered,
        values: &Values,
    ) -> anyhow::Result<()> {
        const WHAT: &str = "kubernetes accepts";
        let cluster = &self.hub.cluster;
        let access: Vec<_> = preflight::access(&rendered.new).into_iter().collect();
        if let Some(answers) = self.checked("permissions", cluster.can(&access))? {
            let denied = access.iter().zip(answers).filter(|it| !it.1);
            let denied: Vec<String> = denied.map(|it| it.0.to_string()).collect();
            self.rows.push(preflight::permissions(access.len(), &denied));
        }
        let mut named = preflight::secrets_of_manifests(&rendered.new);
        named.extend(preflight::secrets_of_values(values));
        if let Some(row) = cluster::secrets(self.hub, facts, &named) {
            let row = self.checked("secrets", row)?;
            self.rows.extend(row);
        }
        if !facts.has_namespace {
            self.rows.push(Row::unchecked(WHAT, "the namespace does not exist yet"));
            return Ok(());
        }
        let objects = cluster::objects(&rendered.documents)?;
        if let Some(refusals) = self.checked(WHAT, cluster.try_apply(&objects))? {
            let said: Vec<&str> = refusals.iter().map(|it| it.said.as_str()).collect();
            let answer = if said.is_empty() { Ok(()) } else { Err(said.join("\n")) };
            self.rows.push(preflight::accepted(
                WHAT,
                &format!("{} objects", objects.len()),
                answer,
            ));
        }
        Ok(())
    }

    /// Returns the versions of JupyterHub in the new and the live hub, where they are known.
    fn jupyterhub(
        &self,
        users: &images::Users,
        values: &Values,
        live: Option<u32>,
        hub: Option<&Value>,
    ) -> JupyterHub {
        let previous = live.and_then(|it| self.live_jupyterhub(it));
        let image = gate::images(values).helpers.into_iter().find(|it| it.key == "hub.image");
        let new = match image.map(|it| it.reference) {
            None => Some(self.lock.app_version.clone()),
            Some(it) if hub.is_some_and(|hub| hub_live::image(hub) == Some(&it)) => {
                previous.clone()
            }
            Some(it) => users.hub_versions.get(&it).cloned(),
        };
        JupyterHub { new, previous }
    }

    /// Returns the version of the live hub: what it says, or what its record says.
    fn live_jupyterhub(&self, revision: u32) -> Option<String> {
        hub_live::jupyterhub(self.hub).or_else(|| {
            let records = self.hub.records().ok()?;
            records.by_revision.get(&revision)?.as_ref().ok()?.jupyterhub.new.clone()
        })
    }

    /// Adds the row about the database, and returns whether it is backed up first, or else its backup of before.
    fn database(
        &mut self,
        values: &Values,
        versions: &JupyterHub,
        start: &Start,
        hub: Option<&Value>,
    ) -> anyhow::Result<(bool, Option<String>)> {
        let is_first = start.live.is_none();
        let kind = values.get("hub.db.type").and_then(Node::text).unwrap_or("sqlite-pvc");
        let major = |it: &Option<String>| it.as_deref().and_then(preflight::major);
        let is_step = match (major(&versions.previous), major(&versions.new)) {
            (Some(from), Some(to)) => from < to,
            // Its hub may be a newer one.
            (Some(_), None) => true,
            (None, _) => false,
        };
        let is_step = is_step && !is_first && database::kind(values) == database::Kind::Volume;
        let kept = if is_step { self.kept_backup(start, hub)? } else { None };
        self.rows.push(preflight::database(Database {
            live: versions.previous.as_deref(),
            is_first,
            new: versions.new.as_deref(),
            kind,
            kept: kept.as_deref(),
            backup_done: self.reasons.backup_done.as_deref(),
        }));
        Ok((is_step && kept.is_none(), kept))
    }

    /// Returns the backup of before the newest revision, if that one failed and its hub does not run, so that it can
    /// make no other one.
    fn kept_backup(&self, start: &Start, hub: Option<&Value>) -> anyhow::Result<Option<String>> {
        let is_ready = hub.is_some_and(|it| it["status"]["readyReplicas"].as_u64() > Some(0));
        if start.live == Some(start.newest) || is_ready {
            return Ok(None);
        }
        let records = self.hub.records()?;
        let newest = records.by_revision.get(&start.newest).and_then(|it| it.as_ref().ok());
        let newest = newest.filter(|it| history::is_about(it, &start.updated));
        Ok(newest.and_then(|it| it.backup.clone()))
    }

    fn chart(&self) -> record::Chart {
        let Lock { name, version, app_version, sha256, .. } = &self.lock;
        record::Chart {
            name: name.clone(),
            version: version.clone(),
            sha256: sha256.clone().unwrap_or_default(),
            app_version: app_version.clone(),
        }
    }
}
