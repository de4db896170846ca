//! `outdated`: newer versions of what lists request, and the line or package that holds each back.
//! Compares the frozen specs with the package index and with conda channels, without an engine.

mod conda;
mod pip;

use anyhow::{anyhow, bail};
use serde::Serialize;

use self::{conda::Channels, pip::Pages};
use crate::{
    image::build_settings,
    mission::{
        dockerfile::lists::Lists,
        frozen_environments::{self, title},
    },
    run::{failure, terminal, text_file, ui},
    settings::config::Config,
    specs::{
        frozen::{self, CondaPin, FrozenSpec},
        read::{Requested, Spec},
    },
    task::{MissionConfig, Session, args, args::Missions},
    tools::curl::Network,
};

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
    let config = &named[0].config;
    let environments = read(session, &named[0]).map_err(failure::request)?;
    let mut pages = Pages::new(session, config)?;
    let asked = environments.iter().flat_map(|it| it.asked_pins()).map(|it| it.0.to_owned());
    pages.read(asked.collect())?;
    let channels = Channels::read(session, config, &environments)?;
    let mut rows = Vec::new();
    for it in &environments {
        rows.extend(it.conda_rows(&channels, &mut pages)?);
        rows.extend(it.pip_rows(&mut pages)?);
    }
    print(session, &rows)?;
    let never_frozen = frozen_environments::of(&named[0].mission)
        .into_iter()
        .filter(|it| !it.frozen_spec().is_file())
        .map(|it| {
            format!("{}: no frozen spec, so that it was not compared", title(&named[0].mission, it))
        });
    let not_compared =
        environments.iter().flat_map(|it| [it.not_frozen(), it.not_compared(&channels)].concat());
    for it in never_frozen.chain(not_compared) {
        session.ui.say(format!("note: {it}"));
    }
    Ok(0)
}

/// An environment as its frozen spec has it.
struct Frozen {
    title: String,
    spec: FrozenSpec,
    asked: Spec,
}

impl Frozen {
    /// Returns the requests that the frozen spec does not have. What is requested for some platforms alone
    /// need not be there, and the embedded base has no package `python`.
    fn not_frozen(&self) -> Vec<String> {
        let Frozen { title, spec, asked } = self;
        let has = |name: &str| {
            let is_conda = |it: &CondaPin| it.name == name || it.version_of(name).is_some();
            name == "python"
                || spec.pip.iter().any(|it| it.name == name)
                || spec.in_base.iter().any(|it| it == name)
                || spec.conda.iter().any(is_conda)
        };
        let pip = asked.pip.iter().filter(|it| it.what.marker.is_none() && !has(&it.what.name));
        let conda = asked.conda.iter().filter(|it| !has(&it.what.name));
        pip.map(Requested::shown)
            .chain(conda.map(Requested::shown))
            .map(|it| format!("{title}: {it}: not in the frozen spec, so that it was not compared; `relock` adds it"))
            .collect()
    }
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

fn network(session: &Session, config: &Config) -> anyhow::Result<Network> {
    Ok(Network {
        dir: session.checkout.root.clone(),
        ca_bundle: build_settings::ca_bundle(&config.ca_bundle)?,
        proxies: config.proxies.clone(),
    })
}

/// Adds to the error of a request what was asked, and the settings that lead there.
fn unreachable(err: anyhow::Error, what: &str, setting: &str) -> anyhow::Error {
    match failure::status(&err) {
        1 => anyhow!("{what}: {err:#}\n    fix: check {setting}, HTTPS_PROXY and CA_BUNDLE"),
        _ => err,
    }
}

fn print(session: &Session, rows: &[Row]) -> anyhow::Result<()> {
    if session.flags.json {
        return terminal::json(&rows);
    }
    let cells = |it: &Row| {
        let by = match it.held_back_by.is_empty() {
            true => "no line, no package: `relock` tries it".to_owned(),
            false => shortened(&it.held_back_by),
        };
        [&it.environment, &it.package, &it.installed, &it.newest, &by].map(Clone::clone).to_vec()
    };
    let table: Vec<Vec<String>> = rows.iter().map(cells).collect();
    let heads = ["ENVIRONMENT", "PACKAGE", "INSTALLED", "NEWEST", "HELD BACK BY"];
    match rows.is_empty() {
        true => session.ui.say("no newer versions of what was compared"),
        false => terminal::print(ui::table(&heads, &table)),
    }
    Ok(())
}

/// Returns the first five holders, and the number of the others.
fn shortened(holders: &[String]) -> String {
    let first = &holders[..holders.len().min(5)];
    match holders.len() - first.len() {
        0 => first.join("; "),
        more => format!("{}; and {more} more", first.join("; ")),
    }
}

#[test]
fn many_holders() {
    let holders: Vec<String> = (0..7).map(|it| it.to_string()).collect();
    assert_eq!(shortened(&holders), "0; 1; 2; 3; 4; and 2 more");
    assert_eq!(shortened(&holders[..5]), "0; 1; 2; 3; 4");
}
