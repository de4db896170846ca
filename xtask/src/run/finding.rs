//! Findings of checks: all at once, each with its place and its fix.

use std::{fmt, path::PathBuf};

use serde::Serialize;

use crate::run::printable::{self, Shown as _};

/// A problem in a file of this repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Finding {
    /// Path relative to the root of the checkout.
    pub(crate) file: PathBuf,
    /// Line number from 1; `None` for the file as a whole.
    pub(crate) line: Option<usize>,
    /// Name of the rule, as `check --help` lists it.
    pub(crate) rule: &'static str,
    /// The problem.
    pub(crate) what: String,
    /// The fix.
    pub(crate) fix: String,
}

/// Prints `file:line: rule: what` and the fix on a line of its own; a quoted name cannot forge a
/// line.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding { file, line, rule, what, fix } = self;
        write!(f, "{}", file.shown())?;
        if let Some(line) = line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {rule}: {}\n    fix: {}", printable::line(what), printable::line(fix))
    }
}

/// Returns all `findings`, sorted, one below the other.
pub(crate) fn text(mut findings: Vec<Finding>) -> String {
    findings.sort();
    findings.dedup();
    findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
