//! The automation of this repository; see `cargo xtask --help`.
//!
//! Data flows one way: flags, `setup-env` and folders -> [`settings`], [`mission`] -> recipes and
//! decisions (pure) -> docker, git and the rest -> outcome -> terminal, JSON, receipt. A room knows
//! only those before it.

#![deny(clippy::print_stdout, clippy::print_stderr, clippy::dbg_macro)]
#![cfg_attr(not(test), deny(clippy::too_many_lines))]
#![cfg_attr(
    test,
    allow(
        clippy::disallowed_methods,
        reason = "unit tests write files; the build without them is checked"
    )
)]

mod run;
mod tools;
mod settings;
mod specs;
mod mission;
mod image;
mod testing;
mod registry;
mod secrets;
mod hub;
mod check;
mod task;
mod cli;
#[cfg(test)]
mod hostile;
#[cfg(without_permit)]
mod without_permit;
#[cfg(test)]
mod rooms;

use std::process::ExitCode;

use crate::{
    cli::Cli,
    image::leftovers,
    run::{
        failure,
        process::{self, Permit},
        terminal,
    },
};

fn main() -> ExitCode {
    let status = run().and_then(|it| terminal::check().map(|()| it));
    leftovers::end();
    match status.map_err(failure::of_machine) {
        Ok(status) => ExitCode::from(status),
        Err(err) => {
            terminal::say(format_args!("error: {err:#}"));
            ExitCode::from(failure::status(&err))
        }
    }
}

fn run() -> anyhow::Result<u8> {
    let cli = match Cli::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(err) => return Ok(usage(&err)),
    };
    process::handle_signals()?;
    process::no_core_dumps()?;
    let status = cli::run(&cli, permit(&cli))?;
    leftovers::check();
    // Whatever the code made of the signal: the run did not come to its end.
    process::check_interrupted()?;
    Ok(status)
}

/// Returns the permit of this run, which all its changes require.
#[expect(clippy::disallowed_methods, reason = "the only permit is made here")]
fn permit(cli: &Cli) -> Option<Permit> {
    Permit::of_process(cli.dry_run)
}

/// Prints the requested help, or the error in the command line.
fn usage(err: &clap::Error) -> u8 {
    let text = err.render().to_string();
    if err.use_stderr() {
        terminal::say(text.trim_end());
        return 2;
    }
    terminal::print(text);
    0
}
