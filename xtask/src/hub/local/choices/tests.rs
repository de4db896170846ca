use std::path::PathBuf;

use expect_test::{Expect, expect};

use super::*;
use crate::hub::values::{Layer, Source};

fn plain() -> Choice {
    Choice {
        id: "roman".to_owned(),
        mission: "roman".to_owned(),
        title: "roman".to_owned(),
        description: String::new(),
        detail: String::new(),
        image: "sha256:0".to_owned(),
        home: "home.roman".to_owned(),
        env: BTreeMap::new(),
        memory: None,
        cpu: None,
        cmd: Vec::new(),
        url: None,
        user: None,
        binds: Vec::new(),
    }
}

fn made(text: &str) -> anyhow::Result<OfMission> {
    let source = Source { file: PathBuf::from("local.yaml"), is_secret: false };
    let layer = Layer { source, text: text.to_owned() };
    of(&plain(), &Values::merged(vec![layer]).expect("valid YAML"))
}

#[expect(clippy::needless_pass_by_value, reason = "the form of expect_test")]
#[track_caller]
fn check(text: &str, expected: Expect) {
    let res = match made(text) {
        Err(err) => err.to_string(),
        Ok(it) => {
            let choice = |it: &Choice| {
                let Choice { id, title, env, memory, cpu, cmd, url, .. } = it;
                format!("{id} | {title} | {env:?} | {memory:?} | {cpu:?} | {cmd:?} | {url:?}\n")
            };
            let choices: String = it.choices.iter().map(choice).collect();
            format!("{choices}unused: {:?}\n", it.unused)
        }
    };
    expected.assert_eq(&res);
}

#[test]
fn values_of_a_mission() {
    check(
        "{}\n",
        expect![[r#"
        roman | roman | {} | None | None | [] | None
        unused: {}
    "#]],
    );
    check(
        "singleuser:\n  extraEnv: {A: x, B: 2, C: {valueFrom: {secretKeyRef: {name: tokens}}}}\n  memory: {limit: 2G, guarantee: 1G}\n  cpu: {limit: 1.5, guarantee: null}\n  cmd: jupyterhub-singleuser\n  defaultUrl: /lab\n  storage: {capacity: 1Gi}\ncull: {enabled: true}\nhub: {config: {JupyterHub: {a: b}}}\n",
        expect![[r#"
            roman | roman | {"A": "x", "B": "2"} | Some(String("2G")) | Some(1.5) | ["jupyterhub-singleuser"] | Some("/lab")
            unused: {"cull", "hub.config", "singleuser.extraEnv.C", "singleuser.memory.guarantee", "singleuser.storage"}
        "#]],
    );
}

#[test]
fn profiles() {
    check(
        "singleuser:\n  memory: {limit: 1G}\n  profileList:\n  - display_name: Small\n  - display_name: 'Large, 4 GB'\n    default: true\n    kubespawner_override: {mem_limit: 4G, image: x, environment: {A: b}}\n",
        expect![[r#"
            roman.large-4-gb | roman: Large, 4 GB | {"A": "b"} | Some(String("4G")) | None | [] | None
            roman.small | roman: Small | {} | Some(String("1G")) | None | [] | None
            unused: {"singleuser.profileList[].kubespawner_override.image"}
        "#]],
    );
}

#[test]
fn wrong_types() {
    check(
        "singleuser:\n  cpu:\n    limit: two\n",
        expect!["local.yaml:3: `cpu.limit` is \"two\"; expected a positive number"],
    );
    check(
        "singleuser:\n  memory:\n    limit: true\n",
        expect!["local.yaml:3: `memory.limit` is true; expected a size such as `2G`"],
    );
}
