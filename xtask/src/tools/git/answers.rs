//! Answers of git, checked: an answer that is cut off, empty for no reason, or missing is a
//! failure, and never counts as "nothing found".

use std::path::Path;

use anyhow::bail;

use crate::run::process::{self, Cmd, query};

use super::NOT_FOR_GIT;

/// Returns the line that a command prints; `None` when it exits with 1 without output: nothing
/// found.
pub(super) fn line(cmd: &Cmd) -> anyhow::Result<Option<String>> {
    let cmd = own(cmd);
    let output = process::output(&cmd)?;
    match output.status {
        0 => match output.stdout.strip_suffix('\n') {
            Some(line) => Ok(Some(line.to_owned())),
            None => bail!("`{cmd}` printed no whole line"),
        },
        1 if output.stderr.is_empty() => Ok(None),
        status => bail!("`{cmd}` failed with status {status}\n{}", output.stderr.trim_end()),
    }
}

/// Returns the records that a command prints, each followed by `end`. A list may be empty, and may
/// be cut off after any record: two equal answers are required.
pub(super) fn records(cmd: &Cmd, end: u8) -> anyhow::Result<Vec<Vec<u8>>> {
    let bytes = process::bytes(cmd)?;
    let is_whole = bytes.is_empty() || bytes.ends_with(&[end]);
    if !is_whole || process::bytes(cmd)? != bytes {
        bail!(
            "`{cmd}` did not print the same list twice\n    fix: run it again when nothing changes there"
        );
    }
    Ok(bytes.split(|it| *it == end).filter(|it| !it.is_empty()).map(<[u8]>::to_vec).collect())
}

/// Returns [`records`] that are lines of text, from the repository in the command's folder.
pub(super) fn lines(cmd: &Cmd) -> anyhow::Result<Vec<String>> {
    texts(cmd, b'\n')
}

/// Returns [`lines`] with another end.
pub(super) fn texts(cmd: &Cmd, end: u8) -> anyhow::Result<Vec<String>> {
    let records = records(&own(cmd), end)?;
    Ok(records.iter().map(|it| String::from_utf8_lossy(it).into_owned()).collect())
}

/// Returns the whole content of the object `name`.
pub(super) fn object(dir: &Path, name: &str) -> anyhow::Result<Vec<u8>> {
    let cmd =
        own(&query!(dir, "git --no-replace-objects cat-file --batch").stdin(format!("{name}\n")));
    let bytes = process::bytes(&cmd)?;
    match content(&bytes, name) {
        Some(content) => Ok(content.to_vec()),
        None => bail!("`{cmd}` did not print the file {name}"),
    }
}

/// Returns the content in `<name> blob <size>\n<content>\n`: git-cat-file(1).
fn content<'a>(bytes: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let end = bytes.iter().position(|it| *it == b'\n')?;
    let head = str::from_utf8(&bytes[..end]).ok()?;
    let size: usize = head.strip_prefix(name)?.strip_prefix(" blob ")?.parse().ok()?;
    let content = bytes[end + 1..].strip_suffix(b"\n")?;
    (content.len() == size).then_some(content)
}

fn own(cmd: &Cmd) -> Cmd {
    cmd.clone().without_env(NOT_FOR_GIT).env("LC_ALL", "C")
}

#[test]
fn an_object_is_whole_or_none() {
    let all = b"abc blob 4\na\nb\n\n";
    assert_eq!(content(all, "abc"), Some(&b"a\nb\n"[..]));
    for bytes in [&all[..8], &all[..all.len() - 1], b"", b"abc missing\n", b"abd blob 1\na\n"] {
        assert_eq!(content(bytes, "abc"), None);
    }
}
