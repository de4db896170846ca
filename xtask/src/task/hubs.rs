//! Tasks about hubs.

pub(crate) mod values;
