//! `freeze --check`: whether the frozen specs are complete, match this base and platform, and still
//! satisfy the floating lists. Without an engine and without a network.

use std::{env, fmt, path::Path};

use crate::{
    image::recipe::{self, LOCAL, Parts},
    mission::{checkout::Environment, dockerfile::lists::Lists, frozen_environments},
    run::{
        failure,
        finding::{self, Finding},
        terminal,
    },
    settings::config::{Base, Config},
    specs::{
        self,
        frozen::{self, FrozenSpec, RULE, satisfies},
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
    let findings = findings(session, selected, named).map_err(failure::request)?;
    let status = u8::from(!findings.is_empty());
    if session.flags.json {
        terminal::json(&findings)?;
    } else if !findings.is_empty() {
        terminal::print(finding::text(findings));
    }
    Ok(status)
}

fn findings(
    session: &Session,
    selected: &Selected,
    named: &[MissionConfig],
) -> anyhow::Result<Vec<Finding>> {
    let parts = read_parts(&session.checkout)?;
    let mut res = Vec::new();
    for it in named {
        let lists = Lists::read(&session.checkout, &it.mission)?;
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

/// Required first lines of a frozen spec.
struct Header {
    platform: Platform,
    base: BaseName,
}

/// Name of the base in frozen specs.
enum BaseName {
    Digest(String),
    /// The embedded base, with its Python if its lock has one.
    Local(Option<String>),
    /// A remote base, named by a tag: only a registry could resolve its digest.
    Tag,
}

impl BaseName {
    fn new(config: &Config, platform: Platform, parts: &Parts) -> BaseName {
        match config.base {
            Base::Embedded => BaseName::Local(recipe::embedded_python(parts)),
            Base::Remote(_) => {
                let digest = recipe::base_digest(&recipe::common(config, platform, parts));
                digest.map_or(BaseName::Tag, BaseName::Digest)
            }
        }
    }

    /// Returns whether `name`, from a frozen spec, is this base's.
    fn is(&self, name: &str) -> bool {
        let python = name.strip_prefix(LOCAL).and_then(|it| it.strip_prefix(" python-"));
        match self {
            BaseName::Digest(digest) => name == digest,
            BaseName::Local(Some(own)) => python == Some(own),
            BaseName::Local(None) => python.is_some(),
            BaseName::Tag => python.is_none(),
        }
    }
}

impl fmt::Display for BaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BaseName::Digest(digest) => f.write_str(digest),
            BaseName::Local(Some(python)) => write!(f, "{LOCAL} python-{python}"),
            BaseName::Local(None) => f.write_str(LOCAL),
            BaseName::Tag => f.write_str("the base of BASE_IMAGE"),
        }
    }
}

impl Header {
    fn new(config: &Config, parts: &Parts) -> Header {
        // The engine's platform is not queried: this check needs no engine.
        let here = match env::consts::ARCH {
            "aarch64" => Platform::Arm64,
            _ => Platform::Amd64,
        };
        let platform = config.platform.unwrap_or(here);
        Header { platform, base: BaseName::new(config, platform, parts) }
    }

    fn findings(&self, file: &Path, text: &str, frozen: &FrozenSpec, title: &str) -> Vec<Finding> {
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
        if !self.base.is(&frozen.base) {
            let what = format!("frozen on base `{}`; expected `{}`", frozen.base, self.base);
            res.push(finding("# base:", what));
        }
        let minor: String =
            frozen.python_version().splitn(3, '.').take(2).collect::<Vec<_>>().join(".");
        if let BaseName::Local(Some(own)) = &self.base
            && minor != *own
        {
            let what = format!("frozen with python {minor}, but the base has {own}");
            res.push(finding("  - python=", what));
        }
        res
    }
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
    let mut res = header.findings(&file, text, &frozen, title);
    let none = Spec::default();
    let asked = lists.asked.get(&environment.name).unwrap_or(&none);
    res.extend(satisfies::findings(RULE, (&file, title), &frozen, asked));
    res
}
