//! Images that need not be built here, since a registry has them.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    thread,
};

use crate::{
    image::{
        build::{BuildPolicy, Builds},
        engine_images::EngineImages,
        mission_images::MissionImages,
        recipe::{self, Recipe, UNKNOWN_INPUTS},
        runner::Runner,
        short_chain,
    },
    registry::{
        self, Host,
        candidates::{self, Candidate},
        publish::Unpublished,
        retag::{self, Retag},
        reuse::{self, Offer, Wanted},
    },
    run::failure,
    settings::config::{BuildCache, Reuse},
    testing::receipt::Receipt,
    tools::{
        curl,
        docker::Image,
        image_name::{Digest, ImageRef, Tag},
    },
};

/// Where published images of missions are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// They stay in the registry.
    Registry,
    /// On the engine, to be started.
    Engine,
    /// On the engine with the images below, to be tested and pushed again.
    WholeEngine,
    /// On the engine, to be tested: candidates count, too.
    Tests,
    /// They stay in the registry, but a candidate is wanted on the engine with the image below.
    Push,
}

/// Missions, with what registries have of their images.
#[derive(Default)]
pub(crate) struct Found {
    /// Missions whose images are on the engine, are built, or are pulled.
    pub(crate) chosen: Vec<MissionImages>,
    /// Missions whose images stay in the registry.
    pub(crate) reused: Vec<Reused>,
    /// Receipts of the images that count.
    receipts: Vec<(Image, Receipt)>,
    /// Registries that images are pulled from: their logins last as long.
    hosts: Vec<Host>,
}

/// A mission's image in a registry that is not needed on the engine.
pub(crate) struct Reused {
    pub(crate) chosen: MissionImages,
    pub(crate) offer: Offer,
    host: Host,
}

/// A mission whose image is not on the engine.
struct Lacking {
    /// Its place among the missions.
    at: usize,
    /// Whether the image below is not there either.
    below: bool,
}

/// Names of images that are not used, by the reason.
type Unused<'a> = BTreeMap<String, Vec<&'a str>>;

/// What a registry has for some missions.
#[derive(Default)]
struct Offers {
    /// Published images that count, by name and inputs.
    images: BTreeMap<(String, String), Offer>,
    /// Images whose layers builds may take, by name.
    caches: BTreeMap<String, ImageRef>,
}

/// Returns the images on the engine, for [`look`].
pub(crate) fn listed(
    runner: &Runner,
    missing: BuildPolicy,
) -> anyhow::Result<Option<Arc<EngineImages>>> {
    let is_needed = missing != BuildPolicy::TakeNewest;
    is_needed.then(|| EngineImages::read(&runner.docker).map(Arc::new)).transpose()
}

/// Asks registries about the missions whose images are not on the engine.
pub(crate) fn look(
    runner: &Runner,
    chosen: Vec<MissionImages>,
    missing: BuildPolicy,
    place: Place,
) -> anyhow::Result<Found> {
    look_beside(runner, chosen, missing, place, listed(runner, missing)?.as_deref(), &|| ())
}

/// Looks like [`look`] beside the images that the engine listed. Calls `meanwhile` if a registry is asked:
/// images are missing then.
pub(crate) fn look_beside(
    runner: &Runner,
    mut chosen: Vec<MissionImages>,
    missing: BuildPolicy,
    place: Place,
    images: Option<&EngineImages>,
    meanwhile: &(dyn Fn() + Sync),
) -> anyhow::Result<Found> {
    let mut res = Found::default();
    let place = match place {
        // Images are pulled to look at them, and docker moves only tags of what the engine has.
        Place::Registry | Place::Push if !curl::is_installed() => Place::WholeEngine,
        place => place,
    };
    let mut stays: BTreeMap<usize, (Offer, Host)> = BTreeMap::new();
    let Some(images) = images else {
        res.chosen = chosen;
        return Ok(res);
    };
    let lacking = lacking(runner, &mut chosen, missing, place, images)?;
    let answers: Vec<_> = thread::scope(|scope| {
        if !lacking.is_empty() {
            scope.spawn(meanwhile);
        }
        lacking.values().map(|it| ask(runner, &chosen, it, missing)).collect()
    });
    for (lacking, answer) in lacking.into_values().zip(answers) {
        let (offers, host) = match answer {
            Ok(Some(it)) => it,
            Ok(None) => continue,
            // Whatever is not asked for is built.
            Err(err) if [1, 3].contains(&failure::status(&err)) => {
                runner.ui.say(format!("warning: no image of the registry is reused: {err:#}"));
                continue;
            }
            Err(err) => return Err(err),
        };
        for it in lacking {
            let of = &mut chosen[it.at];
            if take_candidate(runner, of, &offers, &host, place)? {
                continue;
            }
            if let Some(offer) = take(of, it.below, &offers, &host, place, &mut res) {
                stays.insert(it.at, (offer, host.clone()));
            }
            for recipe in &mut of.chain {
                recipe.cache = offers.caches.get(&recipe.name).cloned();
            }
        }
        res.hosts.push(host);
    }
    for (at, chosen) in chosen.into_iter().enumerate() {
        match stays.remove(&at) {
            Some((offer, host)) => res.reused.push(Reused { chosen, offer, host }),
            None => res.chosen.push(chosen),
        }
    }
    Ok(res)
}

/// Asks the registry of some missions what it has of them; `None` if it does not run.
fn ask(
    runner: &Runner,
    chosen: &[MissionImages],
    lacking: &[Lacking],
    missing: BuildPolicy,
) -> anyhow::Result<Option<(Offers, Host)>> {
    let missions: Vec<&MissionImages> = lacking.iter().map(|it| &chosen[it.at]).collect();
    let Some(host) = registry::running(runner, &missions[0].config)? else { return Ok(None) };
    Ok(Some((offers(runner, &missions, &host, missing)?, host)))
}

/// Returns the missions to ask about, by registry. A chain whose lower images are not needed begins with
/// the first one that is there.
fn lacking(
    runner: &Runner,
    chosen: &mut [MissionImages],
    missing: BuildPolicy,
    place: Place,
    images: &EngineImages,
) -> anyhow::Result<BTreeMap<String, Vec<Lacking>>> {
    let mut res: BTreeMap<String, Vec<Lacking>> = BTreeMap::new();
    let mut bases: BTreeMap<String, Option<Image>> = BTreeMap::new();
    for (at, it) in chosen.iter_mut().enumerate() {
        let base = match recipe::pulled(&it.chain) {
            Some(pulled) => {
                let name = pulled.reference.to_string();
                if !bases.contains_key(&name) {
                    bases.insert(name.clone(), runner.docker.image(&pulled.reference)?);
                }
                bases[&name].as_ref()
            }
            None => None,
        };
        if let Some(below) = of_engine(it, base, images, missing, place)
            && it.config.reuse == Reuse::Registry
        {
            let registry = format!("{:?}", it.config.registry);
            res.entry(registry).or_default().push(Lacking { at, below });
        }
    }
    Ok(res)
}

/// Shortens the chain of a mission to what must be on the engine. Returns whether the image below the
/// mission's is not there, `None` if the registry need not be asked about the mission.
fn of_engine(
    it: &mut MissionImages,
    base: Option<&Image>,
    images: &EngineImages,
    missing: BuildPolicy,
    place: Place,
) -> Option<bool> {
    let last = it.chain.len().checked_sub(1)?;
    let refreshes = missing == BuildPolicy::Refresh;
    let present = recipe::present(&it.chain, base, images).len();
    if present > last || (refreshes && present == last) {
        return None;
    }
    if let (false, Cow::Owned(chain)) = (refreshes, recipe::on_base(&it.chain, base)) {
        it.chain = chain;
    }
    if it.chain[last].inputs == UNKNOWN_INPUTS {
        return None;
    }
    if matches!(place, Place::Engine | Place::Tests)
        && let Some(image) = short_chain::standing(&it.chain, last, images)
    {
        it.chain = short_chain::beginning_with(&it.chain, last, image);
        return None;
    }
    if present == last {
        return Some(false);
    }
    let below = last.checked_sub(1)?;
    let Some(image) = short_chain::standing(&it.chain, below, images) else { return Some(true) };
    it.chain = short_chain::beginning_with(&it.chain, below, image);
    let parent = image.id.to_string();
    let is_there = recipe::find(&it.chain[1], Some(&parent), images).is_ok();
    (!is_there && !refreshes).then_some(false)
}

/// Returns the published images of `missions`, and of those below them, that count; says why others do not.
fn offers(
    runner: &Runner,
    missions: &[&MissionImages],
    host: &Host,
    missing: BuildPolicy,
) -> anyhow::Result<Offers> {
    let mut wanted: BTreeMap<(&str, &str), Wanted<'_>> = BTreeMap::new();
    for it in missions {
        let [.., below, own] = &it.chain[..] else { continue };
        if missing != BuildPolicy::Refresh {
            let mission = Some((&it.mission, below));
            wanted.insert((&own.name, &own.inputs), Wanted { recipe: own, mission });
        }
        if missing != BuildPolicy::Refuse {
            wanted.insert((&below.name, &below.inputs), Wanted { recipe: below, mission: None });
        }
    }
    let Some(first) = missions.first() else { return Ok(Offers::default()) };
    let wanted: Vec<Wanted<'_>> = wanted.into_values().collect();
    let answers = reuse::ask(runner, &first.config, host, &wanted)?;
    let mut res = Offers::default();
    let mut unused: Unused<'_> = BTreeMap::new();
    for (Wanted { recipe, .. }, answer) in wanted.iter().zip(answers) {
        match answer {
            Ok(offer) => res
                .images
                .extend(offer.map(|it| ((recipe.name.clone(), recipe.inputs.clone()), it))),
            Err(reason) => unused.entry(reason).or_default().push(&recipe.name),
        }
    }
    for (reason, names) in &unused {
        let names = names.join(", ");
        runner.ui.say(format!(
            "warning: {names}: the registry's image of these inputs is not used: {reason}"
        ));
    }
    if ![BuildPolicy::Refuse, BuildPolicy::Refresh].contains(&missing) {
        let (caches, without) = caches(runner, missions, host, &res)?;
        res.caches = caches;
        for (reason, names) in without.iter().filter(|it| !unused.contains_key(it.0)) {
            let names = names.join(", ");
            runner
                .ui
                .say(format!("warning: {names}: no layers of the registry are used: {reason}"));
        }
    }
    Ok(res)
}

/// Returns the images under human tags, for the images of `missions` that are not published and must be built;
/// and those that are refused.
fn caches<'a>(
    runner: &Runner,
    missions: &[&'a MissionImages],
    host: &Host,
    offers: &Offers,
) -> anyhow::Result<(BTreeMap<String, ImageRef>, Unused<'a>)> {
    let mut tags: BTreeMap<&str, &Tag> = BTreeMap::new();
    for it in missions {
        let [.., below, own] = &it.chain[..] else { continue };
        let config = &it.config;
        // The engine has the layers of the registry on its machine.
        if config.build_cache != BuildCache::Inline || host.is_local() {
            continue;
        }
        for (recipe, tag) in [(below, &config.common_tag), (own, &config.image_tag)] {
            if offers.image(recipe).is_none() {
                tags.insert(&recipe.name, tag);
            }
        }
    }
    let (Some(first), false) = (missions.first(), tags.is_empty()) else {
        return Ok(<_>::default());
    };
    let tags: Vec<(&str, Tag)> = tags.into_iter().map(|(name, it)| (name, it.clone())).collect();
    let found = reuse::named(runner, &first.config, host, &tags)?;
    let mut res = BTreeMap::new();
    let mut unused: Unused<'_> = BTreeMap::new();
    for ((name, _), it) in tags.into_iter().zip(found) {
        match it {
            Ok(image) => res.extend(image.map(|it| (name.to_owned(), it))),
            Err(err) => unused.entry(format!("{err:#}")).or_default().push(name),
        }
    }
    Ok((res, unused))
}

impl Offers {
    /// Returns the published image of this recipe.
    fn image(&self, recipe: &Recipe) -> Option<&Offer> {
        self.images.get(&(recipe.name.clone(), recipe.inputs.clone()))
    }
}

/// Takes what is published: returns the image of the mission if it stays in the registry, or else shortens
/// the chain to what is pulled and built.
fn take(
    it: &mut MissionImages,
    lacks_below: bool,
    offers: &Offers,
    host: &Host,
    place: Place,
    found: &mut Found,
) -> Option<Offer> {
    let last = it.chain.len() - 1;
    let published = |it: &Offer| it.published(host);
    if let Some(own) = offers.image(&it.chain[last]) {
        let (receipt, below) = own.tested.as_ref()?;
        found.receipts.push((own.image.clone(), receipt.clone()));
        it.chain = match place {
            Place::Registry | Place::Push => return Some(own.clone()),
            Place::Engine | Place::Tests => {
                short_chain::pulling(&it.chain, last, vec![published(own)])
            }
            Place::WholeEngine => {
                short_chain::pulling(&it.chain, last - 1, vec![published(below), published(own)])
            }
        };
        return None;
    }
    if lacks_below && let Some(below) = offers.image(&it.chain[last - 1]) {
        it.chain = short_chain::pulling(&it.chain, last - 1, vec![published(below)]);
    }
    None
}

/// Shortens the chain of a mission without a published image to a candidate, if its tests or a push want one.
/// A push prefers one that was tested. Returns whether there is one.
fn take_candidate(
    runner: &Runner,
    it: &mut MissionImages,
    offers: &Offers,
    host: &Host,
    place: Place,
) -> anyhow::Result<bool> {
    let last = it.chain.len() - 1;
    let (own, below) = (&it.chain[last], &it.chain[last - 1]);
    let is_published = offers.image(own).is_some();
    if is_published || !matches!(place, Place::Tests | Place::Push) {
        return Ok(false);
    }
    let is_tested = |image: &Image| {
        let receipt = Receipt::read(&runner.checkout, &it.mission.name, image);
        place == Place::Push && receipt.is_ok_and(|it| it.is_some_and(|it| it.complete))
    };
    match candidates::find(&it.config, host, [below, own], is_tested) {
        Ok(None) => return Ok(false),
        Ok(Some(Candidate { below, own })) => {
            it.chain = match place {
                Place::Push => short_chain::pulling(&it.chain, last - 1, vec![below, own]),
                _ => short_chain::pulling(&it.chain, last, vec![own]),
            };
        }
        // Also without curl: docker lists no tags.
        Err(err) if [1, 3].contains(&failure::status(&err)) => {
            runner.ui.say(format!("{}: no candidate of the registry is used: {err:#}", own.name));
            return Ok(false);
        }
        Err(err) => return Err(err),
    }
    Ok(true)
}

/// Returns the state of builds beside the images that [`listed`] returned.
pub(crate) fn builds<'a>(
    runner: &'a Runner,
    missing: BuildPolicy,
    images: Option<&Arc<EngineImages>>,
) -> anyhow::Result<Builds<'a>> {
    match images {
        Some(images) => Ok(Builds::knowing(runner, missing, Arc::clone(images))),
        None => Builds::new(runner, missing),
    }
}

impl Found {
    /// Keeps the receipts of published images here, unless there are some already.
    pub(crate) fn keep_receipts(&self, runner: &Runner) -> anyhow::Result<()> {
        let Some(permit) = runner.permit else { return Ok(()) };
        for (image, receipt) in &self.receipts {
            if Receipt::read(&runner.checkout, &receipt.mission, image)?.is_none() {
                receipt.write(permit, &runner.checkout)?;
            }
        }
        Ok(())
    }

    /// Returns the human tags that a push moves.
    pub(crate) fn due_tags(&self) -> anyhow::Result<BTreeSet<ImageRef>> {
        let mut res = BTreeSet::new();
        for (first, tags) in self.tags() {
            let is_there = retag::are_there(&first.chosen.config, &first.host, &tags)?;
            let due = tags.into_iter().zip(is_there).filter(|it| !it.1);
            res.extend(due.map(|(it, _)| it.tag));
        }
        Ok(res)
    }

    /// Returns the human tags of each registry, and a mission in it.
    fn tags(&self) -> Vec<(&Reused, Vec<Retag>)> {
        let mut tags: BTreeMap<&str, (&Reused, BTreeMap<ImageRef, Digest>)> = BTreeMap::new();
        for it in &self.reused {
            let Some((_, below)) = &it.offer.tested else { continue };
            let of_host = tags.entry(&it.host.name).or_insert((it, BTreeMap::new()));
            let config = &it.chosen.config;
            for (of, tag) in [(&**below, &config.common_tag), (&it.offer, &config.image_tag)] {
                let tag = of.reference.repository.tagged(tag);
                of_host.1.extend(of.reference.digest.clone().map(|it| (tag, it)));
            }
        }
        let retag = |(tag, digest)| Retag { tag, digest };
        tags.into_values().map(|(it, tags)| (it, tags.into_iter().map(retag).collect())).collect()
    }

    /// Moves the human tags of missions whose images stay in the registry, and of the images below them.
    /// Returns the names of the images whose tags moved.
    pub(crate) fn publish(&self, runner: &Runner) -> Result<BTreeSet<String>, Unpublished> {
        let mut res = BTreeSet::new();
        for (first, tags) in self.tags() {
            let moved = retag::move_tags(runner, &first.chosen.config, &first.host, &tags)?;
            let moved = tags.iter().zip(moved).filter(|it| it.1);
            res.extend(moved.map(|(it, _)| it.tag.repository.name().to_owned()));
        }
        Ok(res)
    }
}
