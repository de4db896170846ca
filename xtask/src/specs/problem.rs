//! Problems in lists of packages: file, line and fix.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use crate::run::{
    finding::Finding,
    printable::{self, Shown as _},
};

/// The first problem in a file, or in one line of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Path as the reader of the file received it.
    pub(crate) file: PathBuf,
    /// Line number from 1.
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

    /// Returns the finding of the rule `rule`.
    pub(crate) fn finding(self, rule: &'static str) -> Finding {
        let Problem { file, line, what, fix } = self;
        Finding { file, line: Some(line), rule, what, fix }
    }
}

impl std::error::Error for Problem {}

/// Prints `file:line: what` and the fix on a line of its own.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem { file, line, what, fix } = self;
        let (what, fix) = (printable::line(what), printable::line(fix));
        write!(f, "{}:{line}: {what}\n    fix: {fix}", file.shown())
    }
}
