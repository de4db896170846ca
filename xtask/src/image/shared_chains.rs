//! Chains of the images below missions' and beside them: made, and digested, once for all missions
//! that have the same settings of them. Pure.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use crate::{
    image::recipe::{self, Parts, Recipe},
    settings::config::Config,
    tools::platform::Platform,
};

/// Chains that depend on no mission.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Images up to the common one.
    pub(crate) common: Vec<Recipe>,
    /// Images up to the local registry's.
    pub(crate) registry: Vec<Recipe>,
    /// Images up to that of the hub on this machine.
    pub(crate) hub: Vec<Recipe>,
    /// Digest of the scripts that test, once something asked for it.
    pub(crate) tester: OnceLock<String>,
}

/// The chains of a checkout, by the settings that they depend on.
pub(crate) struct SharedChains<'a> {
    parts: &'a Parts,
    known: BTreeMap<String, Arc<Shared>>,
}

impl<'a> SharedChains<'a> {
    pub(crate) fn new(parts: &'a Parts) -> SharedChains<'a> {
        SharedChains { parts, known: BTreeMap::new() }
    }

    pub(crate) fn of(&mut self, config: &Config, platform: Platform) -> Arc<Shared> {
        let key = format!("{:?} {:?} {platform}", config.base, config.debian_image);
        let new = || {
            Arc::new(Shared {
                common: recipe::common(config, platform, self.parts),
                registry: recipe::registry(config, platform, self.parts),
                hub: recipe::hub(config, platform, self.parts),
                tester: OnceLock::new(),
            })
        };
        Arc::clone(self.known.entry(key).or_insert_with(new))
    }
}
