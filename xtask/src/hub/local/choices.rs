//! What users of the hub on this machine may start, from the values of missions. Pure.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::bail;
use serde::{Deserialize, Serialize};

use crate::hub::values::{Node, Value, Values, child};

/// A server on the spawn page; `common/hub/local/spawner.py` reads it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Choice {
    pub(crate) id: String,
    pub(crate) mission: String,
    pub(crate) title: String,
    pub(crate) description: String,
    /// The image, and when it was tested.
    pub(crate) detail: String,
    /// Id of the image.
    pub(crate) image: String,
    /// Part of the home's volume.
    pub(crate) home: String,
    pub(crate) env: BTreeMap<String, String>,
    /// A number of bytes, or a text such as `2G`.
    pub(crate) memory: Option<serde_json::Value>,
    pub(crate) cpu: Option<f64>,
    /// Arguments of the image's entry point; the image's own if empty.
    pub(crate) cmd: Vec<String>,
    pub(crate) url: Option<String>,
    /// Owner `uid:gid` of the home and of the server, instead of the image's user.
    pub(crate) user: Option<String>,
    pub(crate) binds: Vec<Bind>,
}

/// A folder of this machine in a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bind {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) ro: bool,
}

/// Choices of a mission, the default first, and the values that have no effect here.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct OfMission {
    pub(crate) choices: Vec<Choice>,
    pub(crate) unused: BTreeSet<String>,
    /// Seconds that a server may take to start.
    pub(crate) start_timeout: Option<u64>,
}

/// Keys that have an effect, and all below them; an index of a list is `[]`.
const USED: &[&str] = &[
    "singleuser.extraEnv",
    "singleuser.memory.limit",
    "singleuser.cpu.limit",
    "singleuser.cmd",
    "singleuser.defaultUrl",
    "singleuser.startTimeout",
    "singleuser.profileList[].display_name",
    "singleuser.profileList[].slug",
    "singleuser.profileList[].description",
    "singleuser.profileList[].default",
    "singleuser.profileList[].kubespawner_override.mem_limit",
    "singleuser.profileList[].kubespawner_override.cpu_limit",
    "singleuser.profileList[].kubespawner_override.environment",
    "singleuser.profileList[].kubespawner_override.default_url",
    "singleuser.profileList[].kubespawner_override.cmd",
];

/// Returns the choices that `values` make of `plain`, a choice without any.
///
/// # Errors
/// A value has another type than expected.
pub(crate) fn of(plain: &Choice, values: &Values) -> anyhow::Result<OfMission> {
    let mut res = OfMission { unused: unused(values), ..OfMission::default() };
    let mut own = plain.clone();
    if let Some(singleuser) = values.get("singleuser") {
        let keys = ["extraEnv", "memory.limit", "cpu.limit", "cmd", "defaultUrl"];
        apply(&mut own, singleuser, keys, &mut res.unused)?;
        let limit = singleuser.get("startTimeout").filter(|it| it.value != Value::Null);
        res.start_timeout = limit.map(seconds).transpose()?;
    }
    let profiles = values.get("singleuser.profileList").and_then(Node::items).unwrap_or_default();
    for (number, profile) in profiles.iter().enumerate() {
        let text = |name: &str| profile.get(name).and_then(Node::text).unwrap_or_default();
        let name = match text("display_name") {
            "" => format!("profile {}", number + 1),
            name => name.to_owned(),
        };
        let slug = match text("slug") {
            "" => slug(&name),
            slug => slug.to_owned(),
        };
        let mut choice = own.clone();
        choice.id = format!("{}.{slug}", own.mission);
        if res.choices.iter().any(|it| it.id == choice.id) {
            bail!("{}: two profiles are called `{slug}`; expected different names", profile.at);
        }
        choice.title = format!("{}: {name}", own.title);
        text("description").clone_into(&mut choice.description);
        if let Some(over) = profile.get("kubespawner_override") {
            let keys = ["environment", "mem_limit", "cpu_limit", "cmd", "default_url"];
            apply(&mut choice, over, keys, &mut res.unused)?;
        }
        let is_default = profile.get("default").is_some_and(|it| it.value == Value::Bool(true));
        res.choices.insert(if is_default { 0 } else { res.choices.len() }, choice);
    }
    if res.choices.is_empty() {
        res.choices.push(own);
    }
    Ok(res)
}

/// Applies the values at `keys` below `node`: variables, memory, processors, command, address.
fn apply(
    choice: &mut Choice,
    node: &Node,
    [env, memory, cpu, cmd, url]: [&str; 5],
    unused: &mut BTreeSet<String>,
) -> anyhow::Result<()> {
    let get = |key: &str| node.get(key).filter(|it| it.value != Value::Null);
    for (name, it) in get(env).and_then(Node::entries).into_iter().flatten() {
        let text = match &it.value {
            Value::Text(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(bool) => bool.to_string(),
            Value::Null => {
                choice.env.remove(name);
                continue;
            }
            // From a Secret or a ConfigMap of a cluster.
            Value::Map(_) | Value::List(_) => {
                unused.insert(format!("singleuser.extraEnv.{name}"));
                continue;
            }
        };
        choice.env.insert(name.clone(), text);
    }
    if let Some(it) = get(memory) {
        match it.value {
            Value::Number(_) | Value::Text(_) => choice.memory = Some(it.json()),
            _ => return Err(wrong(it, memory, "a size such as `2G`")),
        }
    }
    if let Some(it) = get(cpu) {
        let number = it.json().as_f64().filter(|it| *it > 0.0);
        choice.cpu = Some(number.ok_or_else(|| wrong(it, cpu, "a positive number"))?);
    }
    if let Some(it) = get(cmd) {
        let words = match (it.text(), it.items()) {
            (Some(word), _) => Some(vec![word.to_owned()]),
            (_, Some(items)) => items.iter().map(|it| it.text().map(str::to_owned)).collect(),
            _ => None,
        };
        choice.cmd = words.ok_or_else(|| wrong(it, cmd, "a text or a list of texts"))?;
    } else if node.get(cmd).is_some() {
        choice.cmd.clear();
    }
    if let Some(it) = get(url) {
        choice.url = Some(it.text().ok_or_else(|| wrong(it, url, "a text"))?.to_owned());
    }
    Ok(())
}

fn seconds(node: &Node) -> anyhow::Result<u64> {
    let number = node.json().as_u64().filter(|it| *it > 0);
    number.ok_or_else(|| wrong(node, "startTimeout", "a number of seconds"))
}

fn wrong(node: &Node, key: &str, expected: &str) -> anyhow::Error {
    anyhow::anyhow!("{}: `{key}` is {}; expected {expected}", node.at, node.shown())
}

/// Returns a name for the command line and the form.
fn slug(name: &str) -> String {
    let words = name.split(|it: char| !it.is_ascii_alphanumeric()).filter(|it| !it.is_empty());
    let slug = words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("-");
    if slug.is_empty() { "profile".to_owned() } else { slug }
}

/// Returns the keys without an effect, shortened to what a reader looks for.
fn unused(values: &Values) -> BTreeSet<String> {
    let mut res = BTreeSet::new();
    values.root.leaves("", &mut |path: &str, node: &Node| {
        let path = without_indices(path);
        let is_used = USED.iter().any(|it| {
            path.strip_prefix(it).is_some_and(|it| it.is_empty() || it.starts_with(['.', '[']))
        });
        let is_empty = node.value == Value::Null || path.is_empty();
        if !is_used && !is_empty {
            res.insert(shortened(&path));
        }
    });
    res
}

fn without_indices(path: &str) -> String {
    let mut parts = path.split('[');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |path, it| format!("{path}[]{}", it.split_once(']').map_or("", |it| it.1)))
}

fn shortened(path: &str) -> String {
    let parts: Vec<&str> = path.split('.').collect();
    let depth = match parts.as_slice() {
        ["singleuser", "profileList[]" | "memory" | "cpu" | "extraEnv", ..] => parts.len(),
        ["singleuser" | "hub", ..] => 2,
        _ => 1,
    };
    parts.iter().take(depth).fold(String::new(), |path, it| child(&path, it))
}

#[cfg(test)]
mod tests;
