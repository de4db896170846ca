//! `completion`: what a shell sources to complete tasks, flags, missions and environments; and
//! `complete`, which its functions ask.

use std::{env, ffi::OsString};

use clap::{Arg, Command, ValueEnum};
use clap_complete::{
    CompletionCandidate,
    engine::{self, ArgValueCandidates},
};

use crate::{
    mission::checkout::{self, Checkout},
    run::terminal,
    task::args,
};

/// A shell that can be told how to complete.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// Prints the functions for a shell.
pub(crate) fn script(shell: Shell) -> u8 {
    terminal::print(match shell {
        Shell::Bash => include_str!("completion/cargo-xtask.bash"),
        Shell::Zsh => include_str!("completion/cargo-xtask.zsh"),
        Shell::Fish => include_str!("completion/cargo-xtask.fish"),
    });
    0
}

/// Prints what the word at the cursor may become, one candidate per line.
pub(crate) fn candidates(args: &args::Complete, command: Command) -> anyhow::Result<u8> {
    let words: Vec<OsString> = args.words.clone();
    let dir = env::current_dir()?;
    let mut cli = command.mut_subcommands(|task| task.mut_args(with_names));
    for it in engine::complete(&mut cli, words, args.index, Some(&dir))? {
        terminal::print(it.get_value().to_string_lossy());
    }
    Ok(0)
}

/// Adds what an argument that names missions or environments may be.
fn with_names(arg: Arg) -> Arg {
    match arg.get_id().as_str() {
        "mission" | "missions" => arg.add(ArgValueCandidates::new(missions)),
        "environment" | "environments" => arg.add(ArgValueCandidates::new(environments)),
        _ => arg,
    }
}

/// The missions of the checkout around the current folder.
fn missions() -> Vec<CompletionCandidate> {
    names(|it| vec![it.name.clone()])
}

/// All missions' environments.
fn environments() -> Vec<CompletionCandidate> {
    names(|it| it.environments.iter().map(|it| it.name.clone()).collect())
}

/// `None` outside of a checkout.
fn names(of: impl Fn(&checkout::Mission) -> Vec<String>) -> Vec<CompletionCandidate> {
    let checkout = || Checkout::read(&checkout::find_root(&env::current_dir().ok()?).ok()?).ok();
    let names = checkout().map(|it| it.missions.iter().flat_map(of).collect::<Vec<_>>());
    names.unwrap_or_default().into_iter().map(CompletionCandidate::new).collect()
}
