//! Helm, 3 and 4: its command lines, output formats and failures. Its output may hold secrets: it is
//! parsed, and of failures the last lines are shown as `redact.rs` leaves them. Reference:
//! <https://helm.sh/docs/helm/>.

mod failure;
mod release;

use std::{path::Path, time::Duration};

use anyhow::{Context as _, bail};
use serde::Deserialize as _;

use crate::run::{
    failure::Failure,
    process::{self, Change, Cmd, Output, cmd, query},
};

pub(crate) use failure::{HelmFailure, Reason};
pub(crate) use release::{Helm, Revision, Status, Upgrade};

/// Helm's own variables, which could change what a command is about.
const VARIABLES: [&str; 19] = [
    "HELM_BURST_LIMIT",
    "HELM_CONTENT_CACHE",
    "HELM_DEBUG",
    "HELM_DRIVER",
    "HELM_KUBEAPISERVER",
    "HELM_KUBEASGROUPS",
    "HELM_KUBEASUSER",
    "HELM_KUBECAFILE",
    "HELM_KUBECONTEXT",
    "HELM_KUBEINSECURE_SKIP_TLS_VERIFY",
    "HELM_KUBETLS_SERVER_NAME",
    "HELM_KUBETOKEN",
    "HELM_MAX_HISTORY",
    "HELM_NAMESPACE",
    "HELM_PLUGINS",
    "HELM_QPS",
    "HELM_REGISTRY_CONFIG",
    "HELM_REPOSITORY_CACHE",
    "HELM_REPOSITORY_CONFIG",
];

/// Time a command that only reads has as a whole; a server's dry run asks for each object.
const WHOLE: Duration = Duration::from_secs(300);

/// Adds what every command has: none of Helm's own variables, and `home` for its files.
fn prepared<E>(cmd: Cmd<E>, home: &Path) -> Cmd<E> {
    let home = home.to_string_lossy();
    cmd.without_env(&VARIABLES)
        .env("HELM_CONFIG_HOME", &home)
        .env("HELM_CACHE_HOME", &home)
        .env("HELM_DATA_HOME", &home)
        .finding("clusters")
}

/// Returns the command that renders `chart`, an archive or a folder, without a cluster. `values` is
/// one document, which goes through a pipe; `home` is for Helm's own files.
fn template_cmd(dir: &Path, home: &Path, chart: &Path, release: &str, values: String) -> Cmd {
    let cmd = query!(dir, "helm template {release} {chart} --namespace {release} --values -");
    prepared(cmd, home).stdin(values)
}

/// Fails if Helm is not installed.
pub(crate) fn require() -> anyhow::Result<()> {
    if process::on_path("helm") {
        return Ok(());
    }
    let (text, fix) = (
        "helm is not on PATH".to_owned(),
        "install Helm 3 or 4: https://helm.sh/docs/intro/install/".to_owned(),
    );
    Err(Failure::Machine { text, fix }.into())
}

/// Returns the manifests, without empty ones.
///
/// # Errors
/// Helm is not installed, or refuses the chart or the values.
pub(crate) fn template(
    dir: &Path,
    home: &Path,
    chart: &Path,
    release: &str,
    values: String,
) -> anyhow::Result<Vec<serde_yaml::Value>> {
    require()?;
    let cmd = template_cmd(dir, home, chart, release, values);
    let Output { status, stdout, stderr } = process::output(&cmd)?;
    if status != 0 {
        bail!("`helm template` failed with status {status}\n{}", process::last_lines(&stderr, 15));
    }
    documents(&stdout).context("`helm template` printed invalid YAML")
}

/// Returns the documents of `text`, without empty ones; `None` if it is not valid YAML. The message of
/// a YAML error may quote its input.
fn documents(text: &str) -> Option<Vec<serde_yaml::Value>> {
    let documents = serde_yaml::Deserializer::from_str(text).map(serde_yaml::Value::deserialize);
    let documents: Vec<serde_yaml::Value> = documents.collect::<Result<_, _>>().ok()?;
    Some(documents.into_iter().filter(|it| !it.is_null()).collect())
}

/// Returns the command that packages the chart in the folder `chart` as `version`, into `target`.
pub(crate) fn package(dir: &Path, chart: &Path, version: &str, target: &Path) -> Change {
    cmd!(dir, "helm package {chart} --version {version} --destination {target}")
}
