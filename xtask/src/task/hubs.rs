//! Tasks about hubs.

pub(crate) mod values;
pub(crate) mod chart;
pub(crate) mod render;
pub(crate) mod up;
pub(crate) mod deploy;
pub(crate) mod down;
pub(crate) mod status;
pub(crate) mod history;
pub(crate) mod rollback;
pub(crate) mod logs;
pub(crate) mod smoke;
