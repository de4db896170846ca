//! The record of a release: images, state of the checkout, tests, the smoke test, and who deployed it.
//! A ConfigMap in the hub's namespace has one record for each revision.

pub(crate) mod digest;

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::run::redact;

/// Version of the format that is read and written here.
const VERSION: u32 = 1;

/// Most records of a release: as many revisions as Helm is told to keep.
pub(crate) const KEPT: usize = 20;

/// Value of the ConfigMap, which `docs/release.schema.json` describes for other programs. All fields
/// are always present.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    /// Version of this format.
    pub(crate) record: u32,
    pub(crate) release: String,
    pub(crate) namespace: String,
    pub(crate) cluster: Cluster,
    pub(crate) mission: String,
    pub(crate) environment: String,
    /// Revision of Helm that this run makes. A run that failed before Helm made the revision leaves
    /// its record until the next run makes it.
    pub(crate) revision: u32,
    /// Revision that was live before.
    pub(crate) previous: Option<u32>,
    pub(crate) action: Action,
    /// RFC 3339, UTC.
    pub(crate) started: String,
    pub(crate) finished: Option<String>,
    pub(crate) result: Outcome,
    /// Why the run failed; one line.
    pub(crate) reason: Option<String>,
    /// Revision that was live at the end, if one was.
    pub(crate) live: Option<u32>,
    /// Images that users can start.
    pub(crate) images: Vec<Image>,
    pub(crate) reasons: Reasons,
    pub(crate) git: Git,
    pub(crate) chart: Chart,
    pub(crate) values: Digests,
    pub(crate) jupyterhub: JupyterHub,
    pub(crate) tools: Tools,
    pub(crate) by: By,
    /// `None` as long as no smoke test ran.
    pub(crate) smoke: Option<Smoke>,
    /// Name of the database's backup that was made before.
    pub(crate) backup: Option<String>,
    /// Release that was promoted.
    pub(crate) from: Option<From>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cluster {
    pub(crate) context: Option<String>,
    /// As `xtask.cluster.identity` pins it.
    pub(crate) identity: Option<String>,
    /// Version of the server.
    pub(crate) version: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Action {
    Deploy,
    Rollback,
    /// A release that a killed Helm left pending was unlocked.
    Heal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    /// The run has not ended, or was killed.
    Started,
    /// The revision is live, and its smoke test passed or was left out.
    Deployed,
    /// The revision is live, and its smoke test failed.
    SmokeFailed,
    Failed,
    /// The revision failed, and the previous one is live again.
    RolledBack,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Image {
    /// `None` for an image of others.
    pub(crate) mission: Option<String>,
    /// As nodes pull it, with its digest.
    pub(crate) reference: String,
    /// The receipt, if one certifies the image.
    pub(crate) receipt: Option<ReceiptOf>,
}

/// Excerpt of an image's receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReceiptOf {
    /// SHA-256 of the receipt's text, 64 hex digits.
    pub(crate) sha256: String,
    /// Digest of the image's config.
    pub(crate) config: String,
    pub(crate) inputs: String,
    pub(crate) platform: String,
    pub(crate) commit: String,
    /// Version of JupyterHub in the image; empty without one.
    pub(crate) jupyterhub: String,
    pub(crate) tests_passed: usize,
    pub(crate) tests_run: usize,
    pub(crate) tested: String,
}

/// Reasons of the user for what is not done or not required.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reasons {
    pub(crate) untested: Option<String>,
    pub(crate) dirty: Option<String>,
    pub(crate) no_smoke: Option<String>,
    pub(crate) backup_done: Option<String>,
}

/// State of the checkout.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Git {
    /// 40 hex digits, followed by `-dirty` if files differ from the commit; `None` outside of git.
    pub(crate) commit: Option<String>,
    pub(crate) remote: Option<String>,
    pub(crate) branch: Option<String>,
    /// SHA-256 of the difference to the commit.
    pub(crate) diff: Option<String>,
    /// Commit of the secrets repository; `None` for a hub without one.
    pub(crate) secrets_commit: Option<String>,
    /// SHA-256 of the keys of the secrets, without values.
    pub(crate) secrets_keys: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Chart {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) sha256: String,
    pub(crate) app_version: String,
}

/// Digests of the values that Helm got.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Digests {
    /// SHA-256 of the values without secrets.
    pub(crate) sha256: String,
    /// HMAC-SHA-256 of all values with one of the secrets as its key, so that two releases can be
    /// compared and no secret can be guessed; `None` without such a secret.
    pub(crate) hmac: Option<String>,
}

/// Versions of the hub's JupyterHub, where they are known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct JupyterHub {
    pub(crate) new: Option<String>,
    /// Version of the hub that was live before.
    pub(crate) previous: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tools {
    /// Commit of this tool, which is a part of the checkout.
    pub(crate) xtask: Option<String>,
    pub(crate) helm: Option<String>,
    pub(crate) kubectl: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct By {
    /// Name in git's configuration.
    pub(crate) git: Option<String>,
    /// User of the cluster, where the server tells.
    pub(crate) cluster: Option<String>,
    /// Address of the CI run.
    pub(crate) run: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Smoke {
    pub(crate) passed: bool,
    pub(crate) steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    pub(crate) step: String,
    pub(crate) seconds: f64,
}

/// A record of another environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct From {
    pub(crate) environment: String,
    pub(crate) revision: u32,
}

impl JupyterHub {
    /// Returns whether the database of the new hub can be opened by the previous one: both major
    /// versions are known and equal.
    pub(crate) fn is_same_major(&self) -> bool {
        let major = |it: &Option<String>| {
            it.as_deref()?.trim_start_matches('v').split('.').next()?.parse::<u32>().ok()
        };
        major(&self.new).is_some_and(|it| major(&self.previous) == Some(it))
    }
}

impl Record {
    pub(crate) const VERSION: u32 = VERSION;

    /// Parses a record.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Record> {
        let version: Value = serde_json::from_str(text).context("the record is not valid JSON")?;
        let version = version["record"].as_u64().unwrap_or_default();
        ensure!(version == u64::from(VERSION), "unsupported record version {version}");
        serde_json::from_str(&redact::json(text)).context("not a valid record")
    }

    pub(crate) fn to_json(&self) -> anyhow::Result<String> {
        let text = serde_json::to_string(self).context("a record is plain data")?;
        Ok(redact::json(&text))
    }
}

/// Returns the name of the ConfigMap.
pub(crate) fn name(release: &str) -> String {
    format!("{release}-releases")
}

/// Returns the records of a ConfigMap by revision, each with the reason why it cannot be read.
pub(crate) fn records(config_map: &Value) -> BTreeMap<u32, anyhow::Result<Record>> {
    let data = config_map["data"].as_object();
    let entries = data.into_iter().flatten().filter_map(|(key, text)| {
        let revision = key.parse().ok()?;
        Some((revision, Record::parse(text.as_str().unwrap_or_default())))
    });
    entries.collect()
}

/// Returns the ConfigMap with `record`, and without the oldest ones over [`KEPT`]. `live` is the
/// ConfigMap of the cluster, whose resource version keeps another writer's change from being lost.
pub(crate) fn with(live: Option<&Value>, record: &Record) -> anyhow::Result<Value> {
    let mut data: BTreeMap<u32, String> = BTreeMap::new();
    let entries = live.and_then(|it| it["data"].as_object()).into_iter().flatten();
    for (key, text) in entries {
        if let (Ok(revision), Some(text)) = (key.parse(), text.as_str()) {
            data.insert(revision, text.to_owned());
        }
    }
    data.insert(record.revision, record.to_json()?);
    while data.len() > KEPT {
        data.pop_first();
    }
    let data: BTreeMap<String, String> =
        data.into_iter().map(|(key, text)| (key.to_string(), text)).collect();
    let labels = json!({"app.kubernetes.io/managed-by": "xtask"});
    let mut metadata =
        json!({"name": name(&record.release), "namespace": record.namespace, "labels": labels});
    if let Some(version) = live.and_then(|it| it["metadata"]["resourceVersion"].as_str()) {
        metadata["resourceVersion"] = version.into();
    }
    Ok(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}))
}

#[cfg(test)]
pub(crate) mod tests;
