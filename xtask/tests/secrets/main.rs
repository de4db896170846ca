//! The tasks about secrets with real sops, age, git and aws; moto_server replaces AWS. They must be
//! on `PATH`: `cargo xtask ci` installs them, and without them these tests fail.

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
mod hubs;
mod recorder;
mod aws;
