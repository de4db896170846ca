//! The published image as a hub starts it.

use std::{io::Write as _, process::Stdio};

use crate::{
    checkout::{Checkout, run, text},
    containers::{Container, Registry, docker, empty_home},
};

const PROBE: &str = include_str!("probe_kernels.py");

/// LESSONS: starts-not, kernels-hidden.
#[test]
fn the_published_image_starts_with_an_empty_home_for_any_user() {
    let mut checkout = Checkout::new();
    let registry = Registry::start(&mut checkout);
    checkout.has_tested(&["--frozen"]);
    checkout.rows(&["image-all", "hello"]);
    let digest = registry.digest("hello:latest-sandbox").expect("the human tag was moved");
    let image = format!("{}/hello@{digest}", registry.host);
    run(&mut docker(&["pull", "--quiet", &image]));

    let home = empty_home(&checkout);
    let volume = format!("{}:/home/jovyan", home.display());
    let container = Container::start(&[
        "--user",
        "4321:100",
        "--volume",
        &volume,
        "--env",
        "JUPYTER_TOKEN=test",
        &image,
    ]);
    container.wait_until_healthy();
    let said = probe(&container);
    assert!(said.contains("python3: 42"), "{said}");
    assert!(said.contains("hello: 42"), "{said}");
    assert!(said.contains("hello: pip ") && said.contains("/opt/conda/envs/hello/"), "{said}");
    assert!(home.join("welcome.ipynb").exists(), "the new home got nothing");
}

/// Runs cells in every kernel, through the server like a browser.
fn probe(container: &Container) -> String {
    let mut exec =
        docker(&["exec", "--interactive", &container.id, "/opt/conda/bin/python", "-", "test"]);
    let mut child = exec.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(PROBE.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    text(&output)
}
