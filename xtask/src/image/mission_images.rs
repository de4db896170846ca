//! A mission whose images should be built, tested or published.

use crate::{
    image::recipe::Recipe, mission::checkout::Mission, run::finding::Finding,
    settings::config::Config, tools::platform::Platform,
};

/// A mission with all sources of its images.
pub(crate) struct MissionImages {
    pub(crate) mission: Mission,
    pub(crate) config: Config,
    pub(crate) platform: Platform,
    /// Images up to the mission's.
    pub(crate) chain: Vec<Recipe>,
    /// Images up to the local registry's.
    pub(crate) registry_chain: Vec<Recipe>,
    /// Images up to that of the hub on this machine.
    pub(crate) hub_chain: Vec<Recipe>,
    /// Findings in Dockerfiles that a frozen build refuses.
    pub(crate) floats: Vec<Finding>,
}
