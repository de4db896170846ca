//! A mission whose images are to be built, tested or published.

use crate::{
    image::recipe::Recipe, mission::checkout::Mission, run::finding::Finding,
    settings::config::Config, tools::platform::Platform,
};

/// A mission with all that its images are made from.
pub(crate) struct MissionImages {
    pub(crate) mission: Mission,
    pub(crate) config: Config,
    pub(crate) platform: Platform,
    /// The images up to the mission's.
    pub(crate) chain: Vec<Recipe>,
    /// The images up to the local registry's.
    pub(crate) registry_chain: Vec<Recipe>,
    /// What a frozen build refuses in Dockerfiles.
    pub(crate) floats: Vec<Finding>,
}
