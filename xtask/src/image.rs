//! Recipes, inputs digests, building, containers.

pub(crate) mod build_context;
pub(crate) mod recipe;
pub(crate) mod engine_images;
pub(crate) mod shared_chains;
pub(crate) mod short_chain;
pub(crate) mod mission_images;
pub(crate) mod pinning;
pub(crate) mod build_record;
pub(crate) mod build_settings;
pub(crate) mod runner;
pub(crate) mod build;
pub(crate) mod leftovers;
pub(crate) mod container;
pub(crate) mod export;
pub(crate) mod retention;
