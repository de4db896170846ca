//! Validation by a chart's JSON schema, for exactly the keywords that the schema of Zero to JupyterHub
//! uses, with the file and line of each finding: Helm's own messages name neither.

use regex_lite::Regex;
use serde_json::{Map, Value as Json};

use crate::{
    hub::values::{Node, Value, child},
    run::{finding::Finding, suggest::nearest},
};

/// Keywords that describe, and check nothing.
const DESCRIBING: [&str; 5] = ["$schema", "$comment", "description", "title", "default"];
const CHECKING: [&str; 12] = [
    "type",
    "enum",
    "const",
    "minimum",
    "required",
    "properties",
    "patternProperties",
    "additionalProperties",
    "items",
    "oneOf",
    "if",
    "then",
];

/// Returns keywords of `schema` that this module does not support.
pub(crate) fn unsupported(schema: &Json) -> Vec<String> {
    let Json::Object(keywords) = schema else { return Vec::new() };
    let is_known =
        |it: &&String| DESCRIBING.contains(&it.as_str()) || CHECKING.contains(&it.as_str());
    let mut res: Vec<String> = keywords.keys().filter(|it| !is_known(it)).cloned().collect();
    for (keyword, value) in keywords {
        let inner: Vec<&Json> = match (keyword.as_str(), value) {
            ("properties" | "patternProperties", Json::Object(it)) => it.values().collect(),
            ("oneOf", Json::Array(it)) => it.iter().collect(),
            ("additionalProperties" | "items" | "if" | "then", it) => vec![it],
            _ => Vec::new(),
        };
        res.extend(inner.into_iter().flat_map(unsupported));
    }
    res.sort();
    res.dedup();
    res
}

/// Adds what is wrong with `node`, the value at `key`, by `schema`.
pub(crate) fn check(
    rule: &'static str,
    schema: &Json,
    node: &Node,
    key: &str,
    found: &mut Vec<Finding>,
) {
    let Json::Object(schema) = schema else { return };
    let checker = Checker { rule, schema, node, key };
    let before = found.len();
    found.extend(checker.of_type().or_else(|| checker.of_value()));
    if found.len() > before {
        return;
    }
    checker.entries(found);
    if let (Some(items), Value::List(nodes)) = (schema.get("items"), &node.value) {
        for (n, item) in nodes.iter().enumerate() {
            check(rule, items, item, &child(key, &format!("[{n}]")), found);
        }
    }
    if let (Some(condition), Some(then)) = (schema.get("if"), schema.get("then"))
        && is_valid(condition, node)
    {
        check(rule, then, node, key, found);
    }
    found.extend(checker.alternatives());
}

fn is_valid(schema: &Json, node: &Node) -> bool {
    let mut found = Vec::new();
    check("", schema, node, "", &mut found);
    found.is_empty()
}

struct Checker<'a> {
    rule: &'static str,
    schema: &'a Map<String, Json>,
    node: &'a Node,
    key: &'a str,
}

impl Checker<'_> {
    fn finding(&self, what: &str, fix: &str) -> Finding {
        self.node.at.finding(self.rule, format!("`{}`: {what}", self.key), fix)
    }

    fn of_type(&self) -> Option<Finding> {
        let expected = words(self.schema.get("type")?);
        let kinds = kinds(&self.node.value);
        if expected.iter().any(|it| kinds.contains(&it.as_str())) {
            return None;
        }
        let names: Vec<&str> = expected.iter().map(|it| plain(it)).collect();
        let what = format!("expected {}, found {}", names.join(" or "), plain(kinds[0]));
        let is_text = expected.iter().any(|it| it == "string");
        let is_scalar = matches!(self.node.value, Value::Number(_) | Value::Bool(_));
        let fix = if is_text && is_scalar { "quote the value" } else { "correct the value" };
        Some(self.finding(&what, fix))
    }

    fn of_value(&self) -> Option<Finding> {
        let value = self.node.json();
        if let Some(Json::Array(values)) = self.schema.get("enum")
            && !values.contains(&value)
        {
            let values: Vec<String> = values.iter().map(ToString::to_string).collect();
            let what = format!("not a valid value; expected one of {}", values.join(", "));
            return Some(self.finding(&what, "write one of them"));
        }
        if self.schema.get("const").is_some_and(|it| *it != value) {
            return Some(self.finding("not the expected value", "correct the value"));
        }
        let minimum = self.schema.get("minimum").and_then(Json::as_f64);
        if let (Some(minimum), Value::Number(number)) = (minimum, &self.node.value)
            && number.as_f64().is_some_and(|it| it < minimum)
        {
            return Some(self.finding(&format!("less than {minimum}"), "write a larger number"));
        }
        None
    }

    /// Checks the keys of a mapping and the values below them.
    fn entries(&self, found: &mut Vec<Finding>) {
        let Some(entries) = self.node.entries() else { return };
        let required = self.schema.get("required").map(words).unwrap_or_default();
        for name in required.iter().filter(|it| !entries.contains_key(*it)) {
            let fix = format!("add `{name}`, or remove the `null` that deletes the default");
            found.push(self.finding(&format!("missing `{name}`"), &fix));
        }
        let empty = Map::new();
        let part = |name: &str| self.schema.get(name).and_then(Json::as_object).unwrap_or(&empty);
        let (properties, patterns) = (part("properties"), part("patternProperties"));
        let others = self.schema.get("additionalProperties");
        for (name, node) in entries {
            let key = child(self.key, name);
            let is_match = |it: &&String| Regex::new(it).is_ok_and(|it| it.is_match(name));
            let matching = patterns.keys().filter(is_match).map(|it| &patterns[it]);
            let schemas: Vec<&Json> = properties.get(name).into_iter().chain(matching).collect();
            match others {
                Some(Json::Bool(false)) if schemas.is_empty() => {
                    found.push(unknown(self.rule, node, &key, properties.keys(), "key"));
                }
                Some(others) if schemas.is_empty() => check(self.rule, others, node, &key, found),
                _ => schemas.iter().for_each(|it| check(self.rule, it, node, &key, found)),
            }
        }
    }

    fn alternatives(&self) -> Option<Finding> {
        let alternatives = self.schema.get("oneOf")?.as_array()?;
        let valid = alternatives.iter().filter(|it| is_valid(it, self.node)).count();
        if valid == 1 {
            return None;
        }
        let keys = alternatives.iter().filter_map(|it| it.get("required")).flat_map(words);
        let keys: Vec<String> = keys.map(|it| format!("`{it}`")).collect();
        let what = format!("expected exactly one of {}", keys.join(", "));
        Some(self.finding(&what, "keep one of them"))
    }
}

/// Returns the finding about the unknown name of `node`, the value at `key`, with the nearest name.
pub(crate) fn unknown<'a>(
    rule: &'static str,
    node: &Node,
    key: &str,
    known: impl Iterator<Item = &'a String> + Clone,
    kind: &str,
) -> Finding {
    let name = key.rsplit('.').next().unwrap_or_default();
    let fix = match nearest(name, known.clone().map(String::as_str)) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None if known.clone().count() > 20 => "correct or remove it".to_owned(),
        None => {
            let known: Vec<String> = known.map(|it| format!("`{it}`")).collect();
            let known = if known.is_empty() {
                "a name of another form".to_owned()
            } else {
                known.join(", ")
            };
            format!("expected {known}")
        }
    };
    node.at.finding(rule, format!("`{key}`: unknown {kind}"), &fix)
}

/// Returns a string or the strings of a list.
fn words(json: &Json) -> Vec<String> {
    let text = |it: &Json| it.as_str().map(str::to_owned);
    match json {
        Json::Array(items) => items.iter().filter_map(text).collect(),
        one => text(one).into_iter().collect(),
    }
}

/// Returns the types of a value as schemas name them, the narrowest first.
fn kinds(value: &Value) -> &'static [&'static str] {
    match value {
        Value::Null => &["null"],
        Value::Bool(_) => &["boolean"],
        Value::Number(it) if it.as_f64().is_some_and(|it| it.fract() == 0.0) => {
            &["integer", "number"]
        }
        Value::Number(_) => &["number"],
        Value::Text(_) => &["string"],
        Value::List(_) => &["array"],
        Value::Map(_) => &["object"],
    }
}

/// Returns the name of a schema's type for people.
fn plain(kind: &str) -> &str {
    match kind {
        "boolean" => "`true` or `false`",
        "integer" => "an integer",
        "number" => "a number",
        "string" => "text",
        "array" => "a list",
        "object" => "a mapping",
        other => other,
    }
}
