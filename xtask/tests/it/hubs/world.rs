//! A hub with two revisions on a cluster of the stand-in, and what the cluster has afterwards.

use std::{fs, os::unix::fs::PermissionsExt as _};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{checkout::Checkout, run::Done};

/// Backup of the hub with JupyterHub 5.
pub(crate) const BACKUP: &str = "jupyterhub.sqlite.xtask-20261122T110000Z";

/// A hub with two revisions, the second of which is live.
pub(crate) struct Hub {
    pub(crate) checkout: Checkout,
}

pub(crate) fn image(revision: u32) -> String {
    format!("quay.io/us/hello:t@sha256:{}", revision.to_string().repeat(64))
}

fn manifests(revision: u32) -> Value {
    let values = format!(
        "singleuser: {{image: {{name: quay.io/us/hello, tag: \"t@sha256:{}\"}}}}\nhub: {{cookieSecret: aaaa}}\n",
        revision.to_string().repeat(64)
    );
    let deployment = |name: &str| {
        let mount = json!([{"name": "pvc", "mountPath": "/srv/jupyterhub"}]);
        let container = json!({"name": name, "image": format!("quay.io/us/hub:{revision}"), "volumeMounts": mount});
        let claim = json!({"claimName": "hub-db-dir"});
        let volumes = json!([{"name": "pvc", "persistentVolumeClaim": claim}]);
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
            "spec": {"replicas": 1, "template": {"spec": {"containers": [container], "volumes": volumes}}},
        })
    };
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hub"},
        "data": {"values.yaml": STANDARD.encode(values)},
    });
    json!([deployment("hub"), deployment("proxy"), secret])
}

pub(crate) fn revision(number: u32, status: &str) -> Value {
    let token = json!({"xtask-smoke": {"apiToken": "a-token-of-the-smoke-test"}});
    json!({
        "revision": number, "status": status, "updated": format!("2026-11-22T1{number}:00:30Z"),
        "chart": "jupyterhub-4.4.0", "app_version": "5.5.0", "description": "Upgrade complete",
        "manifest": manifests(number), "values": {"hub": {"services": token}},
    })
}

pub(crate) fn record(number: u32, jupyterhub: &str, backup: Option<&str>) -> Value {
    json!({
        "record": 1, "release": "hello-staging", "namespace": "hello-staging",
        "cluster": {"context": "lab", "identity": "kube-system/one", "version": "v1.32.1"},
        "mission": "hello", "environment": "staging", "revision": number,
        "previous": number - 1, "action": "deploy",
        "started": format!("2026-11-22T1{number}:00:00Z"),
        "finished": format!("2026-11-22T1{number}:01:00Z"),
        "result": "deployed", "reason": null, "live": number,
        "images": [{"mission": "hello", "reference": image(number), "receipt": null}],
        "reasons": {"untested": null, "dirty": null, "no_smoke": null, "backup_done": null},
        "git": {
            "commit": number.to_string().repeat(40), "remote": null, "branch": "main", "diff": null,
            "secrets_commit": null, "secrets_keys": null,
        },
        "chart": {"name": "jupyterhub", "version": "4.4.0", "sha256": "7".repeat(64), "app_version": "5.5.0"},
        "values": {"sha256": "7".repeat(64), "hmac": null},
        "jupyterhub": {"new": jupyterhub, "previous": "5.5.0"},
        "tools": {"xtask": null, "helm": "v3.17.2", "kubectl": "v1.32.4"},
        "by": {"git": "Jo", "cluster": null, "run": null},
        "smoke": null, "backup": backup, "from": null,
    })
}

impl Hub {
    /// Returns a hub of these major versions of JupyterHub.
    pub(crate) fn new(versions: [&str; 2]) -> Hub {
        let mut checkout = Checkout::new();
        checkout.env("REGISTRY", "quay.io/us");
        let values = "xtask: {cluster: {context: lab, identity: kube-system/one}}\n";
        checkout.file("missions/hello/hub/staging.yaml", values);
        for name in ["common/hub/deployed/database.py", "common/hub/local/client.py"] {
            let text = format!("{}/../{name}", env!("CARGO_MANIFEST_DIR"));
            checkout.file(name, &fs::read_to_string(text).unwrap());
        }
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/hubs/stand_in.py");
        for name in ["kubectl", "helm"] {
            let path = checkout.dir().join("bin").join(name);
            fs::copy(script, &path).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let registry: Value = [1, 2]
            .map(|it| {
                let digest = format!("sha256:{}", it.to_string().repeat(64));
                (format!("quay.io/us/hello:t{it}"), json!({"digest": digest, "config": digest}))
            })
            .into_iter()
            .chain([1, 2].map(|it| {
                let digest = format!("sha256:{}", (it + 2).to_string().repeat(64));
                (format!("quay.io/us/hub:{it}"), json!({"digest": digest, "config": digest}))
            }))
            .collect();
        let state = json!({"images": [], "containers": [], "registry": registry, "clock": 0});
        checkout.state("state.json", &state.to_string());
        let backup = (versions[0] != versions[1]).then_some(BACKUP);
        let records = json!({
            "1": record(1, versions[0], None).to_string(),
            "2": record(2, versions[1], backup).to_string(),
        });
        let mut objects = json!({
            "namespaces/kube-system": {"kind": "Namespace", "metadata": {"name": "kube-system", "uid": "one"}},
            "configmaps/hello-staging-releases": {
                "apiVersion": "v1", "kind": "ConfigMap", "data": records,
                "metadata": {"name": "hello-staging-releases", "resourceVersion": "1", "uid": "two"},
            },
        });
        for it in manifests(2).as_array().unwrap() {
            let kind = match it["kind"].as_str() {
                Some("Deployment") => "deployments.apps",
                _ => "secrets",
            };
            objects[format!("{kind}/{}", it["metadata"]["name"].as_str().unwrap())] = it.clone();
        }
        let cluster = json!({
            "objects": objects, "release": [revision(1, "superseded"), revision(2, "deployed")],
            "version": versions[1], "writes": 10, "starts": 0, "backups": [BACKUP],
        });
        checkout.state("cluster.json", &cluster.to_string());
        Hub { checkout }
    }

    pub(crate) fn run(&self, args: &[&str]) -> Done {
        self.checkout.run(args)
    }

    pub(crate) fn cluster(&self) -> Value {
        serde_json::from_str(&self.checkout.stand_in("cluster.json")).unwrap()
    }

    /// Makes a change of the cluster by others.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Value)) {
        let mut cluster = self.cluster();
        change(&mut cluster);
        self.checkout.state("cluster.json", &cluster.to_string());
    }

    /// Plans failures of kubectl and Helm.
    pub(crate) fn flaws(&self, flaws: &Value) {
        self.checkout.state("cluster-flaws.json", &flaws.to_string());
    }

    pub(crate) fn calls(&self) -> Vec<String> {
        self.checkout.stand_in("cluster-calls").lines().map(str::to_owned).collect()
    }

    pub(crate) fn has_called(&self, part: &str) -> bool {
        self.calls().iter().any(|it| it.contains(part))
    }

    /// Returns the status of the newest revision, with its number.
    pub(crate) fn newest(&self) -> String {
        let cluster = self.cluster();
        let newest = cluster["release"].as_array().unwrap().last().unwrap();
        format!("{} {}", newest["revision"], newest["status"].as_str().unwrap())
    }

    /// Returns action and result of a revision's record.
    pub(crate) fn record(&self, revision: u32) -> String {
        let cluster = self.cluster();
        let data = &cluster["objects"]["configmaps/hello-staging-releases"]["data"];
        let Some(text) = data[revision.to_string()].as_str() else { return "none".to_owned() };
        let record: Value = serde_json::from_str(text).unwrap();
        let part = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
        format!("{}: {}: {}", part("action"), part("result"), part("reason"))
    }

    pub(crate) fn replicas(&self) -> u64 {
        self.cluster()["objects"]["deployments.apps/hub"]["spec"]["replicas"].as_u64().unwrap()
    }
}
