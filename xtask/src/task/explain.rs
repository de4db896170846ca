//! `explain`: what `image-all` would build, test and push, which file or setting caused it, and how
//! long it took last time. Changes nothing.

use anyhow::Context as _;
use serde::Serialize;

use crate::{
    cli::Missions,
    docker::{Image, NAMESPACE},
    engine::Engine,
    failure,
    image::{self, Parent, Reason, Recipe},
    made::Made,
    pinning,
    receipt::{self, Receipt},
    registry,
    task::{Chosen, Desk},
    terminal, ui,
};

/// One thing that a run would do, or leave.
#[derive(Debug, Serialize)]
struct Row {
    image: String,
    /// `build`, `test` or `push`.
    work: &'static str,
    /// Whether it would be done.
    due: bool,
    because: String,
    /// Last time's, if it was done here before.
    seconds: Option<f64>,
}

pub(crate) fn run(desk: &Desk<'_>, missions: &Missions) -> anyhow::Result<u8> {
    let named = desk.named(missions).map_err(failure::request)?;
    let engine = desk.engine(&named[0].config)?;
    let chosen = desk.choose(&engine, named)?;
    let images = engine.docker.images()?;
    let mut rows: Vec<Row> = Vec::new();
    for unpinned in pinning::refused(chosen.iter().map(|it| &it.config)) {
        desk.ui.say(pinning::refusal(Some(&engine.docker), &unpinned));
    }
    for it in &chosen {
        desk.warn_of(&it.floats);
        for row in of_mission(&engine, it, &images)? {
            if !rows.iter().any(|known| (&known.image, known.work) == (&row.image, row.work)) {
                rows.push(row);
            }
        }
    }
    print(desk, &rows)
}

fn of_mission(engine: &Engine, chosen: &Chosen, images: &[Image]) -> anyhow::Result<Vec<Row>> {
    let mut res = Vec::new();
    // The id of the image below, while nothing has to be built.
    let mut below = Some(String::new());
    let base = match image::pulled(&chosen.chain) {
        Some(pulled) => engine.docker.image(&pulled.reference)?,
        None => None,
    };
    for recipe in image::on_base(&chosen.chain, base.as_ref()).iter() {
        let (row, image) = build(engine, recipe, below.as_deref(), images)?;
        res.push(row);
        below = image.map(|it| it.id.clone());
    }
    let mission = images.iter().find(|it| below.as_ref() == Some(&it.id));
    let (test, receipt) = test(engine, chosen, mission)?;
    let is_tested = !test.due;
    res.push(test);
    res.push(push(engine, chosen, mission.filter(|_| is_tested), receipt.as_ref())?);
    Ok(res)
}

/// What becomes of one image of a chain, and the image if it is there already. `below` is the id
/// of the one before it, `None` when that one has to be built.
fn build<'a>(
    engine: &Engine,
    recipe: &Recipe,
    below: Option<&str>,
    images: &'a [Image],
) -> anyhow::Result<(Row, Option<&'a Image>)> {
    let parent = match (&recipe.parent, below) {
        (Parent::Pulled(pulled), _) => engine.docker.image(&pulled.reference)?.map(|it| it.id),
        (_, below) => below.map(str::to_owned),
    };
    let last = Made::read(&engine.repo, recipe)?;
    // Any parent will do to learn whether the recipe itself changed.
    let found = image::find(recipe, parent.as_deref().unwrap_or_default(), images);
    let (image, because) = match (found, &parent) {
        (Ok(image), Some(_)) => (Some(image), "nothing changed".to_owned()),
        (Err(Reason::InputsChanged), _) => (None, changes(recipe, last.as_ref())),
        (Err(reason @ (Reason::NothingYet | Reason::Refresh)), _) => {
            (None, reason.text().to_owned())
        }
        _ => (None, Reason::ParentChanged.text().to_owned()),
    };
    let row = Row {
        image: recipe.name.clone(),
        work: "build",
        due: image.is_none(),
        because,
        seconds: last.map(|it| it.seconds),
    };
    Ok((row, image))
}

/// How many changed files are named.
const NAMED: usize = 5;

fn changes(recipe: &Recipe, last: Option<&Made>) -> String {
    let changes = last.map(|it| it.changes(recipe)).unwrap_or_default();
    match changes.len() {
        0 => Reason::InputsChanged.text().to_owned(),
        n if n > NAMED => format!("{}, and {} more", changes[..NAMED].join(", "), n - NAMED),
        _ => changes.join(", "),
    }
}

fn test(
    engine: &Engine,
    chosen: &Chosen,
    image: Option<&Image>,
) -> anyhow::Result<(Row, Option<Receipt>)> {
    let name = &chosen.mission.name;
    let receipt = match image {
        Some(image) => Receipt::read(&engine.repo, name, image)?,
        None => None,
    };
    let lacking = match &receipt {
        Some(receipt) => receipt::lacking(&chosen.mission, receipt)?,
        None => Vec::new(),
    };
    let because = match (&image, &receipt) {
        (None, _) => "the image is built anew".to_owned(),
        (_, Some(receipt)) if receipt.passed() && lacking.is_empty() => {
            format!("it passed at {}", receipt.started)
        }
        (_, Some(receipt)) if receipt.complete && !receipt.passed() => {
            let titles: Vec<String> = receipt.failures().map(|it| it.title()).collect();
            format!("it failed: {}", titles.join(", "))
        }
        _ => "it was not tested whole yet".to_owned(),
    };
    let row = Row {
        image: name.clone(),
        work: "test",
        due: !receipt.as_ref().is_some_and(Receipt::passed) || !lacking.is_empty(),
        because,
        seconds: receipt.as_ref().map(|it| it.seconds).filter(|it| *it > 0.0),
    };
    Ok((row, receipt))
}

/// `image` is `None` when it has to be built or tested first.
fn push(
    engine: &Engine,
    chosen: &Chosen,
    image: Option<&Image>,
    receipt: Option<&Receipt>,
) -> anyhow::Result<Row> {
    let name = &chosen.mission.name;
    let row = |due, because| Row { image: name.clone(), work: "push", due, because, seconds: None };
    let Some((image, receipt)) = image.zip(receipt) else {
        return Ok(row(true, "it is built or tested anew".to_owned()));
    };
    let Some(host) = registry::running(engine, &chosen.config)? else {
        return Ok(row(true, "the registry on this machine does not run yet".to_owned()));
    };
    let tag = image::immutable_tag(name, image).context("an image of ours has its tag")?;
    let reference = format!("{}/{}", host.name, tag.trim_start_matches(&format!("{NAMESPACE}/")));
    let human = format!("{}/{name}:{}", host.name, chosen.config.image_tag);
    let Some(landed) = host.remote(&reference)? else {
        return Ok(row(true, format!("{reference} is not there")));
    };
    let receipt_tag = image::receipt_tag(&landed.digest);
    let stored = host.remote(&format!("{}/{name}:{receipt_tag}", host.name))?;
    if stored.is_none() || !receipt.published.iter().any(|it| it.digest == landed.digest) {
        return Ok(row(true, "its receipt is not there".to_owned()));
    }
    match host.remote(&human)? {
        Some(it) if it.digest == landed.digest => Ok(row(false, format!("{human} is this image"))),
        Some(_) => Ok(row(true, format!("{human} is another image"))),
        None => Ok(row(true, format!("{human} is not there"))),
    }
}

fn print(desk: &Desk<'_>, rows: &[Row]) -> anyhow::Result<u8> {
    if desk.cli.json {
        terminal::json(&rows)?;
        return Ok(0);
    }
    let cells = |it: &Row| {
        let time = it.seconds.map(|it| ui::elapsed(std::time::Duration::from_secs_f64(it)));
        vec![
            it.image.clone(),
            format!("{}{}", if it.due { "" } else { "no " }, it.work),
            time.unwrap_or_else(|| "-".to_owned()),
            it.because.clone(),
        ]
    };
    let table: Vec<Vec<String>> = rows.iter().map(cells).collect();
    terminal::print(ui::table(&["IMAGE", "WORK", "LAST TIME", "BECAUSE"], &table));
    Ok(0)
}
