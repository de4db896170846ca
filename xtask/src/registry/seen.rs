//! What a registry has under many names, asked for at once. What is not known by that is asked of docker,
//! one name at a time: without curl, or for a name that curl did not find.

use std::collections::BTreeMap;

use super::{
    Host,
    api::{Access, Api, each},
    published,
};
use crate::{
    run::failure,
    settings::config::Config,
    tools::{
        docker::RemoteImage,
        image_name::{Digest, ImageId, ImageRef, Repository},
    },
};

/// An image in a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) digest: Digest,
    pub(crate) config: ImageId,
}

impl From<RemoteImage> for Found {
    fn from(it: RemoteImage) -> Found {
        Found { digest: it.digest, config: it.config }
    }
}

/// Images of registries, by name.
#[derive(Debug, Default)]
pub(crate) struct Seen(BTreeMap<ImageRef, Found>);

impl Seen {
    /// Asks a registry for all of `names`.
    ///
    /// # Errors
    /// The run is interrupted. Without curl, or if the registry refuses, nothing is known.
    pub(crate) fn ask(
        &mut self,
        config: &Config,
        host: &Host,
        names: &[ImageRef],
    ) -> anyhow::Result<()> {
        match found(config, host, names) {
            Err(err) if [1, 3].contains(&failure::status(&err)) => (),
            found => self.0.extend(found?),
        }
        Ok(())
    }

    /// Records what the registry has under `name` now.
    pub(crate) fn note(&mut self, name: &ImageRef, found: Found) {
        self.0.insert(name.clone(), found);
    }

    /// Returns what the registry has under `name`.
    pub(crate) fn of(&self, host: &Host, name: &ImageRef) -> anyhow::Result<Option<Found>> {
        match self.0.get(name) {
            Some(found) => Ok(Some(found.clone())),
            None => Ok(host.remote(name)?.map(Found::from)),
        }
    }
}

fn found(
    config: &Config,
    host: &Host,
    names: &[ImageRef],
) -> anyhow::Result<BTreeMap<ImageRef, Found>> {
    let mut repositories: Vec<Repository> = names.iter().map(|it| it.repository.clone()).collect();
    repositories.sort_unstable();
    repositories.dedup();
    let apis = Api::each(host, &published::network(config, host)?, &repositories, Access::Read)?;
    let apis: BTreeMap<Repository, Api> = repositories.into_iter().zip(apis).collect();
    let tagged = |it: &ImageRef| Some((it.clone(), it.tag.clone()?));
    let (names, tags): (Vec<_>, Vec<_>) = names.iter().filter_map(tagged).unzip();
    let asked = names.iter().map(|it| &apis[&it.repository]).zip(tags);
    let manifests = names.iter().cloned().zip(each::manifests(asked)?);
    let found = manifests.filter_map(|(name, it)| {
        let manifest = it.ok()??;
        Some((name, Found { digest: manifest.digest, config: manifest.config }))
    });
    Ok(found.collect())
}
