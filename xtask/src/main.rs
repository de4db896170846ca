//! The automation of this repository; see `cargo xtask --help`.
//!
//! Data flows one way: flags, `setup-env` and folders -> [`config`], [`repo`] -> recipes and
//! decisions (pure) -> docker, git and the rest -> outcome -> terminal, JSON, receipt.

mod cli;
mod redact;
mod setup_env;
mod settings;
mod config;
mod repo;
mod specs;
mod tree;
mod dockerfile;
mod context;
mod image;
mod pinning;
mod made;
mod tests_of_mission;
mod frozen;
mod receipt;
mod selection;
mod report;
mod markup;
mod junit;
mod page;
mod check;
mod task;
mod build_settings;
mod build;
mod freeze;
mod registry;
mod stored_receipt;
mod secrets;
mod git;
mod sops;
mod aws;
mod private;
mod container;
mod unpack;
mod engine;
mod build_log;
mod docker;
mod files;
mod patience;
mod process;
mod ui;
mod failure;

use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::Cli;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let ready = process::handle_signals().and_then(|()| process::no_core_dumps());
    match ready.and_then(|()| task::run(&cli)).map_err(failure::of_machine) {
        Ok(status) => ExitCode::from(status),
        Err(err) => {
            eprintln!("error: {err:#}");
            ExitCode::from(failure::status(&err))
        }
    }
}
