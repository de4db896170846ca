//! Hubs: the values that every hub is made from, and the hub on this machine.

pub(crate) mod values;
pub(crate) mod secrets;
