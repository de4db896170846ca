//! Tasks about the packages in images.

pub(crate) mod freeze;
pub(crate) mod outdated;
pub(crate) mod relock;
pub(crate) mod why;
pub(crate) mod when;
pub(crate) mod diff;
