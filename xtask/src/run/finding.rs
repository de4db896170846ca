//! What a check found: every finding at once, each with its place and its remedy.

use std::{fmt, path::PathBuf};

use serde::Serialize;

use crate::run::printable::{self, Shown as _};

/// One thing that is wrong in a file of this repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Finding {
    /// Relative to the root of the checkout.
    pub(crate) file: PathBuf,
    /// Counted from 1; `None` when the file as a whole is meant.
    pub(crate) line: Option<usize>,
    /// The rule's name, as `check --help` lists it.
    pub(crate) rule: &'static str,
    /// What is wrong.
    pub(crate) what: String,
    /// What to do about it.
    pub(crate) fix: String,
}

/// `file:line: rule: what` and, on a line of its own, the remedy: a name that is quoted forges no line.
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

/// All `findings`, sorted, one below the other.
pub(crate) fn text(mut findings: Vec<Finding>) -> String {
    findings.sort();
    findings.dedup();
    findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
