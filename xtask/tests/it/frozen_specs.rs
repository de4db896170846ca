//! The tasks about frozen specs: `freeze`, `why`, `when` and `diff`.

use std::{fs, process::Command};

use expect_test::expect;
use nix::sys::signal::Signal;
use serde_json::json;

use crate::checkout::{Checkout, FROZEN};

const SPEC: &str = "missions/hello/environments/hello/hello-frozen.yml";
const DEBIAN: &str = "missions/hello/packages-debian.txt";

/// Returns a checkout with a floating image that was frozen, and the old specs again.
fn built() -> Checkout {
    let checkout = Checkout::new();
    checkout.run(&["image-build", "--floating"]).status(0);
    checkout.file(SPEC, FROZEN);
    checkout.remove(DEBIAN);
    checkout
}

fn git(checkout: &Checkout, args: &[&str]) {
    let user = ["-c", "user.name=n", "-c", "user.email=e@example.org"];
    let status =
        Command::new("git").args(user).args(args).current_dir(checkout.root()).status().unwrap();
    assert!(status.success(), "{args:?}");
}

#[test]
fn freeze_writes_and_tells() {
    let checkout = built();
    let done = checkout.run(&["freeze", "hello"]).status(0);
    done.never_called("build").printed(&expect![[r#"
        hello/hello: 2 changes in missions/hello/environments/hello/hello-frozen.yml
          (base) sha256:0 → local python-3.13
          numpy 2.2.0 added
    "#]]);
    let first = fs::metadata(checkout.root().join(SPEC)).unwrap().modified().unwrap();
    checkout.run(&["freeze"]).status(0).printed(&expect![[r#"
        hello/hello: unchanged
    "#]]);
    let second = fs::metadata(checkout.root().join(SPEC)).unwrap().modified().unwrap();
    assert_eq!(first, second);
    assert_eq!(checkout.read(DEBIAN), "bash=5.2\n");
}

#[test]
fn freeze_tells_in_other_forms() {
    for (flag, expect) in [
        (
            "--markdown",
            expect![[r#"
                ### hello/hello

                | package | before | after | |
                | --- | --- | --- | --- |
                | (base) | sha256:0 | local python-3.13 | changed |
                | numpy |  | 2.2.0 | added |

            "#]],
        ),
        (
            "--diff",
            expect![[r#"
                --- missions/hello/environments/hello/hello-frozen.yml
                +++ missions/hello/environments/hello/hello-frozen.yml
                @@ -1,8 +1,10 @@
                 # frozen: 1
                 # platform: linux/amd64
                -# base: sha256:0
                +# base: local python-3.13
                 name: hello
                 channels:
                   - conda-forge
                 dependencies:
                   - python=3.13.5
                +  - pip:
                +    - numpy==2.2.0 --hash=sha256:…
            "#]],
        ),
        (
            "--json",
            expect![[r#"
                [
                  {
                    "mission": "hello",
                    "environment": "hello",
                    "file": "missions/hello/environments/hello/hello-frozen.yml",
                    "changed": true,
                    "changes": [
                      {
                        "name": "(base)",
                        "kind": "changed",
                        "old": "sha256:0",
                        "new": "local python-3.13"
                      },
                      {
                        "name": "numpy",
                        "kind": "added",
                        "old": null,
                        "new": "2.2.0"
                      }
                    ]
                  }
                ]
            "#]],
        ),
        (
            "--dry-run",
            expect![[r#"
                /bin/docker run --label science-platform.role=freeze --label 'science-platform.run=<run>' --cidfile /root/target/xtask/freeze/….cid --sig-proxy=false --network none --entrypoint /opt/common-scripts/env-export sha256:… hello > /root/missions/hello/environments/hello/hello-frozen.yml
                /bin/docker run --label science-platform.role=freeze --label 'science-platform.run=<run>' --cidfile /root/target/xtask/freeze/….cid --sig-proxy=false --network none --entrypoint dpkg-query sha256:… --show --showformat '${Package}=${Version}\n' > /root/missions/hello/packages-debian.txt
            "#]],
        ),
    ] {
        built().run(&["freeze", "hello/hello", flag]).status(0).printed(&expect);
    }
}

#[test]
fn freeze_builds_what_is_not_there() {
    let checkout = Checkout::new();
    let done = checkout.run(&["freeze"]).status(0);
    done.called("USE_FROZEN=0").called("env-export").never_called("push");
    assert!(checkout.read(SPEC).contains("numpy==2.2.0"));
    checkout.run(&["image-build", "--floating"]).status(0).never_called("env-export");
}

#[test]
fn an_image_is_compared_with_the_file() {
    let checkout = built();
    let floating = ["--set", "USE_FROZEN=0", "diff", "hello", "--image"];
    checkout.run(&floating).status(0).printed(&expect![[r#"
        hello/hello in image …:
          (base) sha256:0 → local python-3.13
          numpy 2.2.0 added
    "#]]);
    checkout.run(&["diff", "hello", "--image"]).status(1).says("not built");
    assert_eq!(checkout.read(SPEC), FROZEN);
}

#[test]
fn freeze_of_what_is_not_there() {
    let checkout = Checkout::new();
    checkout.mission("roman");
    for (args, expect) in [
        (["freeze", "helo"], "no environment `helo`; did you mean `hello`?"),
        (["freeze", "base"], "there is nothing to freeze"),
        (["freeze", "roman/hello"], "no environment `roman/hello`"),
        (["diff", "nothing"], "no environment `nothing`; there are: hello/hello, roman/roman"),
    ] {
        checkout.run(&args).status(2).did_nothing().says(expect);
    }
}

/// Every file is complete, old or new, wherever a run is killed.
#[test]
fn killed_at_a_fault_point() {
    let new = {
        let checkout = built();
        checkout.run(&["freeze"]).status(0);
        checkout.read(SPEC).lines().count()
    };
    for (point, is_new) in [
        ("before-write", false),
        ("after-write", false),
        ("before-rename", false),
        ("after-rename", true),
    ] {
        let mut checkout = built();
        checkout.env("XTASK_FAULT", point);
        checkout.run(&["freeze"]).killed();
        let text = checkout.read(SPEC);
        assert_eq!(text == FROZEN, !is_new, "{point}");
        assert_eq!(text.lines().count() == new, is_new, "{point}");
        // The next run leaves nothing behind.
        checkout.env("XTASK_FAULT", "");
        checkout.run(&["freeze"]).status(0);
        assert_eq!(checkout.read(SPEC).lines().count(), new);
        let dir = fs::read_dir(checkout.root().join(SPEC).parent().unwrap()).unwrap();
        let names = dir.map(|it| it.unwrap().file_name().into_string().unwrap());
        assert_eq!(names.filter(|it| it.ends_with(".new")).count(), 0);
    }
}

#[test]
fn killed_while_the_image_exports() {
    let mut checkout = built();
    checkout.flaw(json!({ "on": "env-export", "hold": true }));
    let mut running = checkout.start(&["freeze"]);
    running.wait_for_hold();
    running.signal(Signal::SIGKILL);
    checkout.state("go", "");
    running.finish().killed();
    assert_eq!(checkout.read(SPEC), FROZEN);
}

/// Issue 12: an edit of `common/base` made every frozen spec stale, although no package had moved.
#[test]
fn an_edit_of_the_base_leaves_frozen_specs_as_they_are() {
    let checkout = Checkout::of_this_repository();
    let check = ["freeze", "--check", "--all"];
    checkout.run(&check).status(0);
    let edit = |name: &str, from: &str, to: &str| {
        let text = checkout.read(name);
        assert!(text.contains(from), "{name}");
        checkout.file(name, &text.replace(from, to));
    };
    edit("common/base/Dockerfile", "\nENV ", "\nENV A=b\nENV ");
    let lock = "common/base/requirements.txt";
    edit(lock, "\npackaging==", "\npackaging==1");
    checkout.run(&check).status(0);

    let remote = format!("BASE_IMAGE=quay.io/x/y@sha256:{}", "0".repeat(64));
    for base in [remote.as_str(), "BASE_IMAGE=quay.io/x/y:tag"] {
        let done = checkout.run(&["--set", base, "freeze", "--check", "--all"]).status(1);
        let what = "hello-frozen.yml:3: frozen-spec: frozen on base `local python-3.13`";
        assert!(done.stdout.contains(what), "{}", done.stdout);
    }
    edit(lock, "--python-version 3.13", "--python-version 3.14");
    let done = checkout.run(&check).status(1);
    let text = &done.stdout;
    assert!(text.contains("hello-frozen.yml:3: frozen-spec: frozen on base "), "{text}");
    let what = "frozen-spec: frozen with python 3.13, but the base has 3.14";
    assert_eq!(text.matches(what).count(), text.matches("frozen on base ").count(), "{text}");
}

/// Works without an engine.
#[test]
fn an_edited_list_is_found() {
    let mut checkout = Checkout::new();
    checkout.file(SPEC, FROZEN);
    checkout.path(&["tools"]);
    checkout.run(&["freeze", "--check", "--all"]).status(1).printed(&expect![[r#"
        missions/hello/environments/hello/hello-frozen.yml:3: frozen-spec: frozen on base `sha256:0`; expected `local`
            fix: run `cargo xtask freeze hello/hello`
        missions/hello/environments/hello/hello.pip:1: frozen-spec: `numpy`: the frozen spec does not have it
            fix: run `cargo xtask freeze hello/hello`, or take the edit back
    "#]]);
    let list = "missions/hello/environments/hello/hello.pip";
    checkout.file(list, "# Nothing.\n");
    let spec = checkout.read(SPEC).replace("3.13.5", "3.13");
    checkout.file(SPEC, &spec);
    checkout.run(&["freeze", "--check"]).status(1).printed(&expect![[r#"
        missions/hello/environments/hello/hello-frozen.yml:8: frozen-spec: `python=3.13` is not pinned to one package file
            fix: freeze the environment again
    "#]]);
    checkout.remove(SPEC);
    checkout.run(&["freeze", "--check", "hello"]).status(1).printed(&expect![[r#"
        missions/hello/environments/hello/hello-frozen.yml: frozen-spec: missing frozen spec
            fix: run `cargo xtask freeze hello/hello`
    "#]]);
}

#[test]
fn an_edited_list_of_several_environments_is_found() {
    let checkout = Checkout::new();
    let pin =
        format!("  - pip:\n    - numpy==2.2.0 --hash=sha256:{}  # via hello.pip\n", "0".repeat(64));
    checkout.file(SPEC, &format!("{}{pin}", FROZEN.replace("sha256:0", "local python-3.13")));
    let environments = "missions/hello/environments";
    checkout.file(&format!("{environments}/hello/hello.pip"), "-c ../common-hints.pip\nnumpy\n");
    checkout.file(&format!("{environments}/common-hints.pip"), "numpy<3\nscipy<1\n");
    checkout.run(&["freeze", "--check"]).status(0);
    checkout.file(&format!("{environments}/common-hints.pip"), "\nnumpy<2\n");
    checkout.run(&["freeze", "--check"]).status(1).printed(&expect![[r#"
        missions/hello/environments/common-hints.pip:2: frozen-spec: `numpy<2`: frozen is 2.2.0
            fix: run `cargo xtask freeze hello/hello`, or take the edit back
    "#]]);
}

#[test]
fn the_verdict_is_in_the_receipt() {
    let mut checkout = Checkout::new();
    checkout.file(SPEC, FROZEN);
    let done = checkout.run(&["freeze", "--verify"]).status(1);
    done.called("USE_FROZEN=1").says("hello/hello: different");
    assert_eq!(checkout.read(SPEC), FROZEN);
    checkout.flaw(json!({ "on": "env-export", "status": 0, "stdout": FROZEN }));
    let done = checkout.run(&["--json", "freeze", "--verify"]).status(0);
    assert_eq!(done.json()[0]["verdict"], "identical");
    let receipt = |checkout: &Checkout| {
        let dir = checkout.root().join("target/xtask/receipts/hello");
        let path = fs::read_dir(dir).unwrap().next().unwrap().unwrap().path();
        serde_json::from_str::<serde_json::Value>(&fs::read_to_string(path).unwrap()).unwrap()
    };
    assert_eq!(receipt(&checkout)["refrozen"], json!({ "hello": "identical" }));
    checkout.run(&["image-push"]).status(1).says("has no passing test receipt");
    checkout.run(&["image-all"]).status(0);
    assert_eq!(receipt(&checkout)["refrozen"], json!({ "hello": "identical" }));
    assert_ne!(receipt(&checkout)["tests"], json!([]));
}

#[test]
fn a_missing_spec_cannot_be_verified() {
    let checkout = Checkout::new();
    checkout.remove(SPEC);
    let done = checkout.run(&["freeze", "--verify"]).status(2).did_nothing();
    done.says("hello-frozen.yml: missing frozen spec; run `cargo xtask freeze hello/hello`");
}

#[test]
fn history_of_a_package() {
    let checkout = Checkout::new();
    git(&checkout, &["init", "--quiet"]);
    let freeze = |version: &str, subject: &str| {
        let hash = "0".repeat(64);
        let pins = format!(
            "  - pip:\n    - numpy=={version} --hash=sha256:{hash}  # via hello.pip, scipy\n    - scipy==1.18 --hash=sha256:{hash}  # via hello.pip\n"
        );
        checkout.file(SPEC, &format!("{FROZEN}{pins}"));
        if !subject.is_empty() {
            git(&checkout, &["add", "missions"]);
            git(&checkout, &["commit", "--quiet", "-m", subject]);
        }
    };
    freeze("2.4.6", "First");
    freeze("2.5.5", "Second");
    freeze("2.5.1", "");
    let done = checkout.run(&["--json", "when", "NumPy"]).status(0);
    let versions: Vec<_> =
        done.json().as_array().unwrap().iter().map(|it| it["version"].clone()).collect();
    assert_eq!(versions, ["2.5.1", "2.5.5", "2.4.6"]);
    assert_eq!(done.json()[0]["subject"], "(not committed)");
    checkout.run(&["diff", "hello"]).status(0).printed(&expect![[r#"
        hello/hello since …:
          numpy 2.5.5 → 2.5.1 (downgraded)
    "#]]);
    let done = checkout.run(&["--json", "diff", "hello", "--since", "HEAD~1"]).status(0);
    assert_eq!(
        done.json()["changes"],
        json!([{ "name": "numpy", "kind": "upgraded", "old": "2.4.6", "new": "2.5.1" }])
    );
    checkout.run(&["diff", "hello", "--since=--help"]).status(2).says("commit not found");
    checkout.run(&["when", "absent"]).status(1).says("has, or ever had, `absent`");
    checkout.run(&["why", "numpy"]).status(0).printed(&expect![[r#"
        hello/hello: numpy 2.5.1
          missions/hello/environments/hello/hello.pip:1: numpy
          hello.pip: scipy (no longer required there) → numpy
    "#]]);
    checkout.run(&["why", "nunpy"]).status(1).says("did you mean `numpy`?");
}
