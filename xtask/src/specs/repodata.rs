//! What a conda channel tells of packages: their builds, and what these depend on.
//! Format: <https://docs.conda.io/projects/conda-build/en/stable/concepts/generating-index.html>. Pure.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::specs::conda::{MatchSpec, Version};

/// Names of the index of a folder of a channel: the first one has the newest versions, and is not in
/// every channel.
pub(crate) const FILES: [&str; 2] = ["current_repodata.json", "repodata.json"];

/// Virtual packages of other systems than Linux.
const OTHER_SYSTEMS: [&str; 2] = ["__osx", "__win"];

/// Longest version that counts.
const LONGEST_VERSION: usize = 100;

/// A package file of a channel.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Build {
    name: String,
    pub(crate) version: String,
    /// Match specs of required packages.
    #[serde(default)]
    depends: Vec<String>,
    /// Match specs of packages that are not required.
    #[serde(default)]
    constrains: Vec<String>,
}

/// Builds by the names of their packages.
pub(crate) type Builds = BTreeMap<String, Vec<Build>>;

#[derive(Deserialize)]
struct Index<'a> {
    #[serde(borrow)]
    packages: BTreeMap<String, &'a RawValue>,
    #[serde(borrow, default, rename = "packages.conda")]
    conda: BTreeMap<String, &'a RawValue>,
}

/// Returns the builds of the packages `names` in an index. Entries that cannot be read are left out.
///
/// # Errors
/// The text is not an index of a channel.
pub(crate) fn parse(index: &[u8], names: &BTreeSet<String>) -> anyhow::Result<Builds> {
    let index: Index<'_> = serde_json::from_slice(index).context("not an index of a channel")?;
    let mut res = Builds::new();
    for (file, entry) in index.packages.iter().chain(&index.conda) {
        // `numpy-2.1.0-py313_0.conda`. An index has many thousands.
        let Some(name) = file.rsplitn(3, '-').nth(2).filter(|it| names.contains(*it)) else {
            continue;
        };
        let build: Option<Build> = serde_json::from_str(entry.get()).ok();
        let is_usable = |it: &Build| {
            it.name == name
                && it.version.len() <= LONGEST_VERSION
                && Version::parse(&it.version).is_some()
        };
        res.entry(name.to_owned()).or_default().extend(build.filter(is_usable));
    }
    Ok(res)
}

impl Build {
    /// Returns whether it can be installed on Linux, and beside this Python if one is given.
    pub(crate) fn fits(&self, python: Option<&str>) -> bool {
        let python = python.unwrap_or_default();
        let minor = python.splitn(3, '.').take(2).collect::<Vec<_>>().join(".");
        self.depends.iter().all(|it| match name(it) {
            other if OTHER_SYSTEMS.contains(&other) => false,
            "python" if !python.is_empty() => takes(it, python),
            "python_abi" if !python.is_empty() => takes(it, &minor),
            _ => true,
        })
    }

    /// Returns the reason why `version` of `package` cannot be installed beside it.
    pub(crate) fn refusal(&self, package: &str, version: &str) -> Option<String> {
        let excluding = |all: &[String]| {
            let mut of_package = all.iter().filter(|it| name(it) == package);
            of_package.find(|it| !takes(it, version)).map(|it| shortened(it))
        };
        let required = excluding(&self.depends).map(|it| format!("requires {it}"));
        required.or_else(|| Some(format!("allows only {}", excluding(&self.constrains)?)))
    }
}

/// Returns the name in an entry of `depends`.
fn name(dependency: &str) -> &str {
    let end = dependency.find(|c: char| " \t=<>!~[".contains(c));
    &dependency[..end.unwrap_or(dependency.len())]
}

fn takes(dependency: &str, version: &str) -> bool {
    MatchSpec::of_dependency(dependency).is_none_or(|it| it.takes(version))
}

/// Returns the first 100 characters of a text.
fn shortened(text: &str) -> String {
    let mut res: String = text.chars().take(100).collect();
    if res.len() < text.len() {
        res.push('…');
    }
    res
}

/// Returns the newest version among builds.
pub(crate) fn newest<'a>(builds: impl IntoIterator<Item = &'a Build>) -> Option<&'a str> {
    let known = |it: &'a Build| Some((Version::parse(&it.version)?, it.version.as_str()));
    let newest = builds.into_iter().filter_map(known).max_by(|a, b| a.0.cmp(&b.0));
    newest.map(|it| it.1)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use super::{Build, newest, parse};

    fn build(entry: &Value) -> Build {
        serde_json::from_value(entry.clone()).unwrap()
    }

    /// Reads an index, whatever it is.
    pub(crate) fn read(text: &str) {
        let names = BTreeSet::from(["numpy".to_owned()]);
        for it in parse(text.as_bytes(), &names).unwrap_or_default().values().flatten() {
            let _ = (it.fits(Some("3.13.5")), it.refusal("libblas", "3.11.0"));
        }
    }

    #[test]
    fn entries_of_wanted_packages() {
        let entry = |name: &str, version: Value| json!({ "name": name, "version": version });
        let index = json!({
            "packages": {
                "numpy-1.9-0.tar.bz2": entry("numpy", json!("1.9")),
                "numpy-2.0-0.tar.bz2": entry("scipy", json!("2.0")),
                "numpy-3.0-0.tar.bz2": entry("numpy", json!(3)),
                "numpy-4.0-0.tar.bz2": entry("numpy", json!("4.0\u{1b}[2J")),
                "numpy-5.0-0.tar.bz2": entry("numpy", json!("5".repeat(101))),
                "numpy.tar.bz2": entry("numpy", json!("6")),
                "scipy-1-0.tar.bz2": entry("scipy", json!("1")),
            },
            "packages.conda": {
                "numpy-1.10-0.conda": entry("numpy", json!("1.10")),
                "numpy-9-0.conda": [],
            },
        });
        let names = BTreeSet::from(["numpy".to_owned()]);
        let found = parse(index.to_string().as_bytes(), &names).unwrap();
        assert_eq!(found.keys().collect::<Vec<_>>(), ["numpy"]);
        let versions: Vec<&str> = found["numpy"].iter().map(|it| &*it.version).collect();
        assert_eq!(versions, ["1.9", "1.10"]);
        assert_eq!(newest(&found["numpy"]), Some("1.10"));
        for damaged in ["<html>", "{}", r#"{"packages": []}"#, "[]", ""] {
            assert!(parse(damaged.as_bytes(), &names).is_err(), "{damaged}");
        }
    }

    #[test]
    fn builds_for_a_python() {
        let check = |depends: &[&str], python: Option<&str>| {
            build(&json!({ "name": "a", "version": "1", "depends": depends })).fits(python)
        };
        for depends in [
            &[][..],
            &["python >=3.10", "__unix"],
            &["python >=3.13,<3.14.0a0", "python_abi 3.13.* *_cp313"],
            &["python_abi 3.13"],
        ] {
            assert!(check(depends, Some("3.13.5")), "{depends:?}");
        }
        for depends in
            [&["python >=3.14"][..], &["python_abi 3.14.* *_cp314"], &["__win"], &["__osx >=11"]]
        {
            assert!(!check(depends, Some("3.13.5")), "{depends:?}");
        }
        assert!(check(&["python_abi 3.14.* *_cp314"], None));
    }

    #[test]
    fn what_excludes_a_version() {
        let long = format!("numpy <{}2", "0".repeat(200));
        let refusal = |depends: &[&str], constrains: &[&str]| {
            let it = json!({ "name": "a", "version": "1", "depends": depends, "constrains": constrains });
            build(&it).refusal("numpy", "2.1.0")
        };
        assert_eq!(refusal(&["numpy >=1.23,<3", "scipy <1"], &["numpy-base <2"]), None);
        assert_eq!(refusal(&["numpy <2.0a0"], &[]).unwrap(), "requires numpy <2.0a0");
        assert_eq!(refusal(&[], &["numpy 1.26.4"]).unwrap(), "allows only numpy 1.26.4");
        assert_eq!(refusal(&["numpy <2 \u{1b}[2J"], &[]), None);
        assert_eq!(refusal(&[&long], &[]).unwrap().chars().count(), "requires ".len() + 101);
    }
}
