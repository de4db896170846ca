//! `report`: a page about missions' images and their tests, with the executed notebooks. Uses the
//! last test runs of this checkout, and asks the registry for the image that was published last.

use std::{
    path::{Component, Path, PathBuf},
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
    registry::{self, published},
    run::{
        failure::{self, Failure},
        files,
        printable::Shown as _,
        process, terminal,
    },
    task::{
        Session, args,
        shared::reuse::{self, Place},
    },
    testing::{
        differences::differences,
        markdown,
        page::{self, Changes, Image, Notebook, Page, Section},
        receipt::Receipt,
        results::{self, Run, Runs},
    },
    tools::docker::LABEL_INPUTS,
};

pub(crate) fn run(session: &Session, args: &args::Report) -> anyhow::Result<u8> {
    args.output.iter().try_for_each(|it| files::check_result(it)).map_err(failure::request)?;
    let named = session.named(&args.missions).map_err(failure::request)?;
    let runner = session.runner(&named[0].config)?;
    let chosen = session.choose(&runner, named)?;
    let published = reuse::look(&runner, chosen, BuildPolicy::Refuse, Place::Engine)?;
    published.keep_receipts(&runner)?;
    let chosen = &published.chosen;
    let builds = Builds::new(&runner, BuildPolicy::Refuse)?;
    let sections = chosen.iter().map(|it| section(&runner, &builds, it));
    let page = Page {
        made: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        missions: sections.collect::<anyhow::Result<_>>()?,
    };
    if page.missions.iter().all(|it| it.receipt.is_none()) {
        let names: Vec<&str> = chosen.iter().map(|it| it.mission.name.as_str()).collect();
        let names = names.join(" ");
        bail!("{names}: nothing was tested yet\n    fix: cargo xtask image-all {names}");
    }
    let path = args.output.clone().unwrap_or_else(|| runner.target().join("report.html"));
    let path = std::path::absolute(path)?;
    if args.markdown {
        if session.flags.json {
            let text = "`--markdown` and `--json` exclude each other";
            return Err(Failure::Request(text.to_owned()).into());
        }
        terminal::print(markdown::summary(&page));
    }
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
    builds: &Builds<'_>,
    chosen: &MissionImages,
) -> anyhow::Result<Section> {
    let mission = chosen.mission.name.clone();
    let starts_from = starts_from(&chosen.chain);
    let mut res = Section { mission, starts_from, ..Section::default() };
    let chain = match builds.chain(&chosen.config, &chosen.chain) {
        Ok(chain) => chain,
        Err(err) if failure::status(&err) == 1 => {
            res.notes.push(format!("no current image: {err:#}"));
            Vec::new()
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
    let image = chain.last().map(|it| &it.image);
    let known = match image {
        Some(image) => Receipt::read(&runner.checkout, &res.mission, image)?,
        None => None,
    };
    let last = |of: Runs| results::last_run(runner, of, &res.mission);
    let is_current =
        |it: &Receipt| image.is_some_and(|image| it.check_about(&res.mission, image).is_ok());
    let shown = shown(known, last(Runs::All), last(Runs::Selection), is_current);
    res.notes.extend(shown.note);
    if let (Some(receipt), Some(folder)) = (&shown.receipt, &shown.folder) {
        res.notebooks = notebooks(folder, receipt, &mut res.notes)?;
    }
    if let Some(receipt) = &shown.receipt {
        res.changes = changes(runner, chosen, receipt, &mut res.notes)?;
    }
    res.receipt = shown.receipt;
    Ok(res)
}

/// Returns the changes since the last published image, which the registry lists, or else the
/// receipts of this checkout.
fn changes(
    runner: &Runner,
    chosen: &MissionImages,
    receipt: &Receipt,
    notes: &mut Vec<String>,
) -> anyhow::Result<Option<Changes>> {
    // A part of the tests does not report the contents.
    if receipt.contents.environments.is_empty() {
        return Ok(None);
    }
    let (config, mission) = (&chosen.config, &chosen.mission.name);
    let listed = registry::running(runner, config).and_then(|host| match host {
        Some(host) => published::images(config, &host, mission),
        None => Ok(Vec::new()),
    });
    let listed = match listed {
        Err(err) if failure::status(&err) == 130 => return Err(err),
        Err(err) => {
            notes.push(format!("The registry does not list what is published: {err:#}."));
            Vec::new()
        }
        Ok(listed) => listed,
    };
    let of_registry = published::to_compare(&listed, &receipt.image, &config.image_tag);
    let of_registry = of_registry.and_then(|it| {
        let tags = it.tags.iter().map(|tag| format!("{tag}, "));
        Some((format!("{}{}", tags.collect::<String>(), it.tag), it.receipt.clone()?))
    });
    let of_checkout = || {
        let last = Receipt::last_published(&runner.checkout, mission, &receipt.image)?;
        Some((last.published.last()?.tag.to_string(), last))
    };
    Ok(of_registry
        .or_else(of_checkout)
        .map(|(since, old)| Changes { since, differences: differences(&old, receipt) }))
}

/// Results to show.
#[derive(Debug, PartialEq)]
struct Results {
    receipt: Option<Receipt>,
    /// Folder with the executed notebooks.
    folder: Option<PathBuf>,
    note: Option<String>,
}

/// Chooses the results to show: `known`, the receipt of the current image, or a later run that
/// failed. Without such a receipt, it may have been with another image: nothing else says why a
/// run failed, after an edit.
fn shown(
    known: Option<Receipt>,
    all: Option<Run>,
    selection: Option<Run>,
    is_current: impl Fn(&Receipt) -> bool,
) -> Results {
    let is_current = |it: &Run| is_current(&it.receipt);
    let has_failed = |it: &Run| it.receipt.failures().next().is_some();
    let is_last = |it: &Run| {
        let others = known.iter().chain(all.as_ref().map(|it| &it.receipt));
        others.into_iter().all(|other| other.started <= it.receipt.started)
    };
    let is_shown = |it: &Run| has_failed(it) && is_last(it) && (known.is_none() || is_current(it));
    let of_run = |it: Run, note: Option<String>| Results {
        receipt: Some(it.receipt),
        folder: Some(it.folder),
        note,
    };
    let of_another_image = |it: &Run| format!("{ANOTHER_IMAGE} {}.", it.receipt.image.short());
    if let Some(run) = selection.filter(is_shown) {
        let note = if is_current(&run) { A_PART.to_owned() } else { of_another_image(&run) };
        return of_run(run, Some(note));
    }
    let without = |receipt: Option<Receipt>, note: &str| Results {
        receipt,
        folder: None,
        note: Some(note.to_owned()),
    };
    match (known, all) {
        (Some(known), Some(run)) if is_current(&run) => of_run(Run { receipt: known, ..run }, None),
        (Some(known), _) => without(Some(known), NO_NOTEBOOKS),
        (None, Some(run)) if is_current(&run) => of_run(run, None),
        (None, Some(run)) if has_failed(&run) => {
            let note = of_another_image(&run);
            of_run(run, Some(note))
        }
        (None, _) => without(None, "This image is not tested."),
    }
}

const A_PART: &str = "These are the results of the last run, which failed: of a part of the tests.";

const ANOTHER_IMAGE: &str =
    "These are the results of the last run, which failed: of an earlier image,";

const NO_NOTEBOOKS: &str = "The tests did not run here, or another image was tested since: without \
    executed notebooks. `cargo xtask image-test --again` makes them.";

/// Returns the remote image at the chain's start.
fn starts_from(chain: &[Recipe]) -> Option<String> {
    recipe::pulled(chain).map(|it| it.reference.to_string())
}

/// Returns the executed notebooks of the receipt's tests, from the results in `folder`.
fn notebooks(
    folder: &Path,
    receipt: &Receipt,
    notes: &mut Vec<String>,
) -> anyhow::Result<Vec<Notebook>> {
    let dir = folder.join("notebooks");
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
