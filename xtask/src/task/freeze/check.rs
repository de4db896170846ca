//! `freeze --check`: whether the frozen specs are whole, of this base and platform, and still what
//! the floating lists ask for. Without an engine and without a network.

use std::{env, path::Path};

use crate::{
    config::Config,
    dockerfile::lists::Lists,
    failure,
    frozen::{self, Frozen, RULE, satisfies},
    frozen_environments,
    image::{self, Parts},
    platform::Platform,
    repo::Environment,
    report::{self, Finding},
    specs::{self, read::Spec},
    task::{Desk, Named, freeze::Selected, read_parts},
    terminal,
};

pub(super) fn run(desk: &Desk, selected: &Selected, named: &[Named]) -> anyhow::Result<u8> {
    let findings = findings(desk, selected, named).map_err(failure::request)?;
    let status = u8::from(!findings.is_empty());
    if desk.flags.json {
        terminal::json(&findings)?;
    } else if !findings.is_empty() {
        terminal::print(report::text(findings));
    }
    Ok(status)
}

fn findings(desk: &Desk, selected: &Selected, named: &[Named]) -> anyhow::Result<Vec<Finding>> {
    let parts = read_parts(&desk.repo)?;
    let mut res = Vec::new();
    for it in named {
        let lists = Lists::read(&desk.repo, &it.mission)?;
        res.extend(lists.findings.clone());
        let header = Header::new(&it.config, &parts);
        for environment in selected.of(&it.mission) {
            let title = frozen_environments::title(&it.mission, environment);
            res.extend(check(&lists, environment, &title, &header));
        }
    }
    res.sort();
    res.dedup();
    Ok(res)
}

/// What the first lines of a frozen spec have to say.
struct Header {
    platform: Platform,
    /// `None` when only a registry could tell.
    base: Option<String>,
}

impl Header {
    fn new(config: &Config, parts: &Parts) -> Header {
        // The engine's is not asked for: this needs none.
        let here = match env::consts::ARCH {
            "aarch64" => Platform::Arm64,
            _ => Platform::Amd64,
        };
        let platform = config.platform.unwrap_or(here);
        let base = image::base_digest(&image::common(config, platform, parts));
        Header { platform, base }
    }

    fn findings(&self, file: &Path, text: &str, frozen: &Frozen, title: &str) -> Vec<Finding> {
        let finding = |key: &str, what: String| {
            let line = text.lines().position(|it| it.starts_with(key)).map(|at| at + 1);
            let fix = format!("run `cargo xtask freeze {title}`");
            Finding { file: file.to_owned(), line, rule: RULE, what, fix }
        };
        let mut res = Vec::new();
        if frozen.platform != self.platform {
            let what = format!("frozen for {}, not for {}", frozen.platform, self.platform);
            res.push(finding("# platform:", what));
        }
        if let Some(base) = self.base.as_ref().filter(|it| **it != frozen.base) {
            let what = format!("frozen on another base image than {base}");
            res.push(finding("# base:", what));
        }
        res
    }
}

/// Returns what is wrong with the frozen spec of an environment.
fn check(lists: &Lists, environment: &Environment, title: &str, header: &Header) -> Vec<Finding> {
    let name = specs::frozen(&environment.name);
    let file = lists.sources.path_of(&name);
    let Some(text) = lists.sources.files.get(&name) else {
        let (what, fix) = ("there is no frozen spec", "run `cargo xtask freeze ");
        let fix = format!("{fix}{title}`");
        return vec![Finding { file, line: None, rule: RULE, what: what.to_owned(), fix }];
    };
    let frozen = match frozen::canonical(&file, text, &environment.name) {
        Ok(frozen) => frozen,
        Err(problem) => return vec![problem.finding(RULE)],
    };
    let mut res = header.findings(&file, text, &frozen, title);
    let none = Spec::default();
    let asked = lists.asked.get(&environment.name).unwrap_or(&none);
    res.extend(satisfies::findings(RULE, (&file, title), &frozen, asked));
    res
}
