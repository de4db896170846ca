//! A hub in a cluster: its release, who deployed what, and its users' servers.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, bail};
use serde::Serialize;
use serde_json::Value;

use super::drift;
use crate::{
    hub::{
        drift::Difference,
        gate,
        history::{self, Entry},
        render::{self, Manifests},
        servers::{self, OfImage, Server},
        values::Values,
    },
    run::{printable, terminal, ui},
    task::{
        Session,
        args::HubStatus,
        shared::{hub_finish, hub_target::Hub},
    },
    tools::helm::{Helm, Revision, Status as State},
};

/// Output of `--json`.
#[derive(Debug, Serialize)]
struct Status {
    release: String,
    namespace: String,
    context: String,
    /// The revision that is live, with its record.
    live: Entry,
    /// The newest revision, if that is another one.
    newest: Option<Entry>,
    workloads: Vec<Workload>,
    /// Whether the hub answers.
    healthy: bool,
    /// Images that users get who start a server now.
    images: BTreeSet<String>,
    servers: Vec<Server>,
    servers_by_image: Vec<OfImage>,
    /// Differences of git, record and cluster; `None` unless they were looked for.
    drift: Option<Vec<Difference>>,
}

#[derive(Debug, Serialize)]
struct Workload {
    name: &'static str,
    /// Image of the container with the same name.
    image: String,
    ready: u64,
    wanted: u64,
}

/// The live release.
pub(super) struct Release {
    pub(super) hub: Hub,
    pub(super) helm: Helm,
    pub(super) live: Entry,
    /// As Helm keeps them.
    pub(super) documents: Vec<serde_yaml::Value>,
    /// Without secrets.
    pub(super) manifests: Manifests,
}

pub(super) fn run(session: &Session, args: &HubStatus) -> anyhow::Result<u8> {
    let hub = Hub::read(session, args.mission.as_deref(), args.env.as_deref())?;
    hub.check_identity()?;
    let helm = hub.helm()?;
    let history = helm.history()?;
    let live = live(&hub, &history)?;
    let documents = helm.manifests(live)?;
    let mut entries = history::joined(&history, hub.records()?.by_revision);
    let newest = history.last().map_or(live, |it| it.revision);
    let mut take = |revision: u32| {
        let at = entries.iter().position(|it| it.revision == revision);
        at.map(|it| entries.remove(it))
    };
    let entry = take(live).context("the history has the live revision")?;
    let newest = if newest == live { None } else { take(newest) };
    let manifests = render::shown(documents.clone())?;
    let release = Release { hub, helm, live: entry, documents, manifests };
    let drift = args.drift.then(|| drift::differences(session, &release)).transpose()?;
    let status = status(release, newest, drift)?;
    match session.flags.json {
        true => terminal::json(&status)?,
        false => print(session, &status),
    }
    let has_drift = status.drift.as_ref().is_some_and(|it| !it.is_empty());
    Ok(u8::from(!status.healthy || has_drift))
}

/// Returns the number of the live revision: the last one that was deployed.
fn live(hub: &Hub, history: &[Revision]) -> anyhow::Result<u32> {
    let live = history.iter().rfind(|it| it.status == State::Deployed);
    match (live, history.last()) {
        (Some(it), _) => Ok(it.revision),
        (None, None) => bail!(
            "{}: not deployed: no release {} in the namespace {}\n    fix: `cargo xtask hub-deploy {}`",
            hub.name(),
            hub.target.release,
            hub.target.namespace,
            hub.args()
        ),
        (None, Some(it)) if it.status.is_pending() => bail!(
            "{}: no revision was ever deployed; revision {} is {}\n    fix: wait for that run; if it was killed, `cargo xtask hub-rollback {} --unlock`",
            hub.name(),
            it.revision,
            it.status,
            hub.args()
        ),
        (None, Some(it)) => bail!(
            "{}: no revision was ever deployed; revision {} is {}\n    fix: correct what failed, and run `cargo xtask hub-deploy {}` again",
            hub.name(),
            it.revision,
            it.status,
            hub.args()
        ),
    }
}

fn status(
    release: Release,
    newest: Option<Entry>,
    drift: Option<Vec<Difference>>,
) -> anyhow::Result<Status> {
    let Release { hub, live, manifests, .. } = release;
    let cluster = &hub.cluster;
    let images = images(&manifests);
    let servers = servers::servers(&cluster.list("pods", Some(servers::SELECTOR))?, &images);
    let workload = |name: &'static str| -> anyhow::Result<Workload> {
        Ok(Workload::of(name, &cluster.get("deployment", name)?.unwrap_or_default()))
    };
    let workloads = vec![workload("hub")?, workload("proxy")?];
    Ok(Status {
        context: cluster.current_context()?,
        healthy: workloads.iter().all(Workload::is_ready) && hub_finish::answers(&hub).is_ok(),
        servers_by_image: servers::by_image(&servers),
        release: hub.target.release,
        namespace: hub.target.namespace,
        live,
        newest,
        workloads,
        images,
        servers,
        drift,
    })
}

/// Returns the images that users get, by the values in the hub's Secret: those that were deployed, over
/// the chart's own.
fn images(manifests: &Manifests) -> BTreeSet<String> {
    let values = manifests.get("Secret/hub").map(|it| &it["data"]["values.yaml"]);
    let values = Values::stored(values.unwrap_or(&Value::Null));
    gate::images(&values).users.into_iter().map(|it| printable::line(&it.reference)).collect()
}

impl Workload {
    fn of(name: &'static str, deployment: &Value) -> Workload {
        let containers = deployment["spec"]["template"]["spec"]["containers"].as_array();
        let mut containers = containers.into_iter().flatten();
        let own = containers.find(|it| it["name"] == name || it["name"] == "chp");
        let image = own.and_then(|it| it["image"].as_str()).unwrap_or_default();
        Workload {
            name,
            image: printable::line(image),
            ready: deployment["status"]["readyReplicas"].as_u64().unwrap_or_default(),
            wanted: deployment["spec"]["replicas"].as_u64().unwrap_or_default(),
        }
    }

    fn is_ready(&self) -> bool {
        self.wanted > 0 && self.ready >= self.wanted
    }
}

fn print(session: &Session, status: &Status) {
    let lines = lines(status, SystemTime::now());
    let rows: Vec<Vec<String>> =
        lines.into_iter().map(|(key, it)| vec![key.to_owned(), it]).collect();
    let text = ui::table(&["RELEASE", &status.release], &rows);
    terminal::print(text.trim_end());
    if !status.servers_by_image.is_empty() {
        let row = |it: &OfImage| {
            let image = if it.old_image { "older" } else { "current" };
            vec![it.servers.to_string(), image.to_owned(), it.image.clone()]
        };
        let rows: Vec<Vec<String>> = status.servers_by_image.iter().map(row).collect();
        terminal::print(format!("\n{}", ui::table(&["SERVERS", "IS", "IMAGE"], &rows).trim_end()));
    }
    if let Some(it) = servers::old(&status.servers) {
        session.ui.say(it);
    }
    let Some(drift) = &status.drift else { return };
    if drift.is_empty() {
        session.ui.say("working tree, record, release and cluster agree");
        return;
    }
    let row = |it: &Difference| vec![it.between.to_owned(), it.place.clone(), it.detail.clone()];
    let rows: Vec<Vec<String>> = drift.iter().map(row).collect();
    terminal::print(format!(
        "\n{}",
        ui::table(&["BETWEEN", "PLACE", "DIFFERENCE"], &rows).trim_end()
    ));
}

/// Returns what is known of the release, a line each.
fn lines(status: &Status, now: SystemTime) -> Vec<(&'static str, String)> {
    let live = &status.live;
    let mut res = vec![
        ("namespace", format!("{}, context {}", status.namespace, status.context)),
        ("revision", format!("{}, {}", live.revision, live.what())),
        ("since", since(live, now)),
    ];
    if let Some(it) = &live.record {
        let branch = it.git.branch.as_ref().map(|it| format!(", {it}")).unwrap_or_default();
        res.push(("by", history::by(it)));
        res.push(("commit", format!("{}{branch}", history::commit(it))));
        res.push(("tests", history::tests(it)));
        res.push(("smoke test", history::smoke(it).to_owned()));
    }
    if let (Some(chart), Some(version)) = (&live.chart, &live.app_version) {
        res.push(("chart", format!("{chart}, JupyterHub {version}")));
    }
    res.extend(status.images.iter().map(|it| ("image", it.clone())));
    for it in &status.workloads {
        res.push((it.name, format!("{} of {} ready, {}", it.ready, it.wanted, it.image)));
    }
    let health = if status.healthy { "answers" } else { "does not answer" };
    res.push(("health", health.to_owned()));
    if let Some(it) = &status.newest {
        let state = it.status.map(|it| it.to_string()).unwrap_or_default();
        let what = format!(
            "revision {} is {state} since {}; objects may be of both revisions",
            it.revision,
            it.when()
        );
        res.push(("newest", what));
    }
    res.push(("servers", status.servers.len().to_string()));
    res
}

fn since(live: &Entry, now: SystemTime) -> String {
    let age = history::time(&live.updated).and_then(|it| now.duration_since(it).ok());
    let age = age.map(|it| {
        let unit = if it.as_secs() < 60 { 1 } else { 60 };
        let rounded = Duration::from_secs(it.as_secs() / unit * unit);
        format!(" ({} ago)", humantime::format_duration(rounded))
    });
    format!("{}{}", live.when(), age.unwrap_or_default())
}
