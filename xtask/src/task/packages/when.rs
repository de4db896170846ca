//! `when`: the versions of a package over the history of the frozen specs, newest first.

use std::path::{Path, PathBuf};

use anyhow::bail;
use fs_err as fs;
use serde::Serialize;

use crate::{
    mission::frozen_environments,
    run::{failure, terminal, ui},
    specs::{frozen, requirement::normalised},
    task::{Session, args},
    tools::git,
};

/// A commit that changed the package in one frozen spec, as `--json` prints it.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Event {
    mission: String,
    environment: String,
    /// `None` when the package was removed.
    version: Option<String>,
    /// `None` for a change that is not committed.
    commit: Option<String>,
    /// Date in RFC 3339.
    date: Option<String>,
    subject: String,
}

pub(crate) fn run(session: &Session, args: &args::Package) -> anyhow::Result<u8> {
    let package = normalised(&args.package);
    let events = events(session, args, &package).map_err(failure::request)?;
    if session.flags.json {
        terminal::json(&events)?;
    } else if !events.is_empty() {
        terminal::print(text(&events));
    }
    if events.is_empty() {
        bail!(
            "no frozen spec of {} has, or ever had, `{package}`; name its mission, or pass --all",
            searched(session, args)?
        );
    }
    Ok(0)
}

/// Returns the names of the missions that were searched.
fn searched(session: &Session, args: &args::Package) -> anyhow::Result<String> {
    let named = session.named_for(args).map_err(failure::request)?;
    Ok(named.iter().map(|it| it.mission.name.as_str()).collect::<Vec<_>>().join(", "))
}

fn events(session: &Session, args: &args::Package, package: &str) -> anyhow::Result<Vec<Event>> {
    let mut files = Vec::new();
    for it in session.named_for(args)? {
        for environment in frozen_environments::of(&it.mission) {
            let path = environment.frozen_spec();
            let file = session.checkout.relative(&path).to_owned();
            files.push(File {
                mission: it.mission.name.clone(),
                environment: environment.name.clone(),
                file,
            });
        }
    }
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let paths: Vec<&Path> = files.iter().map(|it| it.file.as_path()).collect();
    let log = git::patches(&session.checkout.root, &paths)?;
    let committed = parse_log(&log, &files, package);
    let mut res = Vec::new();
    for file in &files {
        let newest = committed.iter().find(|it| file.is_of(it)).and_then(|it| it.version.clone());
        let now = version(&session.checkout.root.join(&file.file), package)?;
        if now != newest {
            res.push(file.event(now, None));
        }
    }
    res.extend(committed);
    Ok(res)
}

/// The frozen spec of an environment.
struct File {
    mission: String,
    environment: String,
    /// Path relative to the root of the checkout.
    file: PathBuf,
}

impl File {
    fn is_of(&self, event: &Event) -> bool {
        self.mission == event.mission && self.environment == event.environment
    }

    fn event(&self, version: Option<String>, commit: Option<&Commit<'_>>) -> Event {
        Event {
            mission: self.mission.clone(),
            environment: self.environment.clone(),
            version,
            commit: commit.map(|it| it.id.to_owned()),
            date: commit.map(|it| it.date.to_owned()),
            subject: commit.map_or("(not committed)", |it| it.subject).to_owned(),
        }
    }
}

/// Returns the version in the working tree.
fn version(path: &Path, package: &str) -> anyhow::Result<Option<String>> {
    if !path.is_file() {
        return Ok(None);
    }
    let text = fs::read_to_string(path)?;
    Ok(text.lines().find_map(|it| frozen::version_in(it, package)))
}

#[derive(Debug, Clone, Copy)]
struct Commit<'a> {
    id: &'a str,
    date: &'a str,
    subject: &'a str,
}

/// Returns the change of the package by each commit, in each file.
fn parse_log(text: &str, files: &[File], package: &str) -> Vec<Event> {
    let mut res = Vec::new();
    let mut commit = None;
    let mut open: Option<Open<'_>> = None;
    for line in text.lines() {
        let starts_commit = parse_commit(line);
        if starts_commit.is_some() || line.starts_with("diff --git ") {
            res.extend(open.take().and_then(|it| it.event(commit.as_ref())));
        }
        commit = starts_commit.or(commit);
        if let Some(name) = line.strip_prefix("diff --git a/") {
            let file = files
                .iter()
                .find(|it| name.ends_with(&format!(" b/{}", it.file.to_string_lossy())));
            open = file.map(|file| Open { file, old: None, new: None });
        } else if let Some(open) = &mut open {
            open.line(line, package);
        }
    }
    res.extend(open.and_then(|it| it.event(commit.as_ref())));
    res
}

fn parse_commit(line: &str) -> Option<Commit<'_>> {
    let mut fields = line.strip_prefix("commit\t")?.splitn(3, '\t');
    Some(Commit { id: fields.next()?, date: fields.next()?, subject: fields.next()? })
}

/// The current patch of one file.
struct Open<'a> {
    file: &'a File,
    old: Option<String>,
    new: Option<String>,
}

impl Open<'_> {
    fn line(&mut self, line: &str, package: &str) {
        // Most lines are about other packages, and parsing one takes longer than this test.
        let word = package.split('-').max_by_key(|it| it.len()).unwrap_or(package);
        if !line.contains(word) {
            return;
        }
        let side = match line.as_bytes().first() {
            Some(b'-') => &mut self.old,
            Some(b'+') => &mut self.new,
            _ => return,
        };
        if let Some(version) = frozen::version_in(&line[1..], package) {
            *side = Some(version);
        }
    }

    /// Returns the event; `None` when the commit did not change the version.
    fn event(self, commit: Option<&Commit<'_>>) -> Option<Event> {
        let Open { file, old, new } = self;
        (old != new).then(|| file.event(new, commit))
    }
}

fn text(events: &[Event]) -> String {
    let row = |it: &Event| {
        let date = it.date.as_deref().and_then(|it| it.split('T').next()).unwrap_or("now");
        let commit = it.commit.as_deref().map_or("-", |it| &it[..it.len().min(12)]);
        vec![
            date.to_owned(),
            it.version.clone().unwrap_or_else(|| "removed".to_owned()),
            format!("{}/{}", it.mission, it.environment),
            commit.to_owned(),
            it.subject.clone(),
        ]
    };
    let rows: Vec<Vec<String>> = events.iter().map(row).collect();
    ui::table(&["DATE", "VERSION", "ENVIRONMENT", "COMMIT", "SUBJECT"], &rows)
}

#[cfg(test)]
pub(crate) mod tests;
