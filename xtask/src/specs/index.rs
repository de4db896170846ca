//! What a package index tells of a project: versions that can be installed, and their requirements.
//! Formats: <https://packaging.python.org/en/latest/specifications/simple-repository-api/#json-serialization>,
//! <https://packaging.python.org/en/latest/specifications/core-metadata/>. Pure.

use std::{collections::BTreeMap, str::FromStr as _};

use anyhow::Context as _;
use pep440_rs::{Version, VersionSpecifiers};
use serde::Deserialize;

use crate::specs::requirement::{self, Requirement};

/// Media type of a project's page.
pub(crate) const PAGE: &str = "application/vnd.pypi.simple.v1+json";

#[derive(Debug, Deserialize)]
struct Page {
    name: String,
    files: Vec<File>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct File {
    filename: String,
    url: String,
    requires_python: Option<String>,
    /// A reason, or whether.
    #[serde(default)]
    yanked: serde_json::Value,
    /// Digests, or whether there is metadata beside the file.
    #[serde(default)]
    core_metadata: serde_json::Value,
}

/// Final versions of a project that are not withdrawn, each with a URL of its metadata if the index
/// has one.
pub(crate) type Versions = BTreeMap<Version, Option<String>>;

/// Returns the versions on a project's page that can be installed with `python`.
pub(crate) fn versions(page: &[u8], python: &str) -> anyhow::Result<Versions> {
    let page: Page = serde_json::from_slice(page).context("the index's page of the project")?;
    let python = Version::from_str(python).ok();
    let mut res = Versions::new();
    for file in page.files {
        let fits = match (&file.requires_python, &python) {
            (Some(wanted), Some(python)) => {
                VersionSpecifiers::from_str(wanted).is_ok_and(|it| it.contains(python))
            }
            _ => true,
        };
        let is_yanked = file.yanked.as_bool().unwrap_or(!file.yanked.is_null());
        let Some(version) = version(&file.filename, &page.name).filter(|_| fits && !is_yanked)
        else {
            continue;
        };
        if version.any_prerelease() {
            continue;
        }
        let has_metadata = file.core_metadata.as_bool().unwrap_or(!file.core_metadata.is_null());
        let metadata = has_metadata.then(|| format!("{}.metadata", file.url));
        let known = res.entry(version).or_default();
        *known = known.take().or(metadata);
    }
    Ok(res)
}

/// Returns the version in the name of a wheel or a source distribution of `project`, whose versions may
/// have a `-`, as in 1.5-2.
fn version(name: &str, project: &str) -> Option<Version> {
    let text = match name.strip_suffix(".whl") {
        Some(wheel) => wheel.split('-').nth(1)?,
        None => {
            let stem = name.strip_suffix(".tar.gz").or(name.strip_suffix(".zip"))?;
            stem.get(project.len()..)?.strip_prefix('-')?
        }
    };
    Version::from_str(text).ok()
}

/// Returns the requirements in a distribution's metadata; those that cannot be read are left out.
pub(crate) fn requirements(metadata: &[u8]) -> Vec<Requirement> {
    let text = String::from_utf8_lossy(metadata);
    let header = text.lines().take_while(|it| !it.is_empty());
    let lines = header.filter_map(|it| it.strip_prefix("Requires-Dist:"));
    lines.filter_map(|it| requirement::parse(it.trim()).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::{requirements, versions};

    #[test]
    fn only_what_can_be_installed() {
        let page = serde_json::json!({ "name": "a", "files": [
            { "filename": "a-1.0-py3-none-any.whl", "url": "https://h/a-1.0-py3-none-any.whl",
              "core-metadata": { "sha256": "0" } },
            { "filename": "a-1.0.tar.gz", "url": "x", "core-metadata": false },
            { "filename": "a-2.0.tar.gz", "url": "x", "requires-python": ">=3.14" },
            { "filename": "a-3.0.tar.gz", "url": "x", "yanked": "broken" },
            { "filename": "a-4.0rc1.tar.gz", "url": "x", "yanked": false },
            { "filename": "a-0.9.zip", "url": "x", "requires-python": ">=3.9", "yanked": false },
            { "filename": "a-0.9-20131022.tar.gz", "url": "x" },
            { "filename": "a.exe", "url": "x" },
        ] });
        let found = versions(page.to_string().as_bytes(), "3.13.5").unwrap();
        let found: Vec<_> = found.iter().map(|(a, b)| (a.to_string(), b.clone())).collect();
        let metadata = "https://h/a-1.0-py3-none-any.whl.metadata".to_owned();
        let older = ["0.9", "0.9.post20131022"].map(|it| (it.to_owned(), None));
        assert_eq!(found[..2], older);
        assert_eq!(found[2..], [("1.0".to_owned(), Some(metadata))]);
        assert!(versions(b"<html>", "3.13.5").is_err());
    }

    #[test]
    fn requirements_of_a_distribution() {
        let text = b"Name: a\nRequires-Dist: numpy<2.6,>=1.25\nRequires-Dist: ???\nRequires-Dist: b; extra == 'x'\n\nRequires-Dist: c\n";
        let names: Vec<_> = requirements(text).into_iter().map(|it| it.name).collect();
        assert_eq!(names, ["numpy", "b"]);
    }
}
