//! `report`: a page about missions' images and their tests, with the executed notebooks. Uses the
//! last test runs of this checkout, and needs no network.

use std::{
    path::{Component, Path},
    time::SystemTime,
};

use anyhow::bail;

use crate::{
    image::{
        build::{BuildPolicy, Builds},
        mission_images::MissionImages,
        recipe::{self, Recipe},
        runner::Runner,
    },
    mission::test_kind::TestKind,
    run::{failure, files, printable::Shown as _, process, terminal},
    task::{Session, args},
    testing::{
        page::{self, Image, Notebook, Page, Section},
        receipt::Receipt,
        results,
    },
    tools::docker::LABEL_INPUTS,
};

pub(crate) fn run(session: &Session, args: &args::Report) -> anyhow::Result<u8> {
    let named = session.named(&args.missions).map_err(failure::request)?;
    let runner = session.runner(&named[0].config)?;
    let chosen = session.choose(&runner, named)?;
    let mut builds = Builds::new(&runner, BuildPolicy::Refuse)?;
    let sections = chosen.iter().map(|it| section(&runner, &mut builds, it));
    let page = Page {
        made: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        missions: sections.collect::<anyhow::Result<_>>()?,
    };
    if page.missions.iter().all(|it| it.receipt.is_none()) {
        bail!("nothing was tested yet; run `cargo xtask image-test`");
    }
    let path = args.output.clone().unwrap_or_else(|| runner.target().join("report.html"));
    let path = std::path::absolute(path)?;
    if let Some(permit) = session.permit {
        let text = process::interruptible(move || page::text(&page))?;
        files::write(permit, &path, text.as_bytes())?;
        session.ui.say(format!("written: {}", session.checkout.relative(&path).shown()));
    } else {
        terminal::print(format_args!("write {}", path.shown()));
    }
    if session.flags.json {
        terminal::json(&serde_json::json!({ "report": path }))?;
    }
    Ok(0)
}

/// Returns the section about a mission's current image; missing data is listed in its notes.
fn section(
    runner: &Runner,
    builds: &mut Builds<'_>,
    chosen: &MissionImages,
) -> anyhow::Result<Section> {
    let mission = chosen.mission.name.clone();
    let starts_from = starts_from(&chosen.chain);
    let mut res = Section { mission, starts_from, ..Section::default() };
    let chain = match builds.chain(&chosen.config, &chosen.chain) {
        Ok(chain) => chain,
        Err(err) if failure::status(&err) == 1 => {
            res.notes.push(format!("no current image: {err:#}"));
            return Ok(res);
        }
        Err(err) => return Err(err),
    };
    res.images = chain
        .iter()
        .map(|it| Image {
            name: it.name.clone(),
            id: it.image.id.to_string(),
            inputs: it.image.label(LABEL_INPUTS).unwrap_or_default().to_owned(),
            size: it.image.size,
        })
        .collect();
    let image = &chain[chain.len() - 1].image;
    let is_about = |it: &Receipt| it.check_about(&res.mission, image).is_ok();
    let last_run = results::last_run(runner, &res.mission).filter(is_about);
    let receipt = Receipt::read(&runner.checkout, &res.mission, image)?;
    res.receipt = receipt.or_else(|| last_run.clone());
    match &res.receipt {
        None => res.notes.push("This image is not tested.".to_owned()),
        Some(_) if last_run.is_none() => res.notes.push(NO_NOTEBOOKS.to_owned()),
        Some(receipt) => res.notebooks = notebooks(runner, receipt, &mut res.notes)?,
    }
    Ok(res)
}

const NO_NOTEBOOKS: &str = "The tests did not run here, or another image was tested since: without \
    executed notebooks. `cargo xtask image-test --again` makes them.";

/// Returns the remote image at the chain's start.
fn starts_from(chain: &[Recipe]) -> Option<String> {
    recipe::pulled(chain).map(|it| it.reference.to_string())
}

/// Returns the executed notebooks of the receipt's tests, from the last run.
fn notebooks(
    runner: &Runner,
    receipt: &Receipt,
    notes: &mut Vec<String>,
) -> anyhow::Result<Vec<Notebook>> {
    let dir = results::folder(runner, &receipt.mission).join("notebooks");
    let mut res = Vec::new();
    for it in receipt.tests.iter().filter(|it| it.kind == TestKind::Notebook) {
        let (environment, name) = (it.environment.clone(), it.name.clone());
        let executed = Path::new(&environment).join(name.trim_start_matches('/'));
        let is_plain = |it| matches!(it, Component::Normal(_));
        let path = dir.join(&executed);
        // A registry's receipt may contain any path.
        if !executed.components().all(is_plain) || !path.is_file() {
            notes.push(format!("{}: the last run left no executed notebook.", it.title()));
            continue;
        }
        match read(&path) {
            Ok(text) => res.push(Notebook { environment, name, text }),
            Err(err) => notes.push(format!("{}: {err:#}.", it.title())),
        }
    }
    Ok(res)
}

/// Largest executed notebook: figures take megabytes.
const LARGEST: u64 = 50_000_000;

/// Returns the text of a notebook that a container left.
fn read(path: &Path) -> anyhow::Result<String> {
    let bytes = files::read_foreign(path, LARGEST)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
