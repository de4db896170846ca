//! `why`: which lines bring a package in, and through which other packages: from the `via` comments
//! of the frozen specs and the floating lists.

use std::collections::{BTreeMap, VecDeque};

use anyhow::{Context as _, bail};
use serde::Serialize;

use crate::{
    cli::{self, Missions},
    failure, freeze,
    frozen::{self, Frozen},
    repo::{self, Mission},
    specs::{read::Spec, requirement::normalised},
    task::{
        Desk, Named,
        freeze::{Lists, title},
    },
    tree,
};

/// What `--json` prints of an environment that has the package.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Answer {
    mission: String,
    environment: String,
    version: String,
    /// Shortest first.
    chains: Vec<Chain>,
}

/// How one list brings the package in.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Chain {
    /// From the package that the list asks for to the one in question.
    packages: Vec<String>,
    /// The list's name.
    list: String,
    /// `file:line: text`, if it still asks for it.
    line: Option<String>,
}

pub(crate) fn run(desk: &Desk<'_>, args: &cli::Package) -> anyhow::Result<u8> {
    let package = normalised(&args.package);
    let named = named(desk, args).map_err(failure::request)?;
    let mut answers = Vec::new();
    for it in &named {
        answers.extend(of_mission(desk, it, &package).map_err(failure::request)?);
    }
    if desk.cli.json {
        println!("{}", serde_json::to_string_pretty(&answers).context("answers are plain data")?);
    } else {
        answers.iter().for_each(|it| print!("{}", text(it)));
    }
    if answers.is_empty() {
        bail!("{}", absent(desk, &named, &package)?);
    }
    Ok(0)
}

/// The missions that `args` is about.
pub(super) fn named(desk: &Desk<'_>, args: &cli::Package) -> anyhow::Result<Vec<Named>> {
    let missions = args.missions.clone();
    desk.named(&Missions { missions, all: args.all, ..Missions::default() })
}

/// What the frozen specs of `mission` say, with the environments' titles.
fn frozen_specs(desk: &Desk<'_>, mission: &Mission) -> anyhow::Result<Vec<(String, Frozen)>> {
    let mut res = Vec::new();
    for environment in freeze::environments(mission) {
        let path = environment.frozen_spec();
        if path.is_file() {
            let path = desk.repo.relative(&path);
            let frozen = frozen::parse(path, &tree::read_text(&desk.repo.root, path)?)?;
            res.push((title(mission, environment), frozen));
        }
    }
    Ok(res)
}

fn of_mission(desk: &Desk<'_>, named: &Named, package: &str) -> anyhow::Result<Vec<Answer>> {
    let mut res = Vec::new();
    let mut lists = None;
    for (_, frozen) in frozen_specs(desk, &named.mission)? {
        let Some(version) = version(&frozen, package) else { continue };
        if lists.is_none() {
            lists = Some(Lists::read(&desk.repo, named)?);
        }
        let none = Spec::default();
        let asked = lists.as_ref().and_then(|it| it.asked.get(&frozen.name)).unwrap_or(&none);
        res.push(Answer {
            mission: named.mission.name.clone(),
            chains: chains(&frozen, asked, package),
            environment: frozen.name,
            version,
        });
    }
    Ok(res)
}

/// The version of `package`, or the start of its commit.
fn version(frozen: &Frozen, package: &str) -> Option<String> {
    let pip = frozen.pip.iter().find(|it| it.name == package).map(|it| it.source.to_string());
    let conda = || {
        let found = frozen.conda.iter().find(|it| normalised(&it.name) == package);
        found.map(|it| it.version.clone())
    };
    let python = || frozen.python.clone().filter(|_| package == "python");
    pip.or_else(conda).or_else(python)
}

/// For each line that brings `package` in, the shortest chain from it.
fn chains(frozen: &Frozen, asked: &Spec, package: &str) -> Vec<Chain> {
    let via: BTreeMap<&str, &[String]> =
        frozen.pip.iter().map(|it| (it.name.as_str(), it.via.as_slice())).collect();
    let mut seen = vec![package.to_owned()];
    let mut queue = VecDeque::from([vec![package.to_owned()]]);
    let mut res = Vec::new();
    while let Some(packages) = queue.pop_front() {
        let of_first = via.get(packages[0].as_str()).copied().unwrap_or_default();
        for name in of_first {
            if !via.contains_key(name.as_str()) {
                let line = line(asked, &packages[0], name);
                res.push(Chain { packages: packages.clone(), list: name.clone(), line });
            } else if !seen.contains(name) {
                seen.push(name.clone());
                let start = vec![name.clone()];
                queue.push_back([start, packages.clone()].concat());
            }
        }
    }
    // Conda packages have no comments: only a line of their own is known.
    if !via.contains_key(package) {
        for it in asked.conda.iter().filter(|it| normalised(&it.what.name) == package) {
            let line = Some(format!("{}:{}: {}", it.file.display(), it.line, it.text));
            res.push(Chain { packages: vec![package.to_owned()], list: it.origin(), line });
        }
    }
    res
}

/// The line of `list` that asks for `package`.
fn line(asked: &Spec, package: &str, list: &str) -> Option<String> {
    let pip = asked.pip.iter().filter(|it| it.what.name == package && it.origin() == list);
    let pip = pip.map(|it| format!("{}:{}: {}", it.file.display(), it.line, it.text));
    let conda = asked.conda.iter();
    let conda = conda.filter(|it| normalised(&it.what.name) == package && it.origin() == list);
    let conda = conda.map(|it| format!("{}:{}: {}", it.file.display(), it.line, it.text));
    pip.chain(conda).next()
}

fn text(answer: &Answer) -> String {
    let Answer { mission, environment, version, chains } = answer;
    let package = chains.first().and_then(|it| it.packages.last());
    let package = package.map_or("", String::as_str);
    let mut res = format!("{mission}/{environment}: {package} {version}\n");
    for Chain { packages, list, line } in chains {
        let gone = || format!("{list}: {}, which it asks for no more", packages[0]);
        let line = line.clone().unwrap_or_else(gone);
        let through = match packages.as_slice() {
            [_] => String::new(),
            packages => format!(" → {}", packages[1..].join(" → ")),
        };
        res += &format!("  {line}{through}\n");
    }
    res
}

/// What to say of a package that no frozen spec has.
fn absent(desk: &Desk<'_>, named: &[Named], package: &str) -> anyhow::Result<String> {
    let searched: Vec<&str> = named.iter().map(|it| it.mission.name.as_str()).collect();
    let what = format!("no frozen spec of {} has `{package}`", searched.join(", "));
    let (mut elsewhere, mut names) = (Vec::new(), Vec::new());
    for mission in &desk.repo.missions {
        for (title, frozen) in frozen_specs(desk, mission)? {
            if version(&frozen, package).is_some() {
                elsewhere.push(title);
            } else if searched.contains(&mission.name.as_str()) {
                names.extend(frozen.pip.iter().map(|it| it.name.clone()));
            }
        }
    }
    if !elsewhere.is_empty() {
        return Ok(format!("{what}; {} does: name its mission, or --all", elsewhere.join(", ")));
    }
    Ok(match repo::nearest(package, names.iter().map(String::as_str)) {
        Some(nearest) => format!("{what}; did you mean `{nearest}`?"),
        None => what,
    })
}

#[cfg(test)]
mod tests;
