//! `diff`: changes of a frozen spec since a commit, or its differences from the image.

use anyhow::{Context as _, bail};
use serde::Serialize;

use crate::{
    image::{
        build::{BuildPolicy, Builds},
        export,
    },
    mission::{
        checkout::{Environment, Mission},
        frozen_environments::{find, title},
    },
    run::{failure, printable::Shown as _, terminal, text_file},
    specs::frozen::{
        self, FrozenSpec,
        changes::{self, Change},
    },
    task::{
        Session,
        args::{self, Missions},
        shared::reuse::{self, Place},
    },
    tools::{
        git,
        image_name::{ImageId, short},
    },
};

/// Output of `--json`.
#[derive(Debug, Serialize)]
struct Answer {
    mission: String,
    environment: String,
    /// Commit of the older file.
    since: Option<String>,
    /// Image that is compared with the file.
    image: Option<ImageId>,
    changes: Vec<Change>,
}

pub(crate) fn run(session: &Session, args: &args::Diff) -> anyhow::Result<u8> {
    let (mission, environment) =
        find(&session.checkout, None, &args.environment).map_err(failure::request)?;
    let answer = match args.image {
        true => of_image(session, mission, environment)?,
        false => {
            since(session, mission, environment, &args.since).map(Some).map_err(failure::request)?
        }
    };
    let Some(answer) = answer else { return Ok(0) };
    if session.flags.json {
        terminal::json(&answer)?;
        return Ok(0);
    }
    let title = headline(&answer);
    if args.markdown {
        terminal::print(format_args!("### {title}\n\n{}", changes::markdown(&answer.changes)));
    } else if answer.changes.is_empty() {
        terminal::print(format_args!("{title}: nothing changed"));
    } else {
        terminal::print(format_args!("{title}:\n{}", changes::text(&answer.changes)));
    }
    Ok(0)
}

fn headline(answer: &Answer) -> String {
    let Answer { mission, environment, since, image, .. } = answer;
    let since = since.iter().map(|it| format!(" since {}", short(it)));
    let image = image.iter().map(|it| format!(" in image {}", it.short()));
    format!("{mission}/{environment}{}", since.chain(image).collect::<String>())
}

/// Returns the differences between the file and the mission's image, in the mode of the settings.
/// `None` in a dry run.
fn of_image(
    session: &Session,
    mission: &Mission,
    environment: &Environment,
) -> anyhow::Result<Option<Answer>> {
    let missions = Missions { missions: vec![mission.name.clone()], ..Missions::default() };
    let named = session.named(&missions).map_err(failure::request)?;
    let runner = session.runner(&named[0].config)?;
    let chosen = session.choose(&runner, named)?;
    let published = reuse::look(&runner, chosen, BuildPolicy::Refuse, Place::Engine)?;
    let chosen = &published.chosen;
    let builds = Builds::new(&runner, BuildPolicy::Refuse)?;
    let chain = builds.chain(&chosen[0].config, &chosen[0].chain)?;
    let image = &chain.last().context("a chain has an image")?.image;
    let questions = export::questions(&runner, image, &[environment])?;
    let exports = export::ask(&runner, mission, questions)?;
    Ok(exports.first().map(|it| Answer {
        mission: mission.name.clone(),
        environment: environment.name.clone(),
        since: None,
        image: Some(image.id.clone()),
        changes: it.changes(),
    }))
}

fn since(
    session: &Session,
    mission: &Mission,
    environment: &Environment,
    revision: &str,
) -> anyhow::Result<Answer> {
    let path = environment.frozen_spec();
    let name = session.checkout.relative(&path).to_owned();
    let since = commit(session, revision)?;
    let old = at(session, &since, &name)?;
    let new =
        path.is_file().then(|| text_file::read_text(&session.checkout.root, &name)).transpose()?;
    if old.is_none() && new.is_none() {
        let title = title(mission, environment);
        let name = name.shown();
        bail!("{name}: no frozen spec, here or in {revision}; run `cargo xtask freeze {title}`");
    }
    let parse = |text: Option<String>| -> anyhow::Result<Option<FrozenSpec>> {
        Ok(text.map(|it| frozen::parse(&name, &it)).transpose()?)
    };
    // A file from before this format counts as missing.
    let old = parse(old).unwrap_or_default();
    Ok(Answer {
        mission: mission.name.clone(),
        environment: environment.name.clone(),
        changes: changes::changes(old.as_ref(), parse(new)?.as_ref()),
        since: Some(since),
        image: None,
    })
}

/// Returns the full id of the commit `revision`.
fn commit(session: &Session, revision: &str) -> anyhow::Result<String> {
    git::revision(&session.checkout.root, revision)?
        .with_context(|| format!("`{revision}`: commit not found; `git log --oneline` lists them"))
}

/// Returns the text of a file in a commit, if it exists there.
fn at(session: &Session, commit: &str, name: &std::path::Path) -> anyhow::Result<Option<String>> {
    let bytes = git::file(&session.checkout.root, commit, name)?;
    let text = bytes.map(String::from_utf8).transpose();
    text.with_context(|| format!("{} is not UTF-8 in {commit}", name.shown()))
}
