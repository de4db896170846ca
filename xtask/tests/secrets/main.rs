//! The tasks about secrets with real sops, age, git and aws; moto_server stands for AWS. They have
//! to be on `PATH`: `cargo xtask ci` sees to it, and none of these tests is skipped without them.

#![expect(clippy::disallowed_methods, reason = "tests start programs and write files")]

mod scratch;
mod run;
mod servers;
mod faults;
mod document;
mod tasks;
mod clones;
mod pushes;
mod stored;
mod recorder;
mod aws;
