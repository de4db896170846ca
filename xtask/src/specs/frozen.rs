//! The frozen spec of an environment: a text that determines the environment, stable to the byte.
//! The in-image scripts (`platform_env/environments/frozen.py`) write it and install from it; this
//! module parses, checks, compares and explains it.

mod parse;
mod write;
pub(crate) mod package;
pub(crate) mod changes;
pub(crate) mod satisfies;

use std::{fmt, path::Path};

pub(crate) use package::Package;
pub(crate) use parse::{parse, version_in};

use crate::{specs::problem::Problem, tools::platform::Platform};

/// Rule of findings about frozen specs.
pub(crate) const RULE: &str = "frozen-spec";

/// Content of a frozen spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FrozenSpec {
    pub(crate) platform: Platform,
    /// Digest of the base image, or `local python-3.13`: of the embedded base only its Python
    /// counts.
    pub(crate) base: String,
    /// Name of the environment.
    pub(crate) name: String,
    pub(crate) channels: Vec<String>,
    /// Version like 3.13.5. On the embedded base, and of `base`; otherwise a conda base has a package
    /// `python`.
    pub(crate) python: Option<String>,
    pub(crate) conda: Vec<CondaPin>,
    pub(crate) pip: Vec<Pin>,
    /// Build requirements of packages without a wheel.
    pub(crate) build: Vec<Pin>,
    /// Names in [`FrozenSpec::build`] that a package needs without declaring it: the package, and
    /// the requirement.
    pub(crate) needs: Vec<(String, String)>,
    /// Conda packages that others depend on and that the floating build already lacked.
    pub(crate) missing: Vec<String>,
    /// Only of `base`: packages of its image that lists request, or that require what was added.
    pub(crate) in_base: Vec<String>,
}

/// A Python distribution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pin {
    /// Normalised name.
    pub(crate) name: String,
    pub(crate) source: Source,
    /// Origins of the request: packages by their names, lists by their file names.
    pub(crate) via: Vec<String>,
    /// Line number from 1.
    pub(crate) line: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// An artefact of an index, identified by its hash.
    Index { version: String, sha256: String },
    /// `git+https://…`, a full commit, and the folder in the repository.
    Git { url: String, commit: String, subdirectory: Option<String> },
}

/// A conda package file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CondaPin {
    /// Channel; only when it is not the first of the list.
    pub(crate) channel: Option<String>,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) build: String,
    pub(crate) subdir: String,
    pub(crate) file: String,
    pub(crate) sha256: String,
    /// Packages that depend on this one, lists that request it, and the environment it was cloned
    /// from.
    pub(crate) via: Vec<String>,
    /// Python distributions of the package with another name or version, as `name==version`.
    pub(crate) provides: Vec<String>,
    /// Line number from 1.
    pub(crate) line: usize,
}

/// Fix for a damaged frozen spec.
pub(crate) const FREEZE: &str = "freeze the environment again";

impl FrozenSpec {
    /// Returns the environment's Python version, whatever provides it.
    pub(crate) fn python_version(&self) -> &str {
        let of_conda = self.conda.iter().find(|it| it.name == "python");
        self.python.as_deref().or(of_conda.map(|it| it.version.as_str())).unwrap_or_default()
    }
}

impl fmt::Display for Source {
    /// Prints the version, or the short commit.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Index { version, .. } => f.write_str(version),
            Source::Git { commit, .. } => write!(f, "@{}", &commit[..12]),
        }
    }
}

/// Parses a text that must be exactly as freezing writes it, for environment `name`.
///
/// # Errors
/// The first line that differs.
pub(crate) fn canonical(file: &Path, text: &str, name: &str) -> Result<FrozenSpec, Problem> {
    if !text.starts_with("# frozen:") {
        return Err(foreign(file, text));
    }
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

/// Returns the problem of a file that another program wrote.
fn foreign(file: &Path, text: &str) -> Problem {
    let is_export = text.lines().any(|it| it.starts_with("prefix:"));
    let what = match is_export {
        true => "written by `conda env export`, and not a frozen spec",
        false => "not a frozen spec: the first line is not `# frozen: 1`",
    };
    let fix = "remove the file; a floating build solves the lists, and writes it";
    Problem::new(file, 1, what, fix)
}

/// Returns the first line of `text` that differs from `wanted`, and the line of `wanted`.
fn difference<'a>(text: &str, wanted: &'a str) -> Option<(usize, &'a str)> {
    if text == wanted {
        return None;
    }
    // With their line ends, which may be the difference.
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
