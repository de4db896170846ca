//! `try`: one package more, or an edited list, without an image that stays.

use serde_json::json;

use crate::checkout::Checkout;

const LIST: &str = "missions/hello/environments/hello/hello.pip";

fn built() -> Checkout {
    let checkout = Checkout::new();
    checkout.run(&["image-build"]).status(0);
    checkout
}

fn images(checkout: &Checkout) -> usize {
    checkout.knows()["images"].as_array().unwrap().len()
}

#[test]
fn a_package_that_works_is_added() {
    let checkout = built();
    let before = images(&checkout);
    let done = checkout.run(&["try", "--json", "--add", "scipy"]).status(0);
    let summary = done.json();
    assert_eq!((&summary["passed"], &summary["failed"]), (&json!(3), &json!(0)));
    assert_eq!(summary["list"], LIST);
    let done = done.says("3 tests passed, 0 failed").says(&format!("added to {LIST}"));
    done.says("not tested: kernels, servers and files of the image").never_called("push");
    assert_eq!(checkout.read(LIST), "numpy\nscipy\n");
    assert!(!checkout.has("target/xtask/receipts/hello"));
    assert_eq!(images(&checkout), before);
    let dockerfile = checkout.read("target/xtask/build/hello@try.Dockerfile");
    assert!(
        dockerfile.contains("env-update hello /opt/environments/hello/hello.pip"),
        "{dockerfile}"
    );
    assert_eq!(
        checkout.read("target/xtask/build/hello@try/environments/hello/hello.pip"),
        "numpy\nscipy\n"
    );
}

#[test]
fn a_package_that_breaks_a_test_is_not_added() {
    let checkout = built();
    let before = images(&checkout);
    checkout.failing(&["plot.ipynb"]);
    let done = checkout.run(&["try", "--add", "scipy"]).status(1);
    done.says("notebook plot.ipynb")
        .says("2 tests passed, 1 failed")
        .says(&format!("not added to {LIST}"))
        .never_says("again:");
    assert_eq!((checkout.read(LIST).as_str(), images(&checkout)), ("numpy\n", before));
}

#[test]
fn an_edit_meanwhile_stays() {
    let mut checkout = built();
    checkout.flaw(json!({ "on": "hello@try", "hold": true }));
    let mut running = checkout.start(&["try", "--add", "scipy"]);
    running.wait_for_hold();
    checkout.file(LIST, "numpy\nattrs\n");
    checkout.state("go", "");
    running.finish().status(1).says(&format!("{LIST}: edited meanwhile; nothing is added"));
    assert_eq!(checkout.read(LIST), "numpy\nattrs\n");
}

#[test]
fn a_list_that_cannot_be_solved() {
    let mut checkout = built();
    let said = "#9 [stage-1 2/2] RUN /opt/common-scripts/env-update\n\
        #9 0.5 scipi: did you mean scipy?\n\
        #9 0.5   /opt/environments/hello/hello.pip:2: scipi\n#9 ERROR: exit code: 1\n";
    checkout.fail("hello@try", 1, said);
    let done = checkout.run(&["try", "--add", "scipi"]).status(1).never_called("role=test");
    done.says("did you mean scipy?").says(&format!("  {LIST}:2: scipi"));
    assert_eq!(checkout.read(LIST), "numpy\n");
}

#[test]
fn edited_lists_are_tried_as_they_are() {
    let checkout = built();
    checkout.file("missions/hello/environments/hello/hello.pip", "");
    checkout.run(&["try", "--env", "hello"]).status(0).says("hello: 3 tests passed");
    // The frozen spec has no package, as the list.
    let done = checkout.run(&["try"]).status(2).never_called("build");
    done.says("hello: no list differs from its frozen spec; edit a list, or pass");
    checkout.file(LIST, "scipy\n");
    checkout.run(&["try"]).status(0).says("hello: 3 tests passed").never_says("added");
    assert_eq!(checkout.read(LIST), "scipy\n");
}

#[test]
fn requests_that_are_not_tried() {
    let checkout = built();
    checkout.copy_of_environment("sea");
    let refused = |args: &[&str], says: &str| {
        checkout.run(&[&["try"], args].concat()).status(2).never_called("build").says(says);
    };
    refused(&["--env", "sae"], "--env sae: unknown environment; did you mean `sea`?");
    refused(
        &["--add", "scipy"],
        "--add needs one environment; pass `--env` with one of: hello, sea",
    );
    refused(&["--env", "hello", "--add", "Numpy"], "hello.pip:1: numpy: already in the list");
    refused(&["--env", "hello", "--add", "a b"], "--add a b: `a b` is not a requirement");
    refused(&["--env", "hello", "--add=-r x.pip"], "--add -r x.pip: ");
    refused(&["nowhere"], "no mission `nowhere`");
    let checkout = Checkout::new();
    let done = checkout.run(&["try", "--add", "scipy"]).status(1);
    done.says("no image of hello yet; run `cargo xtask image-build hello`");
}

/// A killed run cannot remove its image; the next run does.
#[test]
fn an_image_that_is_not_removed() {
    let mut checkout = built();
    let before = images(&checkout);
    checkout.flaw(json!({ "on": "image rm --force", "status": 1 }));
    let done = checkout.run(&["try", "--add", "scipy"]).status(0);
    done.says("warning: trial image sha256:… could not be removed")
        .says("fix: `docker image rm --force sha256:…`");
    assert_eq!(images(&checkout), before + 1);
    checkout.restore_docker();
    checkout
        .run(&["image-build"])
        .status(0)
        .says("removed a trial image that an earlier run left: sha256:…");
    assert_eq!(images(&checkout), before);
}
