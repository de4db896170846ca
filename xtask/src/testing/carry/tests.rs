use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime},
};

use serde_json::json;

use super::{Basis, Carried, Former, parse};
use crate::{
    mission::{expected_tests::ExpectedTest, test_kind::TestKind},
    testing::receipt::{self, Dependencies, Name, Origin, Outcome, Receipt},
    tools::docker::Image,
};

const RESULTS: &str = r#"{"environment":"sky","kind":"import","name":"numpy","outcome":"passed","seconds":0.5,"message":""}
{"environment":"sky","kind":"notebook","name":"a.ipynb","outcome":"passed","seconds":2,"message":""}
{"environment":"sky","kind":"kernel","name":"sky","outcome":"passed","seconds":2,"message":""}
{"environment":"sea","kind":"import","name":"numpy","outcome":"failed","seconds":2,"message":"x"}
{"environment":"","kind":"shell","name":"login","outcome":"passed","seconds":2,"message":""}
"#;
const DAY: Duration = Duration::from_secs(24 * 3600);

fn name(it: &str) -> Name {
    Name::try_from(it).unwrap()
}

fn hex(it: char) -> String {
    it.to_string().repeat(64)
}

fn origin(image: char, started: &str) -> Origin {
    let image = format!("sha256:{}", hex(image)).parse().unwrap();
    Origin { image, started: started.to_owned() }
}

/// Returns the receipt of an image; all environments have the digest `a…`.
fn receipt(image: char, started: &str) -> Receipt {
    let Origin { image, started } = origin(image, started);
    let known =
        |sources| Dependencies { digest: hex('a'), sources: Some(hex(sources)), carried: None };
    let dependencies = [("sky", '0'), ("sea", '9')].map(|(it, of)| (name(it), known(of))).into();
    let tests = receipt::parse_results(RESULTS).unwrap();
    Receipt { image, started, tests, dependencies, ..receipt::tests::receipt() }
}

/// Returns the digests of the environments' own files.
fn sources(of_sky: char) -> BTreeMap<Name, String> {
    [(name("sky"), hex(of_sky)), (name("sea"), hex('1'))].into()
}

fn image() -> Image {
    let id = format!("sha256:{}", hex('f'));
    serde_json::from_value(json!({ "Id": id, "Size": 1, "Created": "", "Config": {} })).unwrap()
}

fn expected(tests: &[(&str, TestKind, &str)]) -> BTreeSet<ExpectedTest> {
    let test = |it: &(&str, TestKind, &str)| ExpectedTest {
        environment: it.0.to_owned(),
        kind: it.1,
        name: it.2.to_owned(),
    };
    tests.iter().map(test).collect()
}

const OF_SKY: (&str, TestKind, &str) = ("sky", TestKind::Import, "numpy");

/// Returns what carries over on 30 November, if results of ten days do.
fn carried(receipts: Vec<Receipt>, environment: &str, digest: char) -> Option<Carried> {
    let now = humantime::parse_rfc3339("2026-11-30T00:00:00Z").unwrap();
    let former = Former::new(&receipts, &sources('0'), &image(), now, 10 * DAY);
    former.carried(&name(environment), &hex(digest), &expected(&[OF_SKY]))
}

#[test]
fn the_newest_results_with_the_digest() {
    let old = receipt('1', "2026-11-27T10:00:00Z");
    let mut other = receipt('2', "2026-11-29T10:00:00Z");
    other.dependencies.get_mut("sky").unwrap().digest = hex('b');
    let new = receipt('3', "2026-11-28T10:00:00Z");
    let found = carried(vec![old, other, new.clone()], "sky", 'a').unwrap();
    assert_eq!(found.origin, origin('3', "2026-11-28T10:00:00Z"));
    // Neither the kernel's test nor those of other environments.
    assert_eq!(found.tests, new.tests[..2]);
    assert_eq!(carried(vec![new], "sky", 'c'), None);
}

#[test]
fn the_age_counts_from_the_original_run() {
    let mut again = receipt('2', "2026-11-29T10:00:00Z");
    let known = again.dependencies.get_mut("sky").unwrap();
    known.carried = Some(origin('1', "2026-11-21T00:00:00Z"));
    let found = carried(vec![again.clone()], "sky", 'a').unwrap();
    assert_eq!(found.origin, origin('1', "2026-11-21T00:00:00Z"));
    let known = again.dependencies.get_mut("sky").unwrap();
    known.carried = Some(origin('1', "2026-11-19T23:59:59Z"));
    assert_eq!(carried(vec![again], "sky", 'a'), None);
    assert!(carried(vec![receipt('1', "2026-11-20T00:00:00Z")], "sky", 'a').is_some());
    for other in ["2026-11-19T23:59:59Z", "2026-12-01T00:00:00Z", "2026-99-99T00:00:00Z"] {
        assert_eq!(carried(vec![receipt('1', other)], "sky", 'a'), None, "{other}");
    }
}

#[test]
fn older_results_do_not_count_beside_a_failure() {
    let old = receipt('1', "2026-11-27T10:00:00Z");
    let mut failed = receipt('f', "2026-11-28T10:00:00Z");
    failed.tests[0].outcome = Outcome::Failed;
    assert_eq!(failed.image, image().id);
    assert_eq!(carried(vec![old.clone(), failed.clone()], "sky", 'a'), None);
    failed.image = receipt('2', "").image;
    assert_eq!(carried(vec![failed, old.clone()], "sky", 'a'), None);
    // What carried over to this image carries over again.
    let mut own = receipt('f', "2026-11-28T10:00:00Z");
    let carried_over = Some(origin('1', "2026-11-27T10:00:00Z"));
    own.dependencies.get_mut("sky").unwrap().carried = carried_over.clone();
    assert_eq!(carried(vec![own], "sky", 'a').map(|it| it.origin), carried_over);
}

#[test]
fn only_complete_passed_results_of_another_image() {
    let good = receipt('1', "2026-11-29T10:00:00Z");
    assert!(carried(vec![good.clone()], "sky", 'a').is_some());
    assert_eq!(carried(vec![good.clone()], "sea", 'a'), None, "one failed");
    let changes: [fn(&mut Receipt); 6] = [
        |it| it.complete = false,
        |it| it.image = image().id,
        |it| it.tests[1].outcome = Outcome::Failed,
        |it| it.dependencies.clear(),
        // A test that is expected is not among them.
        |it| drop(it.tests.remove(0)),
        |it| it.tests.clear(),
    ];
    for (idx, change) in changes.iter().enumerate() {
        let mut receipt = good.clone();
        change(&mut receipt);
        assert_eq!(carried(vec![receipt], "sky", 'a'), None, "{idx}");
    }
    let early = SystemTime::UNIX_EPOCH;
    let former = Former::new(&[good], &sources('0'), &image(), early, DAY);
    assert!(former.is_empty() && Former::none().is_empty());
}

#[test]
fn an_environment_with_the_same_files_is_known_at_once() {
    let now = humantime::parse_rfc3339("2026-11-30T00:00:00Z").unwrap();
    let finds = |receipts: &[&Receipt], of_sky| {
        let receipts: Vec<Receipt> = receipts.iter().map(|it| (*it).clone()).collect();
        !Former::new(&receipts, &sources(of_sky), &image(), now, 10 * DAY).is_empty()
    };
    let good = receipt('1', "2026-11-29T10:00:00Z");
    assert!(finds(&[&good], '0') && !finds(&[&good], '2') && !finds(&[], '0'));
    assert!(!finds(&[&good], '9'), "the files of sea are those that sky had");
    let mut of_earlier_version = good.clone();
    of_earlier_version.dependencies.values_mut().for_each(|it| it.sources = None);
    assert!(!finds(&[&of_earlier_version], '0'));
    // A newer failure with the same digest counts, whatever files it was made from.
    let mut failed = receipt('2', "2026-11-29T11:00:00Z");
    failed.dependencies.values_mut().for_each(|it| it.sources = Some(hex('3')));
    failed.tests[0].outcome = Outcome::Failed;
    assert_eq!(carried(vec![good, failed], "sky", 'a'), None);
}

#[test]
fn labels_and_what_is_not_set_do_not_count() {
    let seen = |config: serde_json::Value| {
        let image = json!({ "Id": image().id, "Size": 1, "Created": "", "Config": config });
        let image: Image = serde_json::from_value(image).unwrap();
        json!(image.config.seen_by_tests()).to_string()
    };
    let plain = json!({ "Env": ["A=b"], "User": "jovyan", "Cmd": ["lab"] });
    let mut same = plain.clone();
    same["Labels"] = json!({ "science-platform.inputs": "0" });
    same["Image"] = json!("sha256:0");
    same["Hostname"] = json!("");
    same["Tty"] = json!(false);
    same["Volumes"] = json!(null);
    same["OnBuild"] = json!([]);
    assert_eq!(seen(same), seen(plain.clone()));
    let different = [
        ("Env", json!(["A=c"])),
        ("User", json!("root")),
        ("Cmd", json!(["x"])),
        ("Entrypoint", json!(["x"])),
        ("WorkingDir", json!("/")),
        ("Volumes", json!({ "/data": {} })),
    ];
    for (field, to) in different {
        let mut other = plain.clone();
        other[field] = to;
        assert_ne!(seen(other), seen(plain.clone()), "{field}");
    }
}

#[test]
fn the_digest_is_over_both_parts() {
    let of = |rest: &str, files: &str| Basis(rest.to_owned()).with(files);
    let all = BTreeSet::from([of("a", "b"), of("a", "c"), of("b", "b")]);
    assert_eq!(all.len(), 3);
    assert!(all.iter().all(|it| it.len() == 64));
}

#[test]
fn digests_of_a_container() {
    let text = json!({ "sky": hex('a') }).to_string();
    assert_eq!(parse(&text).unwrap(), [(name("sky"), hex('a'))].into());
    for wrong in [json!({ "sky": "a" }), json!({ "../sky": hex('a') }), json!([]), json!(null)] {
        parse(&wrong.to_string()).unwrap_err();
    }
}
