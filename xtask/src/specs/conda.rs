//! The part of conda's package specs that lists need: name, version and build.
//! <https://docs.conda.io/projects/conda-build/en/stable/resources/package-spec.html#package-match-specifications>;
//! the order of versions is that of conda's `VersionOrder`. Our own, since `rattler_conda_types`
//! brings some two hundred crates.

/// What a line about a conda package asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MatchSpec {
    pub(crate) name: String,
    /// One of these, each a list of conditions that all hold; `None` for what only conda can read.
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
    /// `~=1.2.3`: at least this, with the prefix 1.2.
    Compatible,
}

impl MatchSpec {
    /// Reads a line without comments.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(line: &str) -> Result<MatchSpec, String> {
        let wrong = || format!("`{line}` is not a conda package spec");
        let text = line.rsplit_once("::").map_or(line, |(_, it)| it);
        let is_part = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        let (name, rest) = text.split_at(text.find(|c| !is_part(c)).unwrap_or(text.len()));
        if name.is_empty() || name.starts_with(['.', '-']) {
            return Err(wrong());
        }
        if rest.starts_with(|c: char| !" =<>!~[".contains(c)) || rest.trim() == "=" {
            return Err(wrong());
        }
        let versions = versions(rest.trim()).map_err(|()| wrong())?;
        Ok(MatchSpec { name: name.to_lowercase(), versions })
    }

    /// Whether `version` is one of those asked for. `true` when only conda could tell.
    pub(crate) fn takes(&self, version: &str) -> bool {
        let (Some(versions), Some(version)) = (&self.versions, Version::parse(version)) else {
            return true;
        };
        versions.iter().any(|all| all.iter().all(|it| it.takes(&version)))
    }
}

type Versions = Option<Vec<Vec<Condition>>>;

/// What stands behind the name: `=1.2`, `=1.2=build`, ` 1.2 build`, `>=1,<2|3.*`, `[version='>=1']`.
fn versions(text: &str) -> Result<Versions, ()> {
    if let Some(brackets) = text.strip_prefix('[') {
        let inner = brackets.strip_suffix(']').ok_or(())?;
        let value = inner.split("version=").nth(1).map(|it| it.trim_matches(['\'', '"']));
        // More than one field: conda's business.
        return match value.filter(|it| !it.contains(['\'', '"'])) {
            Some(value) if !inner.contains("build") => alternatives(value),
            _ => Ok(None),
        };
    }
    if text.contains(['[', '(']) || text.starts_with('^') {
        return Ok(None);
    }
    alternatives(without_build(text))
}

/// `=1.2` of `=1.2=py313_0`, and `>=1.2` of `>=1.2 py313_0`.
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

fn alternatives(text: &str) -> Result<Versions, ()> {
    let text: String = text.chars().filter(|it| *it != ' ').collect();
    if text.is_empty() || text == "*" {
        return Ok(Some(vec![Vec::new()]));
    }
    let all = |it: &str| it.split(',').map(condition).collect::<Result<Vec<_>, ()>>();
    text.split('|').map(all).collect::<Result<Vec<_>, ()>>().map(Some)
}

/// The longer ones first.
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

fn condition(text: &str) -> Result<Condition, ()> {
    // A version alone is exact for conda behind a space, and a prefix for the embedded base.
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
    let version = Version::parse(plain.unwrap_or(text)).ok_or(())?;
    Ok(Condition { op, version })
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

/// A version, as conda orders it.
#[derive(Debug, Clone)]
pub(crate) struct Version {
    epoch: Part,
    public: Vec<Vec<Part>>,
    local: Vec<Vec<Part>>,
}

/// In their order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Dev,
    Text(String),
    /// Digits without leading zeros, ordered by their count first.
    Number(usize, String),
    Post,
}

impl Version {
    /// `None` for what is no version.
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
        Some(Version { epoch, public: components(public)?, local })
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

    /// Without its last component.
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

/// What is missing counts as 0.
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

/// `1.2rc1` as `[[1], [2, rc, 1]]`.
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
