//! `explain`: the work that `image-all` would do (build, test and push), the file or setting that
//! caused it, and the duration of the last time. Changes nothing. Status 3 if a build is due and cannot begin.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    sync::Arc,
};

use anyhow::Context as _;
use serde::Serialize;

use crate::{
    image::{
        build::{BuildPolicy, Builds, layer_cache},
        build_record::BuildRecord,
        engine_images::EngineImages,
        mission_images::MissionImages,
        pinning,
        recipe::{self, Make, Parent, Reason, Recipe},
        runner::Runner,
    },
    registry::{
        self, Host,
        receipts::{self, Landing},
        seen::{Question, Seen},
    },
    run::{failure, finding::Finding, terminal, ui},
    settings::config::Config,
    task::{
        Session,
        args::Missions,
        shared::reuse::{self, Place, Reused},
    },
    testing::receipt::{self, PublishedImage, Receipt, Shortcoming},
    tools::{
        docker::{Image, NotOneImage},
        image_name::{ImageId, ImageRef},
    },
};

/// A piece of work that a run would do, or skip.
#[derive(Debug, Serialize)]
struct Row {
    image: String,
    /// Kind `build`, `pull`, `test` or `push`.
    work: &'static str,
    /// Whether a run would do it.
    due: bool,
    because: String,
    /// Duration of the last time on this machine, if any.
    seconds: Option<f64>,
}

pub(crate) fn run(session: &Session, missions: &Missions) -> anyhow::Result<u8> {
    let named = session.named(missions).map_err(failure::request)?;
    // Nothing is pulled to look at it.
    let runner = Runner { permit: None, ..session.runner(&named[0].config)? };
    let chosen = session.choose(&runner, named)?;
    let warned: Vec<Finding> = chosen.iter().flat_map(|it| it.floats.clone()).collect();
    let published = reuse::look(&runner, chosen, BuildPolicy::Build, Place::Registry)?;
    let images = Arc::new(EngineImages::read(&runner.docker)?);
    let builds = Builds::knowing(&runner, BuildPolicy::Build, Arc::clone(&images));
    let mut planned = Planned { runner: &runner, images: &images, builds, refusal: None };
    let mut rows: Vec<Row> = Vec::new();
    let mut known: BTreeSet<(String, &str)> = BTreeSet::new();
    let mut seen = Seen::default();
    let reused = published.reused.iter().map(|it| &it.chosen);
    let chosen = || published.chosen.iter().chain(reused.clone());
    for unpinned in pinning::refused(chosen().map(|it| &it.config)) {
        session.ui.say(pinning::refusal(Some(&runner.docker), &unpinned));
    }
    session.warn_of(&warned);
    let works = published.chosen.iter().map(|it| planned.of_mission(it));
    let mut works = works.collect::<anyhow::Result<Vec<_>>>()?;
    ask(&runner, &works, &mut seen)?;
    for work in &mut works {
        let push = push(&runner, work, &seen).or_else(|err| failing(work, err))?;
        let of_mission = work.rows.drain(..).chain([push]);
        rows.extend(of_mission.filter(|it| known.insert((it.image.clone(), it.work))));
    }
    let due = published.due_tags()?;
    rows.extend(published.reused.iter().flat_map(|it| of_published(it, &due)));
    print(session, &rows)?;
    planned.refusal.map_or(Ok(0), Err)
}

/// State of the search for due work.
struct Planned<'a> {
    runner: &'a Runner,
    images: &'a EngineImages,
    builds: Builds<'a>,
    /// Why builds end before their first step, if one is due.
    refusal: Option<anyhow::Error>,
}

/// Work for a mission, but for the push.
struct Work<'a> {
    chosen: &'a MissionImages,
    rows: Vec<Row>,
    /// Tested image, with its receipt.
    tested: Option<(&'a Image, Receipt)>,
}

impl<'a> Planned<'a> {
    fn of_mission(&mut self, chosen: &'a MissionImages) -> anyhow::Result<Work<'a>> {
        let (runner, images) = (self.runner, self.images);
        let mut rows = Vec::new();
        let mut below = Below::Nothing;
        let base = match recipe::pulled(&chosen.chain) {
            Some(pulled) => runner.docker.image(&pulled.reference)?,
            None => None,
        };
        for recipe in recipe::on_base(&chosen.chain, base.as_ref()).iter() {
            let (mut row, image) = build(runner, recipe, &below, images)?;
            if row.due
                && row.work == "build"
                && self.may_build(&chosen.config)?
                && let Some(layers) = layer_cache::source(&chosen.config, recipe)
            {
                row.because += &format!("; layers from {layers}");
            }
            rows.push(row);
            below = image.map_or(Below::Due, |it| Below::Image(it.id.clone()));
        }
        let mission = match &below {
            Below::Image(id) => images.with_id(&id.to_string()),
            _ => None,
        };
        let (test, receipt) = test(runner, chosen, mission)?;
        let is_tested = !test.due;
        rows.push(test);
        Ok(Work { chosen, rows, tested: mission.filter(|_| is_tested).zip(receipt) })
    }

    /// Returns whether builds by these settings can begin; the first reason why not is kept.
    fn may_build(&mut self, config: &Config) -> anyhow::Result<bool> {
        if self.refusal.is_none() {
            match self.builds.check_builder(config) {
                Err(err) if failure::status(&err) == 3 => self.refusal = Some(err),
                checked => checked?,
            }
        }
        Ok(self.refusal.is_none())
    }
}

/// Asks each registry for all names that pushes look at.
fn ask(runner: &Runner, works: &[Work<'_>], seen: &mut Seen) -> anyhow::Result<()> {
    let mut hosts: BTreeMap<String, Option<Host>> = BTreeMap::new();
    let tested = || works.iter().filter_map(|it| Some((it.chosen, it.tested.as_ref()?)));
    for (chosen, _) in tested() {
        let setting = format!("{:?}", chosen.config.registry);
        if let Entry::Vacant(it) = hosts.entry(setting) {
            it.insert(registry::running(runner, &chosen.config)?);
        }
    }
    let mut questions = Vec::new();
    for (chosen, (image, receipt)) in tested() {
        let (config, name) = (&chosen.config, &chosen.mission.name);
        let Some(host) = &hosts[&format!("{:?}", config.registry)] else { continue };
        let repository = host.repository(name);
        let tag = recipe::immutable_tag(name, image).and_then(|it| it.tag);
        let tags = tag.iter().chain([&config.image_tag]).map(|it| repository.tagged(it));
        let names = tags.chain(receipts::stored(&repository, receipt));
        questions.extend(names.map(|name| Question { host, config, name }));
    }
    seen.ask(questions)
}

/// Returns the work for a mission whose image stays in the registry.
fn of_published(it: &Reused, due_tags: &BTreeSet<ImageRef>) -> Vec<Row> {
    let reference = &it.offer.reference;
    let row = |work, due, because| Row {
        image: it.chosen.mission.name.clone(),
        work,
        due,
        because,
        seconds: None,
    };
    let human = reference.repository.tagged(&it.chosen.config.image_tag);
    let is_due = due_tags.contains(&human);
    let is = if is_due { "is not" } else { "is" };
    let passed = it.offer.tested.as_ref().map(|(receipt, _)| receipt.started.as_str());
    vec![
        row("build", false, format!("published as {reference}")),
        row("test", false, format!("passed at {}", passed.unwrap_or_default())),
        row("push", is_due, format!("{human} {is} this image")),
    ]
}

/// The previous image of a chain.
#[derive(Debug, PartialEq, Eq)]
enum Below {
    Nothing,
    Image(ImageId),
    /// The image must be built.
    Due,
}

/// Returns the work for one image of a chain, and the image if it exists already.
fn build<'a>(
    runner: &Runner,
    recipe: &Recipe,
    below: &Below,
    images: &'a EngineImages,
) -> anyhow::Result<(Row, Option<&'a Image>)> {
    let parent = match (&recipe.parent, below) {
        (Parent::Pulled(pulled), _) => {
            runner.docker.image(&pulled.reference)?.map(|it| it.id.to_string())
        }
        (Parent::Known(label), _) => Some(label.clone()),
        (_, Below::Nothing) => Some(String::new()),
        (_, Below::Image(id)) => Some(id.to_string()),
        (_, Below::Due) => None,
    };
    let last = BuildRecord::read(&runner.checkout, recipe)?;
    let (image, because) = match recipe::find(recipe, parent.as_deref(), images) {
        Ok(image) => (Some(image), "nothing changed".to_owned()),
        Err(_) if let Make::Pull(it) = &recipe.make => {
            (None, format!("published as {}", it.reference))
        }
        Err(Reason::InputsChanged) => (None, changes(recipe, last.as_ref())),
        Err(reason) => (None, reason.text().to_owned()),
    };
    let row = Row {
        image: recipe.name.clone(),
        work: if matches!(recipe.make, Make::Pull(_)) { "pull" } else { "build" },
        due: image.is_none(),
        because,
        seconds: last.map(|it| it.seconds),
    };
    Ok((row, image))
}

/// Number of changed files that are named.
const NAMED: usize = 5;

fn changes(recipe: &Recipe, last: Option<&BuildRecord>) -> String {
    let changes = last.map(|it| it.changes(recipe)).unwrap_or_default();
    match changes.len() {
        0 => Reason::InputsChanged.text().to_owned(),
        n if n > NAMED => format!("{}, and {} more", changes[..NAMED].join(", "), n - NAMED),
        _ => changes.join(", "),
    }
}

fn test(
    runner: &Runner,
    chosen: &MissionImages,
    image: Option<&Image>,
) -> anyhow::Result<(Row, Option<Receipt>)> {
    let name = &chosen.mission.name;
    let receipt = match image {
        Some(image) => Receipt::read(&runner.checkout, name, image)?,
        None => None,
    };
    let shortcoming = receipt::shortcoming(&chosen.mission, receipt.as_ref())?;
    let because = match (&image, &receipt, &shortcoming) {
        (None, ..) => "the image is built first".to_owned(),
        (_, Some(receipt), None) => format!("passed at {}", receipt.started),
        (_, _, Some(Shortcoming::Failed(titles))) => format!("failed: {}", titles.join(", ")),
        (_, _, Some(Shortcoming::Lacks(titles))) => format!("not tested: {}", titles.join(", ")),
        (_, _, Some(Shortcoming::OpenNetwork)) => {
            "its tests ran in a cluster with an open network".to_owned()
        }
        _ => "not all of its tests have run".to_owned(),
    };
    let row = Row {
        image: name.clone(),
        work: "test",
        due: shortcoming.is_some(),
        because,
        seconds: receipt.as_ref().map(|it| it.seconds).filter(|it| *it > 0.0),
    };
    Ok((row, receipt))
}

/// Returns the push of a mission's image.
fn push(runner: &Runner, work: &Work<'_>, seen: &Seen) -> anyhow::Result<Row> {
    let Work { chosen, tested, .. } = work;
    let name = &chosen.mission.name;
    let row = |due, because| Row { image: name.clone(), work: "push", due, because, seconds: None };
    let Some((image, receipt)) = tested else {
        return Ok(row(true, "the image is built or tested first".to_owned()));
    };
    let Some(host) = registry::running(runner, &chosen.config)? else {
        return Ok(row(true, "the registry on this machine does not run yet".to_owned()));
    };
    let tag = recipe::immutable_tag(name, image).and_then(|it| it.tag);
    let tag = tag.context("an image of this repository has its tag")?;
    let repository = host.repository(name);
    let reference = repository.tagged(&tag);
    let digest = match receipts::landing(seen.of(&host, &reference)?, &image.id) {
        Landing::There(digest) => digest,
        Landing::Taken(id) => {
            return Ok(row(true, format!("{reference} is another image ({id}), so that it fails")));
        }
        Landing::Due => return Ok(row(true, format!("{reference} is not there"))),
    };
    let human = repository.tagged(&chosen.config.image_tag);
    let published = PublishedImage { repository: repository.to_string(), tag, digest };
    if !receipts::is_stored(seen, &host, receipt, &published)? {
        return Ok(row(true, "its receipt is not there".to_owned()));
    }
    let named = seen.of(&host, &human)?;
    Ok(match named.is_some_and(|it| it.digest == published.digest) {
        true => row(false, format!("{human} is this image")),
        false => row(true, format!("{human} is not this image")),
    })
}

/// Returns the push of a mission's image that fails, since a name in the registry is not of one image.
fn failing(work: &Work<'_>, err: anyhow::Error) -> anyhow::Result<Row> {
    if !err.is::<NotOneImage>() {
        return Err(err);
    }
    let image = work.chosen.mission.name.clone();
    let because = format!("the push fails: {}", err);
    Ok(Row { image, work: "push", due: true, because, seconds: None })
}

fn print(session: &Session, rows: &[Row]) -> anyhow::Result<()> {
    if session.flags.json {
        return terminal::json(&rows);
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
    Ok(())
}
