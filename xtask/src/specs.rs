//! Lists of packages: which files of an environment's folder are lists, and what they include and
//! request. Paths are relative to a mission's `environments/`.

pub(crate) mod problem;
pub(crate) mod yml;
pub(crate) mod marker;
pub(crate) mod requirement;
pub(crate) mod conda;
pub(crate) mod read;
pub(crate) mod index;
pub(crate) mod repodata;
pub(crate) mod frozen;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Component, Path, PathBuf},
};

use crate::settings::config::Mode;

/// The environment of every base image.
pub(crate) const BASE: &str = "base";

/// How a spec file is installed, in the order of installation. Only the last extension counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Yaml,
    Conda,
    Pip,
    /// Build requirements that packages do not declare: `package: requirement`.
    Build,
}

/// Returns the kind of a list; `None` for a file that is not a list of packages.
pub(crate) fn kind(path: &Path) -> Option<Kind> {
    match path.extension()?.to_str()? {
        "yml" | "yaml" => Some(Kind::Yaml),
        "conda" => Some(Kind::Conda),
        "pip" => Some(Kind::Pip),
        "build" => Some(Kind::Build),
        _ => None,
    }
}

/// Returns `<env>/<env>-frozen.yml`.
pub(crate) fn frozen(env: &str) -> PathBuf {
    Path::new(env).join(format!("{env}-frozen.yml"))
}

/// Returns `<env>/<env>.build`, which every step of the environment reads.
pub(crate) fn needs(env: &str) -> PathBuf {
    Path::new(env).join(format!("{env}.build"))
}

/// Returns the modes whose images contain the spec file `path` of `files`. Hashed lists of `base` are
/// installed in both.
pub(crate) fn modes(path: &Path, files: &BTreeMap<PathBuf, String>) -> &'static [Mode] {
    let env = environment(path);
    match env {
        _ if path == frozen(env) => &[Mode::Frozen],
        BASE if is_hashed(path, files) => &[Mode::Floating, Mode::Frozen],
        _ => &[Mode::Floating],
    }
}

/// Returns whether a list, with all that it includes, has pinned and hashed pip lines alone: as a
/// list of `base` it is installed as it is, and never solved. `platform_env/environments/base_lists.py`
/// decides the same.
fn is_hashed(path: &Path, files: &BTreeMap<PathBuf, String>) -> bool {
    let mut problems = Vec::new();
    let spec = read::read(read::Texts { dir: Path::new(""), files }, path, &mut problems);
    let has_others = !spec.conda.is_empty()
        || !spec.constraints.is_empty()
        || !spec.no_binary.is_empty()
        || !spec.needs.is_empty();
    let is_exact = |it: &read::Requested<requirement::Requirement>| {
        it.what.is_pinned() && !it.what.hashes.is_empty()
    };
    problems.is_empty() && !has_others && spec.pip.iter().all(is_exact)
}

/// Returns whether `env` has a frozen spec: any environment but a `base` to which no list is added
/// that must be solved.
pub(crate) fn is_frozen(env: &str, files: &BTreeMap<PathBuf, String>) -> bool {
    let is_solved = |it: &PathBuf| {
        environment(it) == BASE && *it != needs(BASE) && modes(it, files) == [Mode::Floating]
    };
    env != BASE || all(files).iter().any(is_solved)
}

/// Returns the environment of `path`: its first folder, or [`SHARED`] for a file directly below
/// `environments/`, which lists of any environment may include.
pub(crate) fn environment(path: &Path) -> &str {
    let parent = path.parent().unwrap_or(Path::new(""));
    parent.components().next().and_then(|it| it.as_os_str().to_str()).unwrap_or_default()
}

/// The environment of files that environments share; see [`environment`].
pub(crate) const SHARED: &str = "";

/// Returns every list of packages among `files`: by its extension, outside `tests/`, or because
/// another list includes it. A shared YAML file may be of any kind.
pub(crate) fn all(files: &BTreeMap<PathBuf, String>) -> BTreeSet<PathBuf> {
    let is_list = |it: &&Path| match kind(it) {
        Some(Kind::Yaml | Kind::Build) => environment(it) != SHARED && !is_test(it),
        Some(Kind::Conda | Kind::Pip) => !is_test(it),
        None => false,
    };
    let by_name: Vec<&Path> = files.keys().map(PathBuf::as_path).filter(is_list).collect();
    closure(by_name, files).0
}

/// Returns whether `path` is below an environment's `tests/`.
pub(crate) fn is_test(path: &Path) -> bool {
    path.components().nth(1).is_some_and(|it| it.as_os_str() == "tests")
}

/// A `-r` or `-c` line whose file does not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Missing {
    /// List with the line.
    pub(crate) list: PathBuf,
    /// Line number from 1.
    pub(crate) line: usize,
    pub(crate) what: String,
}

/// Returns `lists` and all files that they include, directly or not.
pub(crate) fn closure<'a>(
    lists: impl IntoIterator<Item = &'a Path>,
    files: &BTreeMap<PathBuf, String>,
) -> (BTreeSet<PathBuf>, Vec<Missing>) {
    let mut open: Vec<PathBuf> = lists.into_iter().map(Path::to_owned).collect();
    let mut found = BTreeSet::new();
    let mut missing = Vec::new();
    while let Some(list) = open.pop() {
        let text = files.get(&list).map_or("", String::as_str);
        if !found.insert(list.clone()) {
            continue;
        }
        for (line, name) in includes(text) {
            let path = normal(&list.parent().unwrap_or(Path::new("")).join(name));
            match path.filter(|it| files.contains_key(it)) {
                Some(path) => open.push(path),
                None => {
                    let what =
                        format!("includes `{name}`, which is not a file below environments/");
                    missing.push(Missing { list: list.clone(), line, what });
                }
            }
        }
    }
    (found, missing)
}

/// Returns `path` without `.` and `..`; `None` when it leads out of its root.
pub(crate) fn normal(path: &Path) -> Option<PathBuf> {
    let mut res = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => (),
            Component::ParentDir if res.pop() => (),
            Component::Normal(name) => res.push(name),
            _ => return None,
        }
    }
    Some(res)
}

/// Returns lines and names of the files that a list includes, in pip's syntax:
/// <https://pip.pypa.io/en/stable/reference/requirements-file-format/#supported-options>. In YAML
/// the line is an item of a `pip:` list. URLs are left out.
pub(crate) fn includes(text: &str) -> Vec<(usize, &str)> {
    let lines = text.lines().enumerate();
    lines.filter_map(|(at, line)| Some((at + 1, include(line)?))).collect()
}

fn include(line: &str) -> Option<&str> {
    let line = read::without_comment(line);
    let line = line.strip_prefix("- ").unwrap_or(line).trim().trim_matches(['"', '\'']);
    let options = ["--requirement", "--constraint", "-r", "-c"];
    let rest = options.into_iter().find_map(|it| line.strip_prefix(it))?;
    let name = rest.strip_prefix('=').unwrap_or(rest).trim_start();
    Some(name).filter(|it| !it.is_empty() && !it.contains("://"))
}

#[cfg(test)]
pub(crate) mod tests;
