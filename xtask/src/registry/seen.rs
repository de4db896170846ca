//! Images of registries under many names: each registry is asked for all of its names at once. Without curl,
//! and for what curl cannot tell, docker is asked, one name at a time.

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

/// A name in a registry, and the settings by which the registry is asked.
pub(crate) struct Question<'a> {
    pub(crate) host: &'a Host,
    pub(crate) config: &'a Config,
    pub(crate) name: ImageRef,
}

/// Images of registries, by name.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// `None` for a name that nothing has.
    known: BTreeMap<ImageRef, Option<Found>>,
}

impl Seen {
    /// Asks the registries for all names, whatever was known of them.
    ///
    /// # Errors
    /// The run is interrupted. Without curl, or if a registry refuses, nothing is known of its names.
    pub(crate) fn ask<'a>(
        &mut self,
        questions: impl IntoIterator<Item = Question<'a>>,
    ) -> anyhow::Result<()> {
        let mut asked: BTreeMap<&str, (&Host, &Config, BTreeSet<ImageRef>)> = BTreeMap::new();
        for Question { host, config, name } in questions {
            self.known.remove(&name);
            if name.is_known() {
                let of_host = || (host, config, BTreeSet::new());
                asked.entry(&host.name).or_insert_with(of_host).2.insert(name);
            }
        }
        for (host, config, names) in asked.into_values() {
            match answers(config, host, &names) {
                Err(err) if [1, 3].contains(&failure::status(&err)) => (),
                answers => self.known.extend(answers?),
            }
        }
        Ok(())
    }

    /// Returns what the registry has under `name`.
    pub(crate) fn of(&self, host: &Host, name: &ImageRef) -> anyhow::Result<Option<Found>> {
        match self.known.get(name) {
            Some(found) => Ok(found.clone()),
            None => Ok(host.remote(name)?.map(Found::from)),
        }
    }
}

/// Returns what the registry has under `name`.
pub(crate) fn under(
    host: &Host,
    config: &Config,
    name: &ImageRef,
) -> anyhow::Result<Option<Found>> {
    let mut seen = Seen::default();
    seen.ask([Question { host, config, name: name.clone() }])?;
    seen.of(host, name)
}

/// Returns what is under each name; one that is refused, or not of an image of one platform, is left out.
fn answers(
    config: &Config,
    host: &Host,
    names: &BTreeSet<ImageRef>,
) -> anyhow::Result<Vec<(ImageRef, Option<Found>)>> {
    let repositories: BTreeSet<&Repository> = names.iter().map(|it| &it.repository).collect();
    let repositories: Vec<Repository> = repositories.into_iter().cloned().collect();
    let apis = Api::each(host, &published::network(config, host)?, &repositories, Access::Read)?;
    let apis: BTreeMap<Repository, Api> = repositories.into_iter().zip(apis).collect();
    let asked = names.iter().filter_map(|it| Some((it, (&apis[&it.repository], it.tag.clone()?))));
    let (names, questions): (Vec<&ImageRef>, Vec<_>) = asked.unzip();
    let manifests = each::manifests(questions)?.into_iter().zip(names);
    let found = manifests.filter_map(|(it, name)| {
        let found = it.ok()?.map(|it| Found { digest: it.digest, config: it.config });
        Some((name.clone(), found))
    });
    Ok(found.collect())
}
