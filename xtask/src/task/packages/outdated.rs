//! `outdated`: newer versions of what lists request, and the line or package that holds each back.
//! Compares the frozen specs with the package index, without an engine.

use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr as _,
};

use anyhow::{Context as _, bail};
use pep440_rs::Version;
use serde::Serialize;

use crate::{
    image::build_settings,
    mission::{
        dockerfile::lists::Lists,
        frozen_environments::{self, title},
    },
    run::{failure, terminal, text_file, ui},
    settings::config::Config,
    specs::{
        frozen::{self, FrozenSpec, Source},
        index::{self, Versions},
        marker::Target,
        read::Spec,
        requirement::{Requirement, Wants},
    },
    task::{MissionConfig, Session, args, args::Missions},
    tools::curl::{self, Network, Request},
};

/// Index of pip and uv without a setting.
const PYPI: &str = "https://pypi.org/simple";

/// A package with a newer version.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Row {
    environment: String,
    package: String,
    installed: String,
    newest: String,
    /// Lines and packages that exclude the newest version; empty if none is known.
    held_back_by: Vec<String>,
}

pub(crate) fn run(session: &Session, args: &args::OneMission) -> anyhow::Result<u8> {
    let missions = args.mission.iter().cloned().collect();
    let named = session.named(&Missions { missions, all: false }).map_err(failure::request)?;
    let environments = read(session, &named[0]).map_err(failure::request)?;
    let mut pages = Pages::new(session, &named[0].config)?;
    let asked = environments.iter().flat_map(|it| it.asked_pins()).map(|it| it.0.to_owned());
    pages.read(asked.collect())?;
    let mut rows = Vec::new();
    for it in &environments {
        rows.extend(it.rows(&mut pages)?);
    }
    print(session, &rows, &environments)
}

/// An environment as its frozen spec has it.
struct Frozen {
    title: String,
    spec: FrozenSpec,
    asked: Spec,
}

fn read(session: &Session, of: &MissionConfig) -> anyhow::Result<Vec<Frozen>> {
    let lists = Lists::read(&session.checkout, &of.mission)?;
    let mut res = Vec::new();
    for environment in frozen_environments::of(&of.mission) {
        let path = session.checkout.relative(&environment.frozen_spec()).to_owned();
        if environment.frozen_spec().is_file() {
            let spec = frozen::parse(&path, &text_file::read_text(&session.checkout.root, &path)?)?;
            let asked = lists.asked.get(&environment.name).cloned().unwrap_or_default();
            res.push(Frozen { title: title(&of.mission, environment), spec, asked });
        }
    }
    if res.is_empty() {
        let name = &of.mission.name;
        bail!(
            "{name}: no frozen spec to compare\n    fix: cargo xtask image-all {name} --floating"
        );
    }
    Ok(res)
}

impl Frozen {
    /// Returns the distributions of an index that lists request, with their versions.
    fn asked_pins(&self) -> impl Iterator<Item = (&str, &str)> {
        let asked: BTreeSet<&str> = self.asked.pip.iter().map(|it| it.what.name.as_str()).collect();
        self.spec.pip.iter().filter(move |it| asked.contains(it.name.as_str())).filter_map(|it| {
            match &it.source {
                Source::Index { version, .. } => Some((it.name.as_str(), version.as_str())),
                Source::Git { .. } => None,
            }
        })
    }

    fn rows(&self, pages: &mut Pages) -> anyhow::Result<Vec<Row>> {
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
        let target =
            Target { python: self.spec.python_version().to_owned(), platform: self.spec.platform };
        let own = self.asked.pip.iter().chain(&self.asked.constraints);
        let own = own.filter(|it| excludes(&it.what, package, newest, &target));
        let mut res: Vec<String> = own.map(|it| it.shown()).collect();
        let mut unknown = Vec::new();
        let pin = self.spec.pip.iter().find(|it| it.name == package);
        let parents =
            self.spec.pip.iter().filter(|it| pin.is_some_and(|p| p.via.contains(&it.name)));
        for parent in parents {
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
        res.extend(perhaps(&unknown));
        Ok(res)
    }
}

/// Returns a text about packages whose requirements are unknown.
fn perhaps(packages: &[String]) -> Option<String> {
    let shown = packages.iter().take(3).map(String::as_str).collect::<Vec<_>>().join(", ");
    match packages.len() {
        0 => None,
        1..=3 => Some(format!("perhaps {shown}: the index has no metadata")),
        count => Some(format!(
            "perhaps one of {count} packages, such as {shown}: the index has no metadata"
        )),
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
struct Pages {
    network: Network,
    /// Addresses of indexes, the first that has a project counts.
    indexes: Vec<String>,
    pages: BTreeMap<String, Vec<u8>>,
}

impl Pages {
    fn new(session: &Session, config: &Config) -> anyhow::Result<Pages> {
        let first = config.indexes.pip.clone().unwrap_or_else(|| PYPI.to_owned());
        let all = config.indexes.pip_extra.iter().cloned().chain([first]);
        Ok(Pages {
            network: Network {
                dir: session.checkout.root.clone(),
                ca_bundle: build_settings::ca_bundle(&config.ca_bundle)?,
                proxies: config.proxies.clone(),
            },
            indexes: all.map(|it| it.trim_end_matches('/').to_owned()).collect(),
            pages: BTreeMap::new(),
        })
    }

    /// Reads the pages of projects, many at once.
    fn read(&mut self, mut names: BTreeSet<String>) -> anyhow::Result<()> {
        names.retain(|it| !self.pages.contains_key(it));
        for index in self.indexes.clone() {
            let left: Vec<String> = names.iter().cloned().collect();
            let request = |name: &String| Request {
                url: format!("{index}/{name}/"),
                headers: vec![format!("Accept: {}", index::PAGE)],
                body: None,
            };
            let requests: Vec<Request> = left.iter().map(request).collect();
            for (name, answer) in left.iter().zip(curl::get(&self.network, &requests)?) {
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

fn print(session: &Session, rows: &[Row], environments: &[Frozen]) -> anyhow::Result<u8> {
    if session.flags.json {
        terminal::json(&rows)?;
        return Ok(0);
    }
    let cells = |it: &Row| {
        let by = match it.held_back_by.is_empty() {
            true => "no line, no package: `relock` tries it".to_owned(),
            false => it.held_back_by.join("; "),
        };
        [&it.environment, &it.package, &it.installed, &it.newest, &by].map(Clone::clone).to_vec()
    };
    let table: Vec<Vec<String>> = rows.iter().map(cells).collect();
    let heads = ["ENVIRONMENT", "PACKAGE", "INSTALLED", "NEWEST", "HELD BACK BY"];
    match rows.is_empty() {
        true => session.ui.say("all requested packages are the newest versions"),
        false => terminal::print(ui::table(&heads, &table)),
    }
    for it in environments.iter().filter(|it| !it.spec.conda.is_empty()) {
        session.ui.say(format!("note: {}: conda packages are not compared", it.title));
    }
    Ok(0)
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
