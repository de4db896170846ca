//! Hubs: the values that every hub is made from, and the hub on this machine.

pub(crate) mod values;
pub(crate) mod secrets;
pub(crate) mod schema;
pub(crate) mod chart;
pub(crate) mod validate;
pub(crate) mod lock;
pub(crate) mod gate;
pub(crate) mod target;
pub(crate) mod deployed;
pub(crate) mod preflight;
pub(crate) mod render;
pub(crate) mod record;
pub(crate) mod database;
pub(crate) mod servers;
pub(crate) mod drift;
pub(crate) mod history;
pub(crate) mod lease;
pub(crate) mod watch;
pub(crate) mod local;
