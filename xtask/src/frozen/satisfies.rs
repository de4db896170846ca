//! Whether a frozen spec still has what the floating lists ask for: a list that was edited without
//! freezing is found, and its line named.

use std::{collections::BTreeMap, path::Path, str::FromStr as _};

use pep440_rs::Version;

use crate::{
    frozen::{Frozen, Pin, Source},
    report::Finding,
    specs::{
        conda::MatchSpec,
        marker::Target,
        read::{Asked, Spec},
        requirement::{Requirement, Wants, normalised},
    },
};

/// What `asked` asks for and `frozen`, which is in `file`, does not have, and the reverse. `title`
/// is the environment, as `freeze` takes it.
pub(crate) fn findings(
    rule: &'static str,
    (file, title): (&Path, &str),
    frozen: &Frozen,
    asked: &Spec,
) -> Vec<Finding> {
    let known = Known::new(frozen);
    let finding = |file: &Path, line: usize, what: String| {
        let fix = format!("run `cargo xtask freeze {title}`, or take the edit back");
        Finding { file: file.to_owned(), line: Some(line), rule, what, fix }
    };
    let mut res = Vec::new();
    for it in &asked.conda {
        let why = known.conda(&it.what);
        res.extend(why.map(|why| finding(&it.file, it.line, format!("`{}`: {why}", it.text))));
    }
    for (it, why) in known.missing(frozen, asked) {
        res.push(finding(&it.file, it.line, format!("`{}`: {why}", it.text)));
    }
    for (pin, list) in known.asked_no_more(frozen, asked) {
        let name = &pin.name;
        let what = format!("`{name}` is here since {list} asked for it, which it does not");
        res.push(finding(file, pin.line, what));
    }
    res
}

/// What a frozen spec has, by normalised names.
struct Known<'a> {
    pip: BTreeMap<&'a str, &'a Pin>,
    conda: BTreeMap<String, &'a str>,
}

/// A package of either kind.
enum Package<'a> {
    Pip(&'a Pin),
    /// Its version.
    Conda(&'a str),
}

/// Conda packages whose Python distributions have other names.
const CONDA_NAMES: [(&str, &str); 9] = [
    ("build", "python-build"),
    ("graphviz", "python-graphviz"),
    ("matplotlib", "matplotlib-base"),
    ("msgpack", "msgpack-python"),
    ("opencv-python", "py-opencv"),
    ("opencv-python-headless", "py-opencv"),
    ("tables", "pytables"),
    ("torch", "pytorch"),
    ("xgboost", "py-xgboost"),
];

impl<'a> Known<'a> {
    fn new(frozen: &'a Frozen) -> Known<'a> {
        let conda = frozen.conda.iter().map(|it| (normalised(&it.name), it.version.as_str()));
        let python = frozen.python.iter().map(|it| ("python".to_owned(), it.as_str()));
        Known {
            pip: frozen.pip.iter().map(|it| (it.name.as_str(), it)).collect(),
            conda: conda.chain(python).collect(),
        }
    }

    fn package(&self, name: &str) -> Option<Package<'a>> {
        if let Some(pin) = self.pip.get(name) {
            return Some(Package::Pip(pin));
        }
        let other = CONDA_NAMES.iter().find(|(it, _)| *it == name).map(|(_, it)| *it);
        let version = self.conda.get(name).or_else(|| self.conda.get(other?));
        version.map(|it| Package::Conda(it))
    }

    /// Why a conda line is not satisfied.
    fn conda(&self, spec: &MatchSpec) -> Option<String> {
        let name = normalised(&spec.name);
        // On the embedded base pip is a package of the index.
        let version =
            self.conda.get(&name).copied().or_else(|| match &self.pip.get(&*name)?.source {
                Source::Index { version, .. } => Some(version.as_str()),
                Source::Git { .. } => None,
            });
        match version {
            None => Some("the frozen spec does not have it".to_owned()),
            Some(version) if spec.takes(version) => None,
            Some(version) => Some(format!("frozen is {version}")),
        }
    }

    /// The lines of pip lists that are not satisfied, and why.
    fn missing<'b>(
        &self,
        frozen: &Frozen,
        asked: &'b Spec,
    ) -> Vec<(&'b Asked<Requirement>, String)> {
        let python = frozen.python_version().to_owned();
        let target = Target { python, platform: frozen.platform };
        let applies = |it: &&Asked<Requirement>| {
            it.what.marker.as_ref().is_none_or(|marker| marker.holds(&target) == Some(true))
        };
        let why = |it: &Requirement, is_wanted: bool| match self.package(&it.name) {
            Some(package) => package.refuses(it),
            None => is_wanted.then(|| "the frozen spec does not have it".to_owned()),
        };
        let wanted = asked.pip.iter().map(|it| (it, true));
        // A constraint is about packages that are there.
        let limits = asked.constraints.iter().map(|it| (it, false));
        let all = wanted.chain(limits).filter(|(it, _)| applies(it));
        all.filter_map(|(it, is_wanted)| Some((it, why(&it.what, is_wanted)?))).collect()
    }

    /// Pins that a list asked for, as their comments tell, and the list that does not any more.
    fn asked_no_more(&self, frozen: &'a Frozen, asked: &Spec) -> Vec<(&'a Pin, &'a str)> {
        let conda = asked.conda.iter().map(|it| (normalised(&it.what.name), it.origin()));
        let pip = asked.pip.iter().map(|it| (it.what.name.clone(), it.origin()));
        let asks: Vec<(String, String)> = conda.chain(pip).collect();
        let is_package =
            |it: &str| self.pip.contains_key(it) || self.conda.contains_key(&normalised(it));
        let mut res = Vec::new();
        for pin in &frozen.pip {
            for list in pin.via.iter().filter(|it| !is_package(it)) {
                if !asks.iter().any(|(name, origin)| *name == pin.name && origin == list) {
                    res.push((pin, list.as_str()));
                }
            }
        }
        res
    }
}

impl Package<'_> {
    /// Why it is not what `asked` wants.
    fn refuses(&self, asked: &Requirement) -> Option<String> {
        match (&asked.wants, self) {
            (Wants::Versions(_), Package::Pip(Pin { source: Source::Git { .. }, .. })) => None,
            (Wants::Versions(wanted), Package::Conda(version)) => {
                let parsed = Version::from_str(version).ok()?;
                (!wanted.contains(&parsed)).then(|| format!("frozen is {version}"))
            }
            (Wants::Versions(wanted), Package::Pip(Pin { source, .. })) => {
                let Source::Index { version, sha256 } = source else { return None };
                let parsed = Version::from_str(version).ok()?;
                if !wanted.contains(&parsed) {
                    return Some(format!("frozen is {version}"));
                }
                let has_hash = asked.hashes.is_empty() || asked.hashes.contains(sha256);
                (!has_hash).then(|| format!("frozen is another artefact, sha256:{sha256}"))
            }
            (
                Wants::Git(wanted),
                Package::Pip(Pin { source: Source::Git { url, commit, .. }, .. }),
            ) => {
                let (repository, revision) = repository(wanted);
                if repository != self::repository(url).0 {
                    return Some(format!("frozen is {url}"));
                }
                let is_commit =
                    |it: &&str| it.len() == 40 && it.bytes().all(|it| it.is_ascii_hexdigit());
                let other = revision.filter(is_commit).filter(|it| it != commit);
                other.map(|_| format!("frozen is {commit}"))
            }
            (Wants::Git(_), _) => Some("frozen is not a commit, but a version".to_owned()),
        }
    }
}

/// The repository of a git URL, and the branch, tag or commit.
fn repository(url: &str) -> (&str, Option<&str>) {
    let url = url.split('#').next().unwrap_or_default();
    let host = url.find("://").map_or(0, |at| at + 3);
    let path = url[host..].find('/').map_or(url.len(), |at| host + at);
    let (url, revision) = match url[path..].rfind('@') {
        Some(at) => (&url[..path + at], Some(&url[path + at + 1..])),
        None => (url, None),
    };
    (url.trim_end_matches('/').trim_end_matches(".git"), revision)
}
