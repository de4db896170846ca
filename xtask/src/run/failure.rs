//! The exit status of a run, carried by the error that ended it.

use std::{fmt, io};

/// Exit status of an interrupted run.
pub(crate) const INTERRUPTED: u8 = 130;

/// A failure with an exit status of its own.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The request or a file is wrong, and nothing was started.
    Request(String),
    /// This machine lacks something: what happened, and the fix.
    Machine { text: String, fix: String },
    /// A signal ended the run.
    Interrupted,
}

impl std::error::Error for Failure {}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Request(text) => f.write_str(text),
            Failure::Machine { text, fix } => write!(f, "{text}\n    fix: {fix}"),
            Failure::Interrupted => f.write_str("interrupted"),
        }
    }
}

/// Marks an error that was found before anything was started.
pub(crate) fn request(err: anyhow::Error) -> anyhow::Error {
    if err.downcast_ref::<Failure>().is_some() {
        return err;
    }
    Failure::Request(format!("{err:#}")).into()
}

/// Returns an error about what this machine lacks; its fix names `finding` of `doctor`.
pub(crate) fn machine(finding: &'static str, text: impl Into<String>) -> anyhow::Error {
    Failure::Machine { text: text.into(), fix: see(finding) }.into()
}

/// Adds a fix to a system call's error that shows what this machine lacks; returns others
/// unchanged.
pub(crate) fn of_machine(err: anyhow::Error) -> anyhow::Error {
    let kinds = err.chain().filter_map(|it| it.downcast_ref::<io::Error>()).map(io::Error::kind);
    let fix = kinds.into_iter().find_map(|it| match it {
        io::ErrorKind::ReadOnlyFilesystem => Some("run it in a clone that can be written to"),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Some("make room on that disk"),
        _ => None,
    });
    match fix {
        Some(fix) => Failure::Machine { text: format!("{err:#}"), fix: fix.to_owned() }.into(),
        None => err,
    }
}

/// Returns a fix that points to a finding of `doctor`.
pub(crate) fn see(finding: &str) -> String {
    format!("see `{finding}` in `cargo xtask doctor`")
}

/// Returns the message of `err`, without its fix.
pub(crate) fn text(err: &anyhow::Error) -> String {
    let text = format!("{err:#}");
    text.split("\n    fix: ").next().unwrap_or_default().to_owned()
}

/// Returns the exit status: 1 failed work, 2 a wrong request or file, 3 a machine that lacks
/// something, 130 an interruption.
pub(crate) fn status(err: &anyhow::Error) -> u8 {
    match err.downcast_ref::<Failure>() {
        None => 1,
        Some(Failure::Request(_)) => 2,
        Some(Failure::Machine { .. }) => 3,
        Some(Failure::Interrupted) => INTERRUPTED,
    }
}
