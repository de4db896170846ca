//! Reads a floating list with its includes: the request and the position of each line.
//! `platform_env/environments/specs.py` reads the same in images, where an error comes only at the
//! end of a build.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use crate::{
    run::{
        printable::{Shown as _, is_invisible},
        redact,
    },
    specs::{
        self, Kind,
        conda::MatchSpec,
        problem::Problem,
        requirement::{self, Requirement},
        yml,
    },
};

/// Source of the texts of lists.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Texts<'a> {
    /// Folder that the names are relative to, as messages name it.
    pub(crate) dir: &'a Path,
    pub(crate) files: &'a BTreeMap<PathBuf, String>,
}

/// A line and its request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Requested<T> {
    /// Path with [`Texts::dir`].
    pub(crate) file: PathBuf,
    /// Line number from 1.
    pub(crate) line: usize,
    /// Text without comments.
    pub(crate) text: String,
    pub(crate) what: T,
}

/// Requests of lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Spec {
    pub(crate) conda: Vec<Requested<MatchSpec>>,
    pub(crate) pip: Vec<Requested<Requirement>>,
    /// Requirements of `-c` files: they limit versions, and request nothing.
    pub(crate) constraints: Vec<Requested<Requirement>>,
    /// Normalised names of packages that are built from their sources.
    pub(crate) no_binary: Vec<Requested<String>>,
    /// Build requirements that packages do not declare.
    pub(crate) needs: Vec<Requested<Need>>,
    /// Environments that this one was cloned from, directly or not.
    pub(crate) cloned: BTreeSet<String>,
}

/// A build requirement of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Need {
    /// Normalised name.
    pub(crate) package: String,
    pub(crate) requirement: Requirement,
}

impl<T> Requested<T> {
    /// Returns `file:line: text`.
    pub(crate) fn shown(&self) -> String {
        format!("{}:{}: {}", self.file.shown(), self.line, self.text)
    }

    /// Returns the list's name as `# via` comments have it.
    pub(crate) fn origin(&self) -> String {
        self.file.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

impl Spec {
    pub(crate) fn extend(&mut self, other: Spec) {
        self.conda.extend(other.conda);
        self.pip.extend(other.pip);
        self.constraints.extend(other.constraints);
        self.no_binary.extend(other.no_binary);
        self.needs.extend(other.needs);
        self.cloned.extend(other.cloned);
    }
}

/// Reads the list `name`. A line that cannot be read becomes a problem, and reading continues.
pub(crate) fn read(texts: Texts<'_>, name: &Path, problems: &mut Vec<Problem>) -> Spec {
    let mut reader = Reader { texts, spec: Spec::default(), problems };
    reader.list(name);
    reader.spec
}

struct Reader<'a> {
    texts: Texts<'a>,
    spec: Spec,
    problems: &'a mut Vec<Problem>,
}

/// The current line of the list.
struct Line<'a> {
    /// Name without [`Texts::dir`].
    name: &'a Path,
    number: usize,
    text: &'a str,
    /// Lists that include this one, and the list itself.
    parents: &'a [PathBuf],
}

impl Reader<'_> {
    fn list(&mut self, name: &Path) {
        let file = self.texts.dir.join(name);
        let Some(text) = self.texts.files.get(name) else {
            self.problems.push(Problem::new(&file, 1, "the file does not exist", "write it"));
            return;
        };
        match specs::kind(name) {
            Some(Kind::Yaml) => self.yml(name, &file, text),
            Some(Kind::Conda) => {
                for (number, text) in lines(text) {
                    self.conda(&file, number, &text);
                }
            }
            Some(Kind::Build) => {
                for (number, text) in lines(text) {
                    self.need(&file, number, text);
                }
            }
            // An included file is a pip list, whatever its name.
            Some(Kind::Pip) | None => self.pip(name, text, &[name.to_owned()]),
        }
    }

    fn yml(&mut self, name: &Path, file: &Path, text: &str) {
        let document = match yml::parse(file, text) {
            Ok(document) => document,
            Err(problem) => return self.problems.push(problem),
        };
        for item in document.channels.iter().filter(|it| redact::in_channel(&it.text)) {
            self.problems.push(channel_problem(file, item.line));
        }
        for item in &document.conda {
            self.conda(file, item.line, &item.text);
        }
        for item in &document.pip {
            let parents = &[name.to_owned()];
            self.pip_line(&Line { name, number: item.line, text: &item.text, parents });
        }
    }

    fn conda(&mut self, file: &Path, line: usize, text: &str) {
        match MatchSpec::parse(text) {
            _ if redact::in_channel(text) => self.problems.push(channel_problem(file, line)),
            Ok(what) => {
                self.spec.conda.push(Requested {
                    file: file.into(),
                    line,
                    text: text.into(),
                    what,
                });
            }
            Err(what) => {
                let fix = match text.contains(is_invisible) {
                    true => requirement::INVISIBLE,
                    false => "write name, or name=version",
                };
                self.problems.push(Problem::new(file, line, what, fix));
            }
        }
    }

    fn need(&mut self, file: &Path, line: usize, text: String) {
        match need(&text) {
            Ok(what) => self.spec.needs.push(Requested { file: file.into(), line, text, what }),
            Err((what, fix)) => self.problems.push(Problem::new(file, line, what, fix)),
        }
    }

    fn pip(&mut self, name: &Path, text: &str, parents: &[PathBuf]) {
        for (number, text) in joined_lines(text) {
            self.pip_line(&Line { name, number, text: &text, parents });
        }
    }

    fn pip_line(&mut self, line: &Line<'_>) {
        let file = self.texts.dir.join(line.name);
        let res = match line.text.starts_with('-') {
            true => self.option(line),
            false => requirement::parse(line.text).map(|what| {
                let text = line.text.to_owned();
                self.spec.pip.push(Requested { file: file.clone(), line: line.number, text, what });
            }),
        };
        if let Err((what, fix)) = res {
            self.problems.push(Problem::new(&file, line.number, what, fix));
        }
    }

    fn option(&mut self, line: &Line<'_>) -> Result<(), requirement::Wrong> {
        let end = line.text.find(['=', ' ', '\t']).unwrap_or(line.text.len());
        let (option, value) = line.text.split_at(end);
        let value = value.trim_start_matches(BLANKS);
        let value = value.strip_prefix('=').unwrap_or(value).trim_start_matches(BLANKS);
        let (what, fix) = match option {
            "-r" | "--requirement" => return self.include(line, value),
            "-c" | "--constraint" => {
                let asked = self.spec.pip.len();
                let res = self.include(line, value);
                let included = self.spec.pip.split_off(asked);
                self.spec.constraints.extend(included);
                return res;
            }
            "--no-binary" => return self.no_binary(line, value),
            "-" => (
                "a dash before a requirement".to_owned(),
                "write the requirement alone, as `numpy`",
            ),
            "-e" | "--editable" => (
                "an editable install cannot be repeated".to_owned(),
                "give `name @ git+https://…@commit`",
            ),
            "-i" | "--index-url" | "--extra-index-url" | "-f" | "--find-links" | "--no-index" => (
                format!("`{option}` in a list"),
                "package indexes belong to the settings, as PIP_INDEX_URL",
            ),
            _ => (format!("unsupported option `{option}`"), "expected -r, -c or --no-binary"),
        };
        Err((what, fix.to_owned()))
    }

    /// Takes the names of `--no-binary`, as pip reads them.
    fn no_binary(&mut self, line: &Line<'_>, value: &str) -> Result<(), requirement::Wrong> {
        for name in value.split(',').map(|it| it.trim_matches(BLANKS)) {
            if !requirement::is_name(name) {
                let what = format!("`{name}` is not the name of a package");
                return Err((what, "write --no-binary NAME".to_owned()));
            }
            let file = self.texts.dir.join(line.name);
            let (text, what) = (line.text.to_owned(), requirement::normalised(name));
            self.spec.no_binary.push(Requested { file, line: line.number, text, what });
        }
        Ok(())
    }

    fn include(&mut self, line: &Line<'_>, value: &str) -> Result<(), requirement::Wrong> {
        let dir = line.name.parent().unwrap_or(Path::new(""));
        let name = specs::normal(&dir.join(value)).filter(|_| !value.is_empty());
        let found = name.and_then(|it| Some((self.texts.files.get(&it)?, it)));
        let Some((text, name)) = found else {
            let fix = "the path is relative to this file, and below environments/";
            return Err((format!("missing file `{value}`"), fix.to_owned()));
        };
        if line.parents.contains(&name) {
            let fix = "take one of the lines out";
            return Err((format!("`{value}` includes itself"), fix.to_owned()));
        }
        let parents = [line.parents, std::slice::from_ref(&name)].concat();
        self.pip(&name, text, &parents);
        Ok(())
    }
}

/// Parses `package: requirement`.
fn need(text: &str) -> Result<Need, requirement::Wrong> {
    let fix = || "write `package: requirement`, such as `bls-py: numpy`".to_owned();
    let parts = text.split_once(':').map(|(a, b)| (a.trim_matches(BLANKS), b.trim_matches(BLANKS)));
    let Some((package, wanted)) = parts.filter(|it| requirement::is_name(it.0)) else {
        return Err((format!("`{text}` does not name a package and a requirement"), fix()));
    };
    let requirement = requirement::parse(wanted)?;
    let is_plain = matches!(requirement.wants, requirement::Wants::Versions(_))
        && requirement.marker.is_none()
        && requirement.extras.is_empty()
        && requirement.hashes.is_empty();
    if !is_plain {
        return Err((format!("`{wanted}` is more than a name and versions"), fix()));
    }
    Ok(Need { package: requirement::normalised(package), requirement })
}

/// Returns the problem of a password or token in a channel. Without the value: other people read
/// logs.
fn channel_problem(file: &Path, line: usize) -> Problem {
    let what = "a channel URL with credentials, which would stay in the image";
    let fix = "name the channel without them, and set CONDA_CHANNEL_ALIAS in setup-env";
    Problem::new(file, line, what, fix)
}

/// Blanks. No other character counts: a wrong no-break space would be invisible.
pub(crate) const BLANKS: [char; 3] = [' ', '\t', '\r'];

/// Returns a line without its comment, and without surrounding blanks. A `#` starts a comment at
/// the start of a line and after a blank.
pub(crate) fn without_comment(line: &str) -> &str {
    let starts = |at: usize| line[..at].is_empty() || line[..at].ends_with([' ', '\t']);
    let end = line.match_indices('#').map(|it| it.0).find(|it| starts(*it));
    line[..end.unwrap_or(line.len())].trim_matches(BLANKS)
}

/// Returns a text without the byte order mark that some editors write.
pub(crate) fn without_bom(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Returns the lines that are not empty, with their numbers.
fn lines(text: &str) -> Vec<(usize, String)> {
    let lines = without_bom(text).lines().enumerate();
    let lines = lines.map(|(at, line)| (at + 1, without_comment(line).to_owned()));
    lines.filter(|(_, line)| !line.is_empty()).collect()
}

/// Returns [`lines`] with continuation lines joined.
fn joined_lines(text: &str) -> Vec<(usize, String)> {
    let mut res: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    for (at, line) in without_bom(text).lines().enumerate() {
        let line = without_comment(line);
        let (part, goes_on) = match line.strip_suffix('\\') {
            Some(part) => (part.trim_matches(BLANKS), true),
            None => (line, false),
        };
        match res.last_mut().filter(|_| open) {
            Some((_, joined)) => {
                joined.push(' ');
                joined.push_str(part);
            }
            None => res.push((at + 1, part.to_owned())),
        }
        open = goes_on;
    }
    for (_, line) in &mut res {
        *line = line.trim_matches(BLANKS).to_owned();
    }
    res.retain(|(_, line)| !line.is_empty());
    res
}
