//! Requirements on a file of the checkout before its content is read: a plain file, or a link that
//! stays inside; under a plain name; and text, where text is read.

use std::{
    io::ErrorKind,
    path::{Component, Path, PathBuf},
};

use fs_err as fs;

use crate::{
    mission::expected_tests,
    run::{
        finding::Finding,
        printable::Shown as _,
        private_key,
        text_file::{LIMIT, finding, shown, text, too_large},
    },
    specs,
};

/// Rules of the findings of this module.
pub(crate) const KIND: &str = "file-kind";
pub(crate) const NAME: &str = "file-name";

/// Content of a file on the disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) size: u64,
    /// Text; empty when [`Content::unreadable`] is set.
    pub(crate) text: String,
    pub(crate) is_link: bool,
    /// Reason for a missing text. Whether text is required depends on the name: [`is_text`].
    pub(crate) unreadable: Option<Finding>,
    /// Private keys, whatever the encoding and the size.
    pub(crate) keys: Vec<private_key::PrivateKey>,
}

/// Size from which a notebook is not read: below it, a large one may be small without its outputs.
const NOTEBOOK_LIMIT: u64 = 50_000_000;

impl Content {
    /// Reads `path`, which is relative to `root`.
    pub(crate) fn read(root: &Path, path: &Path) -> anyhow::Result<Content> {
        let file = root.join(path);
        let metadata = match fs::symlink_metadata(&file) {
            Err(err) if err.kind() == ErrorKind::NotFound => {
                let what = "the file does not exist".to_owned();
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
        Ok(Content::of(path, &fs::read(&file)?))
    }

    /// Returns the content of a plain file with these bytes, at `path`.
    pub(crate) fn of(path: &Path, bytes: &[u8]) -> Content {
        let size = bytes.len() as u64;
        let keys = private_key::find_in_bytes(bytes);
        let is_notebook = path.extension().is_some_and(|it| it == "ipynb");
        let limit = if is_notebook { NOTEBOOK_LIMIT } else { LIMIT };
        let text = match size >= limit {
            true => Err(too_large(path, size)),
            false => text(path, bytes.to_vec()),
        };
        match text {
            Ok(text) => Content { size, text, keys, ..Content::default() },
            Err(it) => Content { size, keys, unreadable: Some(it), ..Content::default() },
        }
    }

    /// Reads like [`Content::read`], through a link unless it is a bad one.
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

/// Returns whether this automation, or a program in an image, reads `path` as text. Scripts are
/// recognised by their content.
pub(crate) fn is_text(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let names = [
        "Dockerfile",
        "apt.txt",
        "kernel.name",
        "setup-env.template",
        ".dockerignore",
        ".gitignore",
    ];
    let is_test_list = expected_tests::LISTS.contains(&name.as_ref())
        && path.parent().is_some_and(|it| it.ends_with("tests"));
    let extension = path.extension().unwrap_or_default();
    names.contains(&name.as_ref())
        || name.starts_with("Dockerfile.")
        || is_test_list
        || specs::kind(path).is_some()
        || extension == "ipynb"
        || extension == "sh"
}

/// Returns the folder that links at `path` must stay in: a mission's, which is a build context, or
/// the checkout.
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

/// Returns whether a link at `name` to `target` stays inside the folder that `name` is relative to.
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

/// Returns a finding if programs would read the last part of `path` as something other than a name.
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

#[cfg(test)]
mod tests;
