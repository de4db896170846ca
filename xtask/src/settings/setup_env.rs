//! Reads `setup-env`: a file that bash can source, without running any of it.
//!
//! The subset: comments, `[export] NAME=value …`, both quotes, `$NAME`, `${NAME}`,
//! `${NAME:-default}`, and `pwd` in backquotes or `$( )` for the root of the checkout. Tests compare
//! with bash itself. Rules of quoting and expansion: Bash Reference Manual, 3.1.2 and 3.5.3.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use anyhow::{Context as _, bail, ensure};

use crate::run::{printable::is_invisible, redact::redact};

/// Values by name.
pub(crate) type Vars = BTreeMap<String, String>;

/// A value and the line that assigned it, counted from 1.
pub(crate) type Assigned = BTreeMap<String, (String, usize)>;

/// Context of an evaluation.
pub(crate) struct Scope<'a> {
    /// Value of `pwd`.
    pub(crate) root: &'a str,
    /// Values that override an assignment in the file, as if bash had them `readonly`.
    pub(crate) fixed: &'a Vars,
    /// Values for names that the file has not assigned before.
    pub(crate) ambient: &'a Vars,
}

/// A line that cannot be read, counted from 1, and the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unreadable {
    pub(crate) line: usize,
    pub(crate) what: String,
}

/// Prints the line's number and the reason, for a place behind the file's name.
impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.line, self.what)
    }
}

/// Returns the assignments of `text`, and the lines that cannot be read. A line that uses a name of
/// an unreadable line is left out.
pub(crate) fn read(text: &str, scope: &Scope<'_>) -> (Assigned, Vec<Unreadable>) {
    let mut assigned = Assigned::new();
    let mut unreadable = Vec::new();
    let mut unknown = BTreeSet::new();
    if text.starts_with('\u{feff}') {
        let what = "starts with a byte order mark; save the file as plain UTF-8".to_owned();
        unreadable.push(Unreadable { line: 1, what });
    }
    for (idx, text) in text.trim_start_matches('\u{feff}').split('\n').enumerate() {
        let words = Line { rest: text, scope, assigned: &assigned, unknown: &unknown }.words();
        match words {
            Ok(words) => assigned.extend(
                words
                    .into_iter()
                    .filter(|(name, _)| !scope.fixed.contains_key(name))
                    .map(|(name, value)| (name, (value, idx + 1))),
            ),
            Err(what) => {
                unknown.extend(first_name(text));
                unreadable.extend(what.map(|what| Unreadable { line: idx + 1, what }));
            }
        }
    }
    (assigned, unreadable)
}

/// Returns the name that an unreadable line seems to assign.
fn first_name(line: &str) -> Option<String> {
    let line = line.trim_start();
    let line = line.strip_prefix("export").map_or(line, str::trim_start);
    let (name, _) = line.split_once('=')?;
    let is_name = |c: char| c == '_' || c.is_ascii_alphanumeric();
    (!name.is_empty() && name.chars().all(is_name)).then(|| name.to_owned())
}

/// The value depends on a line that cannot be read.
#[derive(Debug)]
struct Unknown;

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value depends on a line that cannot be read")
    }
}

impl std::error::Error for Unknown {}

/// Longest value: an assignment that doubles another value, line after line, would use all memory.
const LONGEST: usize = 100_000;

/// Rest of a line.
struct Line<'a> {
    rest: &'a str,
    scope: &'a Scope<'a>,
    assigned: &'a Assigned,
    /// Names that unreadable lines assign.
    unknown: &'a BTreeSet<String>,
}

impl<'a> Line<'a> {
    /// Returns the assignments, or the reason why the line cannot be read: `None` if that is an
    /// earlier line.
    fn words(self) -> Result<Vec<(String, String)>, Option<String>> {
        let text = self.rest;
        if text.ends_with('\r') {
            let what = "the line ends in CR LF; save the file with LF line ends";
            return Err(Some(what.to_owned()));
        }
        let code = text.split('#').next().unwrap_or_default();
        if let Some(c) = code.chars().find(|it| is_invisible(*it)) {
            let what = format!("unexpected invisible character U+{:04X}; remove it", u32::from(c));
            return Err(Some(what));
        }
        self.assignments().map_err(|err| {
            let is_own = !err.is::<Unknown>();
            is_own.then(|| format!("cannot read `{}`: {err:#}", redact(text.trim())))
        })
    }

    fn assignments(mut self) -> anyhow::Result<Vec<(String, String)>> {
        let mut res: Vec<(String, String)> = Vec::new();
        self.skip_blanks();
        let exported = self.eat("export ") || self.eat("export\t");
        loop {
            self.skip_blanks();
            if self.rest.is_empty() || self.rest.starts_with('#') {
                return Ok(res);
            }
            let name = self.name().to_owned();
            if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !self.eat("=") {
                bail!("expected `export NAME=value`; commands are not run here");
            }
            if !exported && !res.is_empty() {
                bail!("write `export` before several assignments");
            }
            let value = self.value()?;
            res.push((name, value));
        }
    }

    fn value(&mut self) -> anyhow::Result<String> {
        let mut value = String::new();
        loop {
            ensure!(value.len() <= LONGEST, "the value has more than {LONGEST} bytes");
            match self.peek() {
                None | Some(' ' | '\t') => return Ok(value),
                Some('"') => self.double_quoted(&mut value)?,
                Some('\'') => {
                    self.bump();
                    let (quoted, rest) =
                        self.rest.split_once('\'').context("missing closing `'`")?;
                    value.push_str(quoted);
                    self.rest = rest;
                }
                Some('~') if value.is_empty() => bail!("write `$HOME` instead of `~`"),
                Some(c @ (';' | '&' | '|' | '<' | '>' | '(' | ')')) => {
                    bail!("`{c}` must be quoted; commands are not run here")
                }
                Some(c) => self.plain_or_expansion(c, &mut value)?,
            }
        }
    }

    fn double_quoted(&mut self, value: &mut String) -> anyhow::Result<()> {
        self.bump();
        loop {
            match self.peek() {
                None => bail!("missing closing `\"`"),
                Some('"') => {
                    self.bump();
                    return Ok(());
                }
                Some(c) => self.plain_or_expansion(c, value)?,
            }
        }
    }

    /// Reads syntax that means the same inside and outside double quotes.
    fn plain_or_expansion(&mut self, c: char, value: &mut String) -> anyhow::Result<()> {
        match c {
            '\\' => bail!("`\\` is not supported; use single quotes"),
            '`' => {
                let inner = self.enclosed("`", "`")?;
                value.push_str(self.substitution(inner)?);
            }
            '$' => value.push_str(&self.expansion()?),
            _ => {
                self.bump();
                value.push(c);
            }
        }
        Ok(())
    }

    /// Reads the expansion at a `$`.
    fn expansion(&mut self) -> anyhow::Result<String> {
        if self.rest.starts_with("$(") {
            let inner = self.enclosed("$(", ")")?;
            return Ok(self.substitution(inner)?.to_owned());
        }
        self.bump();
        let braces = self.eat("{");
        let name = self.name().to_owned();
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            bail!("only `$NAME`, `${{NAME}}` and `${{NAME:-default}}` are supported after `$`");
        }
        let is_fixed = self.scope.fixed.contains_key(&name);
        ensure!(is_fixed || !self.unknown.contains(&name), Unknown);
        let value = self.lookup(&name);
        if !braces || self.eat("}") {
            return value.with_context(|| {
                format!("`{name}` is not set here; assign it before, or write `${{{name}:-}}`")
            });
        }
        if !self.eat(":-") {
            bail!("only `${{NAME}}` and `${{NAME:-default}}` are supported in braces");
        }
        let default = self.default_value()?;
        Ok(value.filter(|it| !it.is_empty()).unwrap_or(default))
    }

    /// Reads the text up to the closing brace, in which names are expanded too.
    fn default_value(&mut self) -> anyhow::Result<String> {
        let mut default = String::new();
        loop {
            match self.peek() {
                None => bail!("missing closing `}}`"),
                Some('}') => {
                    self.bump();
                    return Ok(default);
                }
                Some('"' | '\'') => {
                    bail!("quote the whole of `${{NAME:-default}}`, not a part of it")
                }
                Some(c) => self.plain_or_expansion(c, &mut default)?,
            }
        }
    }

    fn substitution(&self, command: &str) -> anyhow::Result<&'a str> {
        if command.trim() != "pwd" {
            bail!("`{command}` is a command; expected a value or `$(pwd)`, so write its output");
        }
        Ok(self.scope.root)
    }

    fn lookup(&self, name: &str) -> Option<String> {
        let fixed = self.scope.fixed.get(name);
        let assigned = || self.assigned.get(name).map(|(value, _)| value);
        fixed.or_else(assigned).or_else(|| self.scope.ambient.get(name)).cloned()
    }

    fn enclosed(&mut self, open: &str, close: &str) -> anyhow::Result<&'a str> {
        let text = &self.rest[open.len()..];
        let (inner, rest) =
            text.split_once(close).with_context(|| format!("missing closing `{close}`"))?;
        self.rest = rest;
        Ok(inner)
    }

    fn name(&mut self) -> &str {
        let is_name = |c: char| c == '_' || c.is_ascii_alphanumeric();
        let end = self.rest.find(|c| !is_name(c)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        name
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn bump(&mut self) {
        let mut chars = self.rest.chars();
        chars.next();
        self.rest = chars.as_str();
    }

    fn eat(&mut self, prefix: &str) -> bool {
        let rest = self.rest.strip_prefix(prefix);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }
}

#[cfg(test)]
mod tests;
