//! Manifests of a hub for people: sorted, with decoded Secrets and without secret values; and what a
//! change of them means for users.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

use crate::hub::{
    secrets,
    values::{SECRET, child},
};

/// Manifests by `Kind/name`.
pub(crate) type Manifests = BTreeMap<String, Value>;

/// Returns the manifests with decoded Secrets. Of the hub's Secret, the values of the chart stay but for
/// secret ones; all other data of Secrets are secret.
pub(crate) fn shown(documents: Vec<serde_yaml::Value>) -> anyhow::Result<Manifests> {
    let mut res = Manifests::new();
    for document in documents {
        let mut document: Value = serde_json::to_value(document)?;
        if document["kind"] == "Secret" {
            decode(&mut document)?;
        }
        let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
        let name = format!("{}/{}", text(&document["kind"]), text(&document["metadata"]["name"]));
        res.insert(name, document);
    }
    Ok(res)
}

fn decode(secret: &mut Value) -> anyhow::Result<()> {
    let Some(data) = secret["data"].as_object_mut() else { return Ok(()) };
    for (name, value) in data.iter_mut() {
        let bytes = value.as_str().and_then(|it| STANDARD.decode(it).ok()).unwrap_or_default();
        *value = match name.as_str() {
            "values.yaml" => {
                let mut values: Value = serde_yaml::from_slice(&bytes)?;
                mask(&mut values, "");
                values
            }
            _ => SECRET.into(),
        };
    }
    Ok(())
}

/// Replaces the secret values below `key`.
fn mask(value: &mut Value, key: &str) {
    match value {
        Value::Object(entries) => {
            entries.iter_mut().for_each(|(name, it)| mask(it, &child(key, name)));
        }
        Value::Array(items) => {
            items
                .iter_mut()
                .enumerate()
                .for_each(|(n, it)| mask(it, &child(key, &format!("[{n}]"))));
        }
        Value::String(it) if !it.is_empty() && secrets::is_secret(key) => *value = SECRET.into(),
        _ => (),
    }
}

/// Returns whether Helm runs a manifest before or after a release.
/// <https://helm.sh/docs/topics/charts_hooks/>
pub(crate) fn is_hook(manifest: &Value) -> bool {
    manifest["metadata"]["annotations"]["helm.sh/hook"].is_string()
}

/// Returns the manifests that stay with the release.
pub(crate) fn without_hooks(mut manifests: Manifests) -> Manifests {
    manifests.retain(|_, it| !is_hook(it));
    manifests
}

/// Returns the manifests as text, one below the other.
pub(crate) fn text(manifests: &Manifests) -> anyhow::Result<String> {
    let mut res = String::new();
    for (name, manifest) in manifests {
        res += &format!("--- # {name}\n{}", serde_yaml::to_string(manifest)?);
    }
    Ok(res)
}

/// Returns what the change from `old` to `new` means: images, users' servers, storage, restarts.
pub(crate) fn summary(old: &Manifests, new: &Manifests) -> Vec<String> {
    let mut res = Vec::new();
    let (images_old, images_new) = (images(old), images(new));
    for key in images_old.keys().chain(images_new.keys()).collect::<BTreeSet<_>>() {
        let of = |it: &BTreeMap<String, String>| it.get(key).cloned().unwrap_or("none".to_owned());
        if of(&images_old) != of(&images_new) {
            res.push(format!("image of {key}: {} -> {}", of(&images_old), of(&images_new)));
        }
    }
    let values = |it: &Manifests| it.get("Secret/hub").map(|it| flat(&it["data"]["values.yaml"]));
    let (old_values, new_values) =
        (values(old).unwrap_or_default(), values(new).unwrap_or_default());
    let keys: BTreeSet<&String> = old_values.keys().chain(new_values.keys()).collect();
    let changed: Vec<&str> = keys
        .into_iter()
        .filter(|it| old_values.get(*it) != new_values.get(*it))
        .map(String::as_str)
        .collect();
    let below = |prefix: &str| {
        let keys = changed.iter().filter(|it| it.starts_with(prefix));
        keys.map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", ")
    };
    let (users, homes) = (below("singleuser."), below("singleuser.storage."));
    if !users.is_empty() {
        res.push(format!("users' servers: new ones get {users}; running ones keep what they have"));
    }
    if !homes.is_empty() {
        res.push(format!("storage: {homes} apply to new homes only"));
    }
    for (name, manifest) in new.iter().filter(|it| it.0.starts_with("PersistentVolumeClaim/")) {
        if old.get(name).is_some_and(|it| it["spec"] != manifest["spec"]) {
            res.push(format!(
                "storage: {name}: Kubernetes accepts a larger size, and no other change"
            ));
        }
    }
    for name in old.keys().filter(|it| it.starts_with("PersistentVolumeClaim/")) {
        if !new.contains_key(name) {
            res.push(format!("storage: {name} is removed"));
        }
    }
    res.extend(restarts(old, new, &changed));
    res
}

const NO_RESTART: &str = "neither hub nor proxy restarts";

/// Returns which of hub and proxy restart, and why.
fn restarts(old: &Manifests, new: &Manifests, changed: &[&str]) -> Vec<String> {
    let mut res = Vec::new();
    for (name, meaning) in [
        ("hub", "logins and new servers wait for about 20 s; running servers stay"),
        ("proxy", "running servers cannot be reached for about a minute"),
    ] {
        let template = |it: &Manifests| {
            it.get(&format!("Deployment/{name}")).map(|it| flat(&it["spec"]["template"]))
        };
        let (Some(before), Some(after)) = (template(old), template(new)) else { continue };
        let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        let differing: Vec<&str> = keys
            .into_iter()
            .filter(|it| before.get(*it) != after.get(*it))
            .map(|it| it.trim_start_matches("metadata.annotations."))
            .collect();
        if differing.is_empty() {
            continue;
        }
        let of_values = differing.contains(&"checksum/secret");
        let why = match (of_values, changed) {
            (true, []) => "a secret changes".to_owned(),
            (true, keys) => format!("values change: {}", keys.join(", ")),
            _ => format!("its pod changes: {}", differing.join(", ")),
        };
        res.push(format!("the {name} restarts, since {why}; {meaning}"));
    }
    if res.is_empty() {
        res.push(NO_RESTART.to_owned());
    }
    res
}

/// Adds to a summary that objects may be those of `newest`, which failed, and not of `live`.
pub(crate) fn after_failure(summary: &mut Vec<String>, newest: u32, live: Option<u32>) {
    if live == Some(newest) {
        return;
    }
    summary.retain(|it| it != NO_RESTART);
    summary.push(format!(
        "revision {newest} did not succeed: hub and proxy may restart because of what that one changed"
    ));
}

/// Returns the image of each container of hub and helpers, and those of users.
fn images(manifests: &Manifests) -> BTreeMap<String, String> {
    let mut res = BTreeMap::new();
    for (name, manifest) in manifests {
        let spec = &manifest["spec"]["template"]["spec"];
        let containers = ["initContainers", "containers"].map(|it| spec[it].as_array());
        for container in containers.into_iter().flatten().flatten() {
            if let (Some(own), Some(image)) =
                (container["name"].as_str(), container["image"].as_str())
            {
                res.insert(format!("{name}, {own}"), image.to_owned());
            }
        }
    }
    let values =
        manifests.get("Secret/hub").map(|it| &it["data"]["values.yaml"]["singleuser"]["image"]);
    if let Some((name, tag)) =
        values.and_then(|it| Some((it["name"].as_str()?, it["tag"].as_str()?)))
    {
        res.insert("users' servers".to_owned(), format!("{name}:{tag}"));
    }
    res
}

/// Returns the values below `value` that have none below them, by key.
fn flat(value: &Value) -> BTreeMap<String, Value> {
    fn walk(value: &Value, key: &str, res: &mut BTreeMap<String, Value>) {
        match value {
            Value::Object(it) if !it.is_empty() => {
                it.iter().for_each(|(name, it)| walk(it, &child(key, name), res));
            }
            Value::Array(it) if !it.is_empty() => {
                let items = it.iter().enumerate();
                items.for_each(|(n, it)| walk(it, &child(key, &format!("[{n}]")), res));
            }
            _ => _ = res.insert(key.to_owned(), value.clone()),
        }
    }
    let mut res = BTreeMap::new();
    walk(value, "", &mut res);
    res
}
