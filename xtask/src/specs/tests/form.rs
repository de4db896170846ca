//! Content of lists and frozen specs, in the form of `common/image/tests/spec_reader.py`.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use crate::{
    specs::{
        frozen::parse,
        marker::{Marker, Op, Target, Value},
        read::{Need, Requested, Texts, read},
        requirement::{Requirement, Wants, normalised},
        yml,
    },
    tools::platform::Platform,
};

/// Other lists that a case may include.
const INCLUDED: [(&str, &str); 3] =
    [("c.txt", "scipy<2\n"), ("bad.txt", "numpy>=\n"), ("loop.txt", "-r loop.txt\n")];

/// Returns the requests of the list `name`, or the first refused line.
pub(crate) fn list(name: &str, text: &str) -> Result<Vec<String>, usize> {
    let files: BTreeMap<PathBuf, String> =
        INCLUDED.into_iter().chain([(name, text)]).map(|(a, b)| (a.into(), b.into())).collect();
    let mut problems = Vec::new();
    let texts = Texts { dir: Path::new(""), files: &files };
    let spec = read(texts, Path::new(name), &mut problems);
    if let Some(problem) = problems.first() {
        return Err(problem.line);
    }
    let mut res = Vec::new();
    if name.ends_with(".yml") {
        let channels = yml::parse(Path::new(name), text).unwrap().channels;
        let channels = channels.into_iter().filter(|it| it.text != "nodefaults");
        res.extend(channels.map(|it| format!("channel {}", it.text)));
    }
    let place = |origin: String, line: usize| format!("{origin}:{line}");
    let pip =
        |it: &Requested<Requirement>| format!("{} {}", place(it.origin(), it.line), form(&it.what));
    let conda = spec.conda.iter();
    res.extend(conda.map(|it| format!("conda {} {}", place(it.origin(), it.line), it.what.name)));
    res.extend(spec.pip.iter().map(|it| format!("pip {}", pip(it))));
    res.extend(spec.constraints.iter().map(|it| format!("limit {}", pip(it))));
    res.extend(
        spec.no_binary.iter().map(|it| format!("source {}:{} {}", it.origin(), it.line, it.what)),
    );
    res.extend(spec.needs.iter().map(|it| {
        let Need { package, requirement } = &it.what;
        format!("need {}:{} {package} {}", it.origin(), it.line, form(requirement))
    }));
    Ok(res)
}

/// Returns the lines of a frozen spec in written form, or the refused line.
pub(crate) fn frozen(text: &str) -> Result<Vec<String>, usize> {
    match parse(Path::new("f.yml"), text) {
        Ok(frozen) => Ok(frozen.to_string().lines().map(str::to_owned).collect()),
        Err(problem) => Err(problem.line),
    }
}

fn form(it: &Requirement) -> String {
    let extras: BTreeSet<&str> = it.extras.iter().map(String::as_str).collect();
    let extras = extras.into_iter().collect::<Vec<_>>().join(",");
    let mut res = it.name.clone();
    if !extras.is_empty() {
        res += &format!("[{extras}]");
    }
    match &it.wants {
        Wants::Git(url) => res += &format!(" @ {url}"),
        Wants::Versions(versions) => {
            let mut versions: Vec<String> = versions.iter().map(ToString::to_string).collect();
            versions.sort_unstable();
            res += &versions.join(",");
        }
    }
    if let Some(marker) = &it.marker {
        res += &format!(" ; {} {}", tree(marker), results(marker));
    }
    res + &it.hashes.iter().map(|it| format!(" --hash=sha256:{it}")).collect::<String>()
}

fn tree(marker: &Marker) -> String {
    match marker {
        Marker::And(a, b) => format!("({} and {})", tree(a), tree(b)),
        Marker::Or(a, b) => format!("({} or {})", tree(a), tree(b)),
        Marker::Compare { left, op, right } => {
            let op = match op {
                Op::Version(op) => op,
                Op::In => "in",
                Op::NotIn => "not in",
            };
            let is_extra = [left, right].contains(&&Value::Variable("extra"));
            format!("{} {op} {}", value(left, is_extra), value(right, is_extra))
        }
    }
}

fn value(value: &Value, is_extra: bool) -> String {
    match value {
        Value::Variable(name) => (*name).to_owned(),
        Value::Text(text) if is_extra => quoted(&normalised(text)),
        Value::Text(text) => quoted(text),
    }
}

fn quoted(text: &str) -> String {
    if text.contains('"') { format!("'{text}'") } else { format!("\"{text}\"") }
}

/// Returns the results of a marker on two machines.
fn results(marker: &Marker) -> String {
    let text = tree(marker);
    if text.contains("platform_release") || text.contains("platform_version") {
        return "[machine]".to_owned();
    }
    let holds = |python: &str, platform| {
        let target = Target { python: python.to_owned(), platform };
        marker.holds(&target).unwrap().to_string()
    };
    format!("[{} {}]", holds("3.12.11", Platform::Amd64), holds("3.13.5", Platform::Arm64))
}
