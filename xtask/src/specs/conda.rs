//! The part of conda's package specs that lists need: name, version and build.
//! <https://docs.conda.io/projects/conda-build/en/stable/resources/package-spec.html#package-match-specifications>;
//! versions are ordered like conda's `VersionOrder`. Written here, since `rattler_conda_types`
//! brings some two hundred crates.

use crate::{run::redact::redact, specs::requirement::is_plain};

/// The request of a line about a conda package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MatchSpec {
    pub(crate) name: String,
    /// Alternatives, each a list of conditions that must all hold; `None` for syntax that only
    /// conda can read.
    versions: Option<Vec<Vec<Condition>>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Condition {
    op: Op,
    version: Version,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    /// `=1.2` and `1.2.*`.
    Prefix,
    NotPrefix,
    /// `~=1.2.3`: at least this version, with the prefix 1.2.
    Compatible,
}

impl MatchSpec {
    /// Parses a line without comments. Versions that cannot be parsed here are left to conda.
    ///
    /// # Errors
    /// The line is certainly wrong: it has no name, an open bracket, or pip syntax.
    pub(crate) fn parse(line: &str) -> Result<MatchSpec, String> {
        let wrong =
            |why: &str| Err(format!("`{}` is not a conda package spec: {why}", redact(line)));
        if let Some(c) = line.chars().find(|it| !is_plain(*it)) {
            return wrong(&format!("unexpected character U+{:04X}", u32::from(c)));
        }
        let (outer, brackets) = line.split_at(line.find('[').unwrap_or(line.len()));
        if !brackets.is_empty() && !brackets.ends_with(']') {
            return wrong("a `[` is not closed");
        }
        let text = outer.rsplit_once("::").map_or(outer, |(_, it)| it).trim();
        let (name, rest) = text.split_at(text.find(is_after_name).unwrap_or(text.len()));
        let rest = rest.trim();
        let name = match field(brackets, "name") {
            Some(of_field) if name == "*" => of_field,
            _ => name,
        };
        if !is_name(name) {
            return wrong("expected a name of letters, digits, `_`, `.` and `-`");
        }
        let is_condition =
            |it: &str| it.trim_start().strip_prefix("if").is_some_and(is_blank_first);
        if rest.contains('@') || rest.contains("--") || !rest.split(';').skip(1).all(is_condition) {
            return wrong("a hash, URL or marker of pip");
        }
        if !rest.is_empty() && rest != "=" && rest.chars().all(|it| "=<>!~".contains(it)) {
            return wrong("missing version");
        }
        let rest = rest.replace('\t', " ");
        let versions = versions(field(brackets, "version").unwrap_or(&rest));
        Ok(MatchSpec { name: name.to_lowercase(), versions })
    }

    /// Parses an entry of a package's `depends`, in which a version alone is exact; `None` for one
    /// that is not a package spec.
    pub(crate) fn of_dependency(text: &str) -> Option<MatchSpec> {
        let mut words = text.split_whitespace();
        let (name, version) = (words.next()?, words.next());
        let exact = version.filter(|it| !it.contains(|c| "=<>!~*|,^([".contains(c)));
        let exact = exact.map(|it| format!("{name} =={it}"));
        MatchSpec::parse(text).ok()?;
        MatchSpec::parse(exact.as_deref().unwrap_or(text)).ok()
    }

    /// Returns whether `version` matches the request; `true` when only conda could tell.
    pub(crate) fn takes(&self, version: &str) -> bool {
        let (Some(versions), Some(version)) = (&self.versions, Version::parse(version)) else {
            return true;
        };
        versions.iter().any(|all| all.iter().all(|it| it.takes(&version)))
    }
}

fn is_blank_first(text: &str) -> bool {
    text.starts_with([' ', '\t'])
}

fn is_after_name(c: char) -> bool {
    " \t=<>!~;@^(".contains(c)
}

fn is_name(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "_.-*".contains(c);
    !text.is_empty() && !text.starts_with(['.', '-']) && text.chars().all(is_part)
}

/// Returns the value of `key` in `[key=value,key='value']`.
fn field<'a>(brackets: &'a str, key: &str) -> Option<&'a str> {
    let mut rest = brackets.strip_prefix('[')?;
    while let Some((name, value)) = rest.split_once('=') {
        let value = value.trim_start();
        let quote = value.chars().next().filter(|it| "'\"".contains(*it));
        let (value, after) = match quote {
            Some(quote) => value[1..].split_once(quote)?,
            None => value.split_at(value.find([',', ' ', '\t', ']'])?),
        };
        if name.rsplit(',').next().is_some_and(|it| it.trim() == key) {
            return Some(value);
        }
        rest = after;
    }
    None
}

/// Parses the text after the name: `=1.2`, `=1.2=build`, ` 1.2 build`, `>=1,<2|3.*`, `=*=build`.
/// Returns `None` for syntax that only conda can read.
fn versions(text: &str) -> Option<Vec<Vec<Condition>>> {
    let text: String = without_build(text).chars().filter(|it| *it != ' ').collect();
    if text.is_empty() || text == "=" {
        return Some(vec![Vec::new()]);
    }
    let all = |it: &str| it.split(',').filter(|it| !is_any(it)).map(condition).collect();
    text.split('|').map(all).collect()
}

/// Returns whether `text` is `*`, `=*` or `==*`.
fn is_any(text: &str) -> bool {
    text.trim_start_matches('=') == "*"
}

/// Returns `=1.2` of `=1.2=py313_0`, and `>=1.2` of `>=1.2 py313_0`.
fn without_build(text: &str) -> &str {
    let last = text.rfind([',', '|']).map_or(0, |at| at + 1);
    let start = text[last..].find(|c| !"=<>!~ ".contains(c)).map_or(text.len(), |at| last + at);
    match text[start..].find(['=', ' ']).map(|at| start + at) {
        Some(end) if is_build(&text[end..]) => &text[..end],
        _ => text,
    }
}

fn is_build(text: &str) -> bool {
    let text = text.trim_start_matches(['=', ' ']);
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "_.*".contains(c))
}

/// Operators; longer ones first.
const OPS: [(&str, Op); 8] = [
    ("==", Op::Equal),
    ("!=", Op::NotEqual),
    ("<=", Op::LessOrEqual),
    (">=", Op::GreaterOrEqual),
    ("~=", Op::Compatible),
    ("<", Op::Less),
    (">", Op::Greater),
    ("=", Op::Prefix),
];

fn condition(text: &str) -> Option<Condition> {
    // A version alone is exact for conda after a space, and a prefix for the embedded base.
    let (op, text) = OPS
        .iter()
        .find_map(|(sign, op)| Some((*op, text.strip_prefix(sign)?)))
        .unwrap_or((Op::Prefix, text));
    let plain = text.strip_suffix('*').map(|it| it.strip_suffix('.').unwrap_or(it));
    let op = match (op, plain.is_some()) {
        (Op::Equal, true) => Op::Prefix,
        (Op::NotEqual, true) => Op::NotPrefix,
        (op, _) => op,
    };
    let version = Version::parse(plain.unwrap_or(text))?;
    // conda's solvers differ about `~=1`.
    let is_clear = op != Op::Compatible || version.public.len() > 1;
    is_clear.then_some(Condition { op, version })
}

impl Condition {
    fn takes(&self, version: &Version) -> bool {
        let wanted = &self.version;
        match self.op {
            Op::Equal => version.cmp(wanted).is_eq(),
            Op::NotEqual => version.cmp(wanted).is_ne(),
            Op::Less => version < wanted,
            Op::LessOrEqual => version <= wanted,
            Op::Greater => version > wanted,
            Op::GreaterOrEqual => version >= wanted,
            Op::Prefix => version.starts_with(wanted),
            Op::NotPrefix => !version.starts_with(wanted),
            Op::Compatible => version >= wanted && version.starts_with(&wanted.series()),
        }
    }
}

/// A version, ordered like conda's.
#[derive(Debug, Clone)]
pub(crate) struct Version {
    epoch: Part,
    public: Vec<Vec<Part>>,
    local: Vec<Vec<Part>>,
}

/// A part of a version, in conda's order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Dev,
    Text(String),
    /// Digits without leading zeros, ordered by their count first.
    Number(usize, String),
    Post,
}

impl Version {
    /// Parses a version; returns `None` if `text` is not a version.
    pub(crate) fn parse(text: &str) -> Option<Version> {
        let text = text.to_lowercase();
        let is_part = |c: char| c.is_ascii_alphanumeric() || "_.-+!".contains(c);
        if text.is_empty() || !text.chars().all(is_part) {
            return None;
        }
        let (epoch, rest) = text.split_once('!').unwrap_or(("0", &text));
        let (public, local) = match rest.split_once('+') {
            Some((public, local)) => (public, components(local)?),
            None => (rest, Vec::new()),
        };
        let epoch = epoch.bytes().all(|it| it.is_ascii_digit()).then(|| number(epoch))?;
        // In `1.0.1_` it belongs to the last component.
        let marked = public.strip_suffix(['_', '-']);
        let mut public = components(marked.unwrap_or(public))?;
        if let (Some(_), Some(last)) = (marked, public.last_mut()) {
            match last.last_mut() {
                Some(Part::Text(text)) => text.push('_'),
                _ => last.push(Part::Text("_".to_owned())),
            }
        }
        Some(Version { epoch, public, local })
    }

    fn starts_with(&self, prefix: &Version) -> bool {
        let part = |at: usize| self.public.get(at).map_or(&[][..], Vec::as_slice);
        let last = prefix.public.len() - 1;
        let whole = |at: usize| compare(part(at), &prefix.public[at]).is_eq();
        self.epoch == prefix.epoch
            && (0..last).all(whole)
            && (part(last).starts_with(&prefix.public[last]) || whole(last))
            && (prefix.local.is_empty() || compare_all(&self.local, &prefix.local).is_eq())
    }

    /// Returns the version without its last component.
    fn series(&self) -> Version {
        let len = (self.public.len() - 1).max(1);
        Version { public: self.public[..len].to_vec(), local: Vec::new(), ..self.clone() }
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Version) -> std::cmp::Ordering {
        self.epoch
            .cmp(&other.epoch)
            .then_with(|| compare_all(&self.public, &other.public))
            .then_with(|| compare_all(&self.local, &other.local))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Version) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Version) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Version {}

/// Compares components; a missing one counts as 0.
fn compare_all(a: &[Vec<Part>], b: &[Vec<Part>]) -> std::cmp::Ordering {
    let part = |list: &[Vec<Part>], at: usize| list.get(at).cloned().unwrap_or_default();
    (0..a.len().max(b.len()))
        .map(|at| compare(&part(a, at), &part(b, at)))
        .find(|it| it.is_ne())
        .unwrap_or(std::cmp::Ordering::Equal)
}

fn compare(a: &[Part], b: &[Part]) -> std::cmp::Ordering {
    let part = |list: &[Part], at: usize| list.get(at).cloned().unwrap_or_else(|| number("0"));
    (0..a.len().max(b.len()))
        .map(|at| part(a, at).cmp(&part(b, at)))
        .find(|it| it.is_ne())
        .unwrap_or(std::cmp::Ordering::Equal)
}

fn number(digits: &str) -> Part {
    let digits = digits.trim_start_matches('0');
    Part::Number(digits.len(), digits.to_owned())
}

/// Splits `1.2rc1` into `[[1], [2, rc, 1]]`.
fn components(text: &str) -> Option<Vec<Vec<Part>>> {
    text.split(['.', '_', '-']).map(component).collect()
}

fn component(text: &str) -> Option<Vec<Part>> {
    let mut res = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_digit = first.is_ascii_digit();
        let end = rest.find(|c: char| c.is_ascii_digit() != is_digit).unwrap_or(rest.len());
        let part = match &rest[..end] {
            digits if is_digit => number(digits),
            "dev" => Part::Dev,
            "post" => Part::Post,
            text => Part::Text(text.to_owned()),
        };
        if res.is_empty() && !is_digit {
            res.push(number("0"));
        }
        res.push(part);
        rest = &rest[end..];
    }
    Some(res).filter(|it| !it.is_empty())
}
