//! All missions, floating and frozen; freezing a frozen image reproduces its spec, whatever the
//! caches contain. Nothing is pushed: that takes minutes with these, and `publish.rs` does it.

use std::thread;

use serde_json::Value;

use crate::{
    checkout::{Checkout, run, text},
    containers::docker,
    leaks::host_bundle,
};

#[test]
fn frozen_missions_freeze_to_the_same_bytes() {
    let checkout = Checkout::of_copy("every");
    build_and_test(&checkout, "--frozen");
    let verified = checkout.run(&["freeze", "--verify", "--all", "--json"]);
    let rows: Value = serde_json::from_str(&verified.stdout).unwrap();
    let rows = rows.as_array().unwrap();
    for row in rows {
        assert_eq!(row["verdict"], "identical", "{row}");
    }
    assert_eq!(verified.status, Some(0));

    // The builder's caches are warm; those of a container of the common image are empty.
    let environments =
        || rows.iter().map(|it| ["mission", "environment"].map(|key| it[key].as_str().unwrap()));
    let listed = text(&run(&mut checkout.command(&["list", "--json"])));
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let all = listed.as_object().unwrap().values().map(|it| it.as_array().unwrap().len());
    assert_eq!(environments().count(), all.sum::<usize>(), "{rows:?}");
    let common = common_image(&checkout);
    thread::scope(|scope| {
        for [mission, environment] in environments() {
            let spec =
                format!("missions/{mission}/environments/{environment}/{environment}-frozen.yml");
            let (checkout, common) = (&checkout, &common);
            scope.spawn(move || {
                assert_eq!(made_anew(checkout, common, environment, &spec), checkout.read(&spec));
            });
        }
    });
}

fn build_and_test(checkout: &Checkout, mode: &str) {
    checkout.rows(&["image-build", "--all", mode]);
    checkout.rows(&["image-test", "--all", mode]);
}

/// Returns the lasting name of the missions' common image.
fn common_image(checkout: &Checkout) -> String {
    checkout.rows(&["image-build", "every", "--frozen"]).text("common", "tag")
}

/// Makes an environment like a build step, with empty caches, and exports it.
fn made_anew(checkout: &Checkout, image: &str, environment: &str, spec: &str) -> String {
    let scripts = "/opt/common-scripts";
    let make = match environment {
        "base" => "env-update base base.pip".to_owned(),
        name => format!("env-create {name}"),
    };
    let script =
        format!("set -e; USE_FROZEN=1 {scripts}/{make} >&2; {scripts}/env-export {environment}");
    let spec = format!(
        "{}:/opt/environments/{environment}/{environment}-frozen.yml:ro",
        checkout.path(spec).display()
    );
    let bundle = format!("{}:/etc/image-build/ca.crt:ro", host_bundle());
    let output = run(docker(&["run", "--rm", "--no-healthcheck", "--entrypoint", "bash"]).args([
        "--volume",
        &spec,
        "--volume",
        &bundle,
        "--env",
        "SSL_CERT_FILE=/etc/image-build/ca.crt",
        image,
        "-c",
        &script,
    ]));
    text(&output)
}

#[test]
fn floating_missions_pass() {
    let checkout = Checkout::of_copy("every");
    build_and_test(&checkout, "--floating");
    let checked = checkout.run(&["freeze", "--check", "--all"]);
    assert_eq!(checked.status, Some(0), "what a floating build froze is not what was asked for");
}

#[test]
fn an_altered_frozen_spec_fails_the_build_and_names_the_package() {
    let checkout = Checkout::of_copy("altered");
    checkout.rows(&["image-build", "altered", "--frozen"]);
    let spec = "missions/altered/environments/hello/hello-frozen.yml";
    let whole = checkout.read(spec);
    let line = whole.lines().find(|it| it.contains("- uncertainties==")).unwrap();
    let (start, hash) = line.split_once("sha256:").unwrap();
    let wrong_hash = format!("{start}sha256:{}{}", "0".repeat(64), &hash[64..]);
    for altered in [wrong_hash, line.replace("uncertainties==3.", "uncertainties==2.")] {
        checkout.write(spec, &whole.replace(line, &altered));
        let result = checkout.run(&["image-build", "altered", "--frozen"]);
        assert_eq!(result.status, Some(1), "{altered}");
        let screen: Vec<&str> = result.stderr.lines().rev().take(45).collect();
        assert!(screen.iter().any(|it| it.contains("uncertainties==")), "{altered}");
    }
}
