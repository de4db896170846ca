//! Old images on the engine.

use std::collections::{BTreeMap, BTreeSet};

use super::{Place, Row};
use crate::{
    hub::local,
    image::{
        engine_images::EngineImages,
        mission_images::MissionImages,
        recipe,
        retention::{self, Candidate, Policy, Verdict},
        runner::Runner,
    },
    run::{
        process::{self, Permit, last_lines},
        terminal,
    },
    settings::config::{Config, Mode},
    task::{MissionConfig, Session},
    testing::receipt::Receipt,
    tools::{
        docker::{Image, LABEL_PARENT},
        image_name::{ImageId, ImageRef},
    },
};

/// The engine, and the images that the working tree's missions are made of.
pub(super) struct Engine<'a> {
    runner: &'a Runner,
    missions: BTreeSet<String>,
    /// Whether images of other names go, too.
    is_all: bool,
    recipes: Vec<MissionImages>,
}

impl<'a> Engine<'a> {
    pub(super) fn new(
        session: &Session,
        runner: &'a Runner,
        named: &[MissionConfig],
        is_all: bool,
    ) -> anyhow::Result<Engine<'a>> {
        let missions = named.iter().map(|it| it.mission.name.clone()).collect();
        let mut recipes = Vec::new();
        for mode in [Mode::Frozen, Mode::Floating] {
            let in_mode = |it: &MissionConfig| {
                let config = Config { mode, ..it.config.clone() };
                MissionConfig { mission: it.mission.clone(), config }
            };
            // A tree that cannot be built needs no image, and can be cleaned.
            let unknown = |of: &str, err: anyhow::Error| {
                let flag = mode.flag();
                runner.ui.say(format!(
                    "note: images of {of} for USE_FROZEN={flag} are not recognised as needed: {err:#}"
                ));
            };
            match session.choose_each(runner, named.iter().map(in_mode).collect()) {
                Ok(chosen) => {
                    for (of, chosen) in named.iter().zip(chosen) {
                        match chosen {
                            Ok(chosen) => recipes.push(chosen),
                            Err(err) => unknown(&of.mission.name, err),
                        }
                    }
                }
                Err(err) => unknown("all missions", err),
            }
        }
        process::check_interrupted()?;
        Ok(Engine { runner, missions, is_all, recipes })
    }

    /// Returns the images that the working tree's recipes yield, with the name of their mission.
    fn needed(&self, images: &EngineImages) -> anyhow::Result<BTreeMap<ImageId, String>> {
        let mut res = BTreeMap::new();
        for it in &self.recipes {
            for chain in [&it.chain, &it.shared.registry, &it.shared.hub] {
                let base = match recipe::pulled(chain) {
                    Some(pulled) => self.runner.docker.image(&pulled.reference)?,
                    None => None,
                };
                let present = recipe::present(chain, base.as_ref(), images);
                res.extend(present.iter().map(|image| (image.id.clone(), it.mission.name.clone())));
            }
        }
        Ok(res)
    }

    fn candidate(
        &self,
        image: &Image,
        needed: &BTreeMap<ImageId, String>,
        of_hubs: &BTreeSet<String>,
    ) -> anyhow::Result<Candidate> {
        let names = names(image);
        let first = names.first().map(|it| it.repository.name().to_owned()).unwrap_or_default();
        let human = names.iter().find(|it| it.tag.as_ref().is_none_or(|it| !it.is_reserved()));
        let why = match (human, needed.get(&image.id)) {
            (Some(name), _) => Some(format!("named {name}")),
            _ if of_hubs.contains(&image.id.to_string()) => {
                Some("a hub on this machine needs it".to_owned())
            }
            (_, Some(mission)) => Some(format!("the working tree needs it for {mission}")),
            _ if !self.is_all && !self.missions.contains(&first) => Some("not selected".to_owned()),
            _ => None,
        };
        let is_mission = self.missions.contains(&first);
        let receipt = match is_mission {
            // A damaged receipt certifies nothing.
            true => Receipt::read(&self.runner.checkout, &first, image).unwrap_or_default(),
            false => None,
        };
        let parent = image.label(LABEL_PARENT).filter(|it| !it.is_empty());
        let below = format!("{first} {} was built on it", image.id.short());
        Ok(Candidate {
            name: first,
            digests: vec![image.id.to_string()],
            created: image.created.clone(),
            is_mission,
            is_certified: receipt.is_some_and(|it| it.passed()),
            is_candidate: false,
            needed: why,
            refers: parent.map(|it| (it.to_owned(), below)).into_iter().collect(),
        })
    }
}

impl Place for Engine<'_> {
    type Removal = ImageRef;

    fn plan(&self, policy: Policy) -> anyhow::Result<Vec<(Row, Option<ImageRef>)>> {
        let mut images = self.runner.docker.images()?;
        images.retain(|it| !names(it).is_empty());
        // Children first: docker keeps an image that others were built on.
        images.sort_by(|a, b| b.created.cmp(&a.created));
        let needed = self.needed(&EngineImages::new(images.clone()))?;
        let of_hubs = local::needed_images(&self.runner.docker)?;
        let candidate = |it| self.candidate(it, &needed, &of_hubs);
        let candidates: Vec<Candidate> =
            images.iter().map(candidate).collect::<anyhow::Result<_>>()?;
        let verdicts = retention::verdicts(&candidates, policy);
        let mut res = Vec::new();
        for (image, verdict) in images.iter().zip(&verdicts) {
            for name in names(image) {
                let goes = matches!(verdict, Verdict::Goes(_)).then(|| name.clone());
                res.push((Row::new(name.to_string(), &image.created, verdict), goes));
            }
        }
        Ok(res)
    }

    fn print(&self, name: &ImageRef) {
        terminal::print(self.runner.docker.remove_name(name));
    }

    fn note(&self) -> Option<&'static str> {
        None
    }

    fn remove(&self, permit: Permit, names: &[ImageRef]) -> anyhow::Result<Vec<String>> {
        let remove = |name: &ImageRef| -> anyhow::Result<String> {
            let remove = self.runner.docker.remove_name(name);
            let output = process::output(&remove.permitted(permit))?;
            Ok(match output.status {
                0 => String::new(),
                _ => last_lines(&output.stderr, 1).trim().to_owned(),
            })
        };
        names.iter().map(remove).collect()
    }
}

fn names(image: &Image) -> Vec<ImageRef> {
    image.repo_tags.iter().flatten().filter_map(|it| it.parse().ok()).collect()
}
