//! `freeze`: writes what floating images consist of to frozen specs, checks these without an engine,
//! or proves that a frozen image gives them again.

mod select;
mod check;
mod verify;

use std::path::PathBuf;

use anyhow::Context as _;
use serde::Serialize;

use crate::{
    build::{Builds, Built, Missing},
    chosen::Chosen,
    dockerfile::update,
    engine::Engine,
    failure,
    freeze::{self, Export},
    frozen::changes::{self, Change},
    printable::Shown as _,
    repo::Mission,
    task::{Desk, Named, args},
    terminal,
};

pub(crate) use select::Selected;

pub(crate) fn run(desk: &Desk, args: &args::Freeze) -> anyhow::Result<u8> {
    let selected = Selected::new(desk, args).map_err(failure::request)?;
    let named = selected.named(desk).map_err(failure::request)?;
    if args.check {
        return check::run(desk, &selected, &named);
    }
    let engine = desk.engine(&named[0].config)?;
    let _lock = desk.lock()?;
    if args.verify {
        verify::require_frozen(desk, &selected, &named).map_err(failure::request)?;
    }
    desk.require_digests(&engine, &named)?;
    let chosen = choose(desk, &engine, named)?;
    let missing = if args.refresh { Missing::Refresh } else { Missing::Build };
    let mut builds = Builds::new(&engine, missing)?;
    if args.verify {
        return verify::run(desk, &engine, &mut builds, &selected, &chosen, args.diff);
    }
    write(desk, &engine, &mut builds, args, &selected, &chosen)?;
    Ok(0)
}

/// Asks all images before any file is written, and then writes all files.
fn write(
    desk: &Desk,
    engine: &Engine,
    builds: &mut Builds<'_>,
    args: &args::Freeze,
    selected: &Selected,
    chosen: &[Chosen],
) -> anyhow::Result<()> {
    let mut all = Vec::new();
    for it in chosen {
        let built = image(builds, it)?;
        let mut questions = freeze::questions(engine, &built.image, &selected.of(&it.mission))?;
        questions.push(freeze::debian(engine, &it.mission, &built.image)?);
        all.push((&it.mission, built, freeze::ask(engine, &it.mission, questions)?));
    }
    let Some(permit) = desk.permit else { return Ok(()) };
    freeze::write(permit, all.iter().flat_map(|(.., exports)| exports))?;
    let rows: Vec<Row> = all.iter().flat_map(|(it, _, exports)| rows(desk, it, exports)).collect();
    report(desk, args, &rows)?;
    // One that was not frozen whole is frozen by the next build.
    for (mission, built, _) in all.iter().filter(|(it, ..)| selected.is_whole(it)) {
        freeze::mark(permit, engine, mission, &built.image)?;
    }
    Ok(())
}

/// Writes the Dockerfiles that images are built from, and reads all that goes into them.
fn choose(desk: &Desk, engine: &Engine, named: Vec<Named>) -> anyhow::Result<Vec<Chosen>> {
    if let Some(permit) = desk.permit {
        let missions: Vec<&Mission> = named.iter().map(|it| &it.mission).collect();
        update::write(permit, &desk.repo, &update::updates(&desk.repo, &missions)?)?;
    }
    let chosen = desk.choose(engine, named)?;
    desk.require_pinned(&chosen)?;
    Ok(chosen)
}

/// The mission's image, built if it is not there.
fn image(builds: &mut Builds<'_>, chosen: &Chosen) -> anyhow::Result<Built> {
    let chain = builds.chain(&chosen.config, &chosen.chain)?;
    chain.last().cloned().context("a chain has an image")
}

/// What `--json` prints of an environment.
#[derive(Debug, Serialize)]
struct Row {
    mission: String,
    environment: String,
    /// Relative to the root of the checkout.
    file: PathBuf,
    /// Whether the file was written.
    changed: bool,
    changes: Vec<Change>,
    #[serde(skip)]
    diff: String,
}

fn rows(desk: &Desk, mission: &Mission, exports: &[Export]) -> Vec<Row> {
    let row = |it: &Export| {
        let file = desk.repo.relative(&it.path).to_owned();
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

fn report(desk: &Desk, args: &args::Freeze, rows: &[Row]) -> anyhow::Result<()> {
    if desk.flags.json {
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
