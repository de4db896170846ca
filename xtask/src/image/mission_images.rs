//! A mission whose images should be built, tested or published.

use std::sync::Arc;

use crate::{
    image::{recipe::Recipe, shared_chains::Shared},
    mission::checkout::Mission,
    run::finding::Finding,
    settings::config::Config,
    tools::platform::Platform,
};

/// A mission with all sources of its images.
pub(crate) struct MissionImages {
    pub(crate) mission: Mission,
    pub(crate) config: Config,
    pub(crate) platform: Platform,
    /// Images up to the mission's.
    pub(crate) chain: Vec<Recipe>,
    /// Images that are no mission's.
    pub(crate) shared: Arc<Shared>,
    /// Findings in Dockerfiles that a frozen build refuses.
    pub(crate) floats: Vec<Finding>,
}
