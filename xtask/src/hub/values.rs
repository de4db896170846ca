//! Values of a hub: the layers that they come from, merged by Helm's rules, each value with the file
//! and line that set it.

mod scalar;
pub(crate) mod yaml;

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, bail};
use fs_err as fs;
use serde_json::Number;

use crate::{
    mission::checkout::{Checkout, Mission},
    run::{
        failure::Failure,
        finding::{self, Finding},
        printable::Shown as _,
        text_file,
    },
    settings::config,
};

/// Environment of the hub on this machine, which has no secrets.
pub(crate) const LOCAL: &str = "local";

/// Values that all hubs share.
pub(crate) const COMMON: &str = "common/hub/values.yaml";

/// Key of this tool's own settings, which the chart does not get.
const OWN: &str = "xtask";

/// Text in the place of a secret value.
pub(crate) const SECRET: &str = "<secret>";

/// The origin of a layer.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Source {
    /// Path relative to the root of the checkout, or a name in angle brackets.
    pub(crate) file: PathBuf,
    /// Whether the values of the layer must not be shown.
    pub(crate) is_secret: bool,
}

/// The place that set a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct At {
    pub(crate) source: Arc<Source>,
    /// Line number from 1 of the value, or of its key.
    pub(crate) line: usize,
}

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) at: At,
    pub(crate) value: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Map(BTreeMap<String, Node>),
}

/// A values file, or the decrypted secrets.
#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) source: Source,
    pub(crate) text: String,
}

/// A list that a later layer replaced.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Replaced {
    pub(crate) key: String,
    /// Place and length of the list that has no effect.
    pub(crate) old: At,
    pub(crate) items: usize,
    pub(crate) new: At,
}

/// Merged values.
#[derive(Debug)]
pub(crate) struct Values {
    /// A mapping: the values for the chart. A null stays, since it deletes a default of the chart.
    pub(crate) root: Node,
    /// This tool's own settings: the keys below `xtask` of all layers.
    pub(crate) own: Option<Node>,
    pub(crate) replaced: Vec<Replaced>,
    /// The layers, lowest first, as they were before they were merged.
    pub(crate) layers: Vec<Node>,
}

/// Returns the names of the environments that a mission has values for, sorted.
pub(crate) fn environments(mission: &Mission) -> anyhow::Result<Vec<String>> {
    let dir = mission.dir.join("hub");
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    let mut res = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let environment = name.strip_suffix(".yaml").filter(|it| *it != "common");
        res.extend(environment.filter(|it| !it.starts_with('.')).map(str::to_owned));
    }
    res.sort();
    Ok(res)
}

/// Reads the files of a mission's environment, lowest layer first; those that all environments share
/// may be missing.
///
/// # Errors
/// The mission has no values for `environment`.
pub(crate) fn read(
    checkout: &Checkout,
    mission: &Mission,
    environment: &str,
) -> anyhow::Result<Vec<Layer>> {
    let known = environments(mission)?;
    let dir = checkout.relative(&mission.dir).join("hub");
    if environment != LOCAL {
        config::environment(environment)
            .with_context(|| dir.join(format!("{environment}.yaml")).shown().to_string())?;
    }
    if !known.iter().any(|it| it == environment) {
        // `local` is not deployed, and its values alone do not make a hub of a cluster.
        let deployed: Vec<String> = known.into_iter().filter(|it| it != LOCAL).collect();
        let hint = match deployed.as_slice() {
            [] => format!("docs/hub-values.md shows the files of {}", dir.shown()),
            names => {
                let names = names.join(", ");
                format!("expected ENVIRONMENT (for hub tasks, `--env`) to be one of {names}")
            }
        };
        bail!("{} not found; {hint}", dir.join(format!("{environment}.yaml")).shown());
    }
    let files = files(&dir, environment).into_iter();
    let files = files.filter(|it| checkout.root.join(it).exists());
    let layer = |file: PathBuf| {
        let text = text_file::read_text(&checkout.root, &file)?;
        Ok(Layer { source: Source { file, is_secret: false }, text })
    };
    files.map(layer).collect()
}

/// Returns the files of an environment, lowest layer first; `dir` is the mission's folder of values.
pub(crate) fn files(dir: &Path, environment: &str) -> [PathBuf; 3] {
    [COMMON.into(), dir.join("common.yaml"), dir.join(format!("{environment}.yaml"))]
}

impl Values {
    /// Merges `layers`, lowest first.
    ///
    /// # Errors
    /// The findings of all layers.
    pub(crate) fn merged(layers: Vec<Layer>) -> Result<Values, Vec<Finding>> {
        let (mut nodes, mut found) = (Vec::new(), Vec::new());
        for Layer { source, text } in layers {
            match yaml::parse(&Arc::new(source), &text) {
                Ok(node) => nodes.push(node),
                Err(findings) => found.extend(findings),
            }
        }
        if found.is_empty() { Ok(Values::of(nodes)) } else { Err(found) }
    }

    /// Returns the values with `set`, which this tool sets, above all layers.
    pub(crate) fn with(mut self, set: &serde_json::Value) -> Values {
        let file = PathBuf::from("<cargo xtask>");
        let at = At { source: Arc::new(Source { file, is_secret: false }), line: 1 };
        self.layers.push(Node::of_json(set, &at));
        Values::of(self.layers)
    }

    /// Returns the values that Helm keeps for a release, any of which may be secret.
    pub(crate) fn stored(json: &serde_json::Value) -> Values {
        let file = PathBuf::from("<release>");
        let at = At { source: Arc::new(Source { file, is_secret: true }), line: 1 };
        Values::of(vec![Node::of_json(json, &at)])
    }

    fn of(layers: Vec<Node>) -> Values {
        let mut replaced = Vec::new();
        let (mut root, mut own): (Option<Node>, Option<Node>) = (None, None);
        for mut layer in layers.iter().cloned() {
            if let Value::Map(entries) = &mut layer.value
                && let Some(above) = entries.remove(OWN)
            {
                own = Some(match own {
                    Some(below) => merge(below, above, OWN, &mut replaced),
                    None => above,
                });
            }
            root = Some(match root {
                Some(below) => merge(below, layer, "", &mut replaced),
                None => layer,
            });
        }
        let source = Arc::new(Source { file: PathBuf::new(), is_secret: false });
        let empty = || Node { at: At { source, line: 1 }, value: Value::Map(BTreeMap::new()) };
        Values { root: root.unwrap_or_else(empty), own, replaced, layers }
    }

    /// Returns the value at a path such as `singleuser.memory.limit`, without defaults of the chart.
    pub(crate) fn get(&self, path: &str) -> Option<&Node> {
        self.root.get(path)
    }

    /// Returns the one document that Helm gets, secrets included.
    pub(crate) fn json(&self) -> serde_json::Value {
        self.root.json()
    }
}

impl At {
    /// Returns a finding about the value at this place.
    pub(crate) fn finding(&self, rule: &'static str, what: String, fix: &str) -> Finding {
        let (file, line) = (self.source.file.clone(), Some(self.line));
        Finding { file, line, rule, what, fix: fix.to_owned() }
    }
}

/// Prints `file:line`.
impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.source.file.shown(), self.line)
    }
}

impl Node {
    /// Returns the value at a path such as `memory.limit` below this one.
    pub(crate) fn get(&self, path: &str) -> Option<&Node> {
        path.split('.').try_fold(self, |node, name| node.entries()?.get(name))
    }

    pub(crate) fn entries(&self) -> Option<&BTreeMap<String, Node>> {
        if let Value::Map(entries) = &self.value { Some(entries) } else { None }
    }

    pub(crate) fn items(&self) -> Option<&[Node]> {
        if let Value::List(items) = &self.value { Some(items) } else { None }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        if let Value::Text(text) = &self.value { Some(text) } else { None }
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(it) => (*it).into(),
            Value::Number(it) => it.clone().into(),
            Value::Text(it) => it.as_str().into(),
            Value::List(items) => items.iter().map(Node::json).collect(),
            Value::Map(entries) => {
                entries.iter().map(|(key, it)| (key.clone(), it.json())).collect()
            }
        }
    }

    /// Returns the value for people and programs other than Helm: without what a secret layer set.
    pub(crate) fn shown(&self) -> serde_json::Value {
        match &self.value {
            Value::List(items) if !items.is_empty() => items.iter().map(Node::shown).collect(),
            Value::Map(entries) if !entries.is_empty() => {
                entries.iter().map(|(key, it)| (key.clone(), it.shown())).collect()
            }
            _ if self.at.source.is_secret => SECRET.into(),
            _ => self.json(),
        }
    }

    pub(crate) fn of_json(json: &serde_json::Value, at: &At) -> Node {
        let value = match json {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(it) => Value::Bool(*it),
            serde_json::Value::Number(it) => Value::Number(it.clone()),
            serde_json::Value::String(it) => Value::Text(it.clone()),
            serde_json::Value::Array(items) => {
                Value::List(items.iter().map(|it| Node::of_json(it, at)).collect())
            }
            serde_json::Value::Object(entries) => {
                let entry = |(key, it): (&String, _)| (key.clone(), Node::of_json(it, at));
                Value::Map(entries.iter().map(entry).collect())
            }
        };
        Node { at: at.clone(), value }
    }

    /// Calls `visit` with the path of each value that has no values below it, and the value.
    pub(crate) fn leaves<'a>(&'a self, path: &str, visit: &mut impl FnMut(&str, &'a Node)) {
        match &self.value {
            Value::Map(entries) if !entries.is_empty() => {
                entries.iter().for_each(|(key, it)| it.leaves(&child(path, key), visit));
            }
            Value::List(items) if !items.is_empty() => {
                let items = items.iter().enumerate();
                items.for_each(|(n, it)| it.leaves(&child(path, &format!("[{n}]")), visit));
            }
            _ => visit(path, self),
        }
    }
}

/// Returns the path of `name` below `path`; an index such as `[0]` has no dot before it.
pub(crate) fn child(path: &str, name: &str) -> String {
    match path.is_empty() || name.starts_with('[') {
        true => format!("{path}{name}"),
        false => format!("{path}.{name}"),
    }
}

/// Returns `above` over `below`, by Helm's rules: mappings merge, all else is replaced, and a null
/// stays.
fn merge(below: Node, above: Node, path: &str, replaced: &mut Vec<Replaced>) -> Node {
    match (below.value, above.value) {
        (Value::Map(mut entries), Value::Map(new)) => {
            for (key, node) in new {
                let node = match entries.remove(&key) {
                    Some(old) => merge(old, node, &child(path, &key), replaced),
                    None => node,
                };
                entries.insert(key, node);
            }
            Node { at: above.at, value: Value::Map(entries) }
        }
        (old, value) => {
            if let Value::List(items) = old
                && !items.is_empty()
            {
                let (old, new, items) = (below.at, above.at.clone(), items.len());
                replaced.push(Replaced { key: path.to_owned(), old, items, new });
            }
            Node { at: above.at, value }
        }
    }
}

/// Returns the values that a chart's templates get: `values` over the chart's `defaults`, of which a
/// null deletes one. A default has the place of the closest mapping around it in `values`.
pub(crate) fn coalesced(defaults: &Node, values: &Node) -> Node {
    let (Value::Map(below), Value::Map(above)) = (&defaults.value, &values.value) else {
        return values.clone();
    };
    let mut entries = above.clone();
    for (key, default) in below {
        match above.get(key) {
            Some(Node { value: Value::Null, .. }) => _ = entries.remove(key),
            Some(node) => _ = entries.insert(key.clone(), coalesced(default, node)),
            None => _ = entries.insert(key.clone(), Node::of_json(&default.json(), &values.at)),
        }
    }
    Node { at: values.at.clone(), value: Value::Map(entries) }
}

/// Returns the error with all findings.
pub(crate) fn refusal(findings: Vec<Finding>) -> anyhow::Error {
    Failure::Request(finding::text(findings)).into()
}

#[cfg(test)]
mod tests;
