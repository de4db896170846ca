//! Helm, 3 and 4: its command lines. Its output may hold secrets, and is shown as `redact.rs` leaves
//! it. Reference: <https://helm.sh/docs/helm/>.

use std::path::Path;

use anyhow::{Context as _, bail};
use serde::Deserialize as _;

use crate::run::{
    failure::Failure,
    process::{self, Cmd, Output, query},
};

/// Helm's own variables, which could change what a command is about.
const VARIABLES: [&str; 12] = [
    "HELM_BURST_LIMIT",
    "HELM_DEBUG",
    "HELM_DRIVER",
    "HELM_KUBEAPISERVER",
    "HELM_KUBECAFILE",
    "HELM_KUBECONTEXT",
    "HELM_KUBETOKEN",
    "HELM_MAX_HISTORY",
    "HELM_NAMESPACE",
    "HELM_PLUGINS",
    "HELM_REGISTRY_CONFIG",
    "HELM_REPOSITORY_CONFIG",
];

/// Returns the command that renders `chart`, an archive or a folder, without a cluster. `values` is
/// one document, which goes through a pipe; `home` is for Helm's own files.
fn template_cmd(dir: &Path, home: &Path, chart: &Path, release: &str, values: String) -> Cmd {
    let cmd = query!(dir, "helm template {release} {chart} --namespace {release} --values -");
    let home = home.to_string_lossy();
    cmd.stdin(values)
        .without_env(&VARIABLES)
        .env("HELM_CONFIG_HOME", &home)
        .env("HELM_CACHE_HOME", &home)
        .env("HELM_DATA_HOME", &home)
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
    if !process::on_path("helm") {
        let (text, fix) = (
            "helm is not on PATH".to_owned(),
            "install Helm 3 or 4: https://helm.sh/docs/intro/install/".to_owned(),
        );
        return Err(Failure::Machine { text, fix }.into());
    }
    let cmd = template_cmd(dir, home, chart, release, values);
    let Output { status, stdout, stderr } = process::output(&cmd)?;
    if status != 0 {
        bail!("`helm template` failed with status {status}\n{}", process::last_lines(&stderr, 15));
    }
    let documents = serde_yaml::Deserializer::from_str(&stdout).map(serde_yaml::Value::deserialize);
    let documents: Vec<serde_yaml::Value> =
        documents.collect::<Result<_, _>>().ok().context("`helm template` printed invalid YAML")?;
    Ok(documents.into_iter().filter(|it| !it.is_null()).collect())
}
