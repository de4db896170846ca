//! What a release needs: images, Secrets that others made, and rights.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{
    hub::{
        render::Manifests,
        values::{Values, child},
    },
    tools::kubectl::Access,
};

/// Returns the images of all containers of manifests.
pub(crate) fn images(manifests: &Manifests) -> BTreeSet<String> {
    let mut res = BTreeSet::new();
    for manifest in manifests.values() {
        walk(manifest, "", &mut |key, value| {
            if let Some(image) = value["image"].as_str().filter(|_| value["name"].is_string())
                && key.contains("ontainers[")
            {
                res.insert(image.to_owned());
            }
        });
    }
    res
}

/// Returns the Secrets that manifests name and do not contain, each with a place that names it. The
/// Secret of an Ingress is left out: what issues certificates makes it.
pub(crate) fn secrets_of_manifests(manifests: &Manifests) -> BTreeMap<String, String> {
    let mut res = BTreeMap::new();
    for (name, manifest) in manifests.iter().filter(|it| !it.0.starts_with("Ingress/")) {
        walk(manifest, "", &mut |key, value| named(key, value, name, &mut res));
    }
    res.retain(|name, _| !manifests.contains_key(&format!("Secret/{name}")));
    res
}

/// Returns the Secrets that users' servers need, each with the key that names it.
pub(crate) fn secrets_of_values(values: &Values) -> BTreeMap<String, String> {
    let mut res = BTreeMap::new();
    let singleuser = values.get("singleuser").map(|it| it.json()).unwrap_or_default();
    walk(&singleuser, "singleuser", &mut |key, value| {
        named(key, value, "values", &mut res);
        for list in ["pullSecrets", "image_pull_secrets"] {
            for name in value[list].as_array().into_iter().flatten() {
                let name = name.as_str().or(name["name"].as_str());
                let place = format!("values, {}", child(key, list));
                res.extend(name.map(|it| (it.to_owned(), place.clone())));
            }
        }
    });
    res
}

/// Adds the Secrets that `value` at `key` names itself.
fn named(key: &str, value: &Value, of: &str, res: &mut BTreeMap<String, String>) {
    let mut add = |owner: &Value, name: &str, at: &str| {
        let name = owner[name].as_str().filter(|it| !it.is_empty());
        if let Some(name) = name.filter(|_| owner["optional"] != Value::Bool(true)) {
            let place = format!("{of}, {}", child(key, at));
            res.entry(name.to_owned()).or_insert(place);
        }
    };
    for reference in ["secretKeyRef", "secretRef"] {
        add(&value[reference], "name", reference);
    }
    add(&value["secret"], "secretName", "secret");
    if key.contains("sources[") {
        add(&value["secret"], "name", "secret");
    }
    for it in value["imagePullSecrets"].as_array().into_iter().flatten() {
        add(it, "name", "imagePullSecrets");
    }
}

/// Calls `visit` with each mapping and its path.
fn walk(value: &Value, key: &str, visit: &mut impl FnMut(&str, &Value)) {
    match value {
        Value::Object(entries) => {
            visit(key, value);
            entries.iter().for_each(|(name, it)| walk(it, &child(key, name), visit));
        }
        Value::Array(items) => {
            let items = items.iter().enumerate();
            items.for_each(|(n, it)| walk(it, &child(key, &format!("[{n}]")), visit));
        }
        _ => (),
    }
}

/// Kinds without a namespace that the chart may contain.
const CLUSTER_WIDE: [&str; 4] = ["ClusterRole", "ClusterRoleBinding", "PriorityClass", "Namespace"];

/// Rights that Helm and this tool need beside those for the manifests.
const OWN: [(&str, &str, &[&str]); 8] = [
    ("", "secrets", &["get", "list", "create", "update", "delete"]),
    ("", "configmaps", &["get", "create", "update"]),
    ("coordination.k8s.io", "leases", &["get", "create", "update", "delete"]),
    ("", "pods", &["get", "list"]),
    ("", "pods/log", &["get"]),
    ("", "pods/exec", &["create"]),
    ("", "services/proxy", &["get"]),
    ("", "events", &["list"]),
];

/// Returns the rights that a release of these manifests needs.
pub(crate) fn access(manifests: &Manifests) -> BTreeSet<Access> {
    let mut res = BTreeSet::new();
    for manifest in manifests.values() {
        let (Some(kind), Some(version)) =
            (manifest["kind"].as_str(), manifest["apiVersion"].as_str())
        else {
            continue;
        };
        let is_namespaced = !CLUSTER_WIDE.contains(&kind);
        let (resource, group) = (plural(kind), group(version));
        for verb in ["get", "create", "patch", "delete"] {
            let (resource, group) = (resource.clone(), group.clone());
            res.insert(Access { verb, group, resource, is_namespaced });
        }
    }
    res.extend(OWN.into_iter().flat_map(Access::in_namespace));
    res
}

/// Returns the plural of a kind.
fn plural(kind: &str) -> String {
    let name = kind.to_lowercase();
    match name.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None if name.ends_with('s') => format!("{name}es"),
        None => format!("{name}s"),
    }
}

/// Returns the API group of a version such as `apps/v1`; empty for the core.
fn group(version: &str) -> String {
    version.split_once('/').map_or_else(String::new, |it| it.0.to_owned())
}

/// Returns the bytes of a quantity such as `1Gi`.
/// <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>
pub(super) fn quantity(text: &str) -> Option<u128> {
    const UNITS: [(&str, u128); 11] = [
        ("Ki", 1 << 10),
        ("Mi", 1 << 20),
        ("Gi", 1 << 30),
        ("Ti", 1 << 40),
        ("Pi", 1 << 50),
        ("k", 1000),
        ("M", 1_000_000),
        ("G", 1_000_000_000),
        ("T", 1_000_000_000_000),
        ("P", 1_000_000_000_000_000),
        ("", 1),
    ];
    let (number, unit) =
        UNITS.iter().find_map(|(it, unit)| Some((text.strip_suffix(it)?, unit)))?;
    number.parse::<u128>().ok()?.checked_mul(*unit)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::hub::values::{Layer, Source};

    fn manifests() -> Manifests {
        let env = json!([
            {"name": "A", "valueFrom": {"secretKeyRef": {"name": "for-env", "key": "a"}}},
            {"name": "B", "valueFrom": {"secretKeyRef": {"name": "maybe", "key": "a", "optional": true}}},
        ]);
        let volumes = json!([
            {"name": "a", "secret": {"secretName": "hub"}},
            {"name": "b", "secret": {"secretName": "existing"}},
            {"name": "c", "projected": {"sources": [{"secret": {"name": "projected"}}]}},
        ]);
        let containers = json!([{"name": "hub", "image": "q/hub:1", "env": env, "envFrom": [{"secretRef": {"name": "all"}}]}]);
        let pod = json!({
            "initContainers": [{"name": "i", "image": "q/init:1"}], "containers": containers,
            "volumes": volumes, "imagePullSecrets": [{"name": "pull"}],
        });
        Manifests::from([
            (
                "Deployment/hub".to_owned(),
                json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": {"spec": pod}}}),
            ),
            ("Secret/hub".to_owned(), json!({"apiVersion": "v1", "kind": "Secret"})),
            (
                "Ingress/hub".to_owned(),
                json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "spec": {"tls": [{"secretName": "cert"}]}}),
            ),
        ])
    }

    #[test]
    fn images_of_all_containers() {
        let images: Vec<String> = images(&manifests()).into_iter().collect();
        assert_eq!(images, ["q/hub:1", "q/init:1"]);
    }

    #[test]
    fn secrets_that_others_made() {
        let named = secrets_of_manifests(&manifests());
        let names: Vec<&str> = named.keys().map(String::as_str).collect();
        assert_eq!(names, ["all", "existing", "for-env", "projected", "pull"]);
        let place = "Deployment/hub, spec.template.spec.volumes[1].secret";
        assert_eq!(named["existing"], place);
    }

    #[test]
    fn secrets_of_users_servers() {
        let text = "singleuser:\n  image: {pullSecrets: [one]}\n  extraEnv: {A: {valueFrom: {secretKeyRef: {name: two, key: k}}}}\n  \
                    storage: {extraVolumes: [{name: v, secret: {secretName: three}}]}\n  \
                    profileList: [{kubespawner_override: {image_pull_secrets: [four]}}]\n";
        let source = Source { file: "prod.yaml".into(), is_secret: false };
        let values = Values::merged(vec![Layer { source, text: text.to_owned() }]).unwrap();
        let named = secrets_of_values(&values);
        let names: Vec<&str> = named.keys().map(String::as_str).collect();
        assert_eq!(names, ["four", "one", "three", "two"]);
        assert_eq!(named["one"], "values, singleuser.image.pullSecrets");
    }

    #[test]
    fn rights_by_kind() {
        let access = access(&manifests());
        let has = |verb: &str, group: &str, resource: &str| {
            access.iter().any(|it| {
                (it.verb, it.group.as_str(), it.resource.as_str()) == (verb, group, resource)
            })
        };
        assert!(has("patch", "apps", "deployments"));
        assert!(has("delete", "networking.k8s.io", "ingresses"));
        assert!(has("create", "", "pods/exec") && has("list", "", "events"));
        assert_eq!(plural("NetworkPolicy"), "networkpolicies");
        assert_eq!((plural("Service").as_str(), group("v1").as_str()), ("services", ""));
    }

    #[test]
    fn sizes_of_volumes() {
        assert_eq!(quantity("1Gi"), Some(1 << 30));
        assert_eq!(quantity("500M"), Some(500_000_000));
        assert_eq!(quantity("7"), Some(7));
        assert_eq!(quantity("1.5Gi"), None);
    }
}
