//! `check`: files by name, `--fix`, and the amount of data read.

use std::{fs, os::unix::fs::PermissionsExt as _};

use expect_test::expect;

use crate::checkout::Checkout;

fn good() -> Checkout {
    let checkout = Checkout::new();
    checkout.git();
    checkout.run(&["image-update"]).status(0);
    checkout
}

fn without_fixes(text: &str) -> String {
    text.lines().filter(|it| !it.starts_with(' ')).map(|it| format!("{it}\n")).collect()
}

#[test]
fn files_by_name() {
    let checkout = good();
    checkout.file("common/my notes", "a\n");
    checkout.file("common/a/it's", "a\n");
    checkout.file("missions/hello/environments/hello/tests/imports", "# none\n");
    let check = |args: &[&str]| {
        let done = checkout.run(&[&["check"], args].concat());
        without_fixes(&done.stdout)
    };
    // Runs in `common`.
    expect![["
        common/a/it's: file-name: the name has `'`, to which shells and COPY give a meaning
        common/my notes: file-name: the name has a space
        missions/hello/environments/hello/tests/imports: nothing-tested: the list is empty
    "]]
    .assert_eq(&check(&[]));
    expect![["
        common/my notes: file-name: the name has a space
    "]]
    .assert_eq(&check(&["my notes", "image/Dockerfile.trailer"]));
    expect![["
        common/a/it's: file-name: the name has `'`, to which shells and COPY give a meaning
    "]]
    .assert_eq(&check(&["a"]));
    checkout.run(&["check", "image/Dockerfile.trailer", "../setup-env.template"]).status(0);
    checkout.run(&["check", "gone"]).status(2).says("gone: git has no such file here");
    checkout.run(&["check", "../../x"]).status(2).says("../../x: this is not in the checkout");
}

/// A finding about a folder belongs to each file in it.
#[test]
fn a_folder_of_a_file() {
    let checkout = good();
    checkout.remove("missions/hello/environments/hello/tests/imports");
    checkout.remove("missions/hello/environments/hello/tests/plot.ipynb");
    let done = checkout.run(&["--json", "check", "../missions/hello/environments/hello/hello.pip"]);
    assert_eq!(done.status(1).json()[0]["rule"], "nothing-tested");
}

#[test]
fn what_is_safe_is_mended() {
    let checkout = good();
    checkout.file("common/run", "#!/bin/sh\r\nset -eu\r\n");
    checkout.file("common/my notes", "a\n");
    let dry = checkout.run(&["-n", "check", "--fix"]).status(1).says("write common/run");
    assert!(dry.stdout.contains("common/run:1: text-file"), "{}", dry.stdout);
    assert_eq!(checkout.read("common/run"), "#!/bin/sh\r\nset -eu\r\n");
    let done = checkout.run(&["check", "--fix"]).status(1);
    let done = done.says("write common/run\n").says("chmod +x common/run\n");
    assert!(done.stdout.starts_with("common/my notes: file-name"), "{}", done.stdout);
    assert_eq!(checkout.read("common/run"), "#!/bin/sh\nset -eu\n");
    let mode = fs::metadata(checkout.root().join("common/run")).unwrap().permissions().mode();
    assert_eq!(mode & 0o111, 0o111);
}

/// A fixed script stays executable.
#[test]
fn modes_are_kept() {
    let checkout = good();
    checkout.script("common/run", "#!/bin/sh\nset -eu");
    checkout.run(&["check", "--fix"]).status(0);
    let mode = fs::metadata(checkout.root().join("common/run")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o755);
}

/// Twice as many missions take twice as many reads: no mission's files are read again for another.
/// `bench` measures the seconds.
#[test]
fn hundreds_of_missions() {
    let checkout = Checkout::new();
    checkout.git();
    let bytes_read = |missions: std::ops::Range<u32>| {
        missions.for_each(|n| checkout.mission(&format!("mission-{n}")));
        checkout.run(&["image-update", "--all"]).status(0);
        checkout.bytes_read(&["check"])
    };
    let (none, some, more) = (bytes_read(0..0), bytes_read(0..100), bytes_read(100..200));
    let (first, second) = (some - none, more - some);
    assert!(second.abs_diff(first) < first / 10, "{none}, {some}, {more}");
}

/// A submodule's files are checked like others, ignored and large ones too; the checked files are
/// those that are built.
#[test]
fn submodules_are_checked() {
    let checkout = good();
    let hello = "missions/hello/environments/hello";
    checkout.file("missions/hello/.dockerignore", "*\n!environments\n**/.git\n");
    checkout.submodule(&format!("{hello}/tests/data"));
    checkout.run(&["check"]).status(0);
    checkout.file(&format!("{hello}/tests/data/.gitignore"), "*.pem\n");
    let key = ["-----BEGIN PRIVATE ", "KEY-----\n", &"b3Bl".repeat(15), "\n"].concat();
    let large = format!("{}{key}", "\u{e9}\n".repeat(400_000));
    checkout.file(&format!("{hello}/tests/data/x.pem"), &large);
    let done = checkout.run(&["check"]).status(1);
    expect![["
        missions/hello/environments/hello/tests/data/x.pem: context-in-git: builds send this, and git ignores it
        missions/hello/environments/hello/tests/data/x.pem: large-file: this file has 1.2 MB
        missions/hello/environments/hello/tests/data/x.pem:400001: private-key: a private key begins here
    "]]
    .assert_eq(&without_fixes(&done.stdout));
    for task in ["image-build", "image-push", "image-all", "explain"] {
        checkout.run(&[task]).status(2).says("x.pem:400001: private-key");
    }
    checkout.remove(&format!("{hello}/tests/data/x.pem"));
    checkout.run(&["explain"]).status(0);
}

/// `.git` has the addresses of remotes, which may contain logins.
#[test]
fn a_repository_in_a_context() {
    let checkout = good();
    checkout.submodule("missions/hello/environments/hello/tests/data");
    let done = checkout.run(&["check"]).status(1);
    expect![["
        missions/hello/environments/hello/tests/data/.git: context-in-git: builds send this, and git ignores it
    "]]
    .assert_eq(&without_fixes(&done.stdout));
}

#[test]
fn a_base_with_a_key_in_it() {
    let checkout = good();
    checkout.file("common/base/scripts/id", &format!("AGE-SECRET-{}-1{}", "KEY", "Q".repeat(58)));
    checkout.run(&["image-base"]).status(2).says("common/base/scripts/id:1: private-key");
}

/// Floating content is refused where it matters, and reported elsewhere.
#[test]
fn floating_images_may_float() {
    let checkout = good();
    let custom = "missions/hello/Dockerfile.custom";
    let text = checkout.read(custom);
    checkout.file(custom, &format!("{text}RUN pip install x\n"));
    let warning = "warning: missions/hello/Dockerfile.custom:5: unpinned: `pip install`";
    let refusal =
        "hello cannot be built:\nmissions/hello/Dockerfile.custom:5: unpinned: `pip install`";
    for task in [["image-build", "--frozen"], ["image-all", "--frozen"], ["freeze", "--verify"]] {
        checkout.run(&task).status(2).says(refusal).did_nothing();
    }
    checkout.run(&["-n", "image-build", "--frozen"]).status(0).says(warning);
    checkout.run(&["explain", "--frozen"]).status(0).says(warning);
    checkout.run(&["image-build", "--floating"]).status(0).says(warning);
    let base = "BASE_IMAGE=quay.io/jupyter/base-notebook:latest";
    let done = checkout.run(&["--set", base, "image-build", "--floating"]);
    done.says("warning: BASE_IMAGE=quay.io/jupyter/base-notebook:latest (--set): a tag");
    let reason = "# check: allow unpinned -- the index has one version\n";
    checkout.file(custom, &format!("{text}{reason}RUN pip install x\n"));
    let done = checkout.run(&["image-build", "--frozen"]).status(0);
    assert!(!done.stderr.contains("unpinned"), "{}", done.stderr);
}
