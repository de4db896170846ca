//! Distributions of a package index that are newer than those of a frozen spec.

use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr as _,
};

use anyhow::Context as _;
use pep440_rs::Version;

use super::{Frozen, Row, network, perhaps, unreachable};
use crate::{
    settings::config::Config,
    specs::{
        frozen::Source,
        index::{self, Versions},
        marker::Target,
        requirement::{Requirement, Wants},
    },
    task::Session,
    tools::curl::{self, Network, Request},
};

/// Index of pip and uv without a setting.
const PYPI: &str = "https://pypi.org/simple";

impl Frozen {
    /// Returns the distributions of an index that lists request, with their versions.
    pub(super) fn asked_pins(&self) -> impl Iterator<Item = (&str, &str)> {
        let asked: BTreeSet<&str> = self.asked.pip.iter().map(|it| it.what.name.as_str()).collect();
        self.spec.pip.iter().filter(move |it| asked.contains(it.name.as_str())).filter_map(|it| {
            match &it.source {
                Source::Index { version, .. } => Some((it.name.as_str(), version.as_str())),
                Source::Git { .. } => None,
            }
        })
    }

    pub(super) fn pip_rows(&self, pages: &mut Pages) -> anyhow::Result<Vec<Row>> {
        let mut res = Vec::new();
        for (package, installed) in self.asked_pins() {
            let versions = pages.versions(package, self.spec.python_version())?;
            let current = Version::from_str(installed).ok();
            let Some(newest) =
                versions.keys().next_back().filter(|it| Some(*it) > current.as_ref())
            else {
                continue;
            };
            res.push(Row {
                environment: self.title.clone(),
                package: package.to_owned(),
                installed: installed.to_owned(),
                newest: newest.to_string(),
                held_back_by: self.holders(package, newest, pages)?,
            });
        }
        Ok(res)
    }

    /// Returns the lines and the installed packages that exclude `newest`.
    fn holders(
        &self,
        package: &str,
        newest: &Version,
        pages: &mut Pages,
    ) -> anyhow::Result<Vec<String>> {
        let mut res = self.excluding_lines(package, newest);
        let pin = self.spec.pip.iter().find(|it| it.name == package);
        let via = pin.map(|it| it.via.as_slice()).unwrap_or_default();
        let mut unknown = Vec::new();
        res.extend(self.excluding_distributions(package, newest, via, pages, &mut unknown)?);
        res.extend(perhaps(&unknown));
        Ok(res)
    }

    /// Returns the lines of pip lists that exclude `newest`.
    pub(super) fn excluding_lines(&self, package: &str, newest: &Version) -> Vec<String> {
        let target = self.target();
        let own = self.asked.pip.iter().chain(&self.asked.constraints);
        let own = own.filter(|it| excludes(&it.what, package, newest, &target));
        own.map(|it| it.shown()).collect()
    }

    /// Returns the installed distributions among `via` that exclude `newest`, and adds those without
    /// metadata to `unknown`.
    pub(super) fn excluding_distributions(
        &self,
        package: &str,
        newest: &Version,
        via: &[String],
        pages: &mut Pages,
        unknown: &mut Vec<String>,
    ) -> anyhow::Result<Vec<String>> {
        let target = self.target();
        let mut res = Vec::new();
        for parent in self.spec.pip.iter().filter(|it| via.contains(&it.name)) {
            let Source::Index { version, .. } = &parent.source else { continue };
            let shown = format!("{} {version}", parent.name);
            match pages.requirements(&parent.name, version, &target.python)? {
                Some(all) => {
                    let mut found = all.iter().filter(|it| excludes(it, package, newest, &target));
                    if let Some(Wants::Versions(wanted)) = found.next().map(|it| &it.wants) {
                        res.push(format!("{shown} requires {package}{wanted}"));
                    }
                }
                None => unknown.push(shown),
            }
        }
        Ok(res)
    }

    fn target(&self) -> Target {
        Target { python: self.spec.python_version().to_owned(), platform: self.spec.platform }
    }
}

/// Returns whether a requirement of `package` that holds on `target` excludes `version`.
fn excludes(it: &Requirement, package: &str, version: &Version, target: &Target) -> bool {
    let holds = it.marker.as_ref().is_none_or(|it| it.holds(target) != Some(false));
    match &it.wants {
        Wants::Versions(wanted) => it.name == package && holds && !wanted.contains(version),
        Wants::Git(_) => false,
    }
}

/// Pages of projects, and metadata of distributions, as the index has them.
pub(super) struct Pages {
    network: Network,
    /// Addresses of indexes, the first that has a project counts.
    indexes: Vec<String>,
    pages: BTreeMap<String, Vec<u8>>,
}

impl Pages {
    pub(super) fn new(session: &Session, config: &Config) -> anyhow::Result<Pages> {
        let first = config.indexes.pip.clone().unwrap_or_else(|| PYPI.to_owned());
        let all = config.indexes.pip_extra.iter().cloned().chain([first]);
        Ok(Pages {
            network: network(session, config)?,
            indexes: all.map(|it| it.trim_end_matches('/').to_owned()).collect(),
            pages: BTreeMap::new(),
        })
    }

    /// Reads the pages of projects, many at once.
    pub(super) fn read(&mut self, mut names: BTreeSet<String>) -> anyhow::Result<()> {
        names.retain(|it| !self.pages.contains_key(it));
        for index in self.indexes.clone() {
            let left: Vec<String> = names.iter().cloned().collect();
            let request = |name: &String| Request {
                url: format!("{index}/{name}/"),
                headers: vec![format!("Accept: {}", index::PAGE)],
                body: None,
            };
            let requests: Vec<Request> = left.iter().map(request).collect();
            let answers = curl::get(&self.network, &requests)
                .map_err(|err| unreachable(err, "the package index", "PIP_INDEX_URL"))?;
            for (name, answer) in left.iter().zip(answers) {
                if answer.status == 200 && !answer.is_too_large {
                    names.remove(name);
                    self.pages.insert(name.clone(), answer.body);
                }
            }
        }
        Ok(())
    }

    fn versions(&mut self, name: &str, python: &str) -> anyhow::Result<Versions> {
        self.read(BTreeSet::from([name.to_owned()]))?;
        let page = self.pages.get(name).with_context(|| {
            format!("no index has a page for `{name}`\n    fix: look at PIP_INDEX_URL")
        })?;
        index::versions(page, python)
    }

    /// Returns the requirements of a distribution; `None` where the index has no metadata of it.
    fn requirements(
        &mut self,
        name: &str,
        version: &str,
        python: &str,
    ) -> anyhow::Result<Option<Vec<Requirement>>> {
        let Ok(versions) = self.versions(name, python) else { return Ok(None) };
        let version = Version::from_str(version).ok();
        let Some(Some(url)) = version.and_then(|it| versions.get(&it).cloned()) else {
            return Ok(None);
        };
        let request = Request { url, headers: Vec::new(), body: None };
        let answer = curl::get(&self.network, &[request])?.pop();
        let answer = answer.filter(|it| it.status == 200 && !it.is_too_large);
        Ok(answer.map(|it| index::requirements(&it.body)))
    }
}

#[test]
fn what_excludes_a_version() {
    let target =
        Target { python: "3.13.5".to_owned(), platform: crate::tools::platform::Platform::Amd64 };
    let newest = Version::from_str("2.6.0").unwrap();
    let check = |line: &str| {
        let requirement = crate::specs::requirement::parse(line).unwrap();
        excludes(&requirement, "numpy", &newest, &target)
    };
    assert!(check("numpy<2.6"));
    assert!(check("numpy==2.5.*"));
    for line in ["numpy", "numpy>=2", "scipy<1", "numpy<2 ; python_version < '3.10'"] {
        assert!(!check(line), "{line}");
    }
    assert!(!check("numpy<2 ; extra == 'x'"));
}
