//! Chains that begin in the middle: an image that is on the engine, or in a registry, needs none of those
//! below it. Pure.

use crate::{
    image::{
        engine_images::EngineImages,
        recipe::{Make, Parent, Recipe},
    },
    tools::docker::{Docker, Image, LABEL_PARENT},
    tools::image_name::ImageRef,
};

/// An image in a registry that was checked, to be pulled where it is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Published {
    /// A CLI that is logged in there.
    pub(crate) docker: Docker,
    /// Name `repository@digest`.
    pub(crate) reference: ImageRef,
    /// Description by its config.
    pub(crate) image: Image,
}

/// Returns the newest image of the recipe at `position` whose parent is not on the engine, nor any other
/// image of the parent's inputs, in whose place it would have to be built again.
pub(crate) fn standing<'a>(
    chain: &[Recipe],
    position: usize,
    images: &'a EngineImages,
) -> Option<&'a Image> {
    let recipe = chain.get(position)?;
    let below = chain.get(position.checked_sub(1)?)?;
    if images.named(&below.name).any(|it| has_labels_of(below, it)) {
        return None;
    }
    let stands = |it: &&Image| {
        let parent = it.label(LABEL_PARENT).unwrap_or_default();
        !parent.is_empty() && images.with_id(parent).is_none()
    };
    let of_recipe = images.named(&recipe.name).filter(|it| has_labels_of(recipe, it));
    of_recipe.filter(stands).max_by(|a, b| a.created.cmp(&b.created))
}

fn has_labels_of(recipe: &Recipe, image: &Image) -> bool {
    recipe.labels().iter().all(|(name, it)| image.label(name) == Some(it))
}

/// Returns `chain` from `position` on, with `image` as its first image.
pub(crate) fn beginning_with(chain: &[Recipe], position: usize, image: &Image) -> Vec<Recipe> {
    let mut res = chain[position..].to_vec();
    if let Some(first) = res.first_mut() {
        first.parent = Parent::Known(image.label(LABEL_PARENT).unwrap_or_default().to_owned());
    }
    res
}

/// Returns `chain` from `position` on, whose first images are pulled if they are not on the engine.
pub(crate) fn pulling(chain: &[Recipe], position: usize, published: Vec<Published>) -> Vec<Recipe> {
    let Some(first) = published.first() else { return chain.to_vec() };
    let mut res = beginning_with(chain, position, &first.image);
    for (recipe, it) in res.iter_mut().zip(published) {
        recipe.make = Make::Pull(Box::new(it));
    }
    res
}
