//! What a registry has under many names, asked for at once. What is not known by that is asked of docker,
//! one name at a time: without curl, or, before a push, for a name that curl did not find.

use std::collections::{BTreeMap, BTreeSet};

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
pub(crate) struct Seen {
    found: BTreeMap<ImageRef, Found>,
    /// Names that curl did not find.
    absent: BTreeSet<ImageRef>,
    believes_absence: bool,
}

impl Seen {
    /// Returns an empty record that counts names which curl did not find as free: for what people read. A push
    /// must not, since curl does not find images of several platforms either.
    pub(crate) fn for_people() -> Seen {
        Seen { believes_absence: true, ..Seen::default() }
    }

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
        let asked = match asked(config, host, names) {
            Err(err) if [1, 3].contains(&failure::status(&err)) => return Ok(()),
            asked => asked?,
        };
        for (name, found) in asked {
            match found {
                Some(found) => _ = self.found.insert(name, found),
                None => _ = self.absent.insert(name),
            }
        }
        Ok(())
    }

    /// Records what the registry has under `name` now.
    pub(crate) fn note(&mut self, name: &ImageRef, found: Found) {
        self.found.insert(name.clone(), found);
    }

    /// Returns what the registry has under `name`.
    pub(crate) fn of(&self, host: &Host, name: &ImageRef) -> anyhow::Result<Option<Found>> {
        match self.found.get(name) {
            Some(found) => Ok(Some(found.clone())),
            None if self.believes_absence && self.absent.contains(name) => Ok(None),
            None => Ok(host.remote(name)?.map(Found::from)),
        }
    }
}

/// Returns what is under each name, `None` if nothing is; a name that is refused is left out.
fn asked(
    config: &Config,
    host: &Host,
    names: &[ImageRef],
) -> anyhow::Result<Vec<(ImageRef, Option<Found>)>> {
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
        let found = it.ok()?.map(|it| Found { digest: it.digest, config: it.config });
        Some((name, found))
    });
    Ok(found.collect())
}
