//! Reads the small part of YAML that environment files use, and keeps line numbers and comments,
//! like `platform_env/environments/yml.py` in images. Other YAML (anchors, nested maps, blocks of
//! text) is an error with its line: conda itself ignores many unknown keys.

use std::path::Path;

use crate::specs::{problem::Problem, read::without_bom};

const BLANKS: [char; 2] = [' ', '\t'];

/// An entry of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    /// Text without quotes and comment.
    pub(crate) text: String,
    pub(crate) comment: String,
    /// Line number from 1.
    pub(crate) line: usize,
}

/// Content of an environment file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Document {
    /// Comment lines before the first key.
    pub(crate) comments: Vec<Item>,
    pub(crate) name: Option<Item>,
    pub(crate) channels: Vec<Item>,
    pub(crate) conda: Vec<Item>,
    pub(crate) pip: Vec<Item>,
}

pub(crate) fn parse(file: &Path, text: &str) -> Result<Document, Problem> {
    let mut reader = Reader::default();
    for (at, line) in without_bom(text).lines().enumerate() {
        reader
            .line(line, at + 1)
            .map_err(|Wrong(what, fix)| Problem::new(file, at + 1, what, fix))?;
    }
    Ok(reader.document)
}

/// The problem and its fix.
struct Wrong(String, String);

fn wrong<T>(what: impl Into<String>, fix: impl Into<String>) -> Result<T, Wrong> {
    Err(Wrong(what.into(), fix.into()))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Name,
    Channels,
    Dependencies,
}

#[derive(Default)]
struct Reader {
    document: Document,
    seen: Vec<Key>,
    /// Indentation of the open list.
    outer: Option<usize>,
    pip: Pip,
}

/// Progress in the `pip:` list.
#[derive(Default, PartialEq, Eq)]
enum Pip {
    #[default]
    NotYet,
    /// Before the first entry.
    Open,
    /// Indentation of the entries.
    At(usize),
    Closed,
}

impl Reader {
    fn line(&mut self, raw: &str, line: usize) -> Result<(), Wrong> {
        if raw.contains('\u{fffd}') {
            return wrong("this line is not UTF-8", "save the file as UTF-8");
        }
        if raw.contains(|c: char| c.is_control() && c != '\t') {
            return wrong("a control character", "take it out");
        }
        let indentation = &raw[..raw.len() - raw.trim_start_matches(BLANKS).len()];
        if indentation.contains('\t') {
            return wrong("a tab in the indentation", "use spaces");
        }
        let (content, comment) = split_comment(raw.trim_end_matches(BLANKS));
        if let Some(c) = content.chars().find(|c| c.is_whitespace() && !BLANKS.contains(c)) {
            let what = format!("unexpected blank U+{:04X}", u32::from(c));
            return wrong(what, "write an ordinary space");
        }
        let item = |text: &str, comment: &str| Item {
            text: text.to_owned(),
            comment: comment.to_owned(),
            line,
        };
        if content.trim_matches(BLANKS).is_empty() {
            if !comment.is_empty() && self.seen.is_empty() {
                self.document.comments.push(item(comment, ""));
            }
            return Ok(());
        }
        if content == "---" && self.seen.is_empty() {
            return Ok(());
        }
        let stripped = content.trim_start_matches(' ');
        let indent = content.len() - stripped.len();
        match stripped.strip_prefix('-') {
            Some(value) if value.is_empty() || value.starts_with(' ') => {
                self.item(indent, item(value.trim_matches(BLANKS), comment))
            }
            _ if indent == 0 => self.key(stripped, line),
            _ => wrong(format!("cannot read `{stripped}`"), "write one list entry per line"),
        }
    }

    fn key(&mut self, text: &str, line: usize) -> Result<(), Wrong> {
        let split = text
            .split_once(':')
            .filter(|(_, value)| value.trim_matches(BLANKS).is_empty() || value.starts_with(' '));
        let Some((name, value)) = split else {
            return wrong(format!("cannot read `{text}`"), "expected `key:` or `- entry`");
        };
        let key = key(name.trim_matches(BLANKS))?;
        if self.seen.contains(&key) {
            return wrong(
                format!("`{}` stands here a second time", name.trim_matches(BLANKS)),
                "merge the two",
            );
        }
        self.seen.push(key);
        self.outer = None;
        let value = value.trim_matches(BLANKS);
        if key == Key::Name {
            let text = scalar(value)?;
            self.document.name = Some(Item { text, comment: String::new(), line });
        } else if !value.is_empty() {
            self.flow_list(key, value, line)?;
        }
        Ok(())
    }

    /// Reads `[a, b]`.
    fn flow_list(&mut self, key: Key, value: &str, line: usize) -> Result<(), Wrong> {
        let Some(inner) = value.strip_prefix('[').and_then(|it| it.strip_suffix(']')) else {
            return wrong("this key has a list", "write `- entry` lines below it");
        };
        for entry in inner.split(',').map(|it| it.trim_matches(BLANKS)).filter(|it| !it.is_empty())
        {
            self.add(key, Item { text: scalar(entry)?, comment: String::new(), line });
        }
        Ok(())
    }

    fn item(&mut self, indent: usize, item: Item) -> Result<(), Wrong> {
        let key = match self.seen.last() {
            Some(Key::Name) | None => {
                return wrong("a list entry under no list", "put it under `dependencies:`");
            }
            Some(key) => *key,
        };
        let outer = *self.outer.get_or_insert(indent);
        if indent == outer {
            if self.pip != Pip::NotYet {
                self.pip = Pip::Closed;
            }
            if let (Key::Dependencies, Some(list)) = (key, item.text.strip_suffix(':')) {
                return self.open(list.trim_matches(BLANKS));
            }
            self.add(key, Item { text: scalar(&item.text)?, ..item });
            return Ok(());
        }
        match self.pip {
            Pip::Open if indent > outer => self.pip = Pip::At(indent),
            Pip::At(known) if indent == known => (),
            _ => {
                let what = "this entry is indented differently from those above it";
                return wrong(what, "align the entries of each list");
            }
        }
        self.document.pip.push(Item { text: scalar(&item.text)?, ..item });
        Ok(())
    }

    fn open(&mut self, list: &str) -> Result<(), Wrong> {
        if list != "pip" {
            return wrong(format!("unknown list `{list}`"), "only `pip:` is known here");
        }
        if self.pip != Pip::NotYet {
            return wrong("a second `pip:` list", "merge it into the first");
        }
        self.pip = Pip::Open;
        Ok(())
    }

    fn add(&mut self, key: Key, item: Item) {
        match key {
            Key::Channels => self.document.channels.push(item),
            _ => self.document.conda.push(item),
        }
    }
}

fn key(name: &str) -> Result<Key, Wrong> {
    let fix = match name {
        "name" => return Ok(Key::Name),
        "channels" => return Ok(Key::Channels),
        "dependencies" => return Ok(Key::Dependencies),
        "prefix" => "take it out: environments have fixed places in the image",
        "variables" => {
            "set variables in a script in etc/conda/activate.d of the environment instead"
        }
        _ => "the keys here are name, channels, dependencies",
    };
    wrong(format!("unknown key `{name}`"), fix)
}

fn scalar(value: &str) -> Result<String, Wrong> {
    let Some(first) = value.chars().next() else {
        return wrong("an empty value", "write something, or take the line out");
    };
    if first == '"' || first == '\'' {
        let inner = value[1..].strip_suffix(first);
        return match inner.filter(|it| !it.contains(first) && !value.contains('\\')) {
            Some(inner) => Ok(inner.to_owned()),
            None => wrong(
                format!("cannot read the quotes of {value}"),
                "put the whole entry between two quotes, without others in it",
            ),
        };
    }
    if "[]{}&*!|>%@`,?".contains(first) {
        return wrong(format!("cannot read `{value}`"), "put it in quotes");
    }
    if value.contains(": ") || value.ends_with(':') {
        return wrong(format!("cannot read `{value}`"), "an entry is text, not a map");
    }
    Ok(value.to_owned())
}

/// Returns the line before its comment, and the comment; a `#` counts after a blank, outside
/// quotes.
fn split_comment(line: &str) -> (&str, &str) {
    let mut quote = None;
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => (),
            None if "\"'".contains(c) && " [,".contains(before) => quote = Some(c),
            None if c == '#' && " \t".contains(before) => {
                return (line[..at].trim_end_matches(BLANKS), line[at + 1..].trim_matches(BLANKS));
            }
            None => (),
        }
        before = c;
    }
    (line, "")
}
