//! `relock`: the frozen specs of a floating build, on a branch of their own.

use std::process::Command;

use crate::checkout::Checkout;

fn ready() -> Checkout {
    let mut checkout = Checkout::new();
    for name in ["AUTHOR", "COMMITTER"] {
        let (author, email) = match name {
            "AUTHOR" => ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL"),
            _ => ("GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"),
        };
        checkout.env(author, "test");
        checkout.env(email, "test@example.org");
    }
    checkout.git();
    checkout.file(".gitignore", "/target\n");
    checkout.run(&["image-update"]).status(0);
    checkout.commit();
    checkout
}

fn git(checkout: &Checkout, args: &[&str]) -> String {
    let output = Command::new("git").args(args).current_dir(checkout.root()).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

const SPEC: &str = "missions/hello/environments/hello/hello-frozen.yml";

#[test]
fn what_changed_is_on_a_branch() {
    let checkout = ready();
    let old = checkout.read(SPEC);
    let head = git(&checkout, &["rev-parse", "HEAD"]);
    let dry = checkout.run(&["-n", "relock"]).status(0);
    dry.did_nothing().says("git branch relock/hello <commit>");
    let done = checkout.run(&["relock"]).status(0);
    let done = done.says("committed to relock/hello; summary: target/xtask/relock/hello.md");
    assert!(done.stdout.contains("tests passed\n"), "{}", done.stdout);
    assert!(done.stdout.contains("### hello/hello\n\n| package | before | after | |"));
    assert!(checkout.read("target/xtask/relock/hello.md").starts_with(
        "## hello

"
    ));
    // The checkout is as it was.
    assert_eq!(checkout.read(SPEC), old);
    assert_eq!(git(&checkout, &["status", "--porcelain"]), "");
    assert_eq!(git(&checkout, &["rev-parse", "HEAD", "relock/hello^"]), head.repeat(2));
    let files = git(&checkout, &["diff", "--name-only", "HEAD", "relock/hello"]);
    assert!(files.contains(SPEC), "{files}");
    assert!(files.lines().all(|it| it.starts_with("missions/hello/")), "{files}");
    assert_eq!(git(&checkout, &["log", "-1", "--format=%s", "relock/hello"]), "Relock hello\n");
    // Another time, the branch is moved.
    let first = git(&checkout, &["rev-parse", "relock/hello"]);
    git(
        &checkout,
        &[
            "-c",
            "user.name=a",
            "-c",
            "user.email=a@b",
            "commit",
            "--quiet",
            "--allow-empty",
            "-m",
            "x",
        ],
    );
    checkout.run(&["relock"]).status(0);
    assert_ne!(git(&checkout, &["rev-parse", "relock/hello"]), first);
}

#[test]
fn a_failed_test_means_no_branch() {
    let checkout = ready();
    checkout.failing(&["numpy"]);
    let done = checkout.run(&["relock"]).status(1).says("hello: failed, no commit");
    assert!(done.stdout.contains("**1 failed**"), "{}", done.stdout);
    assert_eq!(git(&checkout, &["branch", "--list", "relock/*"]), "");
    assert_eq!(git(&checkout, &["status", "--porcelain"]), "");
}

#[test]
fn what_is_not_committed_is_not_mixed_in() {
    let checkout = ready();
    git(&checkout, &["checkout", "--quiet", "-b", "relock/hello"]);
    checkout.run(&["relock"]).status(2).says("relock/hello is checked out").did_nothing();
    git(&checkout, &["checkout", "--quiet", "-b", "main"]);
    checkout.file("missions/hello/environments/hello/hello.pip", "numpy\nscipy\n");
    checkout.run(&["relock"]).status(2).says("files differ from the last commit").did_nothing();
    let checkout = Checkout::new();
    checkout.run(&["relock"]).status(2).says("no commit to start from").did_nothing();
}

#[test]
fn an_error_after_the_build_leaves_the_working_tree_as_it_was() {
    let checkout = ready();
    let old = checkout.read(SPEC);
    checkout.file("target/xtask/relock", "a file where a folder is expected\n");
    checkout.run(&["relock"]).status(1).says("target/xtask/relock");
    assert_eq!(checkout.read(SPEC), old);
    assert_eq!(git(&checkout, &["status", "--porcelain"]), "");
    assert_eq!(git(&checkout, &["branch", "--list", "relock/*"]), "");
}
