//! Parses notebooks so that each part has its line, and can be replaced without touching the rest.
//! The format: <https://nbformat.readthedocs.io/en/latest/format_description.html>.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::check::{Facts, File};

/// Members of a JSON object, as written in the text.
pub(crate) type Object<'a> = BTreeMap<String, &'a RawValue>;

/// A notebook that is valid JSON.
#[derive(Debug)]
pub(crate) struct Notebook<'a> {
    pub(crate) file: &'a File,
    text: &'a str,
    /// Positions of line ends.
    ends: Vec<usize>,
    pub(crate) members: Object<'a>,
}

/// Line and reason.
pub(crate) type Wrong = (usize, String);

/// Returns the notebooks that have a text.
pub(crate) fn notebooks(
    facts: &Facts,
) -> impl Iterator<Item = (&File, Result<Notebook<'_>, Wrong>)> {
    let is_notebook = |it: &&File| it.path.extension().is_some_and(|it| it == "ipynb");
    let files =
        facts.files.iter().filter(is_notebook).filter(|it| it.unreadable.is_none() && !it.is_link);
    files.map(|it| (it, Notebook::read(it)))
}

/// Returns the notebooks that are valid JSON; rule `notebook-valid` reports the others.
pub(crate) fn readable(facts: &Facts) -> impl Iterator<Item = Notebook<'_>> {
    notebooks(facts).filter_map(|(_, it)| it.ok())
}

impl<'a> Notebook<'a> {
    pub(crate) fn read(file: &'a File) -> Result<Notebook<'a>, Wrong> {
        // Rule `text-file` reports a byte order mark.
        let text = file.text.trim_start_matches('\u{feff}');
        match serde_json::from_str(text) {
            Ok(members) => {
                let ends = text.match_indices('\n').map(|it| it.0).collect();
                Ok(Notebook { file, text, ends, members })
            }
            Err(err) => Err(invalid(text, &err)),
        }
    }

    /// Returns the cells that are objects; empty when the list of cells is missing.
    pub(crate) fn cells(&self) -> Vec<Object<'a>> {
        let cells = self.members.get("cells").and_then(|it| serde_json::from_str(it.get()).ok());
        let cells: Vec<&RawValue> = cells.unwrap_or_default();
        cells.into_iter().filter_map(object).collect()
    }

    /// Returns the line on which `value` begins, counted from 1.
    pub(crate) fn line(&self, value: &RawValue) -> usize {
        let offset = self.offset(value);
        self.ends.partition_point(|it| *it < offset) + 1
    }

    /// Returns the text with some values replaced.
    pub(crate) fn with(&self, mut values: Vec<(&RawValue, &str)>) -> String {
        values.sort_by_key(|(it, _)| self.offset(it));
        let mut res = String::new();
        let mut at = 0;
        for (old, new) in values {
            res += &self.text[at..self.offset(old)];
            res += new;
            at = self.offset(old) + old.get().len();
        }
        res + &self.text[at..]
    }

    /// Returns the offset in the text of `value`, which is a part of it.
    fn offset(&self, value: &RawValue) -> usize {
        value.get().as_ptr() as usize - self.text.as_ptr() as usize
    }
}

/// Blanks of JSON.
const SPACE: [char; 4] = [' ', '\t', '\n', '\r'];

/// Returns the line and the problem of a text that is not a JSON object; `notebook_format.py` of the
/// image's tests says the same.
fn invalid(text: &str, err: &serde_json::Error) -> Wrong {
    let start = text.trim_start_matches(SPACE);
    if start.is_empty() {
        return (1, "not a valid notebook: the file is empty".to_owned());
    }
    let lines = |it: &str| it.matches('\n').count() + 1;
    let (line, what) = match start.starts_with('{') {
        false => (lines(&text[..text.len() - start.len()]), "not a JSON object"),
        true if err.is_eof() => (lines(text.trim_end_matches(SPACE)), "invalid JSON"),
        // A line end in a string is at column 0 of the next line.
        true => (err.line() - usize::from(err.column() == 0), "invalid JSON"),
    };
    let is_conflict =
        |it: &str| ["<<<<<<<", "=======", ">>>>>>>"].iter().any(|c| it.starts_with(c));
    let what = match text.split('\n').nth(line - 1).is_some_and(is_conflict) {
        true => "an unresolved merge conflict",
        false => what,
    };
    (line, format!("not a valid notebook: {what}"))
}

pub(crate) fn object(value: &RawValue) -> Option<Object<'_>> {
    serde_json::from_str(value.get()).ok()
}

pub(crate) fn string(value: &RawValue) -> Option<String> {
    serde_json::from_str(value.get()).ok()
}

/// Returns whether `value` is `null`, or a list or object without an element.
pub(crate) fn is_empty(value: &RawValue) -> bool {
    let elements: Option<Vec<&RawValue>> = serde_json::from_str(value.get()).ok();
    let is_empty_list = elements.is_some_and(|it| it.is_empty());
    value.get() == "null" || is_empty_list || object(value).is_some_and(|it| it.is_empty())
}
