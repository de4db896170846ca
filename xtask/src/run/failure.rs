//! The exit status of a run, carried by the error that ended it.

use std::{fmt, io};

/// A failure that is not simply failed work.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The request or a file is wrong, and nothing was started.
    Request(String),
    /// This machine lacks something: what happened, and what helps.
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

/// Marks what went wrong before anything was started.
pub(crate) fn request(err: anyhow::Error) -> anyhow::Error {
    if err.downcast_ref::<Failure>().is_some() {
        return err;
    }
    Failure::Request(format!("{err:#}")).into()
}

/// This machine lacks what `finding` of `doctor` is about.
pub(crate) fn machine(finding: &'static str, text: impl Into<String>) -> anyhow::Error {
    Failure::Machine { text: text.into(), fix: see(finding) }.into()
}

/// An error of a system call that says what this machine lacks; any other as it is.
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

/// Returns the remedy that a finding of `doctor` has.
pub(crate) fn see(finding: &str) -> String {
    format!("see `{finding}` in `cargo xtask doctor`")
}

/// What happened, without the pointer to `doctor`.
pub(crate) fn text(err: &anyhow::Error) -> String {
    match err.downcast_ref::<Failure>() {
        Some(Failure::Machine { text, .. }) => text.clone(),
        _ => format!("{err:#}"),
    }
}

/// 1 failed work, 2 a wrong request or file, 3 a lacking machine, 130 an interruption.
pub(crate) fn status(err: &anyhow::Error) -> u8 {
    match err.downcast_ref::<Failure>() {
        None => 1,
        Some(Failure::Request(_)) => 2,
        Some(Failure::Machine { .. }) => 3,
        Some(Failure::Interrupted) => 130,
    }
}
