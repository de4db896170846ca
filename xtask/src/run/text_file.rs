//! Text files of the checkout: below a size, in UTF-8, without NUL bytes.

use std::path::{Path, PathBuf};

use fs_err as fs;

use crate::run::finding::Finding;

/// Rules of the findings of this module.
pub(crate) const SIZE: &str = "large-file";
pub(crate) const TEXT: &str = "text-file";

/// Size from which a file is data, and is not read as text.
pub(crate) const LIMIT: u64 = 1_000_000;

/// Reads a file that must exist and be text.
pub(crate) fn read_text(root: &Path, path: &Path) -> anyhow::Result<String> {
    let file = root.join(path);
    let size = fs::metadata(&file)?.len();
    if size >= LIMIT {
        anyhow::bail!("{}", too_large(path, size));
    }
    text(path, fs::read(file)?).map_err(|it| anyhow::anyhow!("{it}"))
}

/// Returns `bytes` as text, or the finding that explains why they are not text.
pub(crate) fn text(path: &Path, bytes: Vec<u8>) -> Result<String, Finding> {
    let bad = |end: usize, bytes: &[u8], what: &str| {
        let line = bytes[..end].iter().filter(|it| **it == b'\n').count() + 1;
        finding(path, Some(line), TEXT, what.to_owned(), "save the file as plain UTF-8")
    };
    if let Some(at) = bytes.iter().position(|it| *it == 0) {
        return Err(bad(at, &bytes, "not a text file: contains a NUL byte"));
    }
    String::from_utf8(bytes).map_err(|err| {
        let end = err.utf8_error().valid_up_to();
        bad(end, err.as_bytes(), "invalid UTF-8")
    })
}

/// Returns the finding about a file that git would keep for ever and every clone would fetch.
pub(crate) fn too_large(path: &Path, size: u64) -> Finding {
    let tenths = (size + 50_000) / 100_000;
    let what = format!("this file has {}.{} MB", tenths / 10, tenths % 10);
    let fix = "let a test or a build step fetch it, by its checksum";
    finding(path, None, SIZE, what, fix)
}

/// Returns the finding with this fix, at a path that can be printed.
pub(crate) fn finding(
    path: &Path,
    line: Option<usize>,
    rule: &'static str,
    what: String,
    fix: &str,
) -> Finding {
    Finding { file: shown(path), line, rule, what, fix: fix.to_owned() }
}

/// Returns `path` in a printable form: in UTF-8, and on one line.
pub(crate) fn shown(path: &Path) -> PathBuf {
    let is_control = |c: char| c.is_control();
    PathBuf::from(path.to_string_lossy().replace(is_control, "\u{fffd}"))
}
