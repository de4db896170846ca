//! Tasks about hubs.

pub(crate) mod values;
pub(crate) mod chart;
pub(crate) mod render;
