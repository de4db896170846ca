//! Images that are pulled from a registry in place of a build.

use anyhow::{Context as _, bail, ensure};

use super::{Builds, Step};
use crate::{
    image::{runner::Log, short_chain::Published},
    tools::{docker::LABEL_PARENT, image_name::ImageId},
};

impl Builds<'_> {
    /// Pulls an image by its digest, and compares what arrived with what was asked for.
    pub(super) fn fetch(
        &self,
        step: &Step<'_>,
        published: &Published,
        log: &mut Log,
    ) -> anyhow::Result<ImageId> {
        let Published { docker, reference, image: expected } = published;
        log.step(&format!("pulling {reference}"));
        self.runner.talk(&docker.pull(reference), log)?;
        if self.runner.permit.is_none() {
            return Ok(ImageId::unknown());
        }
        let image = self.runner.docker.image(reference)?;
        let image =
            image.with_context(|| format!("{reference} was pulled, but is not on the engine"))?;
        ensure!(
            image.id == expected.id,
            "{reference} was pulled, but is the image {}; expected {}",
            image.id,
            expected.id
        );
        let mut labels = step.recipe.labels();
        labels.push((LABEL_PARENT, expected.label(LABEL_PARENT).unwrap_or_default().to_owned()));
        if let Some((name, value)) = labels.iter().find(|(name, it)| image.label(name) != Some(it))
        {
            bail!("{reference} was pulled, but its label {name} is not `{value}`");
        }
        let (found, platform) = (image.platform(), step.recipe.platform.to_string());
        ensure!(found == platform, "{reference} was pulled for {found}; expected {platform}");
        Ok(image.id)
    }
}
