//! Backups of a deployed hub's database, in its own volume: made in the hub's pod while the hub runs,
//! and put back in a pod of their own while it does not.

use std::{
    fmt, thread,
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context as _, bail, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    hub::values::{Node, Values},
    run::{
        printable,
        process::{self, Change, Patience, Permit},
    },
    tools::kubectl::Cluster,
};

/// Script that is sent to the pods.
pub(crate) const SCRIPT: &str = "common/hub/deployed/database.py";

/// Pod that has the volume while the hub does not run.
pub(crate) const POD: &str = "xtask-database";

/// Time that the pod has to start.
const START: Duration = Duration::from_secs(120);

/// Seconds after which the pod ends, whatever became of this run.
const LIFE: u32 = 1800;

/// Where a hub keeps its users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// SQLite, in a volume of the hub.
    Volume,
    /// SQLite, lost at each restart.
    Memory,
    /// A server that this tool does not reach.
    External,
}

/// Output of `backup`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Backup {
    pub(crate) name: String,
    pub(crate) bytes: u64,
    /// Older backups that were removed.
    pub(crate) removed: Vec<String>,
}

/// Output of `restore`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Restored {
    /// Backup of the database that was in place before.
    pub(crate) replaced: String,
}

/// Output of `list`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Listed {
    names: Vec<String>,
}

/// What the script says about its own failure, after which the database is as it was.
#[derive(Debug)]
struct Unchanged(String);

impl std::error::Error for Unchanged {}

impl fmt::Display for Unchanged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns whether the database is as it was, although `err` ended a restore.
pub(crate) fn is_unchanged(err: &anyhow::Error) -> bool {
    err.downcast_ref::<Unchanged>().is_some()
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Told<T> {
    Failed { error: String },
    Done(T),
}

/// Returns the kind of the database that `values` choose; the chart's default is a volume.
pub(crate) fn kind(values: &Values) -> Kind {
    match values.get("hub.db.type").and_then(Node::text) {
        None | Some("sqlite-pvc") => Kind::Volume,
        Some("sqlite-memory") => Kind::Memory,
        Some(_) => Kind::External,
    }
}

/// Returns the name of a backup that is made at `now`.
pub(crate) fn name(now: SystemTime) -> String {
    let time = humantime::format_rfc3339_seconds(now).to_string();
    let digits: String = time.chars().filter(|it| !"-:".contains(*it)).collect();
    format!("jupyterhub.sqlite.xtask-{digits}")
}

/// Returns whether `text` is the name of a backup.
pub(crate) fn is_name(text: &str) -> bool {
    let Some(time) = text.strip_prefix("jupyterhub.sqlite.xtask-") else { return false };
    let is_digit = |it: char| it.is_ascii_digit();
    time.len() == 16
        && time.char_indices().all(|(n, it)| match n {
            8 => it == 'T',
            15 => it == 'Z',
            _ => is_digit(it),
        })
}

/// Returns the command that makes the backup `name` in the pod of the hub; `hub` is its Deployment.
pub(crate) fn backup_cmd(
    cluster: &Cluster,
    hub: &Value,
    script: &str,
    name: &str,
) -> anyhow::Result<Change> {
    let folder = folder(hub)?;
    let args = ["python3", "-", "backup", &folder, name];
    Ok(cluster.exec_cmd("deploy/hub", "hub", &args, script.to_owned()))
}

/// Makes a backup by [`backup_cmd`].
///
/// # Errors
/// The volume has no space, the copy is damaged, or the hub's pod cannot be reached.
pub(crate) fn backup(permit: Permit, cluster: &Cluster, cmd: &Change) -> anyhow::Result<Backup> {
    run(permit, cluster, cmd).context("the hub's database cannot be backed up")
}

/// Returns the backups, newest first, as the pod of the hub sees them; `hub` is its Deployment.
pub(crate) fn names(cluster: &Cluster, hub: &Value, script: &str) -> anyhow::Result<Vec<String>> {
    let args = ["python3", "-", "list", &folder(hub)?];
    let text = cluster.read_by("deploy/hub", "hub", &args, script.to_owned())?;
    let listed = told::<Listed>(text.trim()).context("the script printed no list")?;
    Ok(listed?.names.into_iter().filter(|it| is_name(it)).collect())
}

/// Returns the command that puts the backup `name` in the database's place, in the pod of [`pod`]. The
/// database that is there becomes the backup `kept`.
pub(crate) fn restore_cmd(
    cluster: &Cluster,
    hub: &Value,
    script: &str,
    name: &str,
    kept: &str,
) -> anyhow::Result<Change> {
    let folder = folder(hub)?;
    let args = ["python3", "-", "restore", &folder, name, kept];
    Ok(cluster.exec_cmd(&format!("pod/{POD}"), "database", &args, script.to_owned()))
}

/// Restores a backup by [`restore_cmd`].
pub(crate) fn restore(permit: Permit, cluster: &Cluster, cmd: &Change) -> anyhow::Result<Restored> {
    run(permit, cluster, cmd).context("the hub's database cannot be restored")
}

fn run<T: serde::de::DeserializeOwned>(
    permit: Permit,
    cluster: &Cluster,
    cmd: &Change,
) -> anyhow::Result<T> {
    let mut last = String::new();
    let (status, stderr) =
        cluster.exec(permit, cmd, Patience::Change, &mut |line| line.clone_into(&mut last))?;
    told(&last).with_context(|| {
        let said = printable::line(&process::last_lines(&stderr, 1));
        format!("the script ended with status {status}: {said}")
    })?
}

/// Returns the result in the script's last line; `None` without one.
fn told<T: serde::de::DeserializeOwned>(line: &str) -> Option<anyhow::Result<T>> {
    match serde_json::from_str(line).ok()? {
        Told::Failed { error } => Some(Err(Unchanged(printable::line(&error)).into())),
        Told::Done(it) => Some(Ok(it)),
    }
}

/// Returns the volume with the database in the pods of a Deployment, and where it is mounted.
fn volume(hub: &Value) -> anyhow::Result<(&Value, &Value)> {
    let spec = &hub["spec"]["template"]["spec"];
    let volumes = spec["volumes"].as_array().into_iter().flatten();
    let volume = volumes.into_iter().find(|it| it["persistentVolumeClaim"].is_object());
    let volume = volume.context("the hub has no volume with a database")?;
    let mounts = container(hub)?["volumeMounts"].as_array().into_iter().flatten();
    let mount = mounts.into_iter().find(|it| it["name"] == volume["name"]);
    Ok((volume, mount.context("the hub's container does not mount its volume")?))
}

fn container(hub: &Value) -> anyhow::Result<&Value> {
    let containers = hub["spec"]["template"]["spec"]["containers"].as_array();
    let hub = containers.into_iter().flatten().find(|it| it["name"] == "hub");
    hub.context("the Deployment `hub` has no container `hub`")
}

fn folder(hub: &Value) -> anyhow::Result<String> {
    let path = volume(hub)?.1["mountPath"].as_str();
    Ok(path.context("the hub's volume has no path")?.to_owned())
}

/// Returns the pod that has the volume of the Deployment `hub`, its image and its rights, and does
/// nothing by itself.
pub(crate) fn pod(hub: &Value) -> anyhow::Result<Value> {
    let (volume, mount) = volume(hub)?;
    let own = container(hub)?;
    let sleep = format!("import time; time.sleep({LIFE})");
    let mut spec = json!({
        "restartPolicy": "Never",
        "activeDeadlineSeconds": LIFE,
        "terminationGracePeriodSeconds": 1,
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        "volumes": [volume],
        "containers": [{
            "name": "database",
            "image": own["image"],
            "command": ["python3", "-c", sleep],
            "volumeMounts": [mount],
        }],
    });
    let template = &hub["spec"]["template"]["spec"];
    for name in ["securityContext", "nodeSelector", "tolerations", "affinity", "imagePullSecrets"] {
        if !template[name].is_null() {
            spec[name] = template[name].clone();
        }
    }
    for name in ["securityContext", "imagePullPolicy", "resources"] {
        if !own[name].is_null() {
            spec["containers"][0][name] = own[name].clone();
        }
    }
    let labels = json!({"app.kubernetes.io/managed-by": "xtask", "component": POD});
    let metadata = json!({"name": POD, "labels": labels});
    Ok(json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}))
}

/// Waits until the pod of [`pod`] runs.
pub(crate) fn wait_for_pod(cluster: &Cluster) -> anyhow::Result<()> {
    let deadline = Instant::now() + START;
    loop {
        let pod = cluster.get("pod", POD)?.context("the pod with the hub's volume is gone")?;
        if is_running(&pod)? {
            return Ok(());
        }
        ensure!(
            Instant::now() < deadline,
            "the pod with the hub's volume did not start in {} s: {}",
            START.as_secs(),
            waiting(&pod)
        );
        process::check_interrupted()?;
        thread::sleep(Duration::from_secs(1));
    }
}

fn is_running(pod: &Value) -> anyhow::Result<bool> {
    let status = &pod["status"];
    match status["phase"].as_str() {
        Some("Running") => Ok(status["containerStatuses"][0]["ready"] == true),
        Some("Failed" | "Succeeded") => bail!("the pod with the hub's volume ended"),
        _ => Ok(false),
    }
}

fn waiting(pod: &Value) -> String {
    let state = &pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"];
    let phase = &pod["status"]["phase"];
    printable::line(state.as_str().or(phase.as_str()).unwrap_or("unknown"))
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::hub::values::{Layer, Source};

    #[test]
    fn names_sort_by_time_and_are_recognised() {
        let name = name(UNIX_EPOCH + Duration::from_secs(1_764_219_845));
        assert_eq!(name, "jupyterhub.sqlite.xtask-20251127T050405Z");
        assert!(is_name(&name));
        for text in [
            "jupyterhub.sqlite",
            "../jupyterhub.sqlite.xtask-20251127T050405Z",
            "jupyterhub.sqlite.xtask-20251127T050405",
            "jupyterhub.sqlite.xtask-20251127T05040ZZ",
            "jupyterhub.sqlite.xtask-20251127T05040é",
        ] {
            assert!(!is_name(text), "{text}");
        }
    }

    #[test]
    fn kinds_of_databases() {
        let of = |text: &str| {
            let source = Source { file: "prod.yaml".into(), is_secret: false };
            kind(&Values::merged(vec![Layer { source, text: text.to_owned() }]).unwrap())
        };
        assert_eq!(of("hub: {}\n"), Kind::Volume);
        assert_eq!(of("hub: {db: {type: sqlite-pvc}}\n"), Kind::Volume);
        assert_eq!(of("hub: {db: {type: sqlite-memory}}\n"), Kind::Memory);
        assert_eq!(of("hub: {db: {type: postgres}}\n"), Kind::External);
    }

    #[test]
    fn lines_of_the_script() {
        let line = r#"{"name": "a", "bytes": 4096, "removed": ["b"]}"#;
        let backup = Backup { name: "a".to_owned(), bytes: 4096, removed: vec!["b".to_owned()] };
        assert_eq!(told::<Backup>(line).unwrap().unwrap(), backup);
        let failed = told::<Backup>(r#"{"error": "no space"}"#).unwrap();
        let err = failed.unwrap_err().context("the hub's database cannot be restored");
        assert!(is_unchanged(&err) && format!("{err:#}").ends_with(": no space"));
        assert!(!is_unchanged(&anyhow::anyhow!("the script ended")));
        assert!(told::<Backup>("Traceback").is_none() && told::<Backup>("").is_none());
    }

    #[test]
    fn the_pod_has_the_volume_and_the_rights_of_the_hub() {
        let hub = json!({"spec": {"template": {"spec": {
            "securityContext": {"fsGroup": 1000},
            "serviceAccountName": "hub",
            "imagePullSecrets": [{"name": "pull"}],
            "volumes": [
                {"name": "secret", "secret": {"secretName": "hub"}},
                {"name": "pvc", "persistentVolumeClaim": {"claimName": "hub-db-dir"}},
            ],
            "containers": [{
                "name": "hub", "image": "h:1", "env": [{"name": "TOKEN", "value": "x"}],
                "securityContext": {"runAsUser": 1000},
                "volumeMounts": [
                    {"name": "secret", "mountPath": "/etc/x"},
                    {"name": "pvc", "mountPath": "/srv/jupyterhub", "subPath": "a"},
                ],
            }],
        }}}});
        let pod = pod(&hub).unwrap();
        let spec = &pod["spec"];
        assert_eq!(spec["volumes"], json!([hub["spec"]["template"]["spec"]["volumes"][1]]));
        let container = &spec["containers"][0];
        assert_eq!((&container["image"], &container["env"]), (&json!("h:1"), &Value::Null));
        assert_eq!(container["volumeMounts"][0]["subPath"], "a");
        assert_eq!(container["securityContext"]["runAsUser"], 1000);
        assert_eq!(spec["securityContext"]["fsGroup"], 1000);
        assert_eq!(spec["imagePullSecrets"][0]["name"], "pull");
        assert_eq!((&spec["serviceAccountName"], &spec["affinity"]), (&Value::Null, &Value::Null));
        assert_eq!(folder(&hub).unwrap(), "/srv/jupyterhub");
        let memory = json!({"spec": {"template": {"spec": {"containers": [{"name": "hub"}]}}}});
        let err = super::pod(&memory).unwrap_err().to_string();
        assert_eq!(err, "the hub has no volume with a database");
    }

    #[test]
    fn states_of_the_pod() {
        let pod = |phase: &str, ready: bool| json!({"status": {"phase": phase, "containerStatuses": [{"ready": ready}]}});
        assert!(is_running(&pod("Running", true)).unwrap());
        assert!(!is_running(&pod("Running", false)).unwrap());
        assert!(!is_running(&pod("Pending", false)).unwrap());
        assert!(is_running(&pod("Failed", false)).is_err());
        let pending = json!({"status": {"phase": "Pending", "containerStatuses": [
            {"state": {"waiting": {"reason": "ErrImagePull"}}}
        ]}});
        assert_eq!(waiting(&pending), "ErrImagePull");
        assert_eq!(waiting(&json!({})), "unknown");
    }
}
