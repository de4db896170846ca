//! The frozen spec of an environment: one text that determines it, stable to the byte. The in-image
//! scripts (`platform_env/environments/frozen.py`) write it and install from it; here it is read, checked,
//! compared and explained.

mod parse;
mod write;
pub(crate) mod package;
pub(crate) mod changes;
pub(crate) mod satisfies;

use std::{fmt, path::Path};

pub(crate) use package::Package;
pub(crate) use parse::{parse, version_in};

use crate::{specs::problem::Problem, tools::platform::Platform};

/// The rule that findings about frozen specs belong to.
pub(crate) const RULE: &str = "frozen-spec";

/// All that a frozen spec says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FrozenSpec {
    pub(crate) platform: Platform,
    /// The base image's digest, or `local python-3.13`: of the embedded one only its Python counts.
    pub(crate) base: String,
    /// The environment's name.
    pub(crate) name: String,
    pub(crate) channels: Vec<String>,
    /// Like 3.13.5. On the embedded base only; a conda base has a package `python`.
    pub(crate) python: Option<String>,
    pub(crate) conda: Vec<CondaPin>,
    pub(crate) pip: Vec<Pin>,
    /// Build requirements of what has no wheel.
    pub(crate) build: Vec<Pin>,
    /// Conda packages that others depend on and that the floating build lacked already.
    pub(crate) missing: Vec<String>,
}

/// One Python distribution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pin {
    /// Normalised.
    pub(crate) name: String,
    pub(crate) source: Source,
    /// Who asked for it: packages by their names, lists by their files' names.
    pub(crate) via: Vec<String>,
    /// Where it was read, counted from 1.
    pub(crate) line: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// An artefact of an index, by its hash.
    Index { version: String, sha256: String },
    /// `git+https://…`, a full commit, and the folder in it.
    Git { url: String, commit: String, subdirectory: Option<String> },
}

/// One conda package file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CondaPin {
    /// Only when it is not the first of the list.
    pub(crate) channel: Option<String>,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) build: String,
    pub(crate) subdir: String,
    pub(crate) file: String,
    pub(crate) sha256: String,
    /// Packages that depend on it, lists that ask for it, and the environment it was cloned from.
    pub(crate) via: Vec<String>,
    /// Its Python distributions of another name or version, as `name==version`.
    pub(crate) provides: Vec<String>,
    /// Where it was read, counted from 1.
    pub(crate) line: usize,
}

/// What to do about a frozen spec that is damaged.
pub(crate) const FREEZE: &str = "freeze the environment again";

impl FrozenSpec {
    /// The version of its Python, wherever that comes from.
    pub(crate) fn python_version(&self) -> &str {
        let of_conda = self.conda.iter().find(|it| it.name == "python");
        self.python.as_deref().or(of_conda.map(|it| it.version.as_str())).unwrap_or_default()
    }
}

impl fmt::Display for Source {
    /// The version, or the commit in short.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Index { version, .. } => f.write_str(version),
            Source::Git { commit, .. } => write!(f, "@{}", &commit[..12]),
        }
    }
}

/// Reads what must be exactly as freezing writes it, for environment `name`.
///
/// # Errors
/// The first line that is not.
pub(crate) fn canonical(file: &Path, text: &str, name: &str) -> Result<FrozenSpec, Problem> {
    let frozen = parse(file, text)?;
    if frozen.name != name {
        let line = text.lines().position(|it| it.starts_with("name:")).map_or(1, |at| at + 1);
        let what = format!("this is the frozen spec of `{}`, not of `{name}`", frozen.name);
        return Err(Problem::new(file, line, what, FREEZE));
    }
    match difference(text, &frozen.to_string()) {
        None => Ok(frozen),
        Some((line, expected)) => {
            let is_end = text.lines().nth(line - 1) == Some(expected);
            let what = match is_end {
                true => "this line's end is not one LF".to_owned(),
                false => format!("not as freezing writes it, which is `{expected}`"),
            };
            Err(Problem::new(file, line, what, FREEZE))
        }
    }
}

/// The first line of `text` that is not that of `wanted`, and what stands there.
fn difference<'a>(text: &str, wanted: &'a str) -> Option<(usize, &'a str)> {
    if text == wanted {
        return None;
    }
    // With their ends, which may be what differs.
    let (mut lines, mut others) = (text.split_inclusive('\n'), wanted.split_inclusive('\n'));
    let mut line = 1;
    loop {
        match (lines.next(), others.next()) {
            (Some(a), Some(b)) if a == b => line += 1,
            (_, other) => return Some((line, other.map_or("nothing", str::trim_end))),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
