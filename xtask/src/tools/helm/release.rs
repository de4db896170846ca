//! A release in a cluster: what Helm knows of it, and how it is changed.

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    run::process::{self, Beside, Change, Cmd, Output, Patience, Permit, cmd, query},
    tools::kubectl::Cluster,
};

use super::{HelmFailure, Reason, WHOLE, documents, prepared, require};

/// Revisions that Helm keeps: each is a Secret of about 100 kB.
pub(crate) const HISTORY: u32 = 20;

/// Status of a revision: <https://pkg.go.dev/helm.sh/helm/v3/pkg/release#Status>
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Status {
    Deployed,
    Superseded,
    Failed,
    PendingInstall,
    PendingUpgrade,
    PendingRollback,
    Uninstalling,
    Uninstalled,
    #[serde(other)]
    Unknown,
}

/// Prints the status as Helm does, such as `pending-upgrade`.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Status::Deployed => "deployed",
            Status::Superseded => "superseded",
            Status::Failed => "failed",
            Status::PendingInstall => "pending-install",
            Status::PendingUpgrade => "pending-upgrade",
            Status::PendingRollback => "pending-rollback",
            Status::Uninstalling => "uninstalling",
            Status::Uninstalled => "uninstalled",
            Status::Unknown => "unknown",
        })
    }
}

impl Status {
    /// Returns whether an operation is running, or was killed.
    pub(crate) fn is_pending(self) -> bool {
        matches!(self, Status::PendingInstall | Status::PendingUpgrade | Status::PendingRollback)
    }
}

/// A revision in Helm's history.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Revision {
    pub(crate) revision: u32,
    /// Time of the last change, RFC 3339.
    pub(crate) updated: String,
    pub(crate) status: Status,
    /// Name and version of the chart, such as `jupyterhub-4.4.0`.
    pub(crate) chart: String,
    /// Version of JupyterHub in that chart.
    pub(crate) app_version: String,
    #[serde(default)]
    pub(crate) description: String,
}

/// What an upgrade stores beside the manifests.
#[derive(Debug, Clone)]
pub(crate) struct Upgrade {
    /// For hooks, and for the wait after them.
    pub(crate) timeout: Duration,
    /// `null` unsets a label of an earlier revision.
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) description: String,
}

/// A release, and the Helm that changes it.
#[derive(Debug, Clone)]
pub(crate) struct Helm {
    pub(crate) cluster: Cluster,
    pub(crate) release: String,
    home: PathBuf,
    /// Such as `v3.17.2`.
    pub(crate) version: String,
    /// Whether Helm 4 must not use server-side apply, which old clusters lack.
    is_client_side: bool,
}

impl Helm {
    /// Returns the installed Helm for `release` in a cluster with this version.
    ///
    /// # Errors
    /// Helm is not installed, or neither 3 nor 4.
    pub(crate) fn find(cluster: &Cluster, release: &str, server: &str) -> anyhow::Result<Helm> {
        require()?;
        let home = cluster.dir.join("target/xtask/helm");
        let version = process::read(&prepared(version_cmd(&cluster.dir), &home))?.trim().to_owned();
        let is_client_side = match numbers(&version) {
            Some((3, _)) => false,
            Some((4, _)) => numbers(server).is_some_and(|it| it < (1, 22)),
            _ => anyhow::bail!("unsupported Helm `{version}`; expected Helm 3 or 4"),
        };
        let (cluster, release) = (cluster.clone(), release.to_owned());
        Ok(Helm { cluster, release, home, version, is_client_side })
    }

    /// Returns the command with the arguments of every command.
    fn with_cluster<E>(&self, mut cmd: Cmd<E>) -> Cmd<E> {
        let Cluster { kubeconfig, context, namespace, .. } = &self.cluster;
        if let Some(it) = kubeconfig {
            cmd = cmd.env("KUBECONFIG", it);
        }
        if let Some(it) = context {
            cmd = cmd.args(["--kube-context", it]);
        }
        prepared(cmd.args(["--namespace", namespace]), &self.home).patience(Patience::Change)
    }

    /// Returns the revisions, oldest first; none if the release does not exist.
    pub(crate) fn history(&self) -> anyhow::Result<Vec<Revision>> {
        let Helm { cluster, release, .. } = self;
        let cmd = query!(cluster.dir, "helm history {release} --output json --max 256");
        let text = match answer(&self.with_cluster(cmd), "helm history") {
            Err(err) if Reason::of_error(&err) == Some(Reason::NotFound) => return Ok(Vec::new()),
            text => text?,
        };
        revisions(&text)
    }

    /// Returns the manifests of a revision, those of hooks included.
    pub(crate) fn manifests(&self, revision: u32) -> anyhow::Result<Vec<serde_yaml::Value>> {
        let Helm { cluster, release, .. } = self;
        let revision = revision.to_string();
        let mut res = Vec::new();
        for part in ["manifest", "hooks"] {
            let cmd = query!(cluster.dir, "helm get {part} {release} --revision {revision}");
            let text = answer(&self.with_cluster(cmd), "helm get")?;
            res.extend(documents(&text).context("`helm get` printed invalid YAML")?);
        }
        Ok(res)
    }

    /// Returns the values that a revision was made from, secrets included.
    pub(crate) fn values(&self, revision: u32) -> anyhow::Result<Value> {
        let Helm { cluster, release, .. } = self;
        let revision = revision.to_string();
        let cmd =
            query!(cluster.dir, "helm get values {release} --revision {revision} --output json");
        let text = answer(&self.with_cluster(cmd), "helm get values")?;
        serde_json::from_str(&text).ok().context("`helm get values` printed invalid JSON")
    }

    /// Returns what an upgrade would send to the cluster, hooks included. Templates see the cluster, so
    /// that tokens that they made once stay as they are.
    pub(crate) fn render(
        &self,
        chart: &Path,
        values: String,
    ) -> anyhow::Result<Vec<serde_yaml::Value>> {
        let Helm { cluster, release, .. } = self;
        let cmd = query!(
            cluster.dir,
            "helm upgrade {release} {chart} --install --reset-values --values - --dry-run=server --output json"
        );
        let cmd = self.client_side(self.with_cluster(cmd)).stdin(values);
        rendered(&answer(&cmd, "helm upgrade --dry-run=server")?)
    }

    /// Returns the command that installs or upgrades the release. A failure is not rolled back.
    pub(crate) fn upgrade_cmd(&self, chart: &Path, values: String, with: &Upgrade) -> Change {
        let Helm { cluster, release, .. } = self;
        let (timeout, history) = (seconds(with.timeout), HISTORY.to_string());
        let description = &with.description;
        let cmd = cmd!(
            cluster.dir,
            "helm upgrade {release} {chart} --install --reset-values --values - --wait --timeout {timeout} --history-max {history} --description {description}"
        );
        let labels = with.labels.iter().map(|(key, value)| format!("{key}={value}"));
        let labels = labels.collect::<Vec<_>>().join(",");
        let cmd = if labels.is_empty() { cmd } else { cmd.args(["--labels", &labels]) };
        self.client_side(self.with_cluster(cmd)).stdin(values)
    }

    /// Returns whether the cluster merges the manifests of the newest revision, as Helm 4 lets it do.
    fn is_applied_by_server(&self) -> anyhow::Result<bool> {
        if self.is_client_side || numbers(&self.version).is_none_or(|it| it.0 < 4) {
            return Ok(false);
        }
        let Helm { cluster, release, .. } = self;
        let cmd = query!(cluster.dir, "helm get metadata {release} --output json");
        let text = answer(&self.with_cluster(cmd), "helm get metadata")?;
        let metadata: Value =
            serde_json::from_str(&text).context("`helm get metadata` printed unexpected JSON")?;
        Ok(metadata["applyMethod"] == "ssa")
    }

    /// Returns the command that makes a new revision like an earlier one, over what others changed by
    /// hand: a hub may have been stopped.
    pub(crate) fn rollback_cmd(&self, revision: u32, timeout: Duration) -> anyhow::Result<Change> {
        let is_forced = self.is_applied_by_server()?;
        let Helm { cluster, release, .. } = self;
        let (revision, timeout) = (revision.to_string(), seconds(timeout));
        let history = HISTORY.to_string();
        let cmd = cmd!(
            cluster.dir,
            "helm rollback {release} {revision} --wait --timeout {timeout} --history-max {history}"
        );
        let cmd =
            if is_forced { cmd.args(["--server-side=true", "--force-conflicts"]) } else { cmd };
        Ok(self.client_side(self.with_cluster(cmd)))
    }

    /// Starts one of the commands above, to look at the cluster meanwhile. It ends by itself: an
    /// interruption is passed on once, since a killed Helm leaves the release locked.
    pub(crate) fn start(&self, permit: Permit, cmd: &Change) -> anyhow::Result<Beside> {
        process::beside(&cmd.permitted(permit))
    }

    /// Fails for a command above that ended with a failure.
    pub(crate) fn finished(&self, cmd: &Change, output: &Output) -> anyhow::Result<()> {
        if output.status == 0 {
            return Ok(());
        }
        Err(HelmFailure::new(&Helm::command(cmd), &output.stderr).into())
    }

    /// Returns a command above in two words, such as `helm upgrade`.
    pub(crate) fn command(cmd: &Change) -> String {
        let line = cmd.to_string();
        let verb =
            ["upgrade", "rollback"].into_iter().find(|it| line.contains(&format!("helm {it} ")));
        format!("helm {}", verb.unwrap_or_default())
    }

    fn client_side<E>(&self, cmd: Cmd<E>) -> Cmd<E> {
        if self.is_client_side { cmd.args(["--server-side=false"]) } else { cmd }
    }
}

fn version_cmd(dir: &Path) -> Cmd {
    let template = "{{.Version}}";
    query!(dir, "helm version --template {template}")
}

/// Returns the standard output of a successful command.
fn answer(cmd: &Cmd, command: &str) -> anyhow::Result<String> {
    let ended = process::output_within(cmd, WHOLE)?;
    let Output { status, stdout, stderr } =
        ended.with_context(|| format!("`{command}` stopped after {} s", WHOLE.as_secs()))?;
    if status == 0 { Ok(stdout) } else { Err(HelmFailure::new(command, &stderr).into()) }
}

fn seconds(time: Duration) -> String {
    format!("{}s", time.as_secs())
}

/// Returns the first two numbers of `v3.17.2`.
fn numbers(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.trim_start_matches('v').split(['.', '+', '-']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn revisions(text: &str) -> anyhow::Result<Vec<Revision>> {
    let mut res: Vec<Revision> =
        serde_json::from_str(text).context("`helm history` printed unexpected JSON")?;
    res.sort_by_key(|it| it.revision);
    Ok(res)
}

/// Returns the manifests of a release as JSON, hooks included.
fn rendered(text: &str) -> anyhow::Result<Vec<serde_yaml::Value>> {
    #[derive(Deserialize)]
    struct Release {
        manifest: String,
        #[serde(default)]
        hooks: Vec<Hook>,
    }
    #[derive(Deserialize)]
    struct Hook {
        manifest: String,
    }
    const WRONG: &str = "`helm upgrade --dry-run=server` printed an unexpected release";
    let release: Release = serde_json::from_str(text).ok().context(WRONG)?;
    let hooks = release.hooks.iter().map(|it| it.manifest.as_str());
    let mut res = Vec::new();
    for text in [release.manifest.as_str()].into_iter().chain(hooks) {
        res.extend(documents(text).context(WRONG)?);
    }
    Ok(res)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn helm() -> Helm {
        let cluster = Cluster {
            dir: "/".into(),
            kubeconfig: Some("/k".to_owned()),
            context: Some("lab".to_owned()),
            namespace: "hello-prod".to_owned(),
        };
        let (release, version) = ("hello-prod".to_owned(), "v4.3.1".to_owned());
        Helm { cluster, release, home: "/h".into(), version, is_client_side: true }
    }

    #[test]
    fn every_command_names_its_cluster_and_no_value() {
        let cmd = version_cmd(Path::new("/")).to_string();
        assert_eq!(cmd, "helm version --template '{{.Version}}'");
        let head = "KUBECONFIG=/k HELM_CONFIG_HOME=/h HELM_CACHE_HOME=/h HELM_DATA_HOME=/h helm";
        let tail = "--kube-context lab --namespace hello-prod";
        let with = Upgrade {
            timeout: Duration::from_secs(600),
            labels: vec![("a".to_owned(), "b".to_owned()), ("c".to_owned(), "null".to_owned())],
            description: "from 1234".to_owned(),
        };
        let cmd = helm().upgrade_cmd(Path::new("/c.tgz"), "secret".to_owned(), &with).to_string();
        assert_eq!(
            cmd,
            format!(
                "{head} upgrade hello-prod /c.tgz --install --reset-values --values - --wait --timeout 600s --history-max 20 --description 'from 1234' --labels a=b,c=null {tail} --server-side=false < …"
            )
        );
        let cmd = helm().rollback_cmd(3, Duration::from_secs(180)).unwrap().to_string();
        assert_eq!(
            cmd,
            format!(
                "{head} rollback hello-prod 3 --wait --timeout 180s --history-max 20 {tail} --server-side=false"
            )
        );
    }

    #[test]
    fn history_is_read_oldest_first() {
        let one = |n: u32, status: &str| {
            format!(
                r#"{{"revision":{n},"updated":"2026-01-01T00:00:00Z","status":"{status}","chart":"jupyterhub-4.4.0","app_version":"5.5.0","description":"x"}}"#
            )
        };
        let text =
            format!("[{},{},{}]", one(3, "odd"), one(2, "pending-upgrade"), one(1, "deployed"));
        let found = revisions(&text).unwrap();
        let statuses: Vec<Status> = found.iter().map(|it| it.status).collect();
        assert_eq!(statuses, [Status::Deployed, Status::PendingUpgrade, Status::Unknown]);
        assert!(statuses[1].is_pending() && !statuses[0].is_pending());
    }

    #[test]
    fn a_dry_run_has_its_hooks() {
        let text = r#"{"name":"x","manifest":"---\nkind: A\n---\n# empty\n---\nkind: B\n","hooks":[{"name":"h","manifest":"kind: C\n"}],"config":{}}"#;
        let kinds: Vec<_> =
            rendered(text).unwrap().into_iter().map(|it| it["kind"].clone()).collect();
        assert_eq!(kinds, ["A", "B", "C"]);
        let err = rendered(r#"{"manifest": 3, "config": "secret"}"#).unwrap_err();
        assert_eq!(
            format!("{err:#}"),
            "`helm upgrade --dry-run=server` printed an unexpected release"
        );
    }

    #[test]
    fn versions() {
        assert_eq!(numbers("v3.17.2"), Some((3, 17)));
        assert_eq!(numbers("v1.20.2-dirty"), Some((1, 20)));
        assert_eq!(numbers("v1.29+x"), Some((1, 29)));
        assert_eq!(numbers("x"), None);
    }
}
