//! What is wrong in a list of packages, where, and what to do about it.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use crate::run::{
    finding::Finding,
    printable::{self, Shown as _},
};

/// The first thing that is wrong in a file, or in one line of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// As the reader of the file was given it.
    pub(crate) file: PathBuf,
    /// Counted from 1.
    pub(crate) line: usize,
    pub(crate) what: String,
    pub(crate) fix: String,
}

impl Problem {
    pub(crate) fn new(
        file: &Path,
        line: usize,
        what: impl Into<String>,
        fix: impl Into<String>,
    ) -> Problem {
        Problem { file: file.to_owned(), line, what: what.into(), fix: fix.into() }
    }

    /// As the rule `rule` reports it.
    pub(crate) fn finding(self, rule: &'static str) -> Finding {
        let Problem { file, line, what, fix } = self;
        Finding { file, line: Some(line), rule, what, fix }
    }
}

impl std::error::Error for Problem {}

/// `file:line: what` and, on a line of its own, the remedy.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem { file, line, what, fix } = self;
        let (what, fix) = (printable::line(what), printable::line(fix));
        write!(f, "{}:{line}: {what}\n    fix: {fix}", file.shown())
    }
}
