//! World of the target `secrets`: a clone of secrets, with real sops and git.

#[path = "../secrets/run.rs"]
pub(crate) mod run;
#[path = "../secrets/scratch.rs"]
pub(crate) mod scratch;
