//! Parses a frozen spec, and refuses entries that are not frozen.

use std::{collections::BTreeMap, path::Path, str::FromStr as _};

use crate::{
    run::redact::{self, redact},
    specs::{
        frozen::{CondaPin, FREEZE, FrozenSpec, Pin, Source},
        problem::Problem,
        read::BLANKS,
        requirement::{check_url, is_lower_hex, is_name, is_sha256, is_version, normalised},
        yml::{self, Item},
    },
    tools::platform::Platform,
};

/// # Errors
/// The first line that does not belong in a frozen spec.
pub(crate) fn parse(file: &Path, text: &str) -> Result<FrozenSpec, Problem> {
    let document = yml::parse(file, text)?;
    let reader = Reader { file };
    let header = reader.header(&document.comments)?;
    let Some(name) = &document.name else {
        return Err(reader.wrong(1, "the line `name:` is missing"));
    };
    if document.channels.is_empty() {
        return Err(reader.wrong(name.line, "the list `channels:` is missing"));
    }
    if let Some(item) = document.channels.iter().find(|it| redact::in_channel(&it.text)) {
        return Err(reader.wrong(item.line, "a channel URL with credentials"));
    }
    let (python, conda) = reader.conda(&document.conda)?;
    if python.is_none() && !conda.iter().any(|it| it.name == "python") {
        return Err(reader.wrong(name.line, "no line says which python"));
    }
    let is_option = |it: &&Item| it.text == "--no-require-hashes";
    let pip = document.pip.iter().filter(|it| !is_option(it));
    Ok(FrozenSpec {
        platform: header.platform,
        base: header.base,
        name: name.text.clone(),
        channels: document.channels.iter().map(|it| it.text.clone()).collect(),
        python,
        conda,
        pip: reader.pins(pip)?,
        build: header.build,
        needs: header.needs,
        missing: header.missing,
        in_base: header.in_base,
    })
}

/// Returns the version of `name` in one line of a list of packages, however it is indented.
pub(crate) fn version_in(line: &str, name: &str) -> Option<String> {
    let text = line.trim().strip_prefix("- ")?;
    let (text, comment) = text.split_once("  # ").unwrap_or((text, ""));
    if let Some(version) = python_line(text) {
        return (name == "python").then(|| version.to_owned());
    }
    let item = Item { text: text.to_owned(), comment: comment.to_owned(), line: 1 };
    if let Some(pin) = conda_pin(&item) {
        return pin.version_of(name).map(str::to_owned);
    }
    let (found, source) = match text.split_once(" @ ") {
        Some((found, url)) => (found, git(url).ok()?),
        None => index(text).ok()?,
    };
    (normalised(found) == name).then(|| source.to_string())
}

struct Reader<'a> {
    file: &'a Path,
}

/// Content of the comments at the top.
struct Header {
    platform: Platform,
    base: String,
    build: Vec<Pin>,
    needs: Vec<(String, String)>,
    missing: Vec<String>,
    in_base: Vec<String>,
}

impl Reader<'_> {
    fn wrong(&self, line: usize, what: impl Into<String>) -> Problem {
        Problem::new(self.file, line, what, FREEZE)
    }

    fn header(&self, comments: &[Item]) -> Result<Header, Problem> {
        let mut values: BTreeMap<&str, &str> = BTreeMap::new();
        let mut lines = BTreeMap::new();
        let (mut build, mut needs) = (Vec::new(), Vec::new());
        let (mut missing, mut in_base) = (Vec::new(), Vec::new());
        for item in comments {
            match item.text.split_once(": ") {
                Some(("build", text)) => {
                    let pin = index(text).and_then(|source| pin(source, item));
                    let pin = pin.map_err(|what| self.wrong(item.line, what))?;
                    self.refuse_twin(&mut lines, pin.name.clone(), item.line)?;
                    build.push(pin);
                }
                Some(("build-for", text)) => {
                    let (package, name) = text.split_once(": ").unwrap_or((text, ""));
                    if let Some(bad) = [package, name].into_iter().find(|it| !is_name(it)) {
                        let what = format!("`{bad}` is not a package name");
                        return Err(self.wrong(item.line, what));
                    }
                    needs.push((normalised(package), normalised(name)));
                }
                Some(("missing", name)) if is_word(name) => missing.push(name.to_owned()),
                Some(("in-base", name)) if is_word(name) => in_base.push(name.to_owned()),
                Some(("missing" | "in-base", name)) => {
                    let what = format!("`{name}` is not a package name");
                    return Err(self.wrong(item.line, what));
                }
                Some((key @ ("frozen" | "platform" | "base"), value)) => {
                    if values.insert(key, value).is_some() {
                        return Err(self.wrong(item.line, format!("duplicate line `# {key}:`")));
                    }
                    check_value(key, value).map_err(|what| self.wrong(item.line, what))?;
                }
                _ => (),
            }
        }
        let value = |key: &str| {
            let found = values.get(key).copied();
            found.ok_or_else(|| self.wrong(1, format!("the line `# {key}:` is missing")))
        };
        value("frozen")?;
        let platform =
            Platform::from_str(value("platform")?).map_err(|err| self.wrong(1, err.to_string()))?;
        Ok(Header { platform, base: value("base")?.to_owned(), build, needs, missing, in_base })
    }

    fn conda(&self, items: &[Item]) -> Result<(Option<String>, Vec<CondaPin>), Problem> {
        let mut python = None;
        let mut pins: Vec<CondaPin> = Vec::new();
        let mut lines: BTreeMap<String, usize> = BTreeMap::new();
        for item in items {
            let name = match python_line(&item.text) {
                Some(version) => {
                    python = Some(version.to_owned());
                    "python".to_owned()
                }
                None => {
                    if redact::in_channel(&item.text) {
                        return Err(self.wrong(item.line, "a channel URL with credentials"));
                    }
                    let pin = conda_pin(item).ok_or_else(|| {
                        let text = redact(&item.text);
                        let what = format!("`{text}` is not pinned to one package file");
                        self.wrong(item.line, what)
                    })?;
                    pins.push(pin);
                    pins[pins.len() - 1].name.clone()
                }
            };
            self.refuse_twin(&mut lines, name, item.line)?;
        }
        Ok((python, pins))
    }

    fn pins<'a>(&self, items: impl IntoIterator<Item = &'a Item>) -> Result<Vec<Pin>, Problem> {
        let mut lines = BTreeMap::new();
        let mut res = Vec::new();
        for item in items {
            let pin = self.pin(item)?;
            self.refuse_twin(&mut lines, pin.name.clone(), item.line)?;
            res.push(pin);
        }
        Ok(res)
    }

    fn refuse_twin(
        &self,
        lines: &mut BTreeMap<String, usize>,
        name: String,
        line: usize,
    ) -> Result<(), Problem> {
        match lines.get(&name) {
            Some(first) => {
                let what = format!("duplicate entry `{name}`, first listed on line {first}");
                Err(self.wrong(line, what))
            }
            None => {
                lines.insert(name, line);
                Ok(())
            }
        }
    }

    fn pin(&self, item: &Item) -> Result<Pin, Problem> {
        let source = match item.text.split_once(" @ ") {
            Some((name, url)) => git(url).map(|source| (name, source)),
            None => index(&item.text),
        };
        source.and_then(|it| pin(it, item)).map_err(|what| self.wrong(item.line, what))
    }
}

/// Refuses an unknown value of the header.
fn check_value(key: &str, value: &str) -> Result<(), String> {
    match key {
        "frozen" if value != "1" => Err(format!("unsupported format `{value}`; expected 1")),
        "platform" if Platform::from_str(value).is_err() => {
            Err(format!("unsupported platform `{value}`; expected linux/amd64 or linux/arm64"))
        }
        _ => Ok(()),
    }
}

fn pin((name, source): (&str, Source), item: &Item) -> Result<Pin, String> {
    if !is_name(name) {
        return Err(format!("`{name}` is not a package name"));
    }
    let Told { via, .. } = told(&item.comment);
    Ok(Pin { name: normalised(name), source, via, line: item.line })
}

/// Content of a line's comment.
#[derive(Default)]
struct Told {
    via: Vec<String>,
    provides: Vec<String>,
}

/// Parses `via a, b; provides c==1`.
fn told(comment: &str) -> Told {
    let mut res = Told::default();
    for part in comment.split("; ") {
        let (key, words) = part.split_once(' ').unwrap_or((part, ""));
        let words = words.split(',').map(|it| it.trim_matches(BLANKS)).filter(|it| !it.is_empty());
        match key {
            "via" => res.via = words.map(str::to_owned).collect(),
            "provides" => res.provides = words.map(str::to_owned).collect(),
            _ => (),
        }
    }
    res
}

/// Returns the version in `python=3.13.5`.
fn python_line(text: &str) -> Option<&str> {
    let version = text.strip_prefix("python=")?;
    let mut parts = version.splitn(3, '.');
    let is_number = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit());
    let is_last = |it: &str| {
        it.starts_with(|c: char| c.is_ascii_digit())
            && it.bytes().all(|it| it.is_ascii_alphanumeric())
    };
    let all = parts.next().is_some_and(is_number)
        && parts.next().is_some_and(is_number)
        && parts.next().is_some_and(is_last);
    all.then_some(version)
}

/// Parses `channel::name=version=build[subdir=…,fn=…,sha256=…]`.
fn conda_pin(item: &Item) -> Option<CondaPin> {
    let (spec, fields) = item.text.split_once('[')?;
    let (channel, spec) = match spec.rsplit_once("::") {
        Some((channel, spec)) => (Some(channel.to_owned()), spec),
        None => (None, spec),
    };
    let mut spec = spec.split('=');
    let (name, version, build) = (spec.next()?, spec.next()?, spec.next()?);
    let fields = fields.strip_suffix(']')?.strip_prefix("subdir=")?;
    let (subdir, fields) = fields.split_once(",fn=")?;
    let (file, sha256) = fields.split_once(",sha256=")?;
    let is_printable = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_graphic());
    let is_channel = |it: &String| is_printable(it) && !it.contains(['[', ']']);
    let is_field = |it: &str| {
        is_printable(it) && !it.contains([',', ']', '[', '*', '=']) && !it.contains("::")
    };
    let fits = spec.next().is_none()
        && channel.iter().all(is_channel)
        && is_word(name)
        && is_word(subdir)
        && !subdir.contains('.')
        && [version, build, file].into_iter().all(is_field)
        && is_sha256(sha256);
    let Told { via, provides } = told(&item.comment);
    fits.then(|| CondaPin {
        channel,
        name: name.to_owned(),
        version: version.to_owned(),
        build: build.to_owned(),
        subdir: subdir.to_owned(),
        file: file.to_owned(),
        sha256: sha256.to_owned(),
        via,
        provides,
        line: item.line,
    })
}

/// Parses `name==version --hash=sha256:…`.
fn index(text: &str) -> Result<(&str, Source), String> {
    let not_pinned = || format!("`{}` is not pinned to one version", redact(text));
    let (name, rest) = text.split_once("==").ok_or_else(not_pinned)?;
    let (version, rest) = rest.split_at(rest.find([' ', '\t', ';']).unwrap_or(rest.len()));
    if !is_version(version) {
        return Err(not_pinned());
    }
    match rest.strip_prefix(" --hash=sha256:").filter(|it| is_sha256(it)) {
        Some(sha256) => {
            Ok((name, Source::Index { version: version.to_owned(), sha256: sha256.to_owned() }))
        }
        None => Err(format!("`{name}=={version}` has not exactly one sha256")),
    }
}

/// Parses `git+https://…@<40 hex digits>#subdirectory=…`.
fn git(text: &str) -> Result<Source, String> {
    let wrong = || {
        let text = redact(text);
        format!("`{text}` does not end with a full commit (40 hex digits)")
    };
    let (text, subdirectory) = match text.split_once("#subdirectory=") {
        Some((text, folder)) => (text, Some(folder.to_owned())),
        None => (text, None),
    };
    let (url, commit) = text.rsplit_once('@').ok_or_else(wrong)?;
    let is_commit = commit.len() == 40 && commit.bytes().all(is_lower_hex);
    let is_plain =
        |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_graphic() && it != b'#');
    if !is_commit || !is_plain(url) || !subdirectory.as_deref().is_none_or(is_plain) {
        return Err(wrong());
    }
    check_url(url).map_err(|(what, _)| what)?;
    Ok(Source::Git { url: url.to_owned(), commit: commit.to_owned(), subdirectory })
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
}
