//! The exit status of a run, carried by the error that ended it.

use std::fmt;

/// A failure that is not simply failed work.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The request or a file is wrong, and nothing was started.
    Request(String),
    /// This machine lacks something: the `doctor` finding, and what happened.
    Machine { finding: &'static str, text: String },
    /// A signal ended the run.
    Interrupted,
}

impl std::error::Error for Failure {}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Request(text) => f.write_str(text),
            Failure::Machine { finding, text } => {
                write!(f, "{text}\n    fix: see `{finding}` in `cargo xtask doctor`")
            }
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
    Failure::Machine { finding, text: text.into() }.into()
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
