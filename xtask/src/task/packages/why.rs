//! `why`: the lines that bring a package in, and the packages between: from the `via` comments of
//! the frozen specs and the floating lists.

use std::collections::VecDeque;

use anyhow::bail;
use serde::Serialize;

use crate::{
    mission::{
        checkout::Mission,
        dockerfile::lists::Lists,
        frozen_environments::{self, title},
    },
    run::{failure, suggest::nearest, terminal, text_file},
    specs::{
        frozen::{self, FrozenSpec, Package},
        read::Spec,
        requirement::normalised,
    },
    task::{MissionConfig, Session, args},
};

/// Output of `--json` about an environment that has the package.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Answer {
    mission: String,
    environment: String,
    /// Name in the frozen spec.
    package: String,
    version: String,
    /// Python distributions of a conda package under other names or versions, as `name==version`.
    provides: Vec<String>,
    /// Chains, shortest first. Empty for a package of the base.
    chains: Vec<Chain>,
}

/// A chain from one list, or from the cloned environment, to the package.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Chain {
    /// Packages from the one that the list requests to the one in question.
    packages: Vec<String>,
    /// Name of the list; `None` for a cloned environment.
    list: Option<String>,
    /// Line as `file:line: text`, if the list still requests the package.
    line: Option<String>,
    cloned_from: Option<String>,
}

pub(crate) fn run(session: &Session, args: &args::Package) -> anyhow::Result<u8> {
    let package = normalised(&args.package);
    let named = session.named_for(args).map_err(failure::request)?;
    let mut answers = Vec::new();
    for it in &named {
        answers.extend(of_mission(session, it, &package).map_err(failure::request)?);
    }
    if session.flags.json {
        terminal::json(&answers)?;
    } else {
        answers.iter().for_each(|it| terminal::print(text(it)));
    }
    if answers.is_empty() {
        bail!("{}", absent(session, &named, &package)?);
    }
    Ok(0)
}

/// Returns the frozen specs of `mission`, with the environments' titles.
fn frozen_specs(session: &Session, mission: &Mission) -> anyhow::Result<Vec<(String, FrozenSpec)>> {
    let mut res = Vec::new();
    for environment in frozen_environments::of(mission) {
        let path = environment.frozen_spec();
        if path.is_file() {
            let path = session.checkout.relative(&path);
            let frozen = frozen::parse(path, &text_file::read_text(&session.checkout.root, path)?)?;
            res.push((title(mission, environment), frozen));
        }
    }
    Ok(res)
}

fn of_mission(
    session: &Session,
    named: &MissionConfig,
    package: &str,
) -> anyhow::Result<Vec<Answer>> {
    let mut res = Vec::new();
    let mut lists = None;
    for (_, frozen) in frozen_specs(session, &named.mission)? {
        if !has(&frozen, package) {
            continue;
        }
        if lists.is_none() {
            lists = Some(Lists::read(&session.checkout, &named.mission)?);
        }
        let none = Spec::default();
        let asked = lists.as_ref().and_then(|it| it.asked.get(&frozen.name)).unwrap_or(&none);
        res.extend(answers(&named.mission.name, &frozen, asked, package));
    }
    Ok(res)
}

fn has(frozen: &FrozenSpec, package: &str) -> bool {
    !frozen.named(package).is_empty() || (package == "python" && frozen.python.is_some())
}

/// Returns an answer for each package of the normalised name.
fn answers(mission: &str, frozen: &FrozenSpec, asked: &Spec, package: &str) -> Vec<Answer> {
    let answer = |name: &str, version: String, provides: &[String], chains: Vec<Chain>| Answer {
        mission: mission.to_owned(),
        environment: frozen.name.clone(),
        package: name.to_owned(),
        version,
        provides: provides.to_vec(),
        chains,
    };
    if let Some(version) = frozen.python.as_ref().filter(|_| package == "python") {
        return vec![answer(
            package,
            version.clone(),
            &[],
            lines_of(asked, package, |it| it == package).collect(),
        )];
    }
    let answer = |it: Package<'_>| {
        let provides = match it {
            Package::Conda(pin) => pin.provides.as_slice(),
            Package::Pip(_) => &[],
        };
        answer(it.name(), it.to_string(), provides, chains(frozen, asked, it))
    };
    frozen.named(package).into_iter().map(answer).collect()
}

/// Returns the shortest chain from each line, or cloned environment, that brings `package` in.
fn chains(frozen: &FrozenSpec, asked: &Spec, package: Package<'_>) -> Vec<Chain> {
    let by_name = frozen.by_name();
    let mut seen = vec![package];
    let mut queue = VecDeque::from([vec![package]]);
    let mut res = Vec::new();
    while let Some(packages) = queue.pop_front() {
        for name in packages[0].via() {
            let Some(parents) = by_name.get(&normalised(name)) else {
                res.push(chain(asked, &packages, name));
                continue;
            };
            for parent in parents.iter().filter(|it| !seen.contains(it)).collect::<Vec<_>>() {
                seen.push(*parent);
                queue.push_back([vec![*parent], packages.clone()].concat());
            }
        }
    }
    // A requirement of a pip list that a conda package satisfies; and frozen specs of earlier
    // versions have no comments on conda lines.
    let of_lines = lines_of(asked, package.name(), |it| package.is_named(it));
    res.extend(
        of_lines.filter(|it| !it.list.as_ref().is_some_and(|it| package.via().contains(it))),
    );
    res
}

/// Returns the chain that begins with `origin`: a list, or a cloned environment.
fn chain(asked: &Spec, packages: &[Package<'_>], origin: &str) -> Chain {
    let names: Vec<String> = packages.iter().map(|it| it.name().to_owned()).collect();
    if asked.cloned.contains(origin) {
        let cloned_from = Some(origin.to_owned());
        return Chain { packages: names, list: None, line: None, cloned_from };
    }
    let mut of_lines = lines_of(asked, packages[0].name(), |it| packages[0].is_named(it));
    let line = of_lines.find(|it| it.list.as_deref() == Some(origin)).and_then(|it| it.line);
    Chain { packages: names, list: Some(origin.to_owned()), line, cloned_from: None }
}

/// Returns a chain for each line that requests `package` by one of its normalised names.
fn lines_of(
    asked: &Spec,
    package: &str,
    is_named: impl Fn(&str) -> bool,
) -> impl Iterator<Item = Chain> {
    let pip = asked.pip.iter().map(|it| (it.what.name.clone(), it.origin(), it.shown()));
    let conda = asked.conda.iter().map(|it| (normalised(&it.what.name), it.origin(), it.shown()));
    let lines = pip.chain(conda).filter(move |(name, ..)| is_named(name));
    lines.map(move |(_, list, line)| Chain {
        packages: vec![package.to_owned()],
        list: Some(list),
        line: Some(line),
        cloned_from: None,
    })
}

fn text(answer: &Answer) -> String {
    let Answer { mission, environment, package, version, provides, chains } = answer;
    let provides = match provides.is_empty() {
        true => String::new(),
        false => format!(" (provides {})", provides.join(", ")),
    };
    let mut res = format!("{mission}/{environment}: {package} {version}{provides}\n");
    for chain in chains {
        res += &format!("  {}{}\n", chain.origin(), chain.through());
    }
    if chains.is_empty() {
        res += "  no list asks for it: creating the environment brought it\n";
    }
    res
}

impl Chain {
    fn origin(&self) -> String {
        match (&self.line, &self.list, &self.cloned_from) {
            (Some(line), _, _) => line.clone(),
            (None, Some(list), _) => {
                format!("{list}: {} (no longer required there)", self.packages[0])
            }
            (None, None, from) => {
                let from = from.as_deref().unwrap_or_default();
                format!("cloned from {from}: {}", self.packages[0])
            }
        }
    }

    fn through(&self) -> String {
        self.packages[1..].iter().map(|it| format!(" → {it}")).collect()
    }
}

/// Returns the message about a package that no frozen spec has.
fn absent(session: &Session, named: &[MissionConfig], package: &str) -> anyhow::Result<String> {
    let searched: Vec<&str> = named.iter().map(|it| it.mission.name.as_str()).collect();
    let what = format!("no frozen spec of {} has `{package}`", searched.join(", "));
    let (mut elsewhere, mut names) = (Vec::new(), Vec::new());
    for mission in &session.checkout.missions {
        for (title, frozen) in frozen_specs(session, mission)? {
            if has(&frozen, package) {
                elsewhere.push(title);
            } else if searched.contains(&mission.name.as_str()) {
                names.extend(frozen.packages().flat_map(|it| it.names()));
            }
        }
    }
    if !elsewhere.is_empty() {
        return Ok(format!("{what}; {} does: name its mission, or --all", elsewhere.join(", ")));
    }
    Ok(match nearest(package, names.iter().map(String::as_str)) {
        Some(nearest) => format!("{what}; did you mean `{nearest}`?"),
        None => what,
    })
}

#[cfg(test)]
mod tests;
