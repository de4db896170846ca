//! Output of `explain`: the work of a run, and its reasons.

use expect_test::{Expect, expect};

use crate::checkout::Checkout;

#[track_caller]
fn check(checkout: &Checkout, args: &[&str], expect: &Expect) {
    let done = checkout.run(&[&["--json", "explain"], args].concat()).status(0).did_nothing();
    let rows = done.json().as_array().unwrap().clone();
    let due = rows.iter().filter(|it| it["due"] == true);
    let text = |it: &serde_json::Value| {
        let text = |name: &str| it[name].as_str().unwrap().to_owned();
        format!("{} {}: {}\n", text("work"), text("image"), text("because"))
    };
    expect.assert_eq(&due.map(text).collect::<String>());
}

const PIP: &str = "missions/hello/environments/hello/hello.pip";
const IMPORTS: &str = "missions/hello/environments/hello/tests/imports";

#[test]
fn what_caused_a_build_is_named() {
    let checkout = Checkout::new();
    check(
        &checkout,
        &[],
        &expect![[r#"
            build rootfs: no image yet
            build base: no image yet
            build common: no image yet
            build hello: no image yet
            test hello: the image is built first
            push hello: the image is built or tested first
        "#]],
    );
    checkout.run(&["image-all"]).status(0);
    check(&checkout, &[], &expect![""]);

    checkout.file(IMPORTS, "numpy\nscipy\n");
    checkout.file(PIP, "numpy\nscipy\n");
    check(
        &checkout,
        &[],
        &expect![[r#"
            build hello: environments/hello/tests/imports changed
            test hello: the image is built first
            push hello: the image is built or tested first
        "#]],
    );
    check(
        &checkout,
        &["--floating"],
        &expect![[r#"
            build hello: its inputs changed
            test hello: the image is built first
            push hello: the image is built or tested first
        "#]],
    );

    let trailer = "common/image/Dockerfile.trailer";
    checkout.file(trailer, &checkout.read(trailer).replace("USER root", "USER 0"));
    let packages = "common/image/packages.txt";
    checkout.file(packages, "curl\n");
    check(
        &checkout,
        &[],
        &expect![[r#"
            build common: common/image/packages.txt changed
            build hello: environments/hello/tests/imports changed, its Dockerfile changed
            test hello: the image is built first
            push hello: the image is built or tested first
        "#]],
    );
}

#[test]
fn failed_tests_and_a_lost_registry_are_reasons() {
    let mut checkout = Checkout::new();
    checkout.failing(&["numpy"]);
    checkout.run(&["image-all"]).status(1);
    check(
        &checkout,
        &[],
        &expect![[r#"
            test hello: failed: hello: import numpy
            push hello: the image is built or tested first
        "#]],
    );
    checkout.failing(&[]);
    checkout.run(&["image-test"]).status(0);
    check(
        &checkout,
        &[],
        &expect![[r#"
            push hello: the registry on this machine does not run yet
        "#]],
    );
    checkout.env("REGISTRY", "registry.example.org");
    checkout.run(&["image-push"]).status(0);
    checkout.env("IMAGE_TAG", "v2");
    check(
        &checkout,
        &[],
        &expect![[r#"
            push hello: registry.example.org/hello:v2 is not this image
        "#]],
    );
    let mut state = checkout.knows();
    let mut index = state["registry"]["registry.example.org/hello:latest-sandbox"].clone();
    index["config"] = "".into();
    state["registry"]["registry.example.org/hello:v2"] = index;
    checkout.state("state.json", &state.to_string());
    check(
        &checkout,
        &[],
        &expect![[r#"
            push hello: the push fails: registry.example.org/hello:v2 is not the manifest of one image, and was not pushed by this tool
        "#]],
    );
}

/// Compares the due work of `explain` with that of `image-all`: names of built images, and whether
/// anything is tested and pushed.
#[track_caller]
fn agrees(checkout: &Checkout) {
    let explained = checkout.run(&["--json", "explain"]).status(0).did_nothing().json();
    let due = |work: &str| {
        let rows = explained.as_array().unwrap().iter();
        let rows = rows.filter(|it| it["work"] == work && it["due"] == true);
        rows.map(|it| it["image"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let done = checkout.run(&["--json", "image-all"]).status(0);
    let rows = done.json()["images"].as_array().unwrap().clone();
    let built = rows.iter().filter(|it| it["action"].as_str().unwrap().starts_with("built"));
    let built: Vec<&str> = built.map(|it| it["image"].as_str().unwrap()).collect();
    assert_eq!(due("build"), built);
    let called = |part: &str| done.lines.iter().any(|it| it.contains(part));
    assert_eq!(!due("test").is_empty(), called("science-platform.role=test"));
    assert_eq!(!due("push").is_empty(), called("image push"));
}

#[test]
fn explain_says_what_a_run_does() {
    let mut checkout = Checkout::new();
    checkout.env("REGISTRY", "registry.example.org");
    agrees(&checkout);
    agrees(&checkout);
    checkout.file(IMPORTS, "numpy\nscipy\n");
    agrees(&checkout);
    checkout.env("IMAGE_TAG", "v2");
    agrees(&checkout);
    checkout.file("common/image/packages.txt", "# changed\n");
    agrees(&checkout);
    checkout.state("state.json", &{
        let mut state = checkout.knows();
        state["registry"] = serde_json::json!({});
        state.to_string()
    });
    agrees(&checkout);
    agrees(&checkout);
}
