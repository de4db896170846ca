//! `freeze --check`: whether the frozen specs are complete, match this base and platform, and still
//! satisfy the floating lists. Without an engine and without a network.

use std::env;

use crate::{
    check::frozen_spec::comparison::{self, Header},
    image::recipe,
    mission::{checkout::Environment, dockerfile::lists::Lists, frozen_environments},
    run::{failure, finding::Finding},
    settings::config::Config,
    specs::{
        self,
        frozen::{self, RULE},
        read::Spec,
    },
    task::{MissionConfig, Session, packages::freeze::Selected, read_parts},
    tools::platform::Platform,
};

pub(super) fn run(
    session: &Session,
    selected: &Selected,
    named: &[MissionConfig],
) -> anyhow::Result<u8> {
    session.report(findings(session, selected, named).map_err(failure::request)?)
}

fn findings(
    session: &Session,
    selected: &Selected,
    named: &[MissionConfig],
) -> anyhow::Result<Vec<Finding>> {
    let python = recipe::embedded_python(&read_parts(&session.checkout)?);
    let mut res = Vec::new();
    for it in named {
        let lists = Lists::read(&session.checkout, &it.mission)?;
        res.extend(lists.findings.clone());
        let header = Header::new(&it.config, Some(platform(&it.config)), python.clone());
        for environment in selected.of(&it.mission) {
            let title = frozen_environments::title(&it.mission, environment);
            res.extend(check(&lists, environment, &title, &header));
        }
    }
    res.sort();
    res.dedup();
    Ok(res)
}

/// Returns the platform of the settings, or of this machine: the engine's is not asked.
fn platform(config: &Config) -> Platform {
    let here = match env::consts::ARCH {
        "aarch64" => Platform::Arm64,
        _ => Platform::Amd64,
    };
    config.platform.unwrap_or(here)
}

/// Returns the findings about the frozen spec of an environment.
fn check(lists: &Lists, environment: &Environment, title: &str, header: &Header) -> Vec<Finding> {
    let name = specs::frozen(&environment.name);
    let file = lists.sources.path_of(&name);
    let Some(text) = lists.sources.files.get(&name) else {
        let (what, fix) = ("missing frozen spec", "run `cargo xtask freeze ");
        let fix = format!("{fix}{title}`");
        return vec![Finding { file, line: None, rule: RULE, what: what.to_owned(), fix }];
    };
    let frozen = match frozen::canonical(&file, text, &environment.name) {
        Ok(frozen) => frozen,
        Err(problem) => return vec![problem.finding(RULE)],
    };
    let none = Spec::default();
    let asked = lists.asked.get(&environment.name).unwrap_or(&none);
    comparison::findings((&file, text, title), &frozen, header, (asked, false))
}
