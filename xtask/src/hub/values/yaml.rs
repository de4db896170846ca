//! Reads one values file: YAML without what its readers disagree on, with the line of each value.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use crate::{
    hub::values::{At, Node, Source, Value, scalar},
    run::finding::Finding,
    secrets::{encrypted, yaml::check_depth},
    specs::read::without_bom,
};

pub(crate) const RULE: &str = "hub-yaml";

/// Deepest nesting; no chart comes close, and a deeper value would exhaust the stack.
const DEEPEST: usize = 100;

/// Returns the mapping of a values file.
///
/// # Errors
/// All findings: syntax, duplicate keys, scalars that YAML readers read differently, and files that
/// are empty. They hold no value of a file with secrets.
pub(crate) fn parse(source: &Arc<Source>, text: &str) -> Result<Node, Vec<Finding>> {
    let mut reader =
        Reader { source, open: Vec::new(), root: None, documents: 0, found: Vec::new() };
    if !source.is_secret && encrypted::is_encrypted(&source.file, text) {
        let what = "encrypted by sops; helm would take the ciphers for values";
        let fix = "move it to secrets/<mission>/, from where it is decrypted and merged";
        return Err(vec![finding(source, None, "", what, fix)]);
    }
    if let Err(err) = check_depth(text) {
        reader.problem(1, &format!("{err:#}"), "write nested values on lines of their own");
        return Err(reader.found);
    }
    for event in Parser::new_from_str(without_bom(text)) {
        match event {
            Ok((event, span)) => reader.event(event, span),
            Err(err) => {
                let what = match source.is_secret {
                    true => "invalid YAML".to_owned(),
                    false => format!("invalid YAML: {}", err.info()),
                };
                reader.problem(err.marker().line(), &what, "correct the syntax");
                break;
            }
        }
        if reader.open.len() > DEEPEST {
            reader.problem(1, "nested too deep", &format!("nest at most {DEEPEST} levels"));
            break;
        }
    }
    let Reader { root, mut found, .. } = reader;
    match root {
        Some(root) if found.is_empty() && matches!(root.value, Value::Map(_)) => return Ok(root),
        _ if !found.is_empty() => (),
        None | Some(Node { value: Value::Null, .. }) => {
            let fix = "write `{}` for no values, or delete the file";
            found.push(finding(source, None, "", "an empty values file, which helm accepts", fix));
        }
        Some(root) => {
            let what = "not a mapping of keys to values";
            found.push(finding(source, Some(root.at.line), "", what, "write `key: value` lines"));
        }
    }
    Err(found)
}

/// A list or mapping whose end has not been read yet.
struct Open {
    line: usize,
    value: Container,
}

enum Container {
    List(Vec<Node>),
    Map { entries: BTreeMap<String, Node>, key: Option<(String, usize)> },
}

struct Reader<'a> {
    source: &'a Arc<Source>,
    open: Vec<Open>,
    root: Option<Node>,
    documents: usize,
    found: Vec<Finding>,
}

impl Reader<'_> {
    fn event(&mut self, event: Event<'_>, span: Span) {
        let line = span.start.line();
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents == 2 {
                    let what = "a second YAML document, which helm ignores";
                    self.problem(line, what, "keep one document in each file");
                }
            }
            Event::Alias(_) => {
                self.problem(line, "an alias (`*name`) is not supported", WRITE_OUT);
                self.add(line, Value::Null);
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.check_properties(line, anchor, tag.as_deref());
                let value = match style {
                    ScalarStyle::Plain => self.plain(line, &text),
                    _ => Value::Text(text.into_owned()),
                };
                self.add(line, value);
            }
            Event::SequenceStart(anchor, tag) => {
                self.check_properties(line, anchor, tag.as_deref());
                self.open.push(Open { line, value: Container::List(Vec::new()) });
            }
            Event::MappingStart(anchor, tag) => {
                self.check_properties(line, anchor, tag.as_deref());
                let value = Container::Map { entries: BTreeMap::new(), key: None };
                self.open.push(Open { line, value });
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(Open { line, value }) = self.open.pop() else { return };
                let value = match value {
                    Container::List(items) => Value::List(items),
                    Container::Map { entries, .. } => Value::Map(entries),
                };
                self.add(line, value);
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => (),
        }
    }

    fn check_properties(&mut self, line: usize, anchor: usize, tag: Option<&Tag>) {
        if anchor > 0 {
            self.problem(line, "an anchor (`&name`) is not supported", WRITE_OUT);
        }
        if tag.is_some() {
            self.problem(line, "a tag (`!name`) is not supported", "remove it, and quote text");
        }
    }

    fn plain(&mut self, line: usize, text: &str) -> Value {
        scalar::plain(text).unwrap_or_else(|(what, fix)| {
            let shown = if self.source.is_secret { "this value" } else { &format!("`{text}`") };
            let what = format!("{shown} is {what} to some YAML readers and text to others");
            self.problem(line, &what, fix);
            Value::Text(text.to_owned())
        })
    }

    /// Adds a value to the list or mapping that is open, or a key to the mapping.
    fn add(&mut self, line: usize, value: Value) {
        let at = |line| At { source: self.source.clone(), line };
        let Some(open) = self.open.last_mut() else {
            if self.documents < 2 {
                self.root = Some(Node { at: at(line), value });
            }
            return;
        };
        let (entries, key) = match &mut open.value {
            Container::List(items) => return items.push(Node { at: at(line), value }),
            Container::Map { entries, key } => (entries, key),
        };
        let Some((name, line)) = key.take() else {
            let (name, is_text) = match value {
                Value::Text(it) => (it, true),
                _ => (String::new(), false),
            };
            let first = entries.get(&name).map(|it| it.at.line);
            *key = Some((name, line));
            if !is_text {
                self.problem(line, "a key that is not text", "quote the key");
            } else if let Some(first) = first {
                let what = format!("a duplicate key; the first is in line {first}");
                self.problem(line, &what, "keep one of them");
            }
            return;
        };
        entries.entry(name).or_insert(Node { at: at(line), value });
    }

    /// Adds a finding about the place that is being read.
    fn problem(&mut self, line: usize, what: &str, fix: &str) {
        let mut key = Vec::new();
        for open in &self.open {
            match &open.value {
                Container::List(items) => key.push(format!("[{}]", items.len())),
                Container::Map { key: Some((name, _)), .. } => key.push(name.clone()),
                Container::Map { .. } => (),
            }
        }
        let key = key.iter().fold(String::new(), |path, it| super::child(&path, it));
        self.found.push(finding(self.source, Some(line), &key, what, fix));
    }
}

const WRITE_OUT: &str = "write the value out where it is used";

/// Returns a finding about `key` in a values file.
fn finding(source: &Source, line: Option<usize>, key: &str, what: &str, fix: &str) -> Finding {
    let what = if key.is_empty() { what.to_owned() } else { format!("`{key}`: {what}") };
    let file = Path::to_owned(&source.file);
    Finding { file, line, rule: RULE, what, fix: fix.to_owned() }
}
