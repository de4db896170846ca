//! Trial images: built on a mission's image for one run, and removed with it.

use std::time::Instant;

use anyhow::{Context as _, bail};

use super::{Builds, BuiltImage, ParentImage, Step, unknown_image};
use crate::{
    image::{
        leftovers,
        recipe::{self, Make, Reason, Recipe},
        runner::{Log, Runner},
    },
    run::random::random_hex,
    settings::config::Config,
    tools::{
        docker::{Image, leftover::Kind},
        image_name::ImageRef,
    },
};

/// Names of a trial image.
pub(super) struct Trial {
    /// Label of the run that removes it.
    pub(super) label: String,
    pub(super) reference: ImageRef,
}

/// An image that only this run uses; removed from the engine with this value.
pub(crate) struct TemporaryImage<'a> {
    runner: &'a Runner,
    pub(crate) built: BuiltImage,
}

impl Drop for TemporaryImage<'_> {
    fn drop(&mut self) {
        if let Some(permit) = self.runner.permit {
            let id = self.built.image.id.to_string();
            leftovers::remove(permit, &self.runner.docker, Kind::Image, &id);
        }
    }
}

impl<'a> Builds<'a> {
    /// Builds `recipe` on `parent`, a mission's image, for this run alone: the image has no lasting
    /// name, and is removed with the returned value.
    ///
    /// # Errors
    /// The build fails.
    pub(crate) fn temporary(
        &self,
        config: &Config,
        recipe: &Recipe,
        parent: &BuiltImage,
        log: &mut Log,
    ) -> anyhow::Result<TemporaryImage<'a>> {
        let started = Instant::now();
        let Make::Build(dockerfile) = &recipe.make else { bail!("{}: not a build", recipe.name) };
        let id = Some(parent.image.id.clone());
        let on = ParentImage { id, reference: Some(parent.reference.clone()) };
        let chain = std::slice::from_ref(recipe);
        let step = Step { config, chain, recipe, parent: &on, refresh: false };
        let label = leftovers::label(self.runner.permit, &self.runner.target())?;
        let tag = match self.runner.permit {
            Some(_) => format!("try-{}", random_hex()?),
            None => "try".to_owned(),
        };
        let reference = recipe::local(&parent.name).tagged(&tag.parse()?);
        let trial = Trial { label, reference: reference.clone() };
        let id = self.build(&step, dockerfile, Some(&trial), log).inspect_err(|_| {
            // The engine may have made the image even so.
            if let Some(permit) = self.runner.permit {
                leftovers::remove_all(permit, &self.runner.docker, Kind::Image);
            }
        })?;
        let (name, reason) = (parent.name.clone(), Some(Reason::NothingYet));
        let image = Image { id: id.clone(), ..unknown_image() };
        let built = BuiltImage { name, image, reference, reason, time: started.elapsed() };
        let mut res = TemporaryImage { runner: self.runner, built };
        if self.runner.permit.is_some() {
            let image = self.runner.docker.image(&res.built.reference)?.filter(|it| it.id == id);
            res.built.image = image.context("the trial was built, but is not on the engine")?;
        }
        Ok(res)
    }
}
