//! `diff`: what changed in a frozen spec since a commit.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use fs_err as fs;
use serde::Serialize;

use crate::{
    cli, failure,
    frozen::{
        self, Frozen,
        changes::{self, Change},
    },
    process::{self, cmd},
    task::{
        Desk,
        freeze::{find, title},
    },
};

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Answer {
    mission: String,
    environment: String,
    /// The commit that it is compared with.
    since: String,
    changes: Vec<Change>,
}

pub(crate) fn run(desk: &Desk<'_>, args: &cli::Diff) -> anyhow::Result<u8> {
    let answer = answer(desk, args).map_err(failure::request)?;
    if desk.cli.json {
        println!("{}", serde_json::to_string_pretty(&answer).context("changes are plain data")?);
        return Ok(0);
    }
    let Answer { mission, environment, since, changes } = &answer;
    let short: String = since.chars().take(12).collect();
    if args.markdown {
        print!("### {mission}/{environment} since {short}\n\n{}", changes::markdown(changes));
    } else if changes.is_empty() {
        println!("{mission}/{environment}: nothing changed since {short}");
    } else {
        print!("{mission}/{environment} since {short}:\n{}", changes::text(changes));
    }
    Ok(0)
}

fn answer(desk: &Desk<'_>, args: &cli::Diff) -> anyhow::Result<Answer> {
    let (mission, environment) = find(&desk.repo, None, &args.environment)?;
    let path = environment.frozen_spec();
    let name = desk.repo.relative(&path).to_owned();
    let since = commit(desk, &args.since)?;
    let old = at(desk, &since, &name)?;
    let new = if path.is_file() { Some(fs::read_to_string(&path)?) } else { None };
    if old.is_none() && new.is_none() {
        let title = title(mission, environment);
        bail!(
            "{}: there is none, here or in {}; run `cargo xtask freeze {title}`",
            name.display(),
            args.since
        );
    }
    let parse = |text: Option<String>| -> anyhow::Result<Option<Frozen>> {
        Ok(text.map(|it| frozen::parse(&name, &it)).transpose()?)
    };
    // One from before this format is none.
    let old = parse(old).unwrap_or_default();
    let new = parse(new)?;
    Ok(Answer {
        mission: mission.name.clone(),
        environment: environment.name.clone(),
        changes: changes::changes(old.as_ref(), new.as_ref()),
        since,
    })
}

/// The full id of the commit `revision`.
fn commit(desk: &Desk<'_>, revision: &str) -> anyhow::Result<String> {
    let revision = format!("{revision}^{{commit}}");
    let root = &desk.repo.root;
    let output =
        process::output(&cmd!(root, "git rev-parse --verify --quiet --end-of-options {revision}"))?;
    if output.status != 0 {
        let revision = revision.trim_end_matches("^{commit}");
        bail!("git knows no commit `{revision}`; `git log --oneline` lists them");
    }
    Ok(output.stdout.trim().to_owned())
}

/// The text of a file in a commit, if it has one.
fn at(desk: &Desk<'_>, commit: &str, name: &std::path::Path) -> anyhow::Result<Option<String>> {
    let object = PathBuf::from(format!("{commit}:./{}", name.display()));
    let output = process::output(&cmd!(desk.repo.root, "git cat-file blob {object}"))?;
    Ok((output.status == 0).then_some(output.stdout))
}
