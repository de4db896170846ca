//! The differential test of validation: Helm's exit status says the same of values as `hub-values`.

use std::{fs, path::Path, process::Command};

use crate::scratch::{Scratch, helms, run};

const CASES: &[&str] = &[
    "hub: {}",
    "hub: {baseUrl: null}",
    "hub: {baseUrl: 1}",
    "hub: {unknown: 1}",
    "unknown: 1",
    "custom: {a: 1}",
    "hub: {config: {Any: {x: 1}}}",
    "hub: {config: {lower: {x: 1}}}",
    "hub: {config: {JupyterHub: {subdomain_host: 1}}}",
    "hub: {revisionHistoryLimit: 0}",
    "hub: {revisionHistoryLimit: -1}",
    "hub: {revisionHistoryLimit: 1.5}",
    "hub: {revisionHistoryLimit: 2.0}",
    "hub: {db: {type: oracle}}",
    "hub: {db: {pvc: {storage: null}}}",
    "hub: {db: {pvc: {annotations: {helm.sh/resource-policy: keep}}}}",
    "hub: {db: {pvc: {annotations: {a: 1}}}}",
    "hub: {db: {pvc: {accessModes: [ReadWriteMany]}}}",
    "hub: {db: {pvc: {accessModes: [1]}}}",
    "hub: {extraFiles: {a: {mountPath: /a, stringData: x}}}",
    "hub: {extraFiles: {a: {mountPath: /a}}}",
    "hub: {extraFiles: {a: {mountPath: /a, stringData: x, binaryData: x}}}",
    "hub: {extraFiles: {a: {stringData: x}}}",
    "hub: {livenessProbe: {enabled: true, periodSeconds: null}}",
    "hub: {livenessProbe: {enabled: false, periodSeconds: null}}",
    "hub: {services: {a: {apiToken: abcdefgh}}}",
    "hub: {services: {a: {token: x}}}",
    "singleuser: {image: {tag: 2026}}",
    "singleuser: {image: {tag: '2026'}}",
    "singleuser: {image: {pullPolicy: null}}",
    "singleuser: {image: {pullPolicy: Sometimes}}",
    "singleuser: {profileList: {}}",
    "singleuser: {extraEnv: [{name: A, value: b}]}",
    "singleuser: {extraEnv: text}",
    "singleuser: {memory: {limit: 1.5}}",
    "singleuser: {memory: null}",
    "singleuser: null",
    "imagePullSecret: {create: true}",
    "imagePullSecret: {create: true, registry: r, username: u, password: p}",
    "prePuller: {extraImages: {a: {name: b}}}",
    "ingress: {enabled: null}",
    "cull: {every: '600'}",
];

#[test]
fn helm_refuses_what_we_refuse() {
    let scratch = Scratch::new();
    let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/helm/chart");
    let schema = fs::read_to_string(chart.join("values.schema.json")).unwrap();
    let defaults = fs::read_to_string(chart.join("values.yaml")).unwrap();
    let defaults: serde_yaml::Value = serde_yaml::from_str(&defaults).unwrap();
    scratch.write("common/hub/chart/values.schema.json", &schema);
    scratch.write("common/hub/chart/values.json", &serde_json::to_string(&defaults).unwrap());
    let mut wrong = Vec::new();
    for case in CASES {
        scratch.write("missions/hello/hub/prod.yaml", &format!("{case}\n"));
        let ours = scratch.xtask(&["hub-values", "hello", "--env", "prod"]);
        let stderr = String::from_utf8_lossy(&ours.stderr);
        // What other rules refuse is not the schema's.
        let is_plain_secret = stderr.contains("hub-secret");
        for helm in helms() {
            let mut command = Command::new(&helm);
            command.arg("template").arg("x").arg(&chart).args(["-f", "-"]);
            let is_valid = run(&mut command, case).status.success();
            if is_valid != ours.status.success() && !is_plain_secret {
                wrong
                    .push(format!("{}: {case}: helm {is_valid}\n{stderr}", helm.to_string_lossy()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
