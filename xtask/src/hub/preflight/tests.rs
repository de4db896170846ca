use serde_json::json;

use super::*;

#[track_caller]
fn is(row: &Row, state: State, part: &str) {
    assert_eq!(row.state, state, "{row:?}");
    assert!(row.detail.contains(part), "{row:?}");
    assert!(!row.fix.is_empty() || state != State::Refused, "{row:?}");
}

const OK: State = State::Ok;
const NOTE: State = State::Note;
const REFUSED: State = State::Refused;

#[test]
fn all_rows_are_in_the_table() {
    let rows = [
        Row::ok("a", "fine"),
        Row::unchecked("b", "no answer"),
        Row::refused("long name", "one\ntwo", "do it"),
    ];
    assert!(is_refused(&rows) && !is_refused(&rows[..2]));
    let expected = "\
CHECK      RESULT   DETAIL
a          ok       fine
b          note     not checked: no answer
long name  refused  one
long name:
    one
    two
    fix: do it
";
    assert_eq!(table(&rows), expected);
}

#[test]
fn a_pending_release() {
    let newest = |status: &str| Newest {
        revision: 3,
        status: status.to_owned(),
        updated: "today".to_owned(),
        by: "ann, commit abc".to_owned(),
    };
    is(&release(None, "x"), OK, "first deployment");
    is(&release(Some(&newest("deployed")), "x"), OK, "revision 3");
    is(&release(Some(&newest("failed")), "x"), NOTE, "revision 3 is failed");
    let row = release(Some(&newest("pending-upgrade")), "cargo xtask hub-rollback --unlock");
    is(&row, REFUSED, "revision 3 is pending-upgrade since today by ann, commit abc");
    assert!(row.fix.contains("--unlock"));
}

#[test]
fn another_cluster() {
    let of = |pinned, found| cluster("lab", pinned, found, "prod.yaml");
    is(&of(Some("a"), Ok("a")), OK, "context lab");
    is(&of(Some("a"), Ok("b")), REFUSED, "expected a, found b");
    is(&of(Some("a"), Err("no answer")), REFUSED, "no answer");
    is(&of(None, Err("no answer")), REFUSED, "no answer");
    let row = of(None, Ok("uid:1"));
    is(&row, NOTE, "not pinned");
    assert!(row.fix.contains("{context: lab, identity: \"uid:1\"}"));
}

#[test]
fn versions_of_kubernetes() {
    is(&kubernetes(None, "v1.30.1"), OK, "every version");
    is(&kubernetes(Some(">=1.28.0-0"), "v1.30.1"), OK, "requires >=1.28.0-0");
    is(&kubernetes(Some(">=1.28.0-0"), "v1.20.2"), REFUSED, "runs v1.20.2");
    is(&kubernetes(Some("~1.28"), "v1.20.2"), NOTE, "Helm compares");
}

#[test]
fn a_missing_namespace_and_missing_rights() {
    is(&namespace("a", true), OK, "a");
    is(&namespace("a", false), NOTE, "creates it");
    is(&permissions(7, &[]), OK, "all 7");
    is(&permissions(7, &["create pods".to_owned()]), REFUSED, "create pods");
    is(&accepted("helm", "passes", Ok(())), OK, "passes");
    is(&accepted("helm", "passes", Err("line 3".to_owned())), REFUSED, "line 3");
}

#[test]
fn parts_of_volumes_that_are_fixed() {
    let claims = |class: &str, size: &str| {
        let spec = json!({"storageClassName": class, "resources": {"requests": {"storage": size}}});
        Manifests::from([("PersistentVolumeClaim/hub-db-dir".to_owned(), json!({"spec": spec}))])
    };
    let live = claims("fast", "1Gi");
    is(&volumes(None, &live), OK, "1 claims");
    is(&volumes(Some(&live), &claims("fast", "1Gi")), OK, "unchanged");
    is(&volumes(Some(&live), &claims("fast", "2Gi")), NOTE, "\"1Gi\" -> \"2Gi\"");
    is(&volumes(Some(&live), &claims("fast", "500M")), REFUSED, "cannot shrink");
    is(&volumes(Some(&live), &claims("slow", "1Gi")), REFUSED, "`storageClassName` cannot change");
}

#[test]
fn images_that_do_not_exist() {
    let set = |it: &str| BTreeSet::from([it.to_owned()]);
    let none = BTreeSet::new();
    let unknown = BTreeMap::from([("b".to_owned(), "no answer".to_owned())]);
    is(&existing(&Existing { found: set("a"), ..Existing::default() }, &none), OK, "all 1");
    is(&existing(&Existing { missing: set("a"), ..Existing::default() }, &none), REFUSED, "a");
    let unknown = Existing { unknown, ..Existing::default() };
    is(&existing(&unknown, &none), NOTE, "b: no answer");
    is(&existing(&unknown, &set("b")), REFUSED, "b: no answer");
}

#[test]
fn images_without_a_receipt() {
    let mut passed = Passed { certified: BTreeSet::from(["a".to_owned()]), ..Passed::default() };
    is(&tested(Ok(&passed), &BTreeMap::new()), OK, "1 certified");
    passed.notes.push("code may set others".to_owned());
    is(&tested(Ok(&passed), &BTreeMap::new()), NOTE, "code may set others");
    passed.allowed.insert("b".to_owned(), "by the course".to_owned());
    is(&tested(Ok(&passed), &BTreeMap::new()), NOTE, "b (by the course)");
    let finding = Finding {
        file: "prod.yaml".into(),
        line: Some(1),
        rule: "hub-image",
        what: "no receipt".to_owned(),
        fix: "test it".to_owned(),
    };
    let problems = BTreeMap::from([("b".to_owned(), "about another image".to_owned())]);
    let row = tested(Err(&[finding]), &problems);
    is(&row, REFUSED, "prod.yaml:1: hub-image: no receipt");
    is(&row, REFUSED, "\nb: about another image");
}

#[test]
fn secrets_that_do_not_exist() {
    let named = BTreeMap::from([("a".to_owned(), "Deployment/hub".to_owned())]);
    is(&secrets(&named, &BTreeSet::from(["a".to_owned()]), "ns"), OK, "1 named");
    is(&secrets(&named, &BTreeSet::new(), "ns"), REFUSED, "a (Deployment/hub)");
}

#[test]
fn registries_that_nodes_cannot_reach() {
    is(&registry("127.0.0.1:5000", true, None), REFUSED, "nodes would look on themselves");
    is(&registry("127.0.0.1:5000", true, Some("127.0.0.1:5000")), OK, "127.0.0.1:5000");
    is(&registry("127.0.0.1:5000", true, Some("r.example")), OK, "r.example, here");
    is(&registry("quay.io/us", false, None), OK, "quay.io/us");
    is(&pull_secret(&[]), NOTE, "public");
    is(&pull_secret(&["a".to_owned()]), OK, "a");
}

#[test]
fn platforms_of_nodes() {
    let images = BTreeMap::from([("hello".to_owned(), "linux/amd64".to_owned())]);
    let nodes = |names: &[&str]| names.iter().map(|it| ((*it).to_owned(), 1)).collect();
    is(&platforms(&images, Ok(&nodes(&["linux/amd64"]))), OK, "1 of linux/amd64");
    is(&platforms(&images, Ok(&nodes(&["linux/amd64", "linux/arm64"]))), NOTE, "nodeSelector");
    is(&platforms(&images, Ok(&nodes(&["linux/arm64"]))), REFUSED, "hello is for linux/amd64");
    is(&platforms(&images, Err("denied")), NOTE, "denied");
}

#[test]
fn versions_of_jupyterhub() {
    let images = |it: &str| BTreeMap::from([("hello".to_owned(), it.to_owned())]);
    is(&jupyterhub(&images("5.1"), Some("5.5.0")), OK, "5.5.0");
    is(&jupyterhub(&images("6.1.1"), Some("5.5.0")), NOTE, "hello has 6.1.1");
    is(&jupyterhub(&images("6.1.1"), Some("4.0.0")), REFUSED, "hello has 6.1.1");
    is(&jupyterhub(&images(""), Some("4.0.0")), NOTE, "unknown");
    is(&jupyterhub(&images("6.1.1"), None), NOTE, "hub's version is unknown");
}

#[test]
fn databases_over_a_major_version() {
    let same = Database {
        live: Some("5.4"),
        is_first: false,
        new: Some("5.5"),
        kind: "sqlite-pvc",
        kept: None,
        backup_done: None,
    };
    is(&database(same), OK, "JupyterHub 5");
    is(&database(Database { is_first: true, live: None, ..same }), OK, "first");
    is(&database(Database { live: None, ..same }), NOTE, "not both known");
    is(&database(Database { new: Some("4.0"), ..same }), REFUSED, "5 -> 4");
    let up = Database { new: Some("6.0"), ..same };
    is(&database(up), NOTE, "backed up first");
    is(&database(Database { kept: Some("b"), ..up }), NOTE, "its backup of before is b");
    is(&database(Database { kind: "postgres", ..up }), REFUSED, "cannot back up postgres");
    let done = Some("pg_dump of today");
    is(&database(Database { kind: "postgres", backup_done: done, ..up }), NOTE, "pg_dump");
}

#[test]
fn what_is_not_in_git() {
    let commit = "0123456789abcdef0123456789abcdef01234567";
    let dirty = format!("{commit}-dirty");
    let of = |state, outgoing, reason| committed("git", &Checked { state, outgoing, reason });
    is(&of(Some(commit), 0, None), OK, "0123456789ab");
    is(&of(Some(commit), 2, None), REFUSED, "2 commits are not pushed");
    is(&of(Some(&dirty), 0, None), REFUSED, "files differ from commit 0123456789ab");
    is(&of(Some(&dirty), 0, Some("a test")), NOTE, "a test");
    is(&of(None, 0, None), REFUSED, "not in git");
}

#[test]
fn the_token_of_the_smoke_test() {
    is(&smoke(true, false, None), OK, "afterwards");
    is(&smoke(false, false, None), REFUSED, "xtask-smoke.apiToken");
    is(&smoke(true, false, Some("needs auth_state")), NOTE, "needs auth_state");
}
