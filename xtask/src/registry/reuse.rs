//! Published images that others need not build: found by the tag that names their inputs, and counted
//! only after all about them was checked, since any push may move that tag. With curl, nothing is pulled.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, ensure};

use super::{
    Host,
    api::Manifest,
    reader::{Answers, Named, Reader},
    receipts,
};
use crate::{
    image::{recipe::Recipe, runner::Runner, short_chain::Published},
    mission::checkout::Mission,
    run::{printable, process},
    settings::config::Config,
    testing::receipt::{self, Receipt, Shortcoming},
    tools::{
        docker::{Image, LABEL_INPUTS, LABEL_PARENT, RemoteImage},
        image_name::{ImageId, ImageRef, Tag},
    },
};

/// An image that may be published.
pub(crate) struct Wanted<'a> {
    pub(crate) recipe: &'a Recipe,
    /// Of a mission's image: the mission, and the recipe of the image below.
    pub(crate) mission: Option<(&'a Mission, &'a Recipe)>,
}

/// A published image that has these inputs.
#[derive(Debug, Clone)]
pub(crate) struct Offer {
    /// Name `repository@digest`.
    pub(crate) reference: ImageRef,
    /// Immutable tag.
    pub(crate) tag: Tag,
    /// Description by its config.
    pub(crate) image: Image,
    /// Of a mission's image: the receipt that certifies it, and the published image below.
    pub(crate) tested: Option<(Receipt, Box<Offer>)>,
}

impl Offer {
    /// Returns the image for pulls.
    pub(crate) fn published(&self, host: &Host) -> Published {
        let (docker, reference, image) =
            (host.docker.clone(), self.reference.clone(), self.image.clone());
        Published { docker, reference, image }
    }
}

/// A published image; `None` without one; or the reason why what is published does not count.
pub(crate) type Answer = Result<Option<Offer>, String>;

/// An image that is being looked at.
struct Draft<'a> {
    wanted: &'a Wanted<'a>,
    manifest: Manifest,
    image: Option<Image>,
    carrier: Option<Manifest>,
    receipt: Option<Receipt>,
    parent: Option<Offer>,
}

/// Drafts that count so far, or why one does not.
type Drafts<'a> = Vec<Result<Option<Draft<'a>>, String>>;

/// Asks the registry of `config` about all of `wanted`, in a few rounds of questions at once. Without curl,
/// images are pulled, and those that count are on the engine afterwards.
///
/// # Errors
/// The registry does not answer.
pub(crate) fn ask(
    runner: &Runner,
    config: &Config,
    host: &Host,
    wanted: &[Wanted<'_>],
) -> anyhow::Result<Vec<Answer>> {
    let below = wanted.iter().filter_map(|it| Some(it.mission?.1));
    let names = wanted.iter().map(|it| it.recipe).chain(below).map(|it| &*it.name);
    let reader = Reader::new(runner, config, host, names.collect())?;
    let answers = answers(&reader, host, wanted);
    if process::check_interrupted().is_ok() {
        reader.tidy(&kept(answers.as_deref().unwrap_or_default()))?;
    }
    answers
}

fn answers(reader: &Reader<'_>, host: &Host, wanted: &[Wanted<'_>]) -> anyhow::Result<Vec<Answer>> {
    let mut drafts = pointed(reader, wanted)?;
    configs(reader, &mut drafts)?;
    carriers(reader, &mut drafts)?;
    read(reader, &mut drafts)?;
    parents(reader, host, &mut drafts)?;
    Ok(drafts.into_iter().map(|it| it.map(|it| it.and_then(|it| it.offer(host)))).collect())
}

/// Returns the images that count, but those below a mission's, whose layers that image keeps.
fn kept(answers: &[Answer]) -> BTreeSet<&ImageRef> {
    let offers = || answers.iter().flatten().flatten();
    let below = |it: &Offer| it.tested.as_ref().map(|it| it.1.reference.clone());
    let below: BTreeSet<ImageRef> = offers().filter_map(below).collect();
    offers().map(|it| &it.reference).filter(|it| !below.contains(it)).collect()
}

/// Returns the image under each name and tag, by its digest; `None` if it does not exist, an error if
/// it is refused.
///
/// # Errors
/// The registry does not answer.
pub(crate) fn named(
    runner: &Runner,
    config: &Config,
    host: &Host,
    names: &[(&str, Tag)],
) -> anyhow::Result<Vec<anyhow::Result<Option<ImageRef>>>> {
    let reader = Reader::new(runner, config, host, names.iter().map(|it| it.0).collect())?;
    let found = reader.manifests(names)?;
    let image = |(found, (name, _)): (anyhow::Result<Option<Manifest>>, &(&str, Tag))| {
        Ok(found?.map(|it| host.repository(name).at(&it.digest)))
    };
    Ok(found.into_iter().zip(names).map(image).collect())
}

/// Returns a draft for each image under the tag that names its inputs.
fn pointed<'a>(reader: &Reader<'_>, wanted: &'a [Wanted<'a>]) -> anyhow::Result<Drafts<'a>> {
    let name = |it: &'a Wanted<'a>| (&*it.recipe.name, Tag::of_inputs(&it.recipe.inputs));
    let names: Vec<(&str, Tag)> = wanted.iter().map(name).collect();
    let found = reader.manifests(&names)?;
    let draft = |(found, wanted): (anyhow::Result<Option<Manifest>>, &'a Wanted<'a>)| {
        let manifest = found.map_err(|err| format!("{err:#}"))?;
        Ok(manifest.map(|manifest| Draft {
            wanted,
            manifest,
            image: None,
            carrier: None,
            receipt: None,
            parent: None,
        }))
    };
    Ok(found.into_iter().zip(wanted).map(draft).collect())
}

/// Asks a question about each draft for which there is one, by `ask`, and lets `take` read the answer.
fn round<'a, Q, A>(
    drafts: &mut Drafts<'a>,
    question: impl Fn(&Draft<'a>) -> Option<Q>,
    ask: impl Fn(&[Q]) -> Answers<A>,
    take: impl Fn(&mut Draft<'a>, anyhow::Result<A>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let of = |it: &Result<Option<Draft<'a>>, String>| question(it.as_ref().ok()?.as_ref()?);
    let asked: Vec<Option<Q>> = drafts.iter().map(of).collect();
    let places: Vec<usize> = (0..asked.len()).filter(|it| asked[*it].is_some()).collect();
    let answers = ask(&asked.into_iter().flatten().collect::<Vec<Q>>())?;
    for (place, answer) in places.into_iter().zip(answers) {
        if let Ok(Some(draft)) = &mut drafts[place]
            && let Err(err) = take(draft, answer)
        {
            drafts[place] = Err(format!("{err:#}"));
        }
    }
    Ok(())
}

/// Reads the configs, which have the labels.
fn configs(reader: &Reader<'_>, drafts: &mut Drafts<'_>) -> anyhow::Result<()> {
    round(
        drafts,
        |it| Some((it.name(), it.manifest.clone())),
        |of| reader.images(of),
        |draft, image| {
            draft.image = Some(checked(image?, draft.wanted.recipe)?);
            Ok(())
        },
    )
}

/// Returns `image` if it is one of `recipe`.
pub(super) fn checked(image: Image, recipe: &Recipe) -> anyhow::Result<Image> {
    for (name, value) in recipe.labels() {
        ensure!(image.label(name) == Some(&value), "the label {name} is that of another image");
    }
    let (found, expected) = (image.platform(), recipe.platform.to_string());
    let is_it = found == expected;
    ensure!(is_it, "the platform is {}; expected {expected}", printable::excerpt(&found));
    Ok(image)
}

/// Finds the receipts beside missions' images.
fn carriers(reader: &Reader<'_>, drafts: &mut Drafts<'_>) -> anyhow::Result<()> {
    round(
        drafts,
        |it| it.wanted.mission.map(|_| (it.name(), Tag::of_receipt(&it.manifest.digest))),
        |names| reader.manifests(names),
        |draft, carrier| {
            let carrier =
                carrier.context("damaged receipt")?.context("no receipt beside the image")?;
            draft.carrier = Some(carrier);
            Ok(())
        },
    )
}

/// Reads the receipts.
fn read(reader: &Reader<'_>, drafts: &mut Drafts<'_>) -> anyhow::Result<()> {
    round(
        drafts,
        |it| Some((it.name(), it.carrier.clone()?)),
        |of| reader.receipts(of),
        |draft, text| {
            draft.receipt = Some(draft.certifying(&text.context("damaged receipt")?)?);
            Ok(())
        },
    )
}

impl<'a> Draft<'a> {
    fn name(&self) -> &'a str {
        &self.wanted.recipe.name
    }

    /// Returns the receipt with this text if it certifies the image, as for a push of it.
    fn certifying(&self, text: &str) -> anyhow::Result<Receipt> {
        let (mission, _) = self.wanted.mission.context("a mission")?;
        let image = self.image.as_ref().context("a config")?;
        let receipt = Receipt::parse(text).context("damaged receipt")?;
        let remote = RemoteImage {
            digest: self.manifest.digest.clone(),
            config: self.manifest.config.clone(),
            platform: image.platform(),
        };
        receipts::check(&receipt, &mission.name, &self.manifest.digest, &remote)
            .and_then(|()| receipt.check_about(&mission.name, image))
            .context("the receipt does not count")?;
        match receipt::shortcoming(mission, Some(&receipt))? {
            None => Ok(receipt),
            Some(Shortcoming::Lacks(titles)) => {
                anyhow::bail!("the receipt lacks tests ({})", titles[0])
            }
            Some(_) => anyhow::bail!("the receipt has failures"),
        }
    }

    /// Returns the image below a mission's: its recipe, and its id by the label.
    fn below(&self) -> Option<(&'a Recipe, anyhow::Result<ImageId>)> {
        let label = self.image.as_ref().and_then(|it| it.label(LABEL_PARENT)).unwrap_or_default();
        let id = label.parse().ok().context("the label of the image below is missing");
        Some((self.wanted.mission?.1, id))
    }

    fn offer(self, host: &Host) -> Option<Offer> {
        let recipe = self.wanted.recipe;
        let tested = self.wanted.mission.zip(self.receipt.zip(self.parent));
        Some(Offer {
            reference: host.repository(&recipe.name).at(&self.manifest.digest),
            tag: Tag::immutable(&recipe.inputs, &self.manifest.config),
            image: self.image?,
            tested: tested.map(|(_, (receipt, below))| (receipt, Box::new(below))),
        })
    }
}

/// A published image below missions', by its id.
type Below<'a> = BTreeMap<(&'a str, ImageId), Result<Offer, String>>;

/// Finds the images below missions': each must be published under an immutable tag of the inputs that are
/// wanted, though not as the newest.
fn parents(reader: &Reader<'_>, host: &Host, drafts: &mut Drafts<'_>) -> anyhow::Result<()> {
    let mut asked: BTreeMap<(&str, ImageId), &Recipe> = BTreeMap::new();
    for draft in drafts.iter().flatten().flatten() {
        if let Some((recipe, Ok(id))) = draft.below() {
            asked.insert((&recipe.inputs, id), recipe);
        }
    }
    let below = find_below(reader, host, &asked)?;
    for it in drafts {
        let Ok(Some(draft)) = it else { continue };
        let Some((recipe, id)) = draft.below() else { continue };
        let found = id.map_err(|err| format!("{err:#}"));
        let found = found.and_then(|id| below[&(&*recipe.inputs, id)].clone());
        match found {
            Ok(below) => draft.parent = Some(below),
            Err(reason) => *it = Err(reason),
        }
    }
    Ok(())
}

fn find_below<'a>(
    reader: &Reader<'_>,
    host: &Host,
    asked: &BTreeMap<(&'a str, ImageId), &'a Recipe>,
) -> anyhow::Result<Below<'a>> {
    let tag = |((inputs, id), recipe): (&(&str, ImageId), &&'a Recipe)| {
        (&*recipe.name, Tag::immutable(inputs, id))
    };
    let found = reader.manifests(&asked.iter().map(tag).collect::<Vec<(&'a str, Tag)>>())?;
    let found = found
        .into_iter()
        .zip(asked.keys())
        .map(|(found, (_, id))| found?.filter(|it| it.config == *id).context("not published"));
    let found: Vec<anyhow::Result<Manifest>> = found.collect();
    let named = found.iter().zip(asked.values());
    let named = named.filter_map(|(it, recipe)| Some((&*recipe.name, it.as_ref().ok()?.clone())));
    let mut images = reader.images(&named.collect::<Vec<Named<'_>>>())?.into_iter();
    let mut res = Below::new();
    for (((inputs, id), recipe), manifest) in asked.iter().zip(found) {
        let offer = manifest.and_then(|it| {
            let image = images.next().context("an answer")??;
            ensure!(image.label(LABEL_INPUTS) == Some(inputs), "not the inputs that are wanted");
            let reference = host.repository(&recipe.name).at(&it.digest);
            Ok(Offer { reference, tag: Tag::immutable(inputs, id), image, tested: None })
        });
        let name = &recipe.name;
        let reason = |err| format!("built on {name} {}, which does not count: {err:#}", id.short());
        res.insert((inputs, id.clone()), offer.map_err(reason));
    }
    Ok(res)
}
