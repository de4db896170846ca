//! What differs between the manifests of a release and the objects of the cluster. Pure.

use std::{borrow::Cow, collections::BTreeMap};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Serialize;
use serde_json::Value;

use crate::{
    hub::{
        secrets,
        values::{SECRET, child},
    },
    run::printable,
};

/// Longest value that is shown.
const SHOWN: usize = 60;

/// A difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Difference {
    /// What is compared with what, such as `manifest and cluster`.
    pub(crate) between: &'static str,
    /// Object and field, commit or file.
    pub(crate) place: String,
    pub(crate) detail: String,
}

const BETWEEN: &str = "release and cluster";

/// Returns the manifests as JSON that are in the cluster as long as the release is: all but hooks.
pub(crate) fn lasting(documents: &[serde_yaml::Value]) -> anyhow::Result<Vec<Value>> {
    let mut res = Vec::new();
    for document in documents {
        let object: Value = serde_json::to_value(document)?;
        if object["metadata"]["annotations"]["helm.sh/hook"].is_null() {
            res.push(object);
        }
    }
    Ok(res)
}

/// Returns what differs in `live`, objects of the cluster, from `manifests`. Only fields that a manifest
/// sets are compared: the cluster adds others.
pub(crate) fn of_objects(manifests: &[Value], live: &[Value]) -> Vec<Difference> {
    let live: BTreeMap<String, &Value> = live.iter().map(|it| (name(it), it)).collect();
    let mut res = Vec::new();
    for manifest in manifests {
        let name = name(manifest);
        match live.get(&name) {
            Some(it) => of_object(manifest, it, &name, &mut res),
            None => res.push(difference(&name, "", "not in the cluster".to_owned())),
        }
    }
    res
}

fn name(object: &Value) -> String {
    let text = |it: &Value| printable::line(it.as_str().unwrap_or_default());
    format!("{}/{}", text(&object["kind"]), text(&object["metadata"]["name"]))
}

fn difference(name: &str, path: &str, detail: String) -> Difference {
    let place = if path.is_empty() { name.to_owned() } else { format!("{name}, {path}") };
    Difference { between: BETWEEN, place, detail }
}

fn of_object(manifest: &Value, live: &Value, name: &str, res: &mut Vec<Difference>) {
    let is_secret = manifest["kind"] == "Secret";
    for (key, value) in manifest.as_object().into_iter().flatten() {
        match key.as_str() {
            // The cluster answers in the version that it was asked in.
            "apiVersion" | "kind" | "status" => (),
            "data" | "stringData" if is_secret => {
                of_secret(&encoded(key, value), &live["data"], name, res);
            }
            "metadata" => {
                for part in ["labels", "annotations"] {
                    let path = child(key, part);
                    let set = &value[part];
                    compare(set, &live[key][part], &path, &mut |path, detail| {
                        res.push(difference(name, path, detail));
                    });
                }
            }
            _ => compare(value, &live[key], key, &mut |path, detail| {
                res.push(difference(name, path, detail));
            }),
        }
    }
}

/// Returns the data of a Secret as the cluster stores them.
fn encoded<'a>(key: &str, data: &'a Value) -> Cow<'a, Value> {
    if key == "data" {
        return Cow::Borrowed(data);
    }
    let entries =
        data.as_object().into_iter().flatten().map(|(key, it)| {
            (key.clone(), STANDARD.encode(it.as_str().unwrap_or_default()).into())
        });
    Cow::Owned(Value::Object(entries.collect()))
}

/// Compares the data of a Secret: of the hub's values the keys that differ are named.
fn of_secret(set: &Value, live: &Value, name: &str, res: &mut Vec<Difference>) {
    for (key, value) in set.as_object().into_iter().flatten() {
        if live[key] == *value {
            continue;
        }
        let values = |it: &Value| {
            let bytes = STANDARD.decode(it.as_str()?).ok()?;
            serde_yaml::from_slice::<Value>(&bytes).ok()
        };
        let before = res.len();
        if let (true, Some(set), Some(live)) =
            (key == "values.yaml", values(value), values(&live[key]))
        {
            let path = format!("data.{key}");
            compare(&set, &live, "", &mut |path_in, _| {
                res.push(difference(name, &format!("{path}: {path_in}"), "differs".to_owned()));
            });
        }
        if res.len() == before {
            res.push(difference(name, &format!("data.{key}"), "differs".to_owned()));
        }
    }
}

/// Calls `found` with the path and the difference of each field of `set` that `live` has otherwise.
fn compare(set: &Value, live: &Value, path: &str, found: &mut dyn FnMut(&str, String)) {
    match (set, live) {
        // A field that is null is not set.
        (Value::Null, _) => (),
        (Value::Object(entries), Value::Object(_)) => {
            for (key, it) in entries {
                compare(it, &live[key], &child(path, key), found);
            }
        }
        (Value::Array(items), Value::Array(others)) => lists(items, others, path, found),
        _ if is_same(set, live) => (),
        _ => found(path, format!("expected {}, found {}", shown(set, path), shown(live, path))),
    }
}

/// Compares items that have a name by it, and others by their place.
fn lists(set: &[Value], live: &[Value], path: &str, found: &mut dyn FnMut(&str, String)) {
    let named = |it: &Value| it["name"].as_str().map(str::to_owned);
    let is_named = set.iter().chain(live).all(|it| named(it).is_some());
    let key = |(n, it): (usize, &Value)| {
        if is_named { named(it).unwrap_or_default() } else { n.to_string() }
    };
    let others: BTreeMap<String, &Value> =
        live.iter().enumerate().map(|it| (key(it), it.1)).collect();
    let own: BTreeMap<String, &Value> = set.iter().enumerate().map(|it| (key(it), it.1)).collect();
    for (key, it) in &own {
        let path = child(path, &format!("[{key}]"));
        match others.get(key) {
            Some(other) => compare(it, other, &path, found),
            None => found(&path, "not in the cluster".to_owned()),
        }
    }
    for key in others.keys().filter(|it| !own.contains_key(*it)) {
        found(&child(path, &format!("[{key}]")), "only in the cluster".to_owned());
    }
}

/// Returns whether the cluster stores `set` as `live`: it leaves out fields with the value of a missing
/// one, and writes quantities in its own way.
fn is_same(set: &Value, live: &Value) -> bool {
    let number = |it: &Value| match it {
        Value::String(it) => quantity(it),
        Value::Number(it) => quantity(&it.to_string()),
        _ => None,
    };
    set == live
        || is_missing(set) && is_missing(live)
        || number(set).is_some_and(|it| number(live) == Some(it))
}

/// Returns whether the cluster may leave a field with this value out.
fn is_missing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(it) => !it,
        Value::Number(it) => it.as_f64() == Some(0.0),
        Value::String(it) => it.is_empty(),
        Value::Array(it) => it.is_empty(),
        Value::Object(it) => it.values().all(is_missing),
    }
}

/// Returns a quantity such as `0.5`, `500m` or `1Gi` in millionths.
/// <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>
fn quantity(text: &str) -> Option<i128> {
    const UNITS: [(&str, i128); 14] = [
        ("Ki", 1 << 10),
        ("Mi", 1 << 20),
        ("Gi", 1 << 30),
        ("Ti", 1 << 40),
        ("Pi", 1 << 50),
        ("Ei", 1 << 60),
        ("k", 1_000),
        ("M", 1_000_000),
        ("G", 1_000_000_000),
        ("T", 1_000_000_000_000),
        ("P", 1_000_000_000_000_000),
        ("E", 1_000_000_000_000_000_000),
        ("m", 0),
        ("", 1),
    ];
    let (number, unit) =
        UNITS.iter().find_map(|(it, unit)| Some((text.strip_suffix(it)?, *unit)))?;
    let (whole, rest) = number.split_once('.').unwrap_or((number, ""));
    let is_number = |it: &str| it.bytes().all(|it| it.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(rest) || rest.len() > 6 {
        return None;
    }
    let millionths: i128 = format!("{whole}{rest:0<6}").parse().ok()?;
    match unit {
        0 => Some(millionths / 1000),
        unit => millionths.checked_mul(unit),
    }
}

/// Returns a value for people; secrets and long texts are not shown.
fn shown(value: &Value, path: &str) -> String {
    if value.is_null() {
        return "nothing".to_owned();
    }
    let text = match value {
        Value::String(it) => it.clone(),
        _ => value.to_string(),
    };
    match text.len() > SHOWN || text.contains('\n') {
        _ if path.split(['.', '[', ']']).any(secrets::is_secret) => SECRET.to_owned(),
        true => "another text".to_owned(),
        false => format!("`{}`", printable::line(&text)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(manifest: &Value, live: &Value) -> Vec<String> {
        let found = of_objects(std::slice::from_ref(manifest), std::slice::from_ref(live));
        found.into_iter().map(|it| format!("{}: {}", it.place, it.detail)).collect()
    }

    fn deployment(spec: &Value) -> Value {
        json!({"kind": "Deployment", "metadata": {"name": "hub", "labels": {"app": "jupyterhub"}}, "spec": spec})
    }

    #[test]
    fn what_the_cluster_adds_is_left_out() {
        let set = json!({
            "replicas": 1, "paused": false, "nodeSelector": {}, "tolerations": [], "strategy": null,
            "security": {"privileged": false},
            "containers": [{
                "name": "hub", "resources": {"requests": {"cpu": 0.5, "memory": "1024Mi"}},
                "env": [{"name": "A", "value": ""}],
            }],
        });
        let live = json!({
            "replicas": 1, "revisionHistoryLimit": 10, "strategy": {"type": "Recreate"},
            "containers": [{
                "name": "hub", "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}},
                "env": [{"name": "A"}], "terminationMessagePath": "/dev/log",
            }],
        });
        assert_eq!(told(&deployment(&set), &deployment(&live)), [""; 0]);
    }

    #[test]
    fn changes_by_hand_are_found() {
        let set = json!({
            "replicas": 1, "image": "a:1", "strategy": {"type": "Recreate"},
            "env": [{"name": "A_TOKEN", "value": "1"}],
        });
        let live = json!({
            "replicas": 2, "image": "a:2",
            "env": [{"name": "B", "value": "2"}, {"name": "A_TOKEN", "value": "2"}],
        });
        assert_eq!(
            told(&deployment(&set), &deployment(&live)),
            [
                "Deployment/hub, spec.env[A_TOKEN].value: expected <secret>, found <secret>",
                "Deployment/hub, spec.env[B]: only in the cluster",
                "Deployment/hub, spec.image: expected `a:1`, found `a:2`",
                "Deployment/hub, spec.replicas: expected `1`, found `2`",
                "Deployment/hub, spec.strategy: expected `{\"type\":\"Recreate\"}`, found nothing",
            ]
        );
        let gone = of_objects(&[deployment(&set)], &[]);
        assert_eq!(gone[0].detail, "not in the cluster");
    }

    #[test]
    fn secrets_are_compared_and_not_shown() {
        let secret = |values: &str, token: &str| {
            let data =
                json!({"values.yaml": STANDARD.encode(values), "token": STANDARD.encode(token)});
            json!({"kind": "Secret", "metadata": {"name": "hub"}, "data": data})
        };
        let set = secret("hub: {a: 1, cookieSecret: one}\n", "t");
        assert_eq!(told(&set, &set), [""; 0]);
        let live = secret("hub: {a: 2, cookieSecret: two}\n", "u");
        assert_eq!(
            told(&set, &live),
            [
                "Secret/hub, data.token: differs",
                "Secret/hub, data.values.yaml: hub.a: differs",
                "Secret/hub, data.values.yaml: hub.cookieSecret: differs",
            ]
        );
        let plain =
            json!({"kind": "Secret", "metadata": {"name": "hub"}, "stringData": {"token": "t"}});
        assert_eq!(told(&plain, &set), [""; 0]);
    }

    #[test]
    fn hooks_do_not_last() {
        let text = "- {kind: A, metadata: {name: a, annotations: {helm.sh/hook: pre-install}}}\n- {kind: B, metadata: {name: b}}\n";
        let documents: Vec<serde_yaml::Value> = serde_yaml::from_str(text).unwrap();
        let kinds: Vec<Value> =
            lasting(&documents).unwrap().iter().map(|it| it["kind"].clone()).collect();
        assert_eq!(kinds, ["B"]);
    }

    #[test]
    fn quantities() {
        for (one, other) in [("0.5", "500m"), ("1024Mi", "1Gi"), ("1", "1000m"), ("1000k", "1M")] {
            assert_eq!(quantity(one), quantity(other), "{one}");
            assert!(quantity(one).is_some());
        }
        assert_ne!(quantity("1Gi"), quantity("1G"));
        for text in ["", "a", ".5", "-1", "1x", "Gi", "127.0.0.1"] {
            assert_eq!(quantity(text), None, "{text}");
        }
    }
}
