//! Files of the locked chart in the checkout: its schema and defaults, and what can be configured of
//! the hub that it starts.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use serde::Deserialize;

use crate::{
    hub::{
        lock::{LOCK, Lock, STAMP},
        schema,
        values::{At, Node, Source},
    },
    run::finding::Finding,
};

/// The chart's own files, which `hub-chart update` takes out of its archive.
pub(crate) const SCHEMA: &str = "common/hub/chart/values.schema.json";
pub(crate) const DEFAULTS: &str = "common/hub/chart/values.json";
/// Written by `traits.py` beside it.
pub(crate) const TRAITS: &str = "common/hub/chart/traits.json";

/// What values are checked against; a part whose file is missing is `None`.
#[derive(Debug, Default)]
pub(crate) struct Chart {
    pub(crate) schema: Option<serde_json::Value>,
    pub(crate) defaults: Option<Node>,
    pub(crate) traits: Option<Traits>,
}

/// Names that can be configured, by class.
#[derive(Debug, Deserialize)]
pub(crate) struct Traits {
    pub(crate) classes: BTreeMap<String, Vec<String>>,
}

impl Chart {
    /// Parses the files whose text `read` returns.
    ///
    /// # Errors
    /// A file is not what this tool wrote or of another archive than the locked one, or the schema has a
    /// keyword that is not supported.
    pub(crate) fn parse(read: impl Fn(&str) -> Option<String>) -> Result<Chart, Vec<Finding>> {
        let mut found = Vec::new();
        let mut json = |file: &str| {
            let text = read(file)?;
            let parsed = serde_json::from_str::<serde_json::Value>(&text);
            if let Err(err) = &parsed {
                found.push(finding(file, format!("invalid JSON: {err}")));
            }
            parsed.ok()
        };
        let (schema, mut defaults, traits) = (json(SCHEMA), json(DEFAULTS), json(TRAITS));
        let lock = read(LOCK).and_then(|it| Lock::parse(&it).ok());
        for (file, json) in [(SCHEMA, &schema), (DEFAULTS, &defaults)] {
            found.extend(lock.as_ref().and_then(|it| of_another(it, file, json.as_ref()?)));
        }
        if let Some(it) = defaults.as_mut().and_then(serde_json::Value::as_object_mut) {
            it.remove(STAMP);
        }
        let traits = traits.map(Traits::deserialize).transpose().unwrap_or_else(|err| {
            found.push(finding(TRAITS, err.to_string()));
            None
        });
        if let Some(keywords) = schema.as_ref().map(schema::unsupported)
            && !keywords.is_empty()
        {
            found.push(finding(SCHEMA, format!("unsupported keywords: {}", keywords.join(", "))));
        }
        let source = Source { file: PathBuf::from(DEFAULTS), is_secret: false };
        let at = At { source: Arc::new(source), line: 1 };
        let defaults = defaults.map(|it| Node::of_json(&it, &at));
        if found.is_empty() { Ok(Chart { schema, defaults, traits }) } else { Err(found) }
    }
}

/// Returns a finding about a file that was not taken out of the locked archive.
fn of_another(lock: &Lock, file: &str, json: &serde_json::Value) -> Option<Finding> {
    let (expected, stamp) = (lock.stamp(), json[STAMP].as_str());
    if expected.is_some() && expected.as_deref() == stamp {
        return None;
    }
    let what = format!(
        "taken out of {}; {LOCK} locks {}",
        stamp.unwrap_or("an unknown archive"),
        expected.as_deref().unwrap_or("no archive")
    );
    let fix = format!("`cargo xtask hub-chart update {}` writes it again", lock.version);
    Some(Finding { fix, ..finding(file, what) })
}

fn finding(file: &str, what: String) -> Finding {
    let fix = "restore the file by git, or run `cargo xtask hub-chart update`".to_owned();
    Finding { file: PathBuf::from(file), line: None, rule: super::validate::RULE, what, fix }
}
