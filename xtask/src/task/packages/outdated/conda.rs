//! Conda packages that are newer, in the channels that those of a frozen spec came from.

use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr as _,
};

use anyhow::{anyhow, bail, ensure};

use super::{Frozen, Row, network, perhaps, pip::Pages, unreachable};
use crate::{
    run::process,
    settings::config::Config,
    specs::{
        conda::Version,
        frozen::CondaPin,
        repodata::{self, Build, Builds},
        requirement::normalised,
    },
    task::Session,
    tools::{
        curl::{self, Network, Request},
        platform::Platform,
    },
};

/// conda's own place of channels, without a setting.
const PUBLIC: &str = "https://conda.anaconda.org";

/// conda's own place of the channels `pkgs/…`.
const DEFAULTS: &str = "https://repo.anaconda.com";

/// Folder of packages for all platforms.
const NOARCH: &str = "noarch";

/// Packages that an environment has, by channel.
pub(super) struct Channels(BTreeMap<String, Builds>);

impl Channels {
    /// Reads what the channels of requested packages have; nothing if no conda package is requested.
    pub(super) fn read(
        session: &Session,
        config: &Config,
        environments: &[Frozen],
    ) -> anyhow::Result<Channels> {
        let mut wanted: BTreeMap<String, (BTreeSet<String>, BTreeSet<&str>)> = BTreeMap::new();
        for of in environments.iter().filter(|it| it.asked_conda().next().is_some()) {
            for pin in &of.spec.conda {
                let (names, folders) = wanted.entry(of.channel(pin).to_owned()).or_default();
                names.insert(pin.name.clone());
                folders.extend([&*pin.subdir, folder(of.spec.platform), NOARCH]);
            }
        }
        let network = network(session, config)?;
        let mut res = BTreeMap::new();
        for (channel, (names, folders)) in wanted {
            let place = place(&channel, config.indexes.conda.as_deref());
            let mut builds = Builds::new();
            let mut is_there = false;
            for folder in folders {
                let title = format!("channel {channel}/{folder}");
                let Some(index) = index(&network, &format!("{place}/{folder}"), &title)? else {
                    continue;
                };
                is_there = true;
                let names = names.clone();
                let found = process::interruptible(move || repodata::parse(&index, &names))?;
                let found = found.map_err(|err| {
                    anyhow!("{title}: {err:#}\n    fix: check CONDA_CHANNEL_ALIAS")
                })?;
                for (name, mut more) in found {
                    builds.entry(name).or_default().append(&mut more);
                }
            }
            ensure!(
                is_there,
                "channel {channel}: no index of packages there\n    fix: check CONDA_CHANNEL_ALIAS"
            );
            res.insert(channel, builds);
        }
        Ok(Channels(res))
    }

    fn builds(&self, channel: &str, package: &str) -> &[Build] {
        let builds = self.0.get(channel).and_then(|it| it.get(package));
        builds.map(Vec::as_slice).unwrap_or_default()
    }
}

/// Returns the folder of a platform's packages.
fn folder(platform: Platform) -> &'static str {
    match platform {
        Platform::Amd64 => "linux-64",
        Platform::Arm64 => "linux-aarch64",
    }
}

/// Returns the URL of a channel; `alias` is that of the setting.
fn place(channel: &str, alias: Option<&str>) -> String {
    let place = match channel {
        url if url.contains("://") => url.to_owned(),
        default if default.starts_with("pkgs/") => format!("{DEFAULTS}/{default}"),
        name => format!("{}/{name}", alias.unwrap_or(PUBLIC).trim_end_matches('/')),
    };
    place.trim_end_matches('/').to_owned()
}

/// Returns the index of a folder of a channel; `None` if it has none.
fn index(network: &Network, folder: &str, title: &str) -> anyhow::Result<Option<Vec<u8>>> {
    for file in repodata::FILES {
        let url = format!("{folder}/{file}");
        let answer = curl::get_large(network, Request { url, headers: Vec::new(), body: None })
            .map_err(|err| unreachable(err, title, "CONDA_CHANNEL_ALIAS"))?;
        match answer.status {
            200 if answer.is_too_large => bail!(
                "{title}: {file} has more than {} MB\n    fix: use a channel that has {}",
                curl::LARGEST_FILE / 1_000_000,
                repodata::FILES[0]
            ),
            200 => return Ok(Some(answer.body)),
            404 => (),
            status => bail!(
                "{title}: {file}: status {status}; expected 200\n    fix: check CONDA_CHANNEL_ALIAS and its login"
            ),
        }
    }
    Ok(None)
}

impl Frozen {
    fn channel<'a>(&'a self, pin: &'a CondaPin) -> &'a str {
        let first = self.spec.channels.first();
        pin.channel.as_ref().or(first).map(String::as_str).unwrap_or_default()
    }

    /// Returns the conda packages that lists request, also by the name of a distribution that no
    /// package index provided.
    fn asked_conda(&self) -> impl Iterator<Item = &CondaPin> {
        let conda: BTreeSet<&str> = self.asked.conda.iter().map(|it| &*it.what.name).collect();
        let from_index: BTreeSet<&str> = self.spec.pip.iter().map(|it| &*it.name).collect();
        let pip = self.asked.pip.iter().map(|it| &*it.what.name);
        let pip: BTreeSet<&str> = pip.filter(|it| !from_index.contains(it)).collect();
        let is_asked = move |it: &&CondaPin| {
            conda.contains(&*it.name) || pip.iter().any(|name| it.version_of(name).is_some())
        };
        self.spec.conda.iter().filter(is_asked)
    }

    /// Returns the requested packages of which their channels have nothing to compare with, and why.
    pub(super) fn not_compared(&self, channels: &Channels) -> Vec<String> {
        let mut res = Vec::new();
        for pin in self.asked_conda() {
            let (title, channel, name) = (&self.title, self.channel(pin), &pin.name);
            let (builds, python) = (channels.builds(channel, name), self.python_beside(pin));
            if builds.is_empty() {
                res.push(format!("{title}: channel {channel} has no package {name}"));
            } else if !builds.iter().any(|it| it.fits(python)) {
                let python = self.spec.python_version();
                res.push(format!("{title}: {name} was not compared: the index of channel {channel} has only versions of it without a build for Python {python}"));
            }
        }
        res
    }

    pub(super) fn conda_rows(
        &self,
        channels: &Channels,
        pages: &mut Pages,
    ) -> anyhow::Result<Vec<Row>> {
        let mut res = Vec::new();
        for pin in self.asked_conda() {
            let python = self.python_beside(pin);
            let builds = channels.builds(self.channel(pin), &pin.name);
            let Some(newest) = repodata::newest(builds.iter().filter(|it| it.fits(python))) else {
                continue;
            };
            if Version::parse(newest) <= Version::parse(&pin.version) {
                continue;
            }
            res.push(Row {
                environment: self.title.clone(),
                package: pin.name.clone(),
                installed: pin.version.clone(),
                newest: newest.to_owned(),
                held_back_by: self.conda_holders(pin, newest, channels, pages)?,
            });
        }
        Ok(res)
    }

    /// Returns the Python that builds must fit; `None` where `pin` is Python itself.
    fn python_beside(&self, pin: &CondaPin) -> Option<&str> {
        let is_python = ["python", "python_abi"].contains(&&*pin.name);
        (!is_python).then(|| self.spec.python_version())
    }

    /// Returns the lines and the installed packages that exclude `newest`. A package excludes it if all
    /// its builds of the installed version do: another build could be installed.
    fn conda_holders(
        &self,
        pin: &CondaPin,
        newest: &str,
        channels: &Channels,
        pages: &mut Pages,
    ) -> anyhow::Result<Vec<String>> {
        let own = self.asked.conda.iter().filter(|it| it.what.name == pin.name);
        let mut res: Vec<String> =
            own.filter(|it| !it.what.takes(newest)).map(|it| it.shown()).collect();
        let mut unknown = Vec::new();
        for other in self.spec.conda.iter().filter(|it| it.name != pin.name) {
            let shown = format!("{} {}", other.name, other.version);
            let builds = channels.builds(self.channel(other), &other.name).iter();
            let python = self.python_beside(pin);
            let mut builds =
                builds.filter(|it| it.version == other.version && it.fits(python)).peekable();
            if builds.peek().is_none() {
                unknown.extend(pin.via.contains(&other.name).then_some(shown));
                continue;
            }
            let reasons: Option<Vec<String>> =
                builds.map(|it| it.refusal(&pin.name, newest)).collect();
            res.extend(reasons.iter().flatten().next().map(|it| format!("{shown} {it}")));
        }
        // Python sees the same version, unless the package is of several distributions.
        if let Ok(version) = pep440_rs::Version::from_str(newest) {
            let name = normalised(&pin.name);
            res.extend(self.excluding_lines(&name, &version));
            let (via, unknown) = (&pin.via, &mut unknown);
            res.extend(self.excluding_distributions(&name, &version, via, pages, unknown)?);
        }
        res.extend(perhaps(&unknown));
        Ok(res)
    }
}

#[test]
fn places_of_channels() {
    let mirror = Some("https://user:pw@mirror.example.org/t/tk/");
    for (channel, alias, expected) in [
        ("conda-forge", None, "https://conda.anaconda.org/conda-forge"),
        ("conda-forge", mirror, "https://user:pw@mirror.example.org/t/tk/conda-forge"),
        ("conda-forge/label/rc", None, "https://conda.anaconda.org/conda-forge/label/rc"),
        ("https://example.org/c/", mirror, "https://example.org/c"),
        ("pkgs/main", mirror, "https://repo.anaconda.com/pkgs/main"),
    ] {
        assert_eq!(place(channel, alias), expected);
    }
}
