//! `freeze`: writes the contents of floating images to frozen specs, checks these without an
//! engine, or proves that a frozen image reproduces them.

mod select;
mod check;
mod verify;

use std::path::PathBuf;

use anyhow::Context as _;
use serde::Serialize;

use crate::{
    image::{
        build::{BuildPolicy, Builds, BuiltImage},
        export::{self, Export},
        mission_images::MissionImages,
        runner::Runner,
    },
    mission::{checkout::Mission, dockerfile::update},
    run::{failure, printable::Shown as _, terminal},
    specs::frozen::changes::{self, Change},
    task::{
        MissionConfig, Session, args,
        shared::reuse::{self, Place},
    },
};

pub(crate) use select::Selected;

pub(crate) fn run(session: &Session, args: &args::Freeze) -> anyhow::Result<u8> {
    let selected = Selected::new(session, args).map_err(failure::request)?;
    let named = selected.named(session).map_err(failure::request)?;
    if args.check {
        return check::run(session, &selected, &named);
    }
    let runner = session.runner(&named[0].config)?;
    let _locks = session.lock_missions(named.iter().map(|it| &it.mission.name))?;
    if args.verify {
        verify::require_frozen(session, &selected, &named).map_err(failure::request)?;
    }
    session.require_digests(&runner, &named)?;
    let chosen = choose(session, &runner, named)?;
    let missing = if args.refresh { BuildPolicy::Refresh } else { BuildPolicy::Build };
    let published = reuse::look(&runner, chosen, missing, Place::Engine)?;
    let chosen = &published.chosen;
    let builds = Builds::new(&runner, missing)?;
    if args.verify {
        return verify::run(session, &runner, &builds, &selected, chosen, args.diff);
    }
    write(session, &runner, &builds, args, &selected, chosen)?;
    Ok(0)
}

/// Exports from all images before any file is written, and then writes all files.
fn write(
    session: &Session,
    runner: &Runner,
    builds: &Builds<'_>,
    args: &args::Freeze,
    selected: &Selected,
    chosen: &[MissionImages],
) -> anyhow::Result<()> {
    let mut all = Vec::new();
    for it in chosen {
        let built = image(builds, it)?;
        let mut questions = export::questions(runner, &built.image, &selected.of(&it.mission))?;
        questions.push(export::debian(runner, &it.mission, &built.image)?);
        all.push((&it.mission, built, export::ask(runner, &it.mission, questions)?));
    }
    let Some(permit) = session.permit else { return Ok(()) };
    export::write(permit, all.iter().flat_map(|(.., exports)| exports))?;
    let rows: Vec<Row> =
        all.iter().flat_map(|(it, _, exports)| rows(session, it, exports)).collect();
    report(session, args, &rows)?;
    // A mission that was frozen in part is frozen by the next build.
    for (mission, built, _) in all.iter().filter(|(it, ..)| selected.is_whole(it)) {
        export::mark(permit, runner, mission, &built.image)?;
    }
    Ok(())
}

/// Writes the Dockerfiles of the images, and reads all of their sources.
fn choose(
    session: &Session,
    runner: &Runner,
    named: Vec<MissionConfig>,
) -> anyhow::Result<Vec<MissionImages>> {
    if let Some(permit) = session.permit {
        let missions: Vec<&Mission> = named.iter().map(|it| &it.mission).collect();
        update::write(permit, &session.checkout, &update::updates(&session.checkout, &missions)?)?;
    }
    let chosen = session.choose(runner, named)?;
    session.require_pinned(&chosen)?;
    Ok(chosen)
}

/// Returns the mission's image, built if it is missing.
fn image(builds: &Builds<'_>, chosen: &MissionImages) -> anyhow::Result<BuiltImage> {
    let chain = builds.chain(&chosen.config, &chosen.chain)?;
    chain.last().cloned().context("a chain has an image")
}

/// Output of `--json` about an environment.
#[derive(Debug, Serialize)]
struct Row {
    mission: String,
    environment: String,
    /// Path relative to the root of the checkout.
    file: PathBuf,
    /// Whether the file was written.
    changed: bool,
    changes: Vec<Change>,
    #[serde(skip)]
    diff: String,
}

fn rows(session: &Session, mission: &Mission, exports: &[Export]) -> Vec<Row> {
    let row = |it: &Export| {
        let file = session.checkout.relative(&it.path).to_owned();
        Some(Row {
            mission: mission.name.clone(),
            environment: it.frozen.as_ref()?.name.clone(),
            changed: it.differs(),
            changes: it.changes(),
            diff: it.diff(&file),
            file,
        })
    };
    exports.iter().filter_map(row).collect()
}

fn report(session: &Session, args: &args::Freeze, rows: &[Row]) -> anyhow::Result<()> {
    if session.flags.json {
        terminal::json(&rows)?;
        return Ok(());
    }
    for row in rows {
        if args.diff {
            terminal::print(&row.diff);
        } else if args.markdown {
            terminal::print(markdown(row));
        } else {
            terminal::print(text(row));
        }
    }
    Ok(())
}

fn text(row: &Row) -> String {
    let Row { mission, environment, changed, changes, file, .. } = row;
    let title = format!("{mission}/{environment}");
    match (changed, changes.is_empty()) {
        (false, _) => format!("{title}: unchanged\n"),
        (true, true) => format!("{title}: only comments differ in {}\n", file.shown()),
        (true, false) => {
            format!("{title}: {} in {}\n{}", count(changes), file.shown(), changes::text(changes))
        }
    }
}

fn markdown(row: &Row) -> String {
    let title = format!("### {}/{}\n\n", row.mission, row.environment);
    match row.changes.is_empty() {
        true => format!("{title}No package changed.\n\n"),
        false => format!("{title}{}\n", changes::markdown(&row.changes)),
    }
}

fn count(changes: &[Change]) -> String {
    match changes.len() {
        1 => "1 change".to_owned(),
        n => format!("{n} changes"),
    }
}

#[cfg(test)]
mod tests;
