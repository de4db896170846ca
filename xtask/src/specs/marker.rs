//! Environment markers:
//! <https://packaging.python.org/en/latest/specifications/dependency-specifiers/#environment-markers>.
//! Written here, since pep508_rs would double the time of this program's first build.

use std::str::FromStr as _;

use pep440_rs::{Version, VersionSpecifier};

use crate::{specs::requirement, tools::platform::Platform};

/// The condition of a requirement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Marker {
    And(Box<Marker>, Box<Marker>),
    Or(Box<Marker>, Box<Marker>),
    Compare { left: Value, op: Op, right: Value },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Variable(&'static str),
    Text(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    /// An operator of PEP 440, like `>=`.
    Version(&'static str),
    In,
    NotIn,
}

/// Target of an installation, with the values that markers can see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// Version like 3.13.5.
    pub(crate) python: String,
    pub(crate) platform: Platform,
}

impl Target {
    /// Returns the value of a variable; `None` if only a run can know it.
    fn value(&self, variable: &str) -> Option<String> {
        let machine = match self.platform {
            Platform::Amd64 => "x86_64",
            Platform::Arm64 => "aarch64",
        };
        Some(match variable {
            "python_version" => self.python.splitn(3, '.').take(2).collect::<Vec<_>>().join("."),
            "python_full_version" | "implementation_version" => self.python.clone(),
            "os_name" => "posix".to_owned(),
            "sys_platform" => "linux".to_owned(),
            "platform_system" => "Linux".to_owned(),
            "platform_machine" => machine.to_owned(),
            "platform_python_implementation" => "CPython".to_owned(),
            "implementation_name" => "cpython".to_owned(),
            "extra" => String::new(),
            _ => return None,
        })
    }
}

impl Marker {
    pub(crate) fn parse(text: &str) -> Result<Marker, String> {
        let words = words(text)?;
        let mut parser = Parser { words: &words };
        let marker = parser.or()?;
        match parser.words.first() {
            None => Ok(marker),
            Some(word) => Err(format!("`{}` is not expected in a marker", word.text())),
        }
    }

    /// Returns whether the marker holds on `target`; `None` when that depends on the machine.
    pub(crate) fn holds(&self, target: &Target) -> Option<bool> {
        match self {
            Marker::And(a, b) => match (a.holds(target), b.holds(target)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), it) | (it, Some(true)) => it,
                (None, None) => None,
            },
            Marker::Or(a, b) => match (a.holds(target), b.holds(target)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), it) | (it, Some(false)) => it,
                (None, None) => None,
            },
            Marker::Compare { left, op, right } => {
                Some(compare(&left.text(target)?, *op, &right.text(target)?))
            }
        }
    }
}

impl Value {
    fn text(&self, target: &Target) -> Option<String> {
        match self {
            Value::Variable(name) => target.value(name),
            Value::Text(text) => Some(text.clone()),
        }
    }
}

/// Compares as versions if both sides are versions, else as text.
fn compare(left: &str, op: Op, right: &str) -> bool {
    let op = match op {
        Op::In => return right.contains(left),
        Op::NotIn => return !right.contains(left),
        Op::Version(op) => op,
    };
    let specifier = VersionSpecifier::from_str(&format!("{op}{right}"));
    if let (Ok(specifier), Ok(version)) = (specifier, Version::from_str(left)) {
        return specifier.contains(&version);
    }
    (op == "==") == (left == right)
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Word {
    Open,
    Close,
    Name(String),
    Text(String),
    Op(&'static str),
}

impl Word {
    fn text(&self) -> &str {
        match self {
            Word::Open => "(",
            Word::Close => ")",
            Word::Name(text) | Word::Text(text) => text,
            Word::Op(op) => op,
        }
    }
}

/// Operators; longer ones first.
const OPS: [&str; 8] = ["===", "==", "<=", ">=", "!=", "~=", "<", ">"];

fn words(text: &str) -> Result<Vec<Word>, String> {
    let mut res = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let len = if let Some(op) = OPS.into_iter().find(|it| rest.starts_with(it)) {
            res.push(Word::Op(op));
            op.len()
        } else if first == '(' || first == ')' {
            res.push(if first == '(' { Word::Open } else { Word::Close });
            1
        } else if first == '"' || first == '\'' {
            let Some(end) = rest[1..].find(first) else {
                return Err(format!("the quote of {rest} is not closed"));
            };
            res.push(Word::Text(rest[1..=end].to_owned()));
            end + 2
        } else {
            let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
            let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
            if end == 0 {
                return Err(format!("`{first}` is not expected in a marker"));
            }
            res.push(Word::Name(rest[..end].to_owned()));
            end
        };
        rest = rest[len..].trim_start();
    }
    Ok(res)
}

/// Refuses a comparison whose result depends on the evaluating program: pip, uv, or `packaging`.
fn check(left: &Value, op: Op, right: &Value) -> Result<(), String> {
    let (variable, text, is_right) = match (left, right) {
        (Value::Variable(name), Value::Text(text)) => (*name, text, true),
        (Value::Text(text), Value::Variable(name)) => (*name, text, false),
        _ => {
            return Err("expected a variable on one side of a comparison, text on the other".into());
        }
    };
    let Op::Version(op) = op else { return Ok(()) };
    let is_equality = op == "==" || op == "!=";
    match variable {
        "python_version" | "python_full_version" | "implementation_version" => {}
        "platform_release" if !is_equality => {}
        _ if is_equality => return Ok(()),
        _ => return Err(format!("`{op}` compares versions, and {variable} is not one")),
    }
    match is_comparable(text, op, is_right) {
        true => Ok(()),
        false => Err(format!("`{op}` cannot compare {variable} with `{text}`")),
    }
}

/// Returns whether `text` may be compared as a version, on the right or the left side of `op`.
fn is_comparable(text: &str, op: &str, is_right: bool) -> bool {
    let plain = match text.strip_suffix(".*") {
        Some(plain) if is_right => plain,
        _ => text,
    };
    let is_plain = !text.contains(char::is_whitespace) && requirement::is_version(plain);
    match is_right {
        true => {
            is_plain && op != "===" && VersionSpecifier::from_str(&format!("{op}{text}")).is_ok()
        }
        false => is_plain && op != "===" && op != "~=",
    }
}

struct Parser<'a> {
    words: &'a [Word],
}

impl Parser<'_> {
    fn or(&mut self) -> Result<Marker, String> {
        let mut res = self.and()?;
        while self.take_name("or") {
            res = Marker::Or(Box::new(res), Box::new(self.and()?));
        }
        Ok(res)
    }

    fn and(&mut self) -> Result<Marker, String> {
        let mut res = self.one()?;
        while self.take_name("and") {
            res = Marker::And(Box::new(res), Box::new(self.one()?));
        }
        Ok(res)
    }

    fn one(&mut self) -> Result<Marker, String> {
        if self.take(&Word::Open) {
            let res = self.or()?;
            return match self.take(&Word::Close) {
                true => Ok(res),
                false => Err("a `(` is not closed".to_owned()),
            };
        }
        let (left, op, right) = (self.value()?, self.op()?, self.value()?);
        check(&left, op, &right)?;
        Ok(Marker::Compare { left, op, right })
    }

    fn op(&mut self) -> Result<Op, String> {
        if self.take_name("in") {
            return Ok(Op::In);
        }
        if self.take_name("not") {
            return if self.take_name("in") {
                Ok(Op::NotIn)
            } else {
                Err("`not` needs `in`".into())
            };
        }
        match self.next() {
            Some(Word::Op(op)) => Ok(Op::Version(op)),
            Some(word) => Err(format!("`{}` is not a comparison", word.text())),
            None => Err("a comparison is missing".to_owned()),
        }
    }

    fn value(&mut self) -> Result<Value, String> {
        match self.next() {
            Some(Word::Text(text)) => Ok(Value::Text(text.clone())),
            Some(Word::Name(name)) => variable(name)
                .map(Value::Variable)
                .ok_or_else(|| format!("`{name}` is not a marker variable; text needs quotes")),
            Some(word) => Err(format!("`{}` is not expected in a marker", word.text())),
            None => Err("the marker ends too early".to_owned()),
        }
    }

    fn next(&mut self) -> Option<&Word> {
        let (first, rest) = self.words.split_first()?;
        self.words = rest;
        Some(first)
    }

    fn take(&mut self, word: &Word) -> bool {
        let found = self.words.first() == Some(word);
        if found {
            self.words = &self.words[1..];
        }
        found
    }

    fn take_name(&mut self, name: &str) -> bool {
        self.take(&Word::Name(name.to_owned()))
    }
}

/// Returns the variable's name; dotted ones are older spellings that pip still reads.
fn variable(name: &str) -> Option<&'static str> {
    let name = match name {
        "os.name" => "os_name",
        "sys.platform" => "sys_platform",
        "platform.version" => "platform_version",
        "platform.machine" => "platform_machine",
        "platform.python_implementation" | "python_implementation" => {
            "platform_python_implementation"
        }
        name => name,
    };
    VARIABLES.into_iter().find(|it| *it == name)
}

const VARIABLES: [&str; 12] = [
    "python_version",
    "python_full_version",
    "os_name",
    "sys_platform",
    "platform_release",
    "platform_system",
    "platform_version",
    "platform_machine",
    "platform_python_implementation",
    "implementation_name",
    "implementation_version",
    "extra",
];
