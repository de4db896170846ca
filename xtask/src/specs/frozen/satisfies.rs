//! Checks that a frozen spec still satisfies its floating lists: a list that was edited without
//! freezing is found, and its line named.

use std::{path::Path, str::FromStr as _};

use pep440_rs::Version;

use crate::{
    run::finding::Finding,
    specs::{
        conda::MatchSpec,
        frozen::{FrozenSpec, Package, Pin, Source},
        marker::Target,
        read::{Need, Requested, Spec},
        requirement::{Requirement, Wants, normalised},
    },
};

/// Returns the requests of `asked` that `frozen` in `file` does not satisfy, and the reverse.
/// `title` is the environment, as `freeze` accepts it.
pub(crate) fn findings(
    rule: &'static str,
    at: (&Path, &str),
    frozen: &FrozenSpec,
    asked: &Spec,
) -> Vec<Finding> {
    let mut res = unsatisfied(rule, at.1, frozen, asked);
    res.extend(unasked(rule, at, frozen, asked));
    res
}

fn finding(rule: &'static str, title: &str, (file, line): (&Path, usize), what: String) -> Finding {
    let fix = format!("run `cargo xtask freeze {title}`, or take the edit back");
    Finding { file: file.to_owned(), line: Some(line), rule, what, fix }
}

/// Returns the requests of `asked` that `frozen` does not satisfy.
pub(crate) fn unsatisfied(
    rule: &'static str,
    title: &str,
    frozen: &FrozenSpec,
    asked: &Spec,
) -> Vec<Finding> {
    let finding = |file: &Path, line, what| finding(rule, title, (file, line), what);
    let mut res = Vec::new();
    for it in &asked.conda {
        let why = conda_refusal(frozen, &it.what);
        res.extend(why.map(|why| finding(&it.file, it.line, format!("`{}`: {why}", it.text))));
    }
    for (it, why) in pip_refusals(frozen, asked) {
        res.push(finding(&it.file, it.line, format!("`{}`: {why}", it.text)));
    }
    for it in &asked.needs {
        let why = need_refusal(frozen, &it.what);
        res.extend(why.map(|why| finding(&it.file, it.line, format!("`{}`: {why}", it.text))));
    }
    for it in asked.no_binary.iter().filter(|it| is_frozen_binary(frozen, &it.what)) {
        let what = format!("`{}`: `{}` was frozen from a wheel", it.text, it.what);
        res.push(finding(&it.file, it.line, what));
    }
    res
}

/// Returns what `frozen` in `file` has, and `asked` no longer requests.
fn unasked(
    rule: &'static str,
    (file, title): (&Path, &str),
    frozen: &FrozenSpec,
    asked: &Spec,
) -> Vec<Finding> {
    let finding = |file: &Path, line, what| finding(rule, title, (file, line), what);
    let mut res = Vec::new();
    for (package, name) in frozen.needs.iter().filter(|it| !is_needed(asked, it)) {
        let line = frozen.pip.iter().find(|it| it.name == *package).map_or(1, |it| it.line);
        let what =
            format!("`{package}` was frozen with `{name}` to build it, which no line asks for");
        res.push(finding(file, line, what));
    }
    for (package, list) in asked_no_more(frozen, asked) {
        let name = package.name();
        let what =
            format!("`{name}` was frozen because {list} required it, but {list} no longer does");
        res.push(finding(file, package.line(), what));
    }
    res
}

/// Returns the package that satisfies a requirement of this normalised name: first a distribution
/// of the index, then one that a conda package provides, then a conda package of the same name.
fn distribution<'a>(frozen: &'a FrozenSpec, name: &str) -> Option<Package<'a>> {
    let rank = |it: &Package<'_>| match it {
        Package::Pip(_) => 0,
        Package::Conda(pin) if pin.provided().any(|it| it.0 == name) => 1,
        Package::Conda(_) => 2,
    };
    frozen.named(name).into_iter().min_by_key(rank)
}

/// Returns the reason why a conda line is not satisfied.
fn conda_refusal(frozen: &FrozenSpec, spec: &MatchSpec) -> Option<String> {
    // Only conda knows which packages a pattern matches.
    if spec.name.contains('*') {
        return None;
    }
    let name = normalised(&spec.name);
    let conda = frozen.conda.iter().find(|it| normalised(&it.name) == name);
    let python = || frozen.python.clone().filter(|_| name == "python");
    // On the embedded base pip is a package of the index.
    let pip = || match &frozen.pip.iter().find(|it| it.name == name)?.source {
        Source::Index { version, .. } => Some(version.clone()),
        Source::Git { .. } => None,
    };
    match conda.map(|it| it.version.clone()).or_else(python).or_else(pip) {
        None if frozen.in_base.contains(&name) => None,
        None => Some("the frozen spec does not have it".to_owned()),
        Some(version) if spec.takes(&version) => None,
        Some(version) => Some(format!("frozen is {version}")),
    }
}

/// Returns the lines of pip lists that are not satisfied, with the reasons.
fn pip_refusals<'a>(
    frozen: &FrozenSpec,
    asked: &'a Spec,
) -> Vec<(&'a Requested<Requirement>, String)> {
    let python = frozen.python_version().to_owned();
    let target = Target { python, platform: frozen.platform };
    let applies = |it: &&Requested<Requirement>| {
        it.what.marker.as_ref().is_none_or(|marker| marker.holds(&target) == Some(true))
    };
    let why = |it: &Requirement, is_wanted: bool| match distribution(frozen, &it.name) {
        Some(Package::Pip(pin)) => pip_refusal(pin, it),
        Some(Package::Conda(pin)) => version_refusal(pin.version_of(&it.name)?, &it.wants),
        None if frozen.in_base.contains(&it.name) => None,
        None => is_wanted.then(|| "the frozen spec does not have it".to_owned()),
    };
    let wanted = asked.pip.iter().map(|it| (it, true));
    // A constraint applies only to installed packages.
    let limits = asked.constraints.iter().map(|it| (it, false));
    let all = wanted.chain(limits).filter(|(it, _)| applies(it));
    all.filter_map(|(it, is_wanted)| Some((it, why(&it.what, is_wanted)?))).collect()
}

/// Returns the reason why a declared build requirement is not satisfied. One of a package that is
/// not there has no effect; only a package that is built has pinned build requirements.
fn need_refusal(frozen: &FrozenSpec, need: &Need) -> Option<String> {
    if !frozen.pip.iter().any(|it| it.name == need.package) {
        return None;
    }
    let name = &need.requirement.name;
    if !frozen.needs.iter().any(|it| it.0 == need.package && it.1 == *name) {
        return Some("the frozen spec does not have it".to_owned());
    }
    let pin = frozen.build.iter().find(|it| it.name == *name)?;
    pip_refusal(pin, &need.requirement)
}

/// Returns whether a package of the index was surely not frozen from its sources: a frozen spec
/// without build requirements builds nothing.
fn is_frozen_binary(frozen: &FrozenSpec, name: &str) -> bool {
    let is_it = |it: &&Pin| it.name == name && matches!(it.source, Source::Index { .. });
    frozen.build.is_empty() && frozen.pip.iter().any(|it| is_it(&it))
}

fn is_needed(asked: &Spec, (package, name): &(String, String)) -> bool {
    asked.needs.iter().any(|it| it.what.package == *package && it.what.requirement.name == *name)
}

/// Returns the packages that, according to their comments, a list requested or a clone brought,
/// with the list or environment that does not bring them any more.
fn asked_no_more<'a>(frozen: &'a FrozenSpec, asked: &Spec) -> Vec<(Package<'a>, &'a str)> {
    let conda = asked.conda.iter().map(|it| (normalised(&it.what.name), it.origin()));
    let pip = asked.pip.iter().map(|it| (it.what.name.clone(), it.origin()));
    let asks: Vec<(String, String)> = conda.chain(pip).collect();
    let packages = frozen.by_name();
    let is_known = |it: &String| {
        asked.cloned.contains(it)
            || it == "python"
            || frozen.in_base.contains(it)
            || packages.contains_key(&normalised(it))
    };
    let mut res = Vec::new();
    for package in frozen.packages() {
        for list in package.via().iter().filter(|it| !is_known(it)) {
            if !asks.iter().any(|(name, origin)| origin == list && package.is_named(name)) {
                res.push((package, list.as_str()));
            }
        }
    }
    res
}

/// Returns the reason why a version does not match `wants`.
fn version_refusal(version: &str, wants: &Wants) -> Option<String> {
    let Wants::Versions(wanted) = wants else {
        return Some("frozen is not a commit, but a version".to_owned());
    };
    let parsed = Version::from_str(version).ok()?;
    (!wanted.contains(&parsed)).then(|| format!("frozen is {version}"))
}

/// Returns the reason why `pin` does not match `asked`.
fn pip_refusal(pin: &Pin, asked: &Requirement) -> Option<String> {
    match (&asked.wants, &pin.source) {
        (wants, Source::Index { version, sha256 }) => {
            version_refusal(version, wants).or_else(|| {
                let has_hash = asked.hashes.is_empty() || asked.hashes.contains(sha256);
                (!has_hash).then(|| format!("frozen is another artefact, sha256:{sha256}"))
            })
        }
        (Wants::Versions(_), Source::Git { .. }) => None,
        (Wants::Git(wanted), Source::Git { url, commit, .. }) => {
            let (repository, revision) = repository(wanted);
            if repository != self::repository(url).0 {
                return Some(format!("frozen is {url}"));
            }
            let is_commit =
                |it: &&str| it.len() == 40 && it.bytes().all(|it| it.is_ascii_hexdigit());
            let other = revision.filter(is_commit).filter(|it| it != commit);
            other.map(|_| format!("frozen is {commit}"))
        }
    }
}

/// Returns the repository of a git URL, and the branch, tag or commit.
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
