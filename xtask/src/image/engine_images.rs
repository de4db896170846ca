//! The images on the engine, found by name and by id without a look at all others.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    image::recipe,
    tools::{
        docker::{Docker, Image},
        image_name::ImageRef,
    },
};

/// Images as the engine listed them.
#[derive(Debug, Default)]
pub(crate) struct EngineImages {
    all: Vec<Image>,
    /// Places of the images that have the name of their labels and id, by the last part of it.
    by_name: BTreeMap<String, Vec<usize>>,
    by_id: BTreeMap<String, usize>,
}

impl EngineImages {
    pub(crate) fn read(docker: &Docker) -> anyhow::Result<EngineImages> {
        Ok(EngineImages::new(docker.images()?))
    }

    pub(crate) fn new(all: Vec<Image>) -> EngineImages {
        let mut res = EngineImages { all, ..EngineImages::default() };
        for (at, image) in res.all.iter().enumerate() {
            res.by_id.insert(image.id.to_string(), at);
            let names = image.repo_tags.iter().flatten().filter_map(|it| it.parse().ok());
            let names = names.map(|it: ImageRef| it.repository.name().to_owned());
            let names = names.filter(|it| recipe::immutable_tag(it, image).is_some());
            for name in names.collect::<BTreeSet<_>>() {
                res.by_name.entry(name).or_default().push(at);
            }
        }
        res
    }

    /// Returns the images called `name`, as their labels and ids determine it.
    pub(crate) fn named(&self, name: &str) -> impl Iterator<Item = &Image> {
        self.by_name.get(name).into_iter().flatten().map(|it| &self.all[*it])
    }

    pub(crate) fn with_id(&self, id: &str) -> Option<&Image> {
        self.by_id.get(id).map(|it| &self.all[*it])
    }
}
