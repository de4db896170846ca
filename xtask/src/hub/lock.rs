//! The lock of the chart: which archive every hub is deployed from, and what is in it.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    io::Read,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail, ensure};
use flate2::read::GzDecoder;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::secrets::yaml::check_depth;

pub(crate) const LOCK: &str = "common/hub/chart.lock.yaml";

/// Key of the stamp in files that were taken out of an archive; JSON schemas have it for remarks.
pub(crate) const STAMP: &str = "$comment";

/// Most bytes of a chart, unpacked.
const LARGEST: u64 = 20_000_000;

/// Content of the lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Lock {
    /// URL of a classic chart repository.
    pub(crate) repository: String,
    pub(crate) name: String,
    pub(crate) version: String,
    /// Version of JupyterHub.
    pub(crate) app_version: String,
    /// Versions of Kubernetes that the chart supports.
    pub(crate) kube_version: Option<String>,
    /// Of the archive; absent until `hub-chart update` has computed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sha256: Option<String>,
}

impl Lock {
    pub(crate) fn parse(text: &str) -> anyhow::Result<Lock> {
        let lock: Lock = serde_yaml::from_str(text).context(LOCK)?;
        let is_name = |it: &str| {
            !it.is_empty() && it.chars().all(|c| c.is_ascii_alphanumeric() || ".-+_".contains(c))
        };
        ensure!(is_name(&lock.name) && is_name(&lock.version), "{LOCK}: invalid name or version");
        let is_url =
            lock.repository.starts_with("https://") || lock.repository.starts_with("http://");
        ensure!(is_url, "{LOCK}: `repository` is not an http or https URL");
        Ok(lock)
    }

    pub(crate) fn text(&self) -> anyhow::Result<String> {
        let head = "# Written by `cargo xtask hub-chart update`; only `repository` and `name` are edited by hand\n";
        Ok(format!("{head}{}", serde_yaml::to_string(self)?))
    }

    /// Returns which archive a file was taken out of; `None` if the lock names no archive.
    pub(crate) fn stamp(&self) -> Option<String> {
        let sha256 = self.sha256.as_deref()?;
        Some(format!("{} {}, SHA-256 of the archive {sha256}", self.name, self.version))
    }

    /// Returns the path of the archive below the folder of caches.
    pub(crate) fn archive(&self) -> anyhow::Result<PathBuf> {
        let sha256 = self.sha256.as_deref().with_context(|| {
            format!(
                "{LOCK} has no `sha256`\n    fix: `cargo xtask hub-chart update {}` computes it",
                self.version
            )
        })?;
        let short = sha256.get(..12).with_context(|| format!("{LOCK}: invalid `sha256`"))?;
        Ok(PathBuf::from(format!("charts/{}-{}-{short}.tgz", self.name, self.version)))
    }

    /// Returns the URL of a file of the repository; an absolute URL as it is.
    pub(crate) fn url(&self, file: &str) -> String {
        match file.contains("://") {
            true => file.to_owned(),
            false => format!("{}/{file}", self.repository.trim_end_matches('/')),
        }
    }

    /// Returns the major version of JupyterHub.
    pub(crate) fn major(&self) -> &str {
        self.app_version.split('.').next().unwrap_or_default()
    }
}

/// A version of the chart in its repository.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry {
    pub(crate) version: String,
    pub(crate) app_version: String,
    pub(crate) kube_version: Option<String>,
    pub(crate) digest: Option<String>,
    pub(crate) urls: Vec<String>,
}

/// Returns `version` of the chart `name`, or the newest release, in the text of a repository's
/// index.
pub(crate) fn choose(index: &str, name: &str, version: Option<&str>) -> anyhow::Result<Entry> {
    #[derive(Deserialize)]
    struct Index {
        entries: BTreeMap<String, Vec<serde_yaml::Value>>,
    }
    check_depth(index)?;
    let Index { mut entries } = serde_yaml::from_str(index).context("not an index of charts")?;
    let entries =
        entries.remove(name).with_context(|| format!("no chart `{name}` in its index"))?;
    // Old entries may lack fields that are required today.
    let entries = entries.into_iter().filter_map(|it| Entry::deserialize(it).ok());
    let mut entries: Vec<Entry> = entries.filter(|it| !it.urls.is_empty()).collect();
    entries.sort_by_key(|it| Reverse(numbers(&it.version)));
    let found = match version {
        Some(version) => entries.iter().find(|it| it.version == version),
        None => entries.iter().find(|it| numbers(&it.version).is_some()),
    };
    let newest = || {
        let releases = entries.iter().filter(|it| numbers(&it.version).is_some()).take(5);
        releases.map(|it| it.version.as_str()).collect::<Vec<_>>().join(", ")
    };
    found.cloned().with_context(|| {
        format!(
            "no version {} of `{name}`; the newest are {}",
            version.unwrap_or("of a release"),
            newest()
        )
    })
}

/// Returns the numbers of a release; `None` for a version that is not a release.
fn numbers(version: &str) -> Option<Vec<u64>> {
    version.split('.').map(|it| it.parse().ok()).collect()
}

/// Returns the lock of `entry`, whose archive has this content.
///
/// # Errors
/// The archive is not the one of the index, or not that of the lock so far.
pub(crate) fn locked(old: &Lock, entry: &Entry, archive: &[u8]) -> anyhow::Result<Lock> {
    let sha256 = hex(archive);
    if let Some(digest) =
        entry.digest.as_ref().filter(|it| it.trim_start_matches("sha256:") != sha256)
    {
        bail!(
            "the archive of {} {} has the SHA-256 {sha256}, and the repository's index lists {digest}",
            old.name,
            entry.version
        );
    }
    if let Some(known) =
        old.sha256.as_ref().filter(|it| old.version == entry.version && **it != sha256)
    {
        bail!(
            "the archive of {} {} is not the one of {LOCK}: expected the SHA-256 {known}, found {sha256}\n    fix: ask the chart's authors; to accept the new archive, remove the line `sha256` from {LOCK}",
            old.name,
            entry.version
        );
    }
    Ok(Lock {
        repository: old.repository.clone(),
        name: old.name.clone(),
        version: entry.version.clone(),
        app_version: entry.app_version.clone(),
        kube_version: entry.kube_version.clone(),
        sha256: Some(sha256),
    })
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|it| format!("{it:02x}")).collect()
}

/// Files of a chart that this tool reads.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    pub(crate) schema: Option<String>,
    /// The defaults, as JSON.
    pub(crate) defaults: Option<String>,
}

/// Returns the schema and the defaults in the archive of a chart, with its stamp in each.
pub(crate) fn parts(lock: &Lock, archive: &[u8]) -> anyhow::Result<Parts> {
    let mut tar = tar::Archive::new(GzDecoder::new(archive).take(LARGEST));
    let mut res = Parts::default();
    for entry in tar.entries()? {
        let mut entry = entry.context("a damaged archive")?;
        let path = entry.path()?.into_owned();
        let Ok(path) = path.strip_prefix(&lock.name) else { continue };
        let mut text = String::new();
        if [Path::new("values.schema.json"), Path::new("values.yaml")].contains(&path) {
            entry.read_to_string(&mut text)?;
        }
        if path == Path::new("values.schema.json") {
            res.schema = Some(stamped(lock, serde_json::from_str(&text)?)?);
        } else if path == Path::new("values.yaml") {
            check_depth(&text)?;
            res.defaults = Some(stamped(lock, serde_yaml::from_str(&text)?)?);
        }
    }
    Ok(res)
}

fn stamped(lock: &Lock, mut json: serde_json::Value) -> anyhow::Result<String> {
    if let (Some(it), Some(stamp)) = (json.as_object_mut(), lock.stamp()) {
        it.insert(STAMP.to_owned(), stamp.into());
    }
    Ok(serde_json::to_string_pretty(&json)? + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const INDEX: &str = "entries:\n  jupyterhub:\n  - {version: 4.10.0, appVersion: 5.6.0, urls: [b.tgz]}\n  - {version: 4.9.0, appVersion: 5.5.0, urls: [a.tgz], digest: x}\n  - {version: 5.0.0-beta.1, appVersion: 6.0.0, urls: [c.tgz]}\n  - {version: 0.1.0}\n";

    fn lock() -> Lock {
        Lock::parse("repository: https://x/y/\nname: jupyterhub\nversion: 4.9.0\nappVersion: 5.5.0\nkubeVersion: null\n").unwrap()
    }

    #[test]
    fn the_newest_release_is_chosen() {
        let version = |it: Option<&str>| choose(INDEX, "jupyterhub", it).map(|it| it.version);
        assert_eq!(version(None).unwrap(), "4.10.0");
        assert_eq!(version(Some("5.0.0-beta.1")).unwrap(), "5.0.0-beta.1");
        let err = version(Some("4.8.0")).unwrap_err().to_string();
        assert_eq!(err, "no version 4.8.0 of `jupyterhub`; the newest are 4.10.0, 4.9.0");
        assert!(
            choose("entries: {}", "jupyterhub", None).is_err() && choose("[", "x", None).is_err()
        );
    }

    #[test]
    fn another_archive_is_refused() {
        let entry = choose(INDEX, "jupyterhub", Some("4.9.0")).unwrap();
        assert!(locked(&lock(), &entry, b"a").unwrap_err().to_string().contains("index lists x"));
        let entry = Entry { digest: None, ..entry };
        let first = locked(&lock(), &entry, b"a").unwrap();
        assert_eq!(locked(&first, &entry, b"a").unwrap(), first);
        let err = locked(&first, &entry, b"b").unwrap_err().to_string();
        assert!(err.contains("is not the one of common/hub/chart.lock.yaml"), "{err}");
        let other = Entry { version: "4.10.0".to_owned(), ..entry };
        assert!(locked(&first, &other, b"b").is_ok());
    }

    #[test]
    fn a_lock_is_read_as_it_is_written() {
        let lock = lock();
        assert_eq!(Lock::parse(&lock.text().unwrap()).unwrap(), lock);
        assert!(lock.archive().unwrap_err().to_string().contains("has no `sha256`"));
        assert_eq!(lock.url("a.tgz"), "https://x/y/a.tgz");
        assert_eq!(lock.url("https://z/a.tgz"), "https://z/a.tgz");
        for text in [
            "",
            "a: b",
            "repository: file:///x\nname: a\nversion: b\nappVersion: c\n",
            "repository: http://x\nname: ../a\nversion: b\nappVersion: c\n",
        ] {
            assert!(Lock::parse(text).is_err(), "{text}");
        }
    }
}
