//! Readers of untrusted data, with an example of the input of each.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::{
    check::{
        self,
        tests::{facts, mission},
    },
    hub,
    image::export,
    mission::{
        checkout::Mission,
        dockerfile::{Text, apt},
    },
    run::{printable, redact},
    secrets,
    settings::setup_env::{self, Scope, Vars},
    specs::frozen,
    task,
    testing::{
        carry, image_test, junit,
        page::{self, Notebook, Page, Section},
        receipt::{self, PartReceipt, Receipt},
    },
    tools::docker::build_log,
};

/// A reader, whose result for a text is ignored.
pub(super) struct Reader {
    pub(super) name: &'static str,
    pub(super) seed: String,
    pub(super) read: fn(&str),
}

const NOTEBOOK: &str = include_str!("../../../missions/hello/environments/hello/tests/cmb.ipynb");
const RESULT: &str = r#"{"environment": "hello", "kind": "notebook", "name": "a.ipynb", "outcome": "failed", "seconds": 1.5, "message": "in cell [2]:\n    1 / 0\nZeroDivisionError", "again": "test-notebooks hello a.ipynb"}"#;
const DEPENDENCIES: &str =
    r#"{"hello": "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}"#;
const HTML: &str = "<div><p class=x>a <b>b</b> &lt;c&gt;<table><tr><th>h<td rowspan=2>x</table><img src='data:image/png;base64,AA' alt=a><a href=https://x>y</a><h2>t</h2><svg><script>x</script></svg><!-- c --></div>";
const MARKDOWN: &str = "# A\n\ntext *a* **b** `c` [l](https://x) ![i](attachment:a.png)\n\n- 1\n  - 2\n\n| a | b |\n|---|---|\n| $x$ | <b>y</b> |\n\n```\ncode\n```\n> q\n";
const SECRETS: &str = "hub:\n    cookieSecret: ENC[AES256_GCM,data:x,iv:y,tag:z,type:str]\nlist:\n    - ENC[AES256_GCM,data:x,iv:y,tag:z,type:int]\nsops:\n    age:\n        - recipient: age1qqqq\n          enc: |\n            x\n    lastmodified: \"2026-01-01T00:00:00Z\"\n    mac: ENC[AES256_GCM,data:x,iv:y,tag:z,type:str]\n    version: 3.10.2\n";
const HUB_VALUES: &str = "singleuser:\n  profileList: [{a: b}, 1.5, null]\n  # c\n  extraEnv:\n    A: \"b\"\nhub:\n  extraConfig:\n    x: |\n      c.y = 1\n";
const PODS: &str = r#"{"items": [{"kind": "Pod", "metadata": {"name": "hub-a", "uid": "u", "labels": {"component": "hub"}}, "spec": {"nodeName": "n"}, "status": {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "m"}], "containerStatuses": [{"name": "hub", "ready": false, "restartCount": 1, "state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}}, "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}}}]}}, {"kind": "Event", "type": "Warning", "reason": "Failed", "message": "Failed to pull image \"a\": not found", "lastTimestamp": "2026-11-27T05:00:02Z", "involvedObject": {"kind": "Pod", "uid": "u", "fieldPath": "spec.containers{hub}"}}]}"#;
const LEASE: &str = r#"{"metadata": {"annotations": {"xtask/action": "deploy", "xtask/name": "Ann"}}, "spec": {"holderIdentity": "a-1", "renewTime": "2026-11-27T05:00:02.000001Z", "acquireTime": "2026-11-27T05:00:02.000001Z", "leaseDurationSeconds": 60}}"#;
const RULES: &str = "creation_rules:\n  - path_regex: (dev|prod)\\.yaml$\n    age: age1qqqq\n    encrypted_regex: ^(a|b)$\n";
const LOG: &str = "#8 [a 1/2] RUN x\n#9 [b 1/2] RUN --mount=y z\n#9 0.2 \u{1b}[31mfirst\n#9 ERROR: exit code: 1\nhttps://me:pw@host/t/token/x ghp_0123456789abcdef0123\n";
const PATCH: &str = "commit\t0123\t2026-01-01T00:00:00Z\ts\n\ndiff --git a/x.yml b/x.yml\n--- a/x.yml\n+++ b/x.yml\n@@ -1 +1 @@\n-    - numpy==1.0 --hash=sha256:0\n+    - numpy==2.0 --hash=sha256:0\n";
const CUSTOM: &str = "RUN /opt/common-scripts/env-create hello hello.yml && install-common hello\nENV A=b \\\n  C=\"d\"\nRUN curl -O https://x | sh; a & b\n";
const PIP: &str = "numpy[x]>=1.2,<3; python_version >= \"3.12\" and (os_name == 'a')\nb @ git+https://x/y@z \\\n  # c\n-c a.pip\n# check: allow file-name -- why\n";
const CONDA: &str = "conda-forge::numpy[version='>=2',build=h*]\nscipy >=1,<2 py31*\n";
const YML: &str =
    "name: x\nchannels: [conda-forge]\ndependencies:\n  - python=3.13\n  - pip:\n    - numpy>=2\n";

const CHANNEL: &str = r#"{"packages": {}, "packages.conda": {"numpy-2.1.0-py313_0.conda": {"name": "numpy", "version": "2.1.0", "depends": ["python >=3.13,<3.14.0a0", "libblas >=3.9,<4.0a0"], "constrains": ["numpy-base <0a0"]}}}"#;

pub(super) fn all() -> Vec<Reader> {
    let reader = |name, seed: &str, read| Reader { name, seed: seed.to_owned(), read };
    vec![
        reader("setup-env", include_str!("../../../setup-env.template"), settings),
        reader("setup-env.template", "export A=b C=\"${D:-$E}\"\n", |it| {
            file("setup-env.template", it)
        }),
        reader("Dockerfile.custom", CUSTOM, |it| _ = check::findings(&mission(it, &[]))),
        reader("Dockerfile", CUSTOM, |it| file("x/Dockerfile", it)),
        reader("script", "#!/bin/bash\nset -eu\n", |it| file("+x.sh", it)),
        reader(".dockerignore", "*\n!a\n**/b\n", |it| file(".dockerignore", it)),
        reader("pip list", PIP, |it| list("hello/hello.pip", it)),
        reader("conda list", CONDA, |it| list("hello/hello.conda", it)),
        reader("yml list", YML, |it| list("hello/hello.yml", it)),
        reader("build requirements", "bls-py: numpy<2 # a\n", |it| list("hello/hello.build", it)),
        reader("shared constraints", PIP, |it| list("common-hints.pip", it)),
        reader("apt.txt", "graphviz # a\ng++\n", |it| _ = apt::packages(&text("apt.txt", it))),
        reader("start hook", "[ -d a ] || exit 1 # b\nset -e; (exec c)\n", |it| {
            file("missions/m/before-notebook.d/a.sh", it);
        }),
        reader("imports", "numpy # a\n", |it| list("hello/tests/imports", it)),
        reader("commands", "sex # a\n", |it| list("hello/tests/commands", it)),
        reader("notebooks", "*.ipynb\n**/[a-z]*.ipynb\n", |it| list("hello/tests/notebooks", it)),
        reader("frozen spec", frozen::tests::GOOD, frozen_spec),
        reader("index of a channel", CHANNEL, crate::specs::repodata::tests::read),
        reader("changed frozen spec", frozen::tests::GOOD, diff),
        reader("patches of frozen specs", PATCH, |it| _ = task::packages::when::tests::events(it)),
        reader("notebook", NOTEBOOK, |it| file("a.ipynb", it)),
        reader("cells of a notebook", "{\"id\": \"\"},", |it| file("c.ipynb", &of_cells(it))),
        reader("notebook's markdown", MARKDOWN, |it| file("b.ipynb", &of_cell(&markdown(it)))),
        reader("executed notebook", NOTEBOOK, page),
        reader("HTML output", HTML, |it| page(&of_cell(&output("text/html", it)))),
        reader("Markdown output", MARKDOWN, |it| page(&of_cell(&output("text/markdown", it)))),
        reader("Markdown cell", MARKDOWN, |it| page(&of_cell(&markdown(it)))),
        reader("text output", LOG, |it| page(&of_cell(&output("text/plain", it)))),
        reader("picture", "<svg/>", |it| page(&of_cell(&output("image/svg+xml", it)))),
        reader("results", RESULT, results),
        reader("message of a test", LOG, |it| results(&of_message(it))),
        reader("digests of dependencies", DEPENDENCIES, |it| _ = carry::parse(it)),
        reader("receipt", &known_receipt().to_string(), certificate),
        reader("receipt of a part", &part_of_tests().to_string(), merged),
        reader("secrets", SECRETS, |it| file("secrets/m/a.yaml", it)),
        reader("encrypted file", SECRETS, |it| _ = secrets::encrypted::EncryptedFile::parse(it)),
        reader("sops rules", RULES, |it| _ = secrets::rules::Rules::parse(it)),
        reader("values", "a:\n  b: 1\n  c: [x, {d: e}]\n", |it| {
            _ = secrets::plain::leaves(it, &crate::tools::sops::key::Key(Vec::new()));
        }),
        reader("hub's values", HUB_VALUES, |it| file("missions/m/hub/local.yaml", it)),
        reader("pods and events", PODS, hub::watch::tests::judged),
        reader("pods of tests", PODS, crate::testing::jobs::tests::judged),
        reader("lock of a release", LEASE, hub::lease::tests::read),
        reader("output of programs", LOG, said),
    ]
}

fn settings(text: &str) {
    let none = Vars::new();
    let scope = Scope { root: "/", fixed: &none, ambient: &none };
    let _ = setup_env::read(text, &scope);
}

fn file(name: &str, text: &str) {
    let _ = check::findings(&facts(&[(name, text)]));
}

fn text(name: &str, text: &str) -> Text {
    Text { path: PathBuf::from(name), text: text.to_owned() }
}

fn list(name: &str, text: &str) {
    let steps = "RUN env-create hello hello.yml\nRUN env-update hello hello.pip hello.conda\n";
    let _ = check::findings(&mission(steps, &[(name, text), ("hello/tests/a.ipynb", "")]));
}

fn frozen_spec(text: &str) {
    list("hello/hello-frozen.yml", text);
    let _ = frozen::parse(Path::new("x"), text).map(|it| it.to_string());
}

fn diff(text: &str) {
    let export = export::Export {
        path: PathBuf::from("x"),
        old: Some(frozen::tests::GOOD.to_owned()),
        new: text.to_owned(),
        frozen: None,
    };
    let _ = (export.diff(Path::new("x")), export.changes());
}

fn output(mime: &str, text: &str) -> Value {
    let output = json!({ "output_type": "display_data", "data": { mime: text } });
    json!({ "cell_type": "code", "source": text, "outputs": [output, { "output_type": "stream", "text": text }] })
}

fn markdown(text: &str) -> Value {
    json!({ "cell_type": "markdown", "source": text, "attachments": { "a.png": { "image/png": "AA" } } })
}

fn of_cell(cell: &Value) -> String {
    json!({ "nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [cell] }).to_string()
}

fn of_cells(cells: &str) -> String {
    let cells = cells.trim_end_matches(',');
    format!(r#"{{"nbformat": 4, "nbformat_minor": 5, "metadata": {{}}, "cells": [{cells}]}}"#)
}

fn page(text: &str) {
    let (environment, name) = ("hello".to_owned(), "a.ipynb".to_owned());
    let notebooks = vec![Notebook { environment, name, text: text.to_owned() }];
    let section = Section { mission: "hello".to_owned(), notebooks, ..Section::default() };
    let _ = page::text(&Page { made: String::new(), missions: vec![section] });
}

fn known_receipt() -> Value {
    let corpus: Value = serde_json::from_str(include_str!("../../tests/receipts.json")).unwrap();
    corpus["receipt"].clone()
}

fn of_message(text: &str) -> String {
    let mut result: Value = serde_json::from_str(RESULT).unwrap();
    result["message"] = Value::from(text);
    result.to_string()
}

fn results(text: &str) {
    let Ok(tests) = receipt::parse_results(text) else { return };
    let mut receipt = Receipt::parse(&known_receipt().to_string()).unwrap();
    receipt.tests = tests;
    shown(receipt);
}

fn certificate(text: &str) {
    let _ = Receipt::parse(text).map(shown);
}

fn part_of_tests() -> Value {
    let mut receipt = known_receipt();
    receipt["complete"] = Value::from(false);
    let digest = "0".repeat(64);
    receipt["shard"] = json!({ "part": "1/1", "tests": digest, "settings": digest });
    receipt
}

fn merged(text: &str) {
    let Ok(receipt) = Receipt::parse(text) else { return };
    let environments = Vec::new();
    let mission = Mission { name: "hello".to_owned(), dir: PathBuf::from("x"), environments };
    let part = |file: &str| PartReceipt { file: file.to_owned(), receipt: receipt.clone() };
    let _ = receipt::merge(&mission, &[part("a.json"), part("b.json")]);
}

fn shown(receipt: Receipt) {
    let _ = (
        junit::text(&receipt),
        image_test::failures(
            &receipt,
            image_test::Rerun::Image(crate::settings::config::Mode::Frozen),
        ),
    );
    let section = Section { receipt: Some(receipt), ..Section::default() };
    let _ = page::text(&Page { made: String::new(), missions: vec![section] });
}

fn said(text: &str) {
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let _ = (build_log::failed_step(&lines, 25), redact::text(text), redact::json(text));
    let _ = (redact::in_channel(text), redact::without_login(text), printable::json(text));
}
