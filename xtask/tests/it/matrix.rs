//! `ci-matrix`: what changes the image of a mission, between two commits; and what `check` writes for
//! CI servers.

use std::{
    fs,
    os::unix::{fs::symlink, net::UnixListener},
};

use crate::checkout::Checkout;

/// Returns a checkout with two missions, and one commit.
fn two_missions() -> Checkout {
    let checkout = Checkout::new();
    checkout.mission("euclid");
    checkout.git();
    checkout.run(&["image-update", "--all"]).status(0);
    checkout.commit();
    checkout
}

#[track_caller]
fn check(checkout: &Checkout, since: &str, expect: &[&str]) {
    let done = checkout.run(&["--json", "ci-matrix", "--since", since]).status(0);
    let expect = serde_json::json!({ "mission": expect });
    assert_eq!(done.stdout, format!("{expect}\n"), "{}", done.stderr);
    let list = checkout.run(&["ci-matrix", "--since", since]).status(0);
    let names = expect["mission"].as_array().unwrap();
    assert_eq!(list.stdout.lines().collect::<Vec<_>>(), names.iter().collect::<Vec<_>>());
}

#[test]
fn only_missions_with_other_inputs() {
    let checkout = two_missions();
    check(&checkout, "HEAD", &[]);
    // Neither sends this to its build.
    checkout.file("docs/a.md", "a\n");
    checkout.file("missions/hello/hub/prod.yaml", "{}\n");
    check(&checkout, "HEAD", &[]);
    checkout.file("missions/hello/environments/hello/tests/imports", "numpy\nscipy\n");
    check(&checkout, "HEAD", &["hello"]);
    checkout.commit();
    check(&checkout, "HEAD", &[]);
    check(&checkout, "HEAD^", &["hello"]);
    // The other mode's list is not in a frozen image.
    checkout.file("missions/euclid/environments/euclid/euclid.pip", "numpy\nscipy\n");
    check(&checkout, "HEAD", &[]);
    let done = checkout.run(&["ci-matrix", "--since", "HEAD", "--floating"]).status(0);
    assert_eq!(done.stdout, "euclid\n");
}

#[test]
fn a_change_below_all_missions_means_all() {
    for file in ["Dockerfile", "common/base/Dockerfile", "common/base/debian.sources"] {
        let checkout = two_missions();
        checkout.file(file, &(checkout.read(file) + "# a change\n"));
        check(&checkout, "HEAD", &["euclid", "hello"]);
    }
    let checkout = two_missions();
    let template = checkout.read("setup-env.template");
    let other =
        template.replace("BASE_IMAGE=local", "BASE_IMAGE=quay.io/jupyter/minimal-notebook:2026");
    assert_ne!(template, other);
    checkout.file("setup-env.template", &other);
    check(&checkout, "HEAD", &["euclid", "hello"]);
    // Of two tags, no engine needs to know the digests.
    checkout.commit();
    check(&checkout, "HEAD", &[]);
    checkout.file("setup-env.template", &other.replace(":2026", ":2027"));
    check(&checkout, "HEAD", &["euclid", "hello"]);
}

#[test]
fn new_and_removed_missions() {
    let checkout = two_missions();
    fs::remove_dir_all(checkout.root().join("missions/euclid")).unwrap();
    checkout.mission("roman");
    check(&checkout, "HEAD", &["roman"]);
    // What cannot be read counts as changed, so that its build tells why.
    checkout.file("missions/hello/.dockerignore", "a[b]\n");
    check(&checkout, "HEAD", &["hello", "roman"]);
    for name in ["gone", "^HEAD"] {
        let done = checkout.run(&["ci-matrix", "--since", name]).status(2);
        done.says(&format!("--since {name}: commit not found")).says("fix: fetch it");
    }
}

#[test]
fn an_earlier_tree_that_cannot_be_read() {
    let checkout = two_missions();
    checkout.remove("setup-env.template");
    checkout.commit();
    checkout.file("setup-env.template", &Checkout::new().read("setup-env.template"));
    check(&checkout, "HEAD", &["euclid", "hello"]);
}

/// A checkout may be a folder of a larger repository; of a clone, only the last commits may be there.
#[test]
fn a_folder_of_a_repository_without_history() {
    let outer = tempfile::tempdir().unwrap();
    let bash = |script: &str| {
        let mut bash = std::process::Command::new("bash");
        let done = bash.args(["-euc", script]).current_dir(&outer).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    let checkout = two_missions();
    fs::remove_dir_all(checkout.root().join(".git")).unwrap();
    let root = checkout.root().display().to_string();
    bash(&format!("mkdir a; mv {root} a/root; git init --quiet a; cd a; git add .; git commit --quiet -m one
        echo scipy >> root/missions/hello/environments/hello/tests/imports; git commit --quiet -am two
        cd ..; git clone --quiet --depth 2 file://$PWD/a b; mv b/root {root}; mv b/.git {root}/../.git"));
    check(&checkout, "HEAD^", &["hello"]);
}

#[test]
fn findings_for_ci_servers() {
    let mut checkout = two_missions();
    checkout.file("common/my notes", "a\n");
    let done = checkout.run(&["check", "--sarif", "../found.sarif"]).status(1);
    assert!(!done.stderr.contains("::error"), "{}", done.stderr);
    let log: serde_json::Value = serde_json::from_str(&checkout.read("found.sarif")).unwrap();
    let results = log["runs"][0]["results"].as_array().unwrap();
    let found =
        results.iter().map(|it| &it["locations"][0]["physicalLocation"]["artifactLocation"]);
    assert_eq!(found.map(|it| &it["uri"]).collect::<Vec<_>>(), ["common/my%20notes"]);
    let annotation = "::error file=common/my notes,title=file-name::the name has a space%0Afix: ";
    checkout.run(&["check", "--annotate"]).status(1).says(annotation);
    checkout.env("GITHUB_ACTIONS", "true");
    checkout.run(&["check"]).status(1).says(annotation);
    checkout.run(&["-n", "check", "--sarif", "../dry.sarif"]).status(1).says("write ../dry.sarif");
    assert!(!checkout.has("dry.sarif"));
    let path = |name: &str| checkout.root().join(name);
    fs::create_dir(path("folder")).unwrap();
    let _listener = UnixListener::bind(path("socket")).unwrap();
    symlink("found.sarif", path("link")).unwrap();
    for name in ["../folder", "../socket", "../link"] {
        let done = checkout.run(&["check", "--sarif", name]).status(2);
        done.says(&format!("{name}: not a regular file")).says("fix: name a new file");
    }
}
