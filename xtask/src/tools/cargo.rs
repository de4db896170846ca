//! cargo, for the steps of `ci` and `bench`.

use std::path::Path;

use crate::run::process::{Change, cmd};

/// Returns the command that checks the format of all packages.
pub(crate) fn check_format(root: &Path) -> Change {
    cmd!(root, "cargo fmt --all --check")
}

/// Returns the commands that check all targets. `--all-targets` leaves out the tests that `cargo test`
/// leaves out, also when they are named.
pub(crate) fn clippy(root: &Path) -> [Change; 2] {
    [
        cmd!(root, "cargo clippy --all-targets --locked -- --deny warnings"),
        cmd!(
            root,
            "cargo clippy --test e2e --test secrets --test helm --test cluster --test faults --test pre_commit --locked -- --deny warnings"
        ),
    ]
}

/// Returns the command that runs tests whose last lines, which are what `ci` shows of a failure, are
/// messages and no backtraces.
pub(crate) fn test(root: &Path, args: &[&str]) -> Change {
    cmd!(root, "cargo test --locked {args...}").env("RUST_BACKTRACE", "0")
}

/// Returns the command that builds this tool in the folder `target`.
pub(crate) fn build(root: &Path, target: &Path) -> Change {
    cmd!(root, "cargo build --package xtask --target-dir {target}")
}

/// Returns the command that tests like a person.
pub(crate) fn plain_test(root: &Path) -> Change {
    cmd!(root, "cargo test")
}

/// Returns the command that checks the format like the pre-commit hook.
pub(crate) fn check_format_in_hook(root: &Path) -> Change {
    cmd!(root, "cargo fmt --check")
}
