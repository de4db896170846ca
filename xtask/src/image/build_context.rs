//! The exact build context: the files sent to docker, with normalised modes, held in memory so that
//! the digest covers exactly the bytes sent.

use std::{
    collections::BTreeMap,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, bail};
use fs_err as fs;

use crate::{
    mission::file_content::stays_inside,
    run::{files, printable::Shown as _, process::Permit, text_file::read_text},
};

/// Files by their path in the context. Empty folders are left out, as in git.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct BuildContext {
    pub(crate) entries: BTreeMap<PathBuf, Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A file with mode 0755 if `executable`, else 0644, whatever the umask of the checkout was.
    /// Copies of a context share the bytes: a notebook may have hundreds of megabytes.
    File { executable: bool, bytes: Arc<Vec<u8>> },
    /// A link whose target is relative, and inside the context.
    Link { target: PathBuf },
}

/// A shared image's Dockerfile, its context's folder, and the folder's `.dockerignore`; relative to
/// the root of the checkout.
pub(crate) struct Shared {
    pub(crate) dockerfile: &'static str,
    pub(crate) dir: &'static str,
    pub(crate) ignore: &'static str,
}

pub(crate) const COMMON: Shared =
    Shared { dockerfile: "Dockerfile", dir: "", ignore: ".dockerignore" };
pub(crate) const BASE: Shared = Shared {
    dockerfile: "common/base/Dockerfile",
    dir: "common/base",
    ignore: "common/base/.dockerignore",
};
pub(crate) const REGISTRY: Shared = Shared {
    dockerfile: "common/registry/Dockerfile",
    dir: "common",
    ignore: "common/registry/Dockerfile.dockerignore",
};
pub(crate) const HUB: Shared = Shared {
    dockerfile: "common/hub/local/Dockerfile",
    dir: "common",
    ignore: "common/hub/local/Dockerfile.dockerignore",
};

/// Contents of a closed `.dockerignore`: `*`, then the included names. Format:
/// <https://docs.docker.com/build/concepts/context/#dockerignore-files>.
#[derive(Debug, Default, PartialEq, Eq)]
struct Filter {
    /// From `!path`.
    included: Vec<PathBuf>,
    /// From `**/name`: excluded at any depth.
    excluded_names: Vec<String>,
}

impl BuildContext {
    /// Reads the files of `dir` that `ignore`, a `.dockerignore`, includes.
    ///
    /// # Errors
    /// `ignore` is missing or has patterns other than `*`, `!literal/name` and `**/name`;
    /// a name in it does not exist; a symbolic link leads out of the context.
    pub(crate) fn read(dir: &Path, ignore: &Path) -> anyhow::Result<BuildContext> {
        let path = ignore;
        let text = read_text(Path::new(""), path)?;
        let filter = Filter::parse(&text).with_context(|| path.shown())?;
        let mut res = BuildContext::default();
        for name in &filter.included {
            if !dir.join(name).exists() {
                bail!("{}: `!{}` is not there; take the line out", path.shown(), name.shown());
            }
            res.add(dir, name, &filter)?;
        }
        Ok(res)
    }

    /// Returns the names that `ignore` includes in `dir`, and the files of that name or below it.
    /// Empty where [`BuildContext::read`] fails.
    pub(crate) fn names(dir: &Path, ignore: &Path) -> anyhow::Result<[Vec<PathBuf>; 2]> {
        let filter = read_text(Path::new(""), ignore).and_then(|it| Filter::parse(&it));
        let filter = filter.unwrap_or_default();
        let there = filter.included.iter().filter(|it| dir.join(it).exists());
        let mut files = Vec::new();
        there.into_iter().try_for_each(|it| walk(dir, it, &filter, &mut files))?;
        Ok([filter.included, files])
    }

    /// Reads the files `names` in `dir`.
    pub(crate) fn read_files(dir: &Path, names: &[&str]) -> anyhow::Result<BuildContext> {
        let mut res = BuildContext::default();
        for name in names {
            res.add(dir, Path::new(name), &Filter::default())?;
        }
        Ok(res)
    }

    /// Returns a context with these texts.
    pub(crate) fn of_texts(texts: BTreeMap<PathBuf, String>) -> BuildContext {
        let entry =
            |text: String| Entry::File { executable: false, bytes: text.into_bytes().into() };
        BuildContext {
            entries: texts.into_iter().map(|(path, text)| (path, entry(text))).collect(),
        }
    }

    /// Removes the entries that `drop` matches.
    pub(crate) fn without(mut self, drop: impl Fn(&Path) -> bool) -> BuildContext {
        self.entries.retain(|path, _| !drop(path));
        self
    }

    /// Feeds the whole context to `hasher`, unambiguously.
    pub(crate) fn hash(&self, hasher: &mut blake3::Hasher) {
        self.entries.iter().for_each(|(path, entry)| hash_entry(path, entry, hasher));
    }

    /// Returns a digest of each entry, by its path.
    pub(crate) fn digests(&self) -> BTreeMap<String, String> {
        let digest = |(path, entry): (&PathBuf, &Entry)| {
            let mut hasher = blake3::Hasher::new();
            hash_entry(path, entry, &mut hasher);
            (path.to_string_lossy().into_owned(), hasher.finalize().to_hex().to_string())
        };
        self.entries.iter().map(digest).collect()
    }

    /// Writes the context below `dir`, which is emptied first.
    pub(crate) fn stage(&self, permit: Permit, dir: &Path) -> anyhow::Result<()> {
        files::remove_tree(permit, dir)?;
        files::make_dirs(permit, dir)?;
        files::set_mode(permit, dir, 0o755)?;
        for (path, entry) in &self.entries {
            let path = dir.join(path);
            let parent = path.parent().context("an entry has a folder")?;
            make_folders(permit, parent)?;
            match entry {
                Entry::File { executable, bytes } => {
                    files::write(permit, &path, bytes)?;
                    files::set_mode(permit, &path, if *executable { 0o755 } else { 0o644 })?;
                }
                Entry::Link { target } => files::link(permit, target, &path)?,
            }
        }
        Ok(())
    }

    fn add(&mut self, dir: &Path, name: &Path, filter: &Filter) -> anyhow::Result<()> {
        let mut names = Vec::new();
        walk(dir, name, filter, &mut names)?;
        for name in names {
            let entry = Entry::read(dir, &name)?;
            self.entries.insert(name, entry);
        }
        Ok(())
    }
}

/// Adds `name`, or the files below it, to `res`, except those that `filter` excludes.
fn walk(dir: &Path, name: &Path, filter: &Filter, res: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let last = name.file_name().map(|it| it.to_string_lossy().into_owned());
    if last.is_some_and(|it| filter.excluded_names.contains(&it)) {
        return Ok(());
    }
    if !fs::symlink_metadata(dir.join(name))?.is_dir() {
        res.push(name.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(dir.join(name))? {
        walk(dir, &name.join(entry?.file_name()), filter, res)?;
    }
    Ok(())
}

impl Entry {
    fn read(dir: &Path, name: &Path) -> anyhow::Result<Entry> {
        let path = dir.join(name);
        let metadata = fs::symlink_metadata(&path)?;
        if metadata.is_symlink() {
            let target = fs::read_link(&path)?;
            if !stays_inside(name, &target) {
                bail!(
                    "{}: the link to {} leads out of the build context; copy the file instead",
                    path.shown(),
                    target.shown()
                );
            }
            return Ok(Entry::Link { target });
        }
        if !metadata.is_file() {
            bail!("{}: neither a file, a folder nor a link; remove it", path.shown());
        }
        let executable = metadata.permissions().mode() & 0o100 != 0;
        Ok(Entry::File { executable, bytes: fs::read(&path)?.into() })
    }
}

fn hash_entry(path: &Path, entry: &Entry, hasher: &mut blake3::Hasher) {
    let (kind, bytes) = match entry {
        Entry::File { executable: false, bytes } => ("file", bytes.as_slice()),
        Entry::File { executable: true, bytes } => ("script", bytes.as_slice()),
        Entry::Link { target } => ("link", target.as_os_str().as_encoded_bytes()),
    };
    for field in [path.as_os_str().as_encoded_bytes(), kind.as_bytes(), bytes] {
        hasher.update(&(field.len() as u64).to_le_bytes());
        hasher.update(field);
    }
}

impl Filter {
    fn parse(text: &str) -> anyhow::Result<Filter> {
        let mut res = Filter::default();
        let lines = text.lines().enumerate().map(|(idx, it)| (idx + 1, it.trim()));
        let mut lines = lines.filter(|(_, it)| !it.is_empty() && !it.starts_with('#'));
        if lines.next().is_none_or(|(_, it)| it != "*") {
            bail!("the first pattern must be `*`: the context names what it needs");
        }
        for (line_no, line) in lines {
            let is_literal = |it: &str| !it.is_empty() && !it.contains(['*', '?', '[', '\\']);
            match (line.strip_prefix('!'), line.strip_prefix("**/")) {
                (Some(name), _) if is_literal(name) => {
                    res.included.push(PathBuf::from(name.trim_matches('/')));
                }
                (_, Some(name)) if is_literal(name) && !name.contains('/') => {
                    res.excluded_names.push(name.to_owned());
                }
                _ => bail!("line {line_no}: `{line}`: write `!literal/name` or `**/name`"),
            }
        }
        Ok(res)
    }
}

/// Creates folders like `create_dir_all`, with mode 0755 whatever the umask is.
fn make_folders(permit: Permit, dir: &Path) -> anyhow::Result<()> {
    if dir.exists() {
        return Ok(());
    }
    make_folders(permit, dir.parent().context("a staged folder has a parent")?)?;
    files::make_dirs(permit, dir)?;
    files::set_mode(permit, dir, 0o755)
}

#[cfg(test)]
mod tests;
