//! Differences between two frozen specs of an environment, and their output.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    str::FromStr as _,
};

use serde::Serialize;

use crate::specs::{
    conda,
    frozen::{FrozenSpec, Source},
};

/// A package that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Change {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// Version, or `@` and the start of a commit.
    pub(crate) old: Option<String>,
    pub(crate) new: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Added,
    Removed,
    Upgraded,
    Downgraded,
    /// Neither version is known to be newer: a commit, or the base image.
    Changed,
    /// Same version from another artefact.
    Rebuilt,
}

impl Kind {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Kind::Added => "added",
            Kind::Removed => "removed",
            Kind::Upgraded => "upgraded",
            Kind::Downgraded => "downgraded",
            Kind::Changed => "changed",
            Kind::Rebuilt => "rebuilt",
        }
    }
}

/// Comparable parts of a package: its text for people, and its identity.
type Entry = (String, String);

/// Returns all differences, by name. `None` is an environment without a frozen spec.
pub(crate) fn changes(old: Option<&FrozenSpec>, new: Option<&FrozenSpec>) -> Vec<Change> {
    let (old, new) = (old.map(entries).unwrap_or_default(), new.map(entries).unwrap_or_default());
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let change = |name: &String| {
        let (old, new) = (old.get(name), new.get(name));
        (old != new).then(|| Change {
            name: name.clone(),
            kind: kind(old, new),
            old: old.map(|it| it.0.clone()),
            new: new.map(|it| it.0.clone()),
        })
    };
    names.into_iter().filter_map(change).collect()
}

fn entries(frozen: &FrozenSpec) -> BTreeMap<String, Entry> {
    let mut res = BTreeMap::new();
    let base: String = match frozen.base.strip_prefix("sha256:") {
        Some(digest) => format!("sha256:{}", digest.chars().take(12).collect::<String>()),
        None => frozen.base.clone(),
    };
    res.insert("(base)".to_owned(), (base, frozen.base.clone()));
    let platform = frozen.platform.to_string();
    res.insert("(platform)".to_owned(), (platform.clone(), platform));
    if let Some(version) = &frozen.python {
        res.insert("python".to_owned(), (version.clone(), version.clone()));
    }
    let pip: BTreeSet<&str> = frozen.pip.iter().map(|it| it.name.as_str()).collect();
    for pin in &frozen.conda {
        // Two packages can have the same name: PyPI's `graphviz` calls the programs of conda's.
        let note = if pip.contains(pin.name.as_str()) { " (conda)" } else { "" };
        res.insert(format!("{}{note}", pin.name), (pin.version.clone(), pin.to_string()));
    }
    let of_build = frozen.build.iter().map(|it| (format!("{} (build)", it.name), it));
    for (name, pin) in frozen.pip.iter().map(|it| (it.name.clone(), it)).chain(of_build) {
        let identity = match &pin.source {
            Source::Index { version, sha256 } => format!("{version} {sha256}"),
            Source::Git { url, commit, subdirectory } => format!("{url} {commit} {subdirectory:?}"),
        };
        res.insert(name, (pin.source.to_string(), identity));
    }
    res
}

fn kind(old: Option<&Entry>, new: Option<&Entry>) -> Kind {
    match (old, new) {
        (None, _) => Kind::Added,
        (_, None) => Kind::Removed,
        (Some((old, _)), Some((new, _))) if old == new => Kind::Rebuilt,
        (Some((old, _)), Some((new, _))) => match order(old, new) {
            Some(Ordering::Less) => Kind::Upgraded,
            Some(Ordering::Greater) => Kind::Downgraded,
            _ => Kind::Changed,
        },
    }
}

/// Compares versions in Python's order; in conda's order if one of them is not valid for Python.
fn order(old: &str, new: &str) -> Option<Ordering> {
    let python = pep440_rs::Version::from_str;
    if let (Ok(old), Ok(new)) = (python(old), python(new)) {
        return Some(old.cmp(&new));
    }
    Some(conda::Version::parse(old)?.cmp(&conda::Version::parse(new)?))
}

/// Returns one line per change: `numpy 2.4.6 → 2.5.5`.
pub(crate) fn text(changes: &[Change]) -> String {
    changes.iter().map(|it| format!("  {}\n", line(it))).collect()
}

fn line(Change { name, kind, old, new }: &Change) -> String {
    match (old, new) {
        (Some(old), Some(new)) if old != new => {
            let note = if *kind == Kind::Downgraded { " (downgraded)" } else { "" };
            format!("{name} {old} → {new}{note}")
        }
        (old, new) => {
            let version = new.as_ref().or(old.as_ref()).map_or("", String::as_str);
            format!("{name} {version} {}", kind.text())
        }
    }
}

/// Returns a table for a pull request.
pub(crate) fn markdown(changes: &[Change]) -> String {
    let row = |Change { name, kind, old, new }: &Change| {
        let cell = |it: &Option<String>| it.as_deref().unwrap_or("").to_owned();
        let kind = match kind {
            Kind::Downgraded => "**downgraded**",
            other => other.text(),
        };
        format!("| {name} | {} | {} | {kind} |\n", cell(old), cell(new))
    };
    let head = "| package | before | after | |\n| --- | --- | --- | --- |\n".to_owned();
    changes.iter().fold(head, |text, it| text + &row(it))
}
