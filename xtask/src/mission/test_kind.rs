//! Kinds of tests, as in receipts.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a test does; `platform_env/testing/results.py` has the same list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TestKind {
    /// A program on PATH.
    Command,
    Consistency,
    Home,
    Import,
    Kernel,
    /// The mission's own entry point for tests, or its container.
    Mission,
    Notebook,
    Permissions,
    /// The `test` script of an environment.
    Script,
    Server,
    Shell,
    /// The tests themselves: that there are some, and that they can be read.
    Tests,
}

impl fmt::Display for TestKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}
