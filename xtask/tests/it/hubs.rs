//! A deployed hub, with stand-ins for kubectl and Helm: rollbacks that fail at every step, locks, and what
//! is live afterwards. A real cluster is in `tests/cluster`.

pub(crate) mod world;

use std::fs;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::{checkout::Checkout, run::Done};

use world::{BACKUP, Hub, image, record, revision};

/// Part of the calls that renew the lock, which happen at any time.
const LEASE: &str = "--validate=false";

const ROLLBACK: [&str; 4] = ["hub-rollback", "--env", "staging", "--yes"];

#[test]
fn a_rollback_is_checked_recorded_and_tested() {
    let hub = Hub::new(["6.1.1", "6.1.1"]);
    hub.run(&ROLLBACK).status(0).says("revision 3 is live, the same as 1");
    assert_eq!(hub.newest(), "3 deployed");
    assert_eq!(hub.record(3), "rollback: deployed: ");
    let entries = hub.run(&["hub-history", "--env", "staging", "--json"]).status(0).json();
    let first = &entries[0];
    assert_eq!((&first["revision"], &first["outside"]), (&json!(3), &json!(false)));
    assert_eq!(first["record"]["smoke"]["passed"], true);
    assert_eq!(first["record"]["git"]["commit"], "1".repeat(40));
    assert_eq!(first["record"]["jupyterhub"], json!({"new": "6.1.1", "previous": "6.1.1"}));
    // The lock is free again.
    let lease = &hub.cluster()["objects"]["leases.coordination.k8s.io/hello-staging-xtask"];
    assert_eq!(lease["spec"]["holderIdentity"], Value::Null);
    // Revision 2 was left, and 1 is what is live now.
    hub.run(&ROLLBACK).status(2).says("no earlier revision than 3 is known to have worked");
}

#[test]
fn a_dry_run_of_a_rollback_changes_nothing() {
    let hub = Hub::new(["5.5.0", "6.1.1"]);
    let before = hub.cluster();
    let args = ["-n", "hub-rollback", "1", "--env", "staging", "--restore-db", BACKUP];
    let done = hub.run(&args).status(0);
    assert_eq!(hub.cluster(), before);
    for part in [
        // The lock.
        "create -f -",
        "scale deploy/hub --replicas=0",
        "restore /srv/jupyterhub",
        "helm rollback hello-staging 1",
        "python3 - clean",
    ] {
        assert!(done.stdout.contains(part), "{}", done.stdout);
    }
}

#[test]
fn a_rollback_that_is_refused_changes_nothing() {
    let hub = Hub::new(["5.5.0", "6.1.1"]);
    let before = hub.cluster();
    let done = hub.run(&ROLLBACK).status(2);
    assert!(done.stdout.contains(&format!("pass `--restore-db {BACKUP}`")), "{}", done.stdout);
    let unknown = "jupyterhub.sqlite.xtask-20200101T000000Z";
    let done = hub.run(&[&ROLLBACK[..], &["--restore-db", unknown]].concat()).status(2);
    assert!(done.stdout.contains("expected one of: "), "{}", done.stdout);
    hub.run(&["hub-rollback", "7", "--env", "staging", "--yes"]).status(2).says("7 not found");
    hub.run(&["hub-rollback", "2", "--env", "staging", "--yes"]).status(2).says("is live already");
    hub.run(&["hub-rollback", "--env", "staging"]).status(2);
    hub.checkout
        .state("state.json", r#"{"images": [], "containers": [], "registry": {}, "clock": 0}"#);
    let done = hub.run(&ROLLBACK).status(2);
    assert!(done.stdout.contains("the registry does not have"), "{}", done.stdout);
    assert_eq!(hub.cluster(), before);
}

#[test]
fn nothing_is_asked_of_another_cluster() {
    let hub = Hub::new(["6.1.1", "6.1.1"]);
    hub.change(|it| it["objects"]["namespaces/kube-system"]["metadata"]["uid"] = "other".into());
    for task in ["hub-rollback", "hub-history", "hub-status"] {
        hub.run(&[task, "--env", "staging"]).status(1).says("this is another cluster");
    }
    assert!(!hub.has_called("helm history") && !hub.has_called("configmap"));
}

#[test]
fn a_record_that_cannot_be_opened_keeps_helm_from_starting() {
    let hub = Hub::new(["6.1.1", "6.1.1"]);
    let stderr =
        "Error from server (Forbidden): configmaps \"hello-staging-releases\" is forbidden";
    hub.flaws(&json!([{"on": "--request-timeout=30s replace", "without": LEASE, "stderr": stderr, "times": 1}]));
    hub.run(&ROLLBACK).status(1).says("the record of revision 3 cannot be written");
    assert_eq!((hub.newest().as_str(), hub.record(3).as_str()), ("2 deployed", "none"));
    assert!(!hub.has_called("helm rollback"));
}

#[test]
fn a_record_that_cannot_be_completed_is_told() {
    let hub = Hub::new(["6.1.1", "6.1.1"]);
    let stderr =
        "Error from server (Forbidden): configmaps \"hello-staging-releases\" is forbidden";
    hub.flaws(
        &json!([{"on": "--request-timeout=30s replace", "without": LEASE, "stderr": stderr, "skip": 1, "times": 1}]),
    );
    hub.run(&ROLLBACK)
        .status(1)
        .says("revision 3 is live, the same as 1")
        .says("the record of revision 3 cannot be written");
    assert_eq!(
        (hub.newest().as_str(), hub.record(3).as_str()),
        ("3 deployed", "rollback: started: ")
    );
}

#[test]
fn a_record_that_another_writer_changed_is_written_again() {
    let hub = Hub::new(["6.1.1", "6.1.1"]);
    let stderr = "Error from server (Conflict): the object has been modified";
    hub.flaws(&json!([{"on": "--request-timeout=30s replace", "without": LEASE, "stderr": stderr, "times": 2}]));
    hub.run(&ROLLBACK).status(0);
    assert_eq!(hub.record(3), "rollback: deployed: ");
}

#[test]
fn a_rollback_that_fails_says_what_is_live() {
    let hub = Hub::new(["6.1.1", "6.1.1"]);
    let secret = "https://user:hunter2hunter2@registry.example/v2/";
    hub.checkout.state("rollback", &format!("Error: {secret}: context deadline exceeded"));
    hub.run(&ROLLBACK)
        .status(1)
        .says(
            "revision 3 is failed, and its objects are partly those of revision 2; the hub answers",
        )
        .says("`cargo xtask hub-rollback 1 hello --env staging`")
        .never_says("hunter2");
    assert!(hub.record(3).starts_with("rollback: failed: "), "{}", hub.record(3));
    assert!(!hub.record(3).contains("hunter2"));
    // The revision that was live before comes back, straight from the one that failed.
    fs::remove_file(hub.checkout.dir().join("state/rollback")).unwrap();
    let done = hub.run(&ROLLBACK).status(0).says("revision 4 is live, the same as 2");
    let why =
        "revision 3 did not succeed: hub and proxy may restart because of what that one changed";
    assert!(done.stdout.contains(why), "{}", done.stdout);
}

#[test]
fn a_smoke_test_that_fails_is_recorded() {
    let hub = Hub::new(["6.1.1", "6.1.1"]);
    let stdout = "{\"error\": \"the server does not answer after 300 s\"}\n";
    hub.flaws(&json!([{"on": "python3 - smoke", "stdout": stdout, "stderr": "", "times": 1}]));
    hub.run(&ROLLBACK).status(1).says("revision 3 is live, and its smoke test failed");
    assert_eq!(hub.record(3), "rollback: smoke-failed: the server does not answer after 300 s");
}

#[test]
fn an_interrupted_rollback_can_be_repeated() {
    let hub = Hub::new(["6.1.1", "6.1.1"]);
    hub.checkout.state("hold", "");
    let mut running = hub.checkout.start(&ROLLBACK);
    running.wait_until("helm does not start", |it| {
        it.stand_in("cluster-calls").contains("helm rollback")
    });
    let pending = |it: &Checkout| it.stand_in("cluster.json").contains("pending-rollback");
    running.wait_until("no revision", pending);
    running.signal(Signal::SIGINT);
    running.finish().status(130).says("revision 3 is pending-rollback");
    assert!(hub.record(3).starts_with("rollback: failed: "), "{}", hub.record(3));
    fs::remove_file(hub.checkout.dir().join("state/hold")).unwrap();
    hub.run(&["hub-rollback", "1", "--env", "staging", "--yes"]).status(0);
    assert_eq!(hub.newest(), "4 deployed");
}

#[test]
fn deployments_that_cannot_be_planned_have_a_row_each() {
    let hub = Hub::new(["6.1.1", "6.1.1"]);
    let before = hub.cluster();
    let args = ["hub-deploy", "--env", "qa", "--env", "dev", "--yes", "--json"];
    let rows = hub.run(&args).status(2).json();
    for (n, environment, reason) in [
        (0, "qa", "missions/hello/hub/qa.yaml: expected sandbox, dev, test, staging or prod"),
        (
            1,
            "dev",
            "missions/hello/hub/dev.yaml not found; expected ENVIRONMENT (for hub tasks, `--env`) to be one of staging",
        ),
    ] {
        assert_eq!(rows[n]["environment"], environment);
        assert_eq!((&rows[n]["result"], &rows[n]["reason"]), (&json!("refused"), &json!(reason)));
    }
    assert_eq!(hub.cluster(), before);
}

#[test]
fn a_chart_whose_archive_is_not_known_is_refused_first() {
    let hub = Hub::new(["6.1.1", "6.1.1"]);
    let lock = "repository: https://charts.example.org/\nname: jupyterhub\nversion: 4.4.0\nappVersion: 5.5.0\nkubeVersion: null\n";
    hub.checkout.file("common/hub/chart.lock.yaml", lock);
    let before = hub.cluster();
    let rows = hub.run(&["hub-deploy", "--env", "staging", "--yes", "--json"]).status(2).json();
    let first = &rows[0]["checks"][0];
    let detail = "common/hub/chart.lock.yaml has no `sha256`";
    assert_eq!((&first["state"], &first["detail"]), (&json!("refused"), &json!(detail)), "{rows}");
    assert_eq!(hub.cluster(), before);
}

/// Helm was killed, and the run with it.
fn killed(hub: &Hub, status: &str) {
    hub.change(|it| {
        let new = revision(3, status);
        it["release"].as_array_mut().unwrap().push(new);
        let mut open = record(3, "6.1.1", None);
        (open["result"], open["finished"], open["live"]) =
            ("started".into(), Value::Null, 2.into());
        it["objects"]["configmaps/hello-staging-releases"]["data"]["3"] = open.to_string().into();
        it["objects"]["secrets/sh.helm.release.v1.hello-staging.v3"] = json!({
            "kind": "Secret",
            "metadata": {
                "name": "sh.helm.release.v1.hello-staging.v3",
                "labels": {"xtask-by": "Jo", "xtask-commit": "3".repeat(40)},
            },
        });
    });
}

#[test]
fn a_killed_helm_is_healed_and_only_when_asked_for() {
    let hub = Hub::new(["6.1.1", "6.1.1"]);
    killed(&hub, "pending-upgrade");
    hub.run(&ROLLBACK).status(1).says("revision 3 is pending-upgrade").says("--unlock");
    hub.run(&[&ROLLBACK[..], &["--unlock"]].concat())
        .status(0)
        .says("by Jo from commit")
        .says("revision 4 is live, the same as 2");
    assert_eq!(hub.record(4), "heal: deployed: ");
    assert_eq!(hub.record(3), "deploy: failed: killed; unlocked by revision 4");
    hub.run(&[&ROLLBACK[..], &["--unlock"]].concat()).status(0).says("nothing to unlock");
}

#[test]
fn a_killed_first_deployment_is_removed_from_the_history() {
    let hub = Hub::new(["6.1.1", "6.1.1"]);
    killed(&hub, "pending-install");
    hub.change(|it| {
        let release = it["release"].as_array_mut().unwrap();
        release.drain(..2);
    });
    hub.run(&["hub-status", "--env", "staging"]).status(1).says("--unlock");
    hub.run(&[&ROLLBACK[..], &["--unlock"]].concat()).status(0).says("hub-deploy");
    let cluster = hub.cluster();
    assert_eq!(cluster["release"], json!([]));
    assert!(cluster["objects"]["secrets/sh.helm.release.v1.hello-staging.v3"].is_null());
    assert!(cluster["objects"]["deployments.apps/hub"].is_object());
    assert_eq!(hub.record(3), "deploy: failed: killed; removed from Helm's history");
}

/// A revision of a Helm that may still run, and has no lock that could tell.
#[test]
fn a_run_of_others_that_may_be_alive_is_not_overtaken() {
    let hub = Hub::new(["6.1.1", "6.1.1"]);
    hub.change(|it| {
        let mut new = revision(3, "pending-upgrade");
        new["updated"] = humantime::format_rfc3339(std::time::SystemTime::now()).to_string().into();
        it["release"].as_array_mut().unwrap().push(new);
    });
    hub.run(&[&ROLLBACK[..], &["--unlock"]].concat()).status(1).says("may be alive");
    assert_eq!(hub.newest(), "3 pending-upgrade");
}

/// The command lines that stop the hub, restore its database, and start it.
fn steps(hub: &Hub) -> Vec<&'static str> {
    let steps = [
        "scale deploy/hub --replicas=0",
        "scale deploy/hub --replicas=1",
        "exec -i pod/xtask-database",
        "delete pod xtask-database",
        "helm rollback",
    ];
    let calls = hub.calls();
    calls.iter().filter_map(|it| steps.into_iter().find(|step| it.contains(step))).collect()
}

fn restore(hub: &Hub) -> Done {
    hub.run(&[&ROLLBACK[..], &["--restore-db", BACKUP]].concat())
}

#[test]
fn a_database_comes_back_while_the_hub_does_not_run() {
    let hub = Hub::new(["5.5.0", "6.1.1"]);
    restore(&hub).status(0).says("the one before is the backup jupyterhub.sqlite.xtask-");
    assert_eq!(
        steps(&hub),
        [
            "scale deploy/hub --replicas=0",
            "delete pod xtask-database",
            "exec -i pod/xtask-database",
            "delete pod xtask-database",
            "helm rollback"
        ]
    );
    let cluster = hub.cluster();
    assert!(cluster["objects"]["pods/xtask-database"].is_null());
    assert_eq!(cluster["backups"].as_array().unwrap().len(), 2);
}

#[test]
fn a_database_that_cannot_be_restored_leaves_the_hub_as_it_was() {
    for (on, stdout) in [
        (
            "exec -i pod/xtask-database",
            "{\"error\": \"no space for a copy in the hub's volume\"}\n",
        ),
        ("--request-timeout=30s create -f - -o json", ""),
    ] {
        let hub = Hub::new(["5.5.0", "6.1.1"]);
        let is_lease = usize::from(on.contains("create"));
        let stderr = "Error from server (Forbidden): pods is forbidden";
        hub.flaws(&json!([
            {"on": on, "stdout": stdout, "stderr": stderr, "times": 1, "skip": is_lease}
        ]));
        restore(&hub)
            .status(1)
            .says("the database was not restored, and the hub starts again as it was");
        assert_eq!((hub.replicas(), hub.newest()), (1, "2 deployed".to_owned()));
        assert!(hub.cluster()["objects"]["pods/xtask-database"].is_null());
        assert!(hub.record(3).starts_with("rollback: failed: "), "{}", hub.record(3));
        assert!(!hub.has_called("helm rollback"));
    }
}

#[test]
fn a_restore_whose_end_is_not_known_leaves_the_hub_stopped() {
    let hub = Hub::new(["5.5.0", "6.1.1"]);
    let stderr = "error: connection reset";
    hub.flaws(&json!([{"on": "exec -i pod/xtask-database", "stderr": stderr, "times": 1}]));
    restore(&hub)
        .status(1)
        .says("not known whether the database was restored; the hub is stopped")
        .says("scale deploy/hub --replicas=1` starts the hub");
    assert_eq!((hub.replicas(), hub.newest()), (0, "2 deployed".to_owned()));
    // The same command again.
    hub.change(|it| it["version"] = "6.1.1".into());
    restore(&hub).status(0);
    assert_eq!((hub.replicas(), hub.newest()), (1, "3 deployed".to_owned()));
}

#[test]
fn history_and_status_of_a_hub_that_others_changed() {
    let hub = Hub::new(["6.1.1", "6.1.1"]);
    hub.change(|it| {
        let release = it["release"].as_array_mut().unwrap();
        release[1]["status"] = "superseded".into();
        release.push(revision(3, "deployed"));
        it["objects"]["pods/jupyter-ann"] = json!({
            "kind": "Pod",
            "metadata": {
                "name": "jupyter-ann", "uid": "ann",
                "labels": {"component": "singleuser-server"},
                "annotations": {"hub.jupyter.org/username": "ann"},
            },
            "spec": {"containers": [{"name": "notebook", "image": image(2)}]},
            "status": {"phase": "Running"},
        });
    });
    let done = hub.run(&["hub-history", "--env", "staging"]).status(0);
    assert!(done.stdout.contains("outside xtask"), "{}", done.stdout);
    let status = hub.run(&["hub-status", "--env", "staging", "--json"]).json();
    assert_eq!((&status["live"]["outside"], &status["healthy"]), (&json!(true), &json!(false)));
    assert_eq!(status["servers_by_image"][0]["old_image"], true);
    hub.change(|it| it["release"] = json!([]));
    hub.run(&["hub-history", "--env", "staging"]).status(0).says("was never deployed");
}
