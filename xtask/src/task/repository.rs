//! Tasks about the checkout and its settings.

pub(crate) mod check;
pub(crate) mod ci_matrix;
pub(crate) mod config;
pub(crate) mod list;
pub(crate) mod mission_new;
