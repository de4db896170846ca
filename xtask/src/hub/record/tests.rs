use std::{path::PathBuf, sync::Arc};

use serde_json::{Value, json};

use super::{
    Action, By, Chart, Cluster, Digests, From, Git, Image, JupyterHub, KEPT, Outcome, Reasons,
    ReceiptOf, Record, Smoke, Step, Tools, digest, records, with,
};
use crate::hub::{
    schema,
    values::{At, Layer, Node, Source, Values},
};

/// Returns a record of a release that was promoted, with every field.
pub(crate) fn record(revision: u32) -> Record {
    let text = |it: &str| Some(it.to_owned());
    let receipt = ReceiptOf {
        sha256: "1".repeat(64),
        config: format!("sha256:{}", "2".repeat(64)),
        inputs: "3".repeat(64),
        platform: "linux/amd64".to_owned(),
        commit: "4".repeat(40),
        jupyterhub: "6.1.1".to_owned(),
        tests_passed: 12,
        tests_run: 12,
        tested: "2026-11-22T10:00:00Z".to_owned(),
    };
    let reference = format!("r/hello:t@sha256:{}", "5".repeat(64));
    Record {
        record: Record::VERSION,
        release: "hello-prod".to_owned(),
        namespace: "hello-prod".to_owned(),
        cluster: Cluster { context: text("lab"), identity: text("uid"), version: text("v1.32.1") },
        mission: "hello".to_owned(),
        environment: "prod".to_owned(),
        revision,
        previous: revision.checked_sub(1),
        action: Action::Deploy,
        started: "2026-11-22T11:00:00Z".to_owned(),
        finished: text("2026-11-22T11:01:00Z"),
        result: Outcome::Deployed,
        reason: None,
        live: Some(revision),
        images: vec![Image { mission: text("hello"), reference, receipt: Some(receipt) }],
        reasons: Reasons { dirty: text("a hot fix"), ..Reasons::default() },
        git: Git { commit: Some("6".repeat(40)), branch: text("main"), ..Git::default() },
        chart: Chart { name: "jupyterhub".to_owned(), ..Chart::default() },
        values: Digests { sha256: "7".repeat(64), hmac: None },
        jupyterhub: JupyterHub { new: text("6.1.1"), previous: text("6.0.0") },
        tools: Tools { helm: text("v4.3.1"), ..Tools::default() },
        by: By { git: text("Jo"), ..By::default() },
        smoke: Some(Smoke {
            passed: true,
            steps: vec![Step { step: "login".to_owned(), seconds: 0.5 }],
        }),
        backup: None,
        from: Some(From { environment: "staging".to_owned(), revision: 3 }),
    }
}

/// Returns what is wrong with `record` by `docs/release.schema.json`.
fn wrong(record: &Value) -> Vec<String> {
    let text = include_str!("../../../../docs/release.schema.json");
    let schema: Value = serde_json::from_str(text).unwrap();
    assert_eq!(schema::unsupported(&schema), [""; 0]);
    let source = Arc::new(Source { file: PathBuf::from("record"), is_secret: false });
    let node = Node::of_json(record, &At { source, line: 1 });
    let mut found = Vec::new();
    schema::check("record", &schema, &node, "", &mut found);
    found.into_iter().map(|it| it.what).collect()
}

/// Every field that is written is in the schema, and every field of the schema is written.
#[test]
fn records_match_their_schema() {
    let whole = serde_json::to_value(record(4)).unwrap();
    assert_eq!(wrong(&whole), [""; 0]);
    let mut opened = record(4);
    opened.result = Outcome::Started;
    (opened.finished, opened.live, opened.smoke, opened.from) = (None, None, None, None);
    opened.images[0].receipt = None;
    assert_eq!(wrong(&serde_json::to_value(opened).unwrap()), [""; 0]);
    for (pointer, value) in
        [("/record", json!(2)), ("/result", json!("fine")), ("/images/0/receipt/tests", json!(1))]
    {
        let mut record = whole.clone();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        record.pointer_mut(parent).unwrap()[name] = value;
        assert_eq!(wrong(&record).len(), 1, "{pointer}");
        assert!(Record::parse(&record.to_string()).is_err(), "{pointer}");
    }
    for name in whole.as_object().unwrap().keys() {
        let mut record = whole.clone();
        record.as_object_mut().unwrap().remove(name);
        assert_eq!(wrong(&record).len(), 1, "{name}");
    }
}

#[test]
fn a_config_map_keeps_the_newest_records_and_is_not_overwritten() {
    let mut live = None;
    for revision in 1..=25 {
        let mut written = with(live.as_ref(), &record(revision)).unwrap();
        assert_eq!(written["metadata"]["resourceVersion"].is_string(), live.is_some());
        written["metadata"]["resourceVersion"] = revision.to_string().into();
        live = Some(written);
    }
    let mut live = live.unwrap();
    live["data"]["7"] = "{".into();
    live["data"]["notes"] = "of others".into();
    let records = records(&live);
    assert_eq!(records.len(), KEPT);
    assert_eq!(records[&25].as_ref().unwrap(), &record(25));
    assert!(records[&7].is_err() && !records.contains_key(&5));
}

#[test]
fn majors_are_compared_where_both_are_known() {
    let same = |new: &str, previous: Option<&str>| {
        let previous = previous.map(str::to_owned);
        JupyterHub { new: Some(new.to_owned()), previous }.is_same_major()
    };
    assert!(same("6.1.1", Some("6.0.0")) && same("5", Some("5.5.0")));
    assert!(!same("6.1.1", Some("5.5.0")) && !same("6.1.1", None) && !same("?", Some("?")));
}

#[test]
fn digests_of_values_tell_equality_and_no_secret() {
    let merged = |size: &str, secret: &str| {
        let layer = |file: &str, is_secret, text: String| Layer {
            source: Source { file: file.into(), is_secret },
            text,
        };
        let layers = vec![
            layer("prod.yaml", false, format!("singleuser: {{memory: {{limit: {size}}}}}\n")),
            layer("secret.yaml", true, format!("hub: {{cookieSecret: {secret}}}\n")),
        ];
        digest::values(&Values::merged(layers).unwrap())
    };
    let (one, two) = ("a".repeat(64), "b".repeat(64));
    assert_eq!(merged("1G", &one), merged("1G", &one));
    let (first, other) = (merged("1G", &one), merged("1G", &two));
    assert!(first.sha256 == other.sha256 && first.hmac != other.hmac && first.hmac.is_some());
    assert_ne!(first.sha256, merged("2G", &one).sha256);
    assert_eq!(merged("1G", "short").hmac, None);
}
