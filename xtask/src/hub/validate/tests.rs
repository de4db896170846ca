use std::fs;

use super::*;
use crate::hub::{
    chart,
    values::{Layer, Source, Values},
};

/// The small chart of `tests/helm`, whose schema is open and closed where that of Zero to JupyterHub
/// is, and the traits of the real classes.
fn chart() -> Chart {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |name: &str| fs::read_to_string(root.join(name)).unwrap();
    let defaults: serde_json::Value =
        serde_yaml::from_str(&read("tests/helm/chart/values.yaml")).unwrap();
    let texts = [
        (chart::SCHEMA, read("tests/helm/chart/values.schema.json")),
        (chart::DEFAULTS, defaults.to_string()),
        (chart::TRAITS, read(&format!("../{}", chart::TRAITS))),
    ];
    let text = |name: &str| texts.iter().find(|it| it.0 == name).map(|it| it.1.clone());
    Chart::parse(text).unwrap()
}

fn merged(text: &str) -> Result<Values, Vec<Finding>> {
    let source = Source { file: "prod.yaml".into(), is_secret: false };
    Values::merged(vec![Layer { source, text: text.to_owned() }])
}

/// Wrong values, and the line and start of the one finding about each.
const WRONG: &[(&str, &str)] = &[
    // YAML.
    ("", "-: an empty values file"),
    ("null\n", "-: an empty values file"),
    ("- a\n", "1: not a mapping"),
    ("hub: {}\nhub: {}\n", "2: `hub`: a duplicate key"),
    ("cull:\n  enabled: no\n", "2: `cull.enabled`: `no` is a boolean to some"),
    (
        "singleuser:\n  extraEnv: {MODE: 0644}\n",
        "2: `singleuser.extraEnv.MODE`: `0644` is an octal",
    ),
    ("cull: {timeout: 3_600}\n", "1: `cull.timeout`: `3_600` is a number to some"),
    ("cull: {timeout: 1:00:00}\n", "1: `cull.timeout`: `1:00:00` is a number in base 60"),
    ("a: &x {}\nb: 1\n", "1: `a`: an anchor"),
    ("hub: [\n", "2: `hub[0]`: invalid YAML"),
    ("a: 1\n---\nb: 1\n", "2: a second YAML document"),
    (
        "a: ENC[AES256_GCM,data:x,iv:x,tag:x,type:str]\nsops:\n  mac: ENC[AES256_GCM,data:x,iv:x,tag:x,type:str]\n",
        "-: encrypted by sops",
    ),
    // The schema.
    ("singelUser: {}\n", "1: `singelUser`: unknown key"),
    ("hub:\n  baseurl: /x/\n", "2: `hub.baseurl`: unknown key"),
    ("hub: {config: {jupyterhub: {}}}\n", "1: `hub.config.jupyterhub`: unknown key"),
    (
        "singleuser:\n  startTimeout: 5m\n",
        "2: `singleuser.startTimeout`: expected an integer or null, found text",
    ),
    ("hub: {baseUrl: null}\n", "1: `hub`: missing `baseUrl`"),
    ("proxy:\n  service:\n    type: Clusterip\n", "3: `proxy.service.type`: not a valid value"),
    ("hub: {revisionHistoryLimit: -1}\n", "1: `hub.revisionHistoryLimit`: less than 0"),
    ("hub: {extraFiles: {a: {mountPath: /a}}}\n", "1: `hub.extraFiles.a`: expected exactly one of"),
    ("hub: {extraFiles: {a: {stringData: x}}}\n", "1: `hub.extraFiles.a`: missing `mountPath`"),
    (
        "imagePullSecret: {create: true, registry: r, username: u}\n",
        "1: `imagePullSecret.password`: expected text, found null",
    ),
    (
        "singleuser: {storage: {dynamic: {storageAccessModes: [1]}}}\n",
        "1: `singleuser.storage.dynamic.storageAccessModes[0]`: expected text",
    ),
    ("singleuser: {memory: 2G}\n", "1: `singleuser.memory`: expected a mapping, found text"),
    // Images.
    (
        "singleuser:\n  image:\n    name: r\n    tag: 2026\n",
        "4: `singleuser.image.tag`: expected text, found a number",
    ),
    (
        "singleuser: {image: {name: r, tag: \"sha256:0f\"}}\n",
        "1: `singleuser.image.tag`: a digest is not a valid tag",
    ),
    (
        "singleuser:\n  profileList:\n    - display_name: a\n      kubespawner_override:\n        image: {name: r, tag: t}\n",
        "5: `singleuser.profileList[0].kubespawner_override.image`: expected an image as one text",
    ),
    (
        "hub: {config: {KubeSpawner: {image: {name: r}}}}\n",
        "1: `hub.config.KubeSpawner.image`: expected an image",
    ),
    // What the schema leaves open.
    (
        "singleuser:\n  profileList:\n    - display_name: a\n      kubespawner_overide: {}\n",
        "4: `singleuser.profileList[0].kubespawner_overide`: unknown key",
    ),
    (
        "singleuser:\n  profileList: [{kubespawner_override: {mem_limits: 1G}}]\n",
        "2: `singleuser.profileList[0].kubespawner_override.mem_limits`: unknown key",
    ),
    (
        "singleuser:\n  profileList: [{profile_options: {image: {choice: {}}}}]\n",
        "2: `singleuser.profileList[0].profile_options.image.choice`: unknown key",
    ),
    (
        "singleuser:\n  profileList: [{profile_options: {Image_Choice: {}}}]\n",
        "2: `singleuser.profileList[0].profile_options.Image_Choice`: not a DNS label",
    ),
    (
        "singleuser:\n  profileList: [{profile_options: {i: {choices: {A: {}}}}}]\n",
        "2: `singleuser.profileList[0].profile_options.i.choices.A`: not a DNS label",
    ),
    (
        "singleuser:\n  profileList: [{profile_options: {i: {unlisted_choice: {enable: true}}}}]\n",
        "2: `singleuser.profileList[0].profile_options.i.unlisted_choice.enable`: unknown key",
    ),
    (
        "prePuller: {extraImages: {my_image: {name: a, tag: b}}}\n",
        "1: `prePuller.extraImages.my_image`: not a DNS label",
    ),
    (
        "hub:\n  config:\n    Authenticator:\n      admin_userz: [a]\n",
        "4: `hub.config.Authenticator.admin_userz`: unknown trait of Authenticator",
    ),
    (
        "hub: {config: {GitHubOAuthenticator: {allowed_organisations: [a]}}}\n",
        "1: `hub.config.GitHubOAuthenticator.allowed_organisations`: unknown trait",
    ),
    // What loses files or tokens.
    ("cull: {users: true}\n", "1: `cull.users`: deleting idle users"),
    ("cull: {removeNamedServers: true}\n", "1: `cull.removeNamedServers`: removing named servers"),
    (
        "hub: {services: {a: {command: \"python -m x --cull-users=false --remove_named_servers=True\"}}}\n",
        "1: `hub.services.a.command`: `--remove_named_servers=True` deletes volumes",
    ),
    (
        "hub:\n  services:\n    cull:\n      command: [a, --cull-users]\n",
        "4: `hub.services.cull.command[1]`: `--cull-users` deletes volumes",
    ),
    ("proxy: {secretToken: abcdefabcdef}\n", "1: `proxy.secretToken`: a secret in plain text"),
    (
        "hub: {config: {CryptKeeper: {keys: [abcdefabcdef]}}}\n",
        "1: `hub.config.CryptKeeper.keys[0]`: a secret in plain text",
    ),
    (
        "singleuser: {extraEnv: {MY_API_KEY: abcdefabcdef}}\n",
        "1: `singleuser.extraEnv.MY_API_KEY`: a secret in plain text",
    ),
];

#[test]
fn wrong_values_have_one_finding_each() {
    let chart = chart();
    for (text, expected) in WRONG {
        let found = match merged(text) {
            Ok(values) => findings(&values, &chart),
            Err(found) => found,
        };
        let lines: Vec<String> = found
            .iter()
            .map(|it| {
                format!("{}: {}", it.line.map_or("-".to_owned(), |it| it.to_string()), it.what)
            })
            .collect();
        assert!(
            lines.len() == 1 && lines[0].starts_with(expected),
            "{text}\n{expected}\n{lines:#?}"
        );
        assert_eq!(found[0].file.to_str(), Some("prod.yaml"), "{text}");
    }
}

#[test]
fn nearest_names_are_suggested() {
    let fix = |text: &str| findings(&merged(text).unwrap(), &chart()).remove(0).fix;
    assert_eq!(
        fix("hub: {config: {Authenticator: {admin_userz: [a]}}}\n"),
        "did you mean `admin_users`?"
    );
    assert_eq!(fix("hub: {baseurl: /}\n"), "did you mean `baseUrl`?");
}

#[test]
fn right_values_have_no_finding_and_unknown_classes_a_note() {
    let values = merged(
        "hub:\n  config:\n    MyAuthenticator: {x: 1}\n    KubeSpawner: {image: 'r:t'}\n  extraFiles: {a: {mountPath: /a, data: {}}}\n\
         singleuser:\n  image: {name: r, tag: \"t@sha256:0f\"}\n  extraEnv: {A: {valueFrom: {secretKeyRef: {name: s, key: k}}}}\n  memory: {guarantee: null}\n\
         custom: {any: [1, 2]}\ncull: {users: false}\n",
    )
    .unwrap();
    let chart = chart();
    assert_eq!(findings(&values, &chart), []);
    assert_eq!(
        notes(&values, &chart),
        ["prod.yaml:3: `hub.config.MyAuthenticator`: unknown class, not checked"]
    );
    assert!(notes(&values, &Chart::default())[0].contains("hub-chart update"));
}

#[test]
fn a_schema_with_other_keywords_is_refused() {
    let schema = r#"{"properties": {"a": {"pattern": "x"}}, "oneOf": [{"not": {}}]}"#;
    let read = |name: &str| (name == chart::SCHEMA).then(|| schema.to_owned());
    let found = Chart::parse(read).unwrap_err();
    assert_eq!(found[0].what, "unsupported keywords: not, pattern");
}

#[test]
fn files_of_another_archive_are_refused() {
    let lock = "repository: https://x\nname: jupyterhub\nversion: 4.4.0\nappVersion: 5.5.0\nkubeVersion: null\n";
    let found = |lock: &str, stamp: &str| {
        let text = |name: &str| match name {
            crate::hub::lock::LOCK => Some(lock.to_owned()),
            chart::SCHEMA | chart::DEFAULTS => Some(format!("{{{stamp}}}")),
            _ => None,
        };
        match Chart::parse(text) {
            Ok(it) => {
                assert!(it.defaults.unwrap().get("$comment").is_none());
                Vec::new()
            }
            Err(found) => found.iter().map(|it| format!("{it}")).collect(),
        }
    };
    let locked = format!("{lock}sha256: '01'\n");
    let stamp = "\"$comment\": \"jupyterhub 4.4.0, SHA-256 of the archive 01\"";
    assert_eq!(found(&locked, stamp), [""; 0]);
    let other = &found(&locked.replace("01", "02"), stamp)[1];
    assert_eq!(
        other,
        "common/hub/chart/values.json: hub-values: taken out of jupyterhub 4.4.0, SHA-256 of the archive 01; common/hub/chart.lock.yaml locks jupyterhub 4.4.0, SHA-256 of the archive 02\n    fix: `cargo xtask hub-chart update 4.4.0` writes it again"
    );
    assert!(found(&locked, "")[0].contains("taken out of an unknown archive"));
    assert!(found(lock, stamp)[0].contains("locks no archive"));
}
