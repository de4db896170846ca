//! Unified diffs of generated files.

use std::path::Path;

use similar::TextDiff;

use crate::run::printable::Shown as _;

/// Most lines of both texts together: a comparison takes their product in the worst case.
const MOST_LINES: usize = 20_000;

/// Returns the difference between `old`, `None` for a new file, and `new`.
pub(crate) fn diff(path: &Path, old: Option<&str>, new: &str) -> String {
    let name = path.shown();
    let before = if old.is_some() { name.as_str() } else { "/dev/null" };
    let old = old.unwrap_or_default();
    let count = old.lines().count() + new.lines().count();
    if count > MOST_LINES {
        return format!("--- {before}\n+++ {name}\n{count} lines: too many to be compared\n");
    }
    TextDiff::from_lines(old, new).unified_diff().header(before, &name).to_string()
}
