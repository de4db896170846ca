//! Published images that others need not build: found by the tag that names their inputs, and counted
//! only after all about them was checked, since any push may move that tag. Nothing is pulled.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};

use super::{
    Host,
    api::{
        Access, Api, Manifest,
        each::{self, Question},
    },
    published, receipts,
};
use crate::{
    image::{recipe::Recipe, short_chain::Published},
    mission::checkout::Mission,
    settings::config::Config,
    testing::receipt::{self, Receipt, Shortcoming},
    tools::{
        docker::{Image, LABEL_INPUTS, LABEL_PARENT, RemoteImage},
        image_name::{ImageId, ImageRef, Repository, Tag},
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
    api: &'a Api,
    manifest: Manifest,
    image: Option<Image>,
    carrier: Option<Manifest>,
    receipt: Option<Receipt>,
    parent: Option<Offer>,
}

/// Drafts that count so far, or why one does not.
type Drafts<'a> = Vec<Result<Option<Draft<'a>>, String>>;

/// Asks the registry of `config` about all of `wanted`, in a few rounds of questions at once.
///
/// # Errors
/// The registry does not answer, or curl is missing.
pub(crate) fn ask(
    config: &Config,
    host: &Host,
    wanted: &[Wanted<'_>],
) -> anyhow::Result<Vec<Answer>> {
    let network = published::network(config, host)?;
    let below = wanted.iter().filter_map(|it| Some(it.mission?.1));
    let mut names: Vec<&str> =
        wanted.iter().map(|it| it.recipe).chain(below).map(|it| &*it.name).collect();
    names.sort_unstable();
    names.dedup();
    let repositories: Vec<_> = names.iter().map(|it| host.repository(it)).collect();
    let apis = Api::each(host, &network, &repositories, Access::Read)?;
    let apis: BTreeMap<&str, Api> = names.into_iter().zip(apis).collect();
    let mut drafts = pointed(&apis, wanted)?;
    configs(&mut drafts)?;
    carriers(&mut drafts)?;
    read(&mut drafts)?;
    parents(host, &apis, &mut drafts)?;
    Ok(drafts.into_iter().map(|it| it.map(|it| it.and_then(|it| it.offer(host)))).collect())
}

/// Returns the image under each name and tag, by its digest; `None` if it does not exist, an error if
/// it is refused.
///
/// # Errors
/// The registry does not answer, or curl is missing.
pub(crate) fn named(
    config: &Config,
    host: &Host,
    names: &[(&str, &Tag)],
) -> anyhow::Result<Vec<anyhow::Result<Option<ImageRef>>>> {
    let repositories: Vec<_> = names.iter().map(|it| host.repository(it.0)).collect();
    let apis = Api::each(host, &published::network(config, host)?, &repositories, Access::Read)?;
    let found = each::manifests(apis.iter().zip(names.iter().map(|it| it.1)))?;
    let image = |(found, repository): (anyhow::Result<Option<Manifest>>, &Repository)| {
        Ok(found?.map(|it| repository.at(&it.digest)))
    };
    Ok(found.into_iter().zip(&repositories).map(image).collect())
}

/// Returns a draft for each image under the tag that names its inputs.
fn pointed<'a>(
    apis: &'a BTreeMap<&str, Api>,
    wanted: &'a [Wanted<'a>],
) -> anyhow::Result<Drafts<'a>> {
    let api = |it: &Wanted<'_>| &apis[&*it.recipe.name];
    let found =
        each::manifests(wanted.iter().map(|it| (api(it), Tag::of_inputs(&it.recipe.inputs))))?;
    let draft = |(found, wanted): (anyhow::Result<Option<Manifest>>, &'a Wanted<'a>)| {
        let manifest = found.map_err(|err| format!("{err:#}"))?;
        Ok(manifest.map(|manifest| Draft {
            wanted,
            api: api(wanted),
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
fn round<'a, A>(
    drafts: &mut Drafts<'a>,
    question: impl Fn(&Draft<'a>) -> Option<Question<'a>>,
    ask: impl Fn(Vec<Question<'a>>) -> anyhow::Result<Vec<A>>,
    take: impl Fn(&mut Draft<'a>, A) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let of = |it: &Result<Option<Draft<'a>>, String>| question(it.as_ref().ok()?.as_ref()?);
    let asked: Vec<Option<Question<'a>>> = drafts.iter().map(of).collect();
    let places: Vec<usize> = (0..asked.len()).filter(|it| asked[*it].is_some()).collect();
    let answers = ask(asked.into_iter().flatten().collect())?;
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
fn configs(drafts: &mut Drafts<'_>) -> anyhow::Result<()> {
    round(
        drafts,
        |it| Some((it.api, it.manifest.config.to_string())),
        each::blobs,
        |draft, config| {
            let image = published::image(&draft.manifest, &config?)?;
            draft.image = Some(checked(image, draft.wanted.recipe)?);
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
    ensure!(found == expected, "the platform is {found}; expected {expected}");
    Ok(image)
}

/// Finds the receipts beside missions' images.
fn carriers(drafts: &mut Drafts<'_>) -> anyhow::Result<()> {
    round(
        drafts,
        |it| it.wanted.mission.map(|_| (it.api, Tag::of_receipt(&it.manifest.digest).to_string())),
        each::manifests,
        |draft, carrier| {
            let carrier =
                carrier.context("damaged receipt")?.context("no receipt beside the image")?;
            draft.carrier = Some(carrier);
            Ok(())
        },
    )
}

/// Reads the receipts.
fn read(drafts: &mut Drafts<'_>) -> anyhow::Result<()> {
    round(
        drafts,
        |it| Some((it.api, it.carrier.as_ref()?.layers.first()?.to_string())),
        each::blobs,
        |draft, layer| {
            let text =
                layer.and_then(|it| published::receipt_in(&it)).context("damaged receipt")?;
            draft.receipt = Some(draft.certifying(&text)?);
            Ok(())
        },
    )?;
    for it in drafts {
        if let Ok(Some(draft)) = it
            && draft.wanted.mission.is_some()
            && draft.receipt.is_none()
        {
            *it = Err("damaged receipt: a layer is missing".to_owned());
        }
    }
    Ok(())
}

impl<'a> Draft<'a> {
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
fn parents(host: &Host, apis: &BTreeMap<&str, Api>, drafts: &mut Drafts<'_>) -> anyhow::Result<()> {
    let mut asked: BTreeMap<(&str, ImageId), &Recipe> = BTreeMap::new();
    for draft in drafts.iter().flatten().flatten() {
        if let Some((recipe, Ok(id))) = draft.below() {
            asked.insert((&recipe.inputs, id), recipe);
        }
    }
    let below = find_below(host, apis, &asked)?;
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
    host: &Host,
    apis: &BTreeMap<&str, Api>,
    asked: &BTreeMap<(&'a str, ImageId), &'a Recipe>,
) -> anyhow::Result<Below<'a>> {
    let tag = |((inputs, id), recipe): (&(&str, ImageId), &&Recipe)| {
        (&apis[&*recipe.name], Tag::immutable(inputs, id))
    };
    let found = each::manifests(asked.iter().map(tag))?;
    let configs =
        each::blobs(asked.iter().map(|((_, id), recipe)| (&apis[&*recipe.name], id.to_string())))?;
    let mut res = Below::new();
    for (((inputs, id), recipe), (manifest, config)) in
        asked.iter().zip(found.into_iter().zip(configs))
    {
        let offer = (|| {
            let manifest = manifest?.filter(|it| it.config == *id).context("not published")?;
            let image = published::image(&manifest, &config?)?;
            ensure!(image.label(LABEL_INPUTS) == Some(inputs), "not the inputs that are wanted");
            let reference = host.repository(&recipe.name).at(&manifest.digest);
            anyhow::Ok(Offer { reference, tag: Tag::immutable(inputs, id), image, tested: None })
        })();
        let name = &recipe.name;
        let reason = |err| format!("built on {name} {}, which does not count: {err:#}", id.short());
        res.insert((inputs, id.clone()), offer.map_err(reason));
    }
    Ok(res)
}
