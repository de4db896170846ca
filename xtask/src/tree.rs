//! What a file of the checkout has to be before anybody looks into it: a plain file, or a link that
//! stays inside; under a plain name; and text, where text is read.

use std::{
    io::ErrorKind,
    path::{Component, Path, PathBuf},
};

use fs_err as fs;

use crate::{printable::Shown as _, private_key, report::Finding, specs};

/// The rules that findings of this module belong to.
pub(crate) const KIND: &str = "file-kind";
pub(crate) const NAME: &str = "file-name";
pub(crate) const SIZE: &str = "large-file";
pub(crate) const TEXT: &str = "text-file";

/// From this size on a file is data, and nobody reads it as text.
pub(crate) const LIMIT: u64 = 1_000_000;

/// A file as it is on the disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) size: u64,
    /// Empty when [`Content::unreadable`] says why.
    pub(crate) text: String,
    pub(crate) is_link: bool,
    /// Why there is no text. Whether there has to be one depends on the name: [`is_text`].
    pub(crate) unreadable: Option<Finding>,
    /// Whatever the encoding and the size.
    pub(crate) keys: Vec<private_key::Found>,
}

impl Content {
    /// Reads `path`, which is relative to `root`.
    ///
    /// # Errors
    /// The disk or the file's permissions do not let it be read.
    pub(crate) fn read(root: &Path, path: &Path) -> anyhow::Result<Content> {
        let file = root.join(path);
        let metadata = match fs::symlink_metadata(&file) {
            Err(err) if err.kind() == ErrorKind::NotFound => {
                let what = "there is no such file".to_owned();
                let missing = finding(path, None, KIND, what, "restore or write it");
                return Ok(Content { unreadable: Some(missing), ..Content::default() });
            }
            other => other?,
        };
        let (size, is_link) = (metadata.len(), metadata.is_symlink());
        let because = |unreadable| Content { size, is_link, unreadable, ..Content::default() };
        if is_link {
            return Ok(because(bad_link(root, path, &fs::read_link(&file)?)));
        }
        if !metadata.is_file() {
            let what = "neither a file, a folder nor a link".to_owned();
            return Ok(because(Some(finding(path, None, KIND, what, "remove it"))));
        }
        Ok(Content::of(path, fs::read(&file)?))
    }

    /// Returns what a plain file with these bytes is, at `path`.
    pub(crate) fn of(path: &Path, bytes: Vec<u8>) -> Content {
        let size = bytes.len() as u64;
        let keys = private_key::find_in_bytes(&bytes);
        let text = match size >= LIMIT {
            true => Err(too_large(path, size)),
            false => text(path, bytes),
        };
        match text {
            Ok(text) => Content { size, text, keys, ..Content::default() },
            Err(it) => Content { size, keys, unreadable: Some(it), ..Content::default() },
        }
    }

    /// As [`Content::read`], through a link that is no bad one.
    ///
    /// # Errors
    /// As for [`Content::read`].
    pub(crate) fn follow(root: &Path, path: &Path) -> anyhow::Result<Content> {
        let content = Content::read(root, path)?;
        if !content.is_link || content.unreadable.is_some() || root.join(path).is_dir() {
            return Ok(content);
        }
        let target = fs::canonicalize(root.join(path))?;
        let real_root = fs::canonicalize(root)?;
        Content::read(&real_root, target.strip_prefix(&real_root).unwrap_or(&target))
    }
}

/// Reads a file that must be there and be text.
///
/// # Errors
/// It is not; the message names file, line and remedy.
pub(crate) fn read_text(root: &Path, path: &Path) -> anyhow::Result<String> {
    let file = root.join(path);
    let size = fs::metadata(&file)?.len();
    if size >= LIMIT {
        anyhow::bail!("{}", too_large(path, size));
    }
    text(path, fs::read(file)?).map_err(|it| anyhow::anyhow!("{it}"))
}

/// `bytes` as text, or why they are none.
fn text(path: &Path, bytes: Vec<u8>) -> Result<String, Finding> {
    let bad = |end: usize, bytes: &[u8], what: &str| {
        let line = bytes[..end].iter().filter(|it| **it == b'\n').count() + 1;
        finding(path, Some(line), TEXT, what.to_owned(), "save the file as plain UTF-8")
    };
    if let Some(at) = bytes.iter().position(|it| *it == 0) {
        return Err(bad(at, &bytes, "this is no text: there is a NUL byte in it"));
    }
    String::from_utf8(bytes).map_err(|err| {
        let end = err.utf8_error().valid_up_to();
        bad(end, err.as_bytes(), "this line is no UTF-8")
    })
}

/// Whether this automation, or a program in an image, reads `path` as text. Scripts are known by
/// what they say.
pub(crate) fn is_text(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let names = ["Dockerfile", "kernel.name", "setup-env.template", ".dockerignore", ".gitignore"];
    let is_test_list = (name == "imports" || name == "notebooks")
        && path.parent().is_some_and(|it| it.ends_with("tests"));
    let extension = path.extension().unwrap_or_default();
    names.contains(&name.as_ref())
        || name.starts_with("Dockerfile.")
        || is_test_list
        || specs::kind(path).is_some()
        || extension == "ipynb"
        || extension == "sh"
}

/// A file that git keeps for ever, and every clone has to fetch.
pub(crate) fn too_large(path: &Path, size: u64) -> Finding {
    let what = format!("this file has {} MB", size.div_ceil(1_000_000));
    let fix = "let a test or a build step fetch it, by its checksum";
    finding(path, None, SIZE, what, fix)
}

/// The folder that links at `path` have to stay in: a mission's, which is a build context, or the
/// checkout.
fn tree_of(path: &Path) -> PathBuf {
    match path.components().collect::<Vec<_>>()[..] {
        [Component::Normal(missions), mission, _, ..] if missions == "missions" => {
            Path::new(missions).join(mission)
        }
        _ => PathBuf::new(),
    }
}

fn bad_link(root: &Path, path: &Path, target: &Path) -> Option<Finding> {
    let (tree, shown) = (tree_of(path), shown(target));
    let shown = shown.shown();
    let (what, fix) = if !stays_inside(path.strip_prefix(&tree).unwrap_or(path), target) {
        let tree = if tree.as_os_str().is_empty() { "the checkout" } else { "the mission" };
        (format!("the link to {shown} leads out of {tree}"), "copy the file instead")
    } else if !root.join(path).exists() {
        (format!("the link to {shown} leads nowhere"), "correct or remove it")
    } else {
        return None;
    };
    Some(finding(path, None, KIND, what, fix))
}

/// Whether a link at `name` to `target` stays inside the folder that `name` is relative to.
pub(crate) fn stays_inside(name: &Path, target: &Path) -> bool {
    let mut depth = name.components().count() - 1;
    for component in target.components() {
        match component {
            Component::CurDir => (),
            Component::Normal(_) => depth += 1,
            Component::ParentDir if depth > 0 => depth -= 1,
            _ => return false,
        }
    }
    true
}

/// What programs would make of the last part of `path`, if that is something else than a name.
pub(crate) fn bad_name(path: &Path) -> Option<Finding> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-+@=,".contains(c);
    let what = match name.chars().find(|c| !is_plain(*c)) {
        Some(c) if c.is_control() => "the name has a control character".to_owned(),
        Some(c) if !c.is_ascii() => "the name is not all ASCII".to_owned(),
        Some(' ') => "the name has a space".to_owned(),
        Some(c) => format!("the name has `{c}`, to which shells and COPY give a meaning"),
        None if name.contains(',') && specs::kind(path).is_some() => {
            let what = "the name has `,`, which separates the names of lists in frozen specs";
            let fix = "rename it; letters, digits, `.`, `_`, `-`, `+`, `@` and `=` are fine";
            return Some(finding(path, None, NAME, what.to_owned(), fix));
        }
        None if name.starts_with('-') => {
            "the name begins with `-`, as options of programs do".to_owned()
        }
        None => return None,
    };
    let fix = "rename it; letters, digits, `.`, `_`, `-`, `+`, `@`, `=` and `,` are fine";
    Some(finding(path, None, NAME, what, fix))
}

fn finding(
    path: &Path,
    line: Option<usize>,
    rule: &'static str,
    what: String,
    fix: &str,
) -> Finding {
    Finding { file: shown(path), line, rule, what, fix: fix.to_owned() }
}

/// `path` as it can be printed: in UTF-8, and on one line.
pub(crate) fn shown(path: &Path) -> PathBuf {
    let is_control = |c: char| c.is_control();
    PathBuf::from(path.to_string_lossy().replace(is_control, "\u{fffd}"))
}

#[cfg(test)]
mod tests;
