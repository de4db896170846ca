//! What `explain` says of what a run would do, and why.

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
            build rootfs: there is none yet
            build base: there is none yet
            build common: there is none yet
            build hello: there is none yet
            test hello: the image is built anew
            push hello: it is built or tested anew
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
            test hello: the image is built anew
            push hello: it is built or tested anew
        "#]],
    );
    check(
        &checkout,
        &["--floating"],
        &expect![[r#"
            build hello: its inputs changed
            test hello: the image is built anew
            push hello: it is built or tested anew
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
            test hello: the image is built anew
            push hello: it is built or tested anew
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
            test hello: it failed: hello: import numpy
            push hello: it is built or tested anew
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
            push hello: registry.example.org/hello:v2 is not there
        "#]],
    );
}
