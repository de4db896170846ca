//! `hub-chart update` against a chart repository on this machine.

use std::fs;

use crate::scratch::{Scratch, failed, stdout};

#[test]
fn a_chart_is_locked_and_another_archive_refused() {
    let scratch = Scratch::new();
    let _server = scratch.serve_chart();
    scratch.write("missions/hello/hub/prod.yaml", "hub: {unknown: 1}\n");
    let note = scratch.xtask(&["hub-values", "hello", "--env", "prod"]);
    assert!(String::from_utf8_lossy(&note.stderr).contains("note: the values were not checked"));
    let render = scratch.xtask(&["hub-render", "hello", "--env", "prod"]);
    assert!(failed(&render, 2).contains("has no `sha256`"));

    let update = scratch.xtask(&["hub-chart", "update"]);
    stdout(&update);
    let said = String::from_utf8_lossy(&update.stderr).into_owned();
    assert!(said.contains("jupyterhub 0.1.0 locked: JupyterHub 6.1.1 (major 6)"), "{said}");
    assert!(said.contains("from 5 to 6"), "{said}");
    let lock = fs::read_to_string(scratch.path("common/hub/chart.lock.yaml")).unwrap();
    assert!(lock.contains("version: 0.1.0") && lock.contains("sha256: "), "{lock}");
    // Its schema and defaults are there now.
    let refused = failed(&scratch.xtask(&["hub-values", "hello", "--env", "prod"]), 2);
    assert!(refused.contains("prod.yaml:1: hub-values: `hub.unknown`: unknown key"), "{refused}");
    stdout(&scratch.xtask(&["hub-chart", "update"]));
    assert_eq!(fs::read_to_string(scratch.path("common/hub/chart.lock.yaml")).unwrap(), lock);

    // The same version with other content.
    scratch.package("0.1.0", |it| it.replace("name: hub", "name: hub2"));
    let refused = failed(&scratch.xtask(&["hub-chart", "update"]), 1);
    assert!(refused.contains("is not the one of common/hub/chart.lock.yaml"), "{refused}");
    fs::remove_dir_all(scratch.path("target/xtask/charts")).unwrap();
    scratch.write("missions/hello/hub/prod.yaml", "hub: {}\n");
    let refused = failed(&scratch.xtask(&["hub-render", "hello", "--env", "prod"]), 1);
    assert!(refused.contains("is not the one of common/hub/chart.lock.yaml"), "{refused}");

    let refused = failed(&scratch.xtask(&["hub-chart", "update", "9.9.9"]), 1);
    assert!(
        refused.contains("no version 9.9.9 of `jupyterhub`; the newest are 0.1.0"),
        "{refused}"
    );
    scratch.package("0.2.0", |it| it);
    stdout(&scratch.xtask(&["hub-chart", "update"]));
    let lock = fs::read_to_string(scratch.path("common/hub/chart.lock.yaml")).unwrap();
    assert!(lock.contains("version: 0.2.0"), "{lock}");
}

#[test]
fn a_repository_that_is_not_there_is_named() {
    let scratch = Scratch::new();
    let lock = "repository: http://127.0.0.1:9/\nname: jupyterhub\nversion: 0.0.1\nappVersion: 5.5.0\nkubeVersion: null\n";
    scratch.write("common/hub/chart.lock.yaml", lock);
    scratch.write("missions/hello/hub/prod.yaml", "hub: {}\n");
    let refused = failed(&scratch.xtask(&["hub-chart", "update"]), 1);
    assert!(refused.contains("http://127.0.0.1:9/index.yaml cannot be fetched"), "{refused}");
}
