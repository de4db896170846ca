//! Settings: `setup-env` as text, values with their origins, and the types of `config`.

pub(crate) mod setup_env;
pub(crate) mod layers;
pub(crate) mod config;
