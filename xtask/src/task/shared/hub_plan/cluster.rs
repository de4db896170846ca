//! What a deployment asks the cluster.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use serde_json::Value;

use crate::{
    hub::preflight::{self, Row},
    run::printable,
    task::shared::hub_target::Hub,
    tools::kubectl::Kind,
};

/// Facts about a cluster.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) server: String,
    context: String,
    /// What identifies the cluster, or why it cannot be told.
    identity: Result<String, String>,
    pub(super) has_namespace: bool,
    /// Number of nodes by platform, or why they cannot be listed.
    pub(super) nodes: Result<BTreeMap<String, usize>, String>,
}

impl Facts {
    pub(super) fn read(hub: &Hub) -> anyhow::Result<Facts> {
        let cluster = &hub.cluster;
        let context = cluster.current_context()?;
        let versions = cluster.versions()?;
        let has_namespace = match cluster.get("namespace", &cluster.namespace) {
            // Who may not look at namespaces was given one.
            Err(err) if Kind::of_error(&err) == Some(Kind::Forbidden) => true,
            namespace => namespace?.is_some(),
        };
        let nodes = cluster.list("nodes", None).map(|it| platforms(&it));
        Ok(Facts {
            server: versions.server,
            context,
            identity: hub.identity().map_err(|err| format!("{err:#}")),
            has_namespace,
            nodes: nodes.map_err(|_| "nodes cannot be listed".to_owned()),
        })
    }

    /// Adds the rows about the cluster and the namespace.
    pub(super) fn rows(&self, hub: &Hub, rows: &mut Vec<Row>) {
        let file = format!("missions/{}/hub/{}.yaml", hub.of.mission.name, hub.environment);
        let (pinned, found) = (hub.target.identity.as_deref(), self.identity.as_deref());
        rows.push(preflight::cluster(&self.context, pinned, found.map_err(String::as_str), &file));
        rows.push(preflight::namespace(&hub.target.namespace, self.has_namespace));
    }
}

/// Returns the number of nodes by platform, like `linux/amd64`.
fn platforms(nodes: &[Value]) -> BTreeMap<String, usize> {
    let mut res = BTreeMap::new();
    for node in nodes {
        let info = &node["status"]["nodeInfo"];
        let text = |name: &str| printable::line(info[name].as_str().unwrap_or_default());
        *res.entry(format!("{}/{}", text("operatingSystem"), text("architecture"))).or_default() +=
            1;
    }
    res
}

/// Returns the row about Secrets that others make; `None` if there is nothing to look for.
pub(super) fn secrets(
    hub: &Hub,
    facts: &Facts,
    named: &BTreeMap<String, String>,
) -> Option<anyhow::Result<Row>> {
    if named.is_empty() {
        return None;
    }
    let look_up = || {
        let mut existing = BTreeSet::new();
        for name in named.keys().filter(|_| facts.has_namespace) {
            if hub.cluster.get("secret", name)?.is_some() {
                existing.insert(name.clone());
            }
        }
        Ok(preflight::secrets(named, &existing, &hub.target.namespace))
    };
    Some(look_up())
}

/// Returns the objects that the cluster is asked about. Helm removes what a hook left before it makes it
/// again, so that hooks are tried under another name.
pub(super) fn objects(rendered: &[serde_yaml::Value]) -> anyhow::Result<Vec<Value>> {
    let mut res = Vec::new();
    for document in rendered {
        let mut object: Value = serde_json::to_value(document)?;
        if object["metadata"]["annotations"]["helm.sh/hook"].is_string() {
            let name = object["metadata"]["name"].as_str().context("a manifest has a name")?;
            object["metadata"]["name"] = format!("{name}-try").into();
        }
        res.push(object);
    }
    Ok(res)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nodes_are_counted_by_platform() {
        let node = |architecture: &str| json!({"status": {"nodeInfo": {"operatingSystem": "linux", "architecture": architecture}}});
        let found = platforms(&[node("amd64"), node("arm64"), node("amd64")]);
        let expected = [("linux/amd64".to_owned(), 2), ("linux/arm64".to_owned(), 1)];
        assert_eq!(found, BTreeMap::from(expected));
    }

    #[test]
    fn hooks_are_tried_under_another_name() {
        let text = "- metadata: {name: a, annotations: {helm.sh/hook: pre-install}}\n- metadata: {name: b}\n";
        let documents: Vec<serde_yaml::Value> = serde_yaml::from_str(text).unwrap();
        let names: Vec<Value> =
            objects(&documents).unwrap().iter().map(|it| it["metadata"]["name"].clone()).collect();
        assert_eq!(names, ["a-try", "b"]);
    }
}
