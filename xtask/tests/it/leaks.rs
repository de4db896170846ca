//! A secret in every setting that may contain one: no output and no file repeats it.

use std::{fs, path::Path};

use serde_json::json;

use crate::checkout::Checkout;

const NEEDLE: &str = "n33dle-7c1f";

/// Settings that may contain a secret, and values with one, named `NEEDLE`.
pub(crate) const SETTINGS: &[(&str, &str)] = &[
    ("HTTP_PROXY", "me:NEEDLE@proxy.example.org:3128"),
    ("HTTPS_PROXY", "http://me:NEEDLE@proxy.example.org:3128"),
    ("PIP_INDEX_URL", "https://NEEDLE@pypi.example.org/simple"),
    (
        "PIP_EXTRA_INDEX_URL",
        "https://a:NEEDLE@x.example.org/simple https://b:NEEDLE@y.example.org/simple",
    ),
    ("CONDA_CHANNEL_ALIAS", "https://conda.example.org/t/NEEDLE"),
    ("DEBIAN_MIRROR", "https://me:NEEDLE@mirror.example.org/debian"),
    ("IMAGE_RUN_PARS", "--env API_TOKEN=NEEDLE --env 'DB_PASSWORD=a NEEDLE'"),
];

/// Settings that are refused if they contain a login.
const REFUSED: &[(&str, &str)] = &[
    ("REGISTRY", "https://me:NEEDLE@quay.io/org"),
    ("SECRETS_REPO", "https://me:NEEDLE@git.example.org/hello-secrets.git"),
];

/// Settings without secrets: names, numbers and files.
const OTHERS: &[&str] = &[
    "BASE_IMAGE",
    "BUILD_CACHE",
    "BUILD_NETWORK",
    "BUILDER",
    "CA_BUNDLE",
    "COMMON_TAG",
    "DEBIAN_IMAGE",
    "DEPLOYMENT_NAME",
    "DOCKER",
    "ENVIRONMENT",
    "HUB_PORT",
    "HUB_SOCKET",
    "HUB_REGISTRY",
    "KUBECONFIG",
    "IMAGE_TAG",
    "NO_PROXY",
    "PATIENCE",
    "PLATFORM",
    "PULL_REQUEST",
    "REUSE",
    "SECRETS_ROLE_ARN",
    "TEST_DATA",
    "TEST_DISK",
    "TEST_MAX_AGE",
    "TEST_MEMORY_TOTAL",
    "TEST_MEMORY",
    "TEST_NETWORK",
    "USE_FROZEN",
];

const TASKS: &[&str] = &[
    "config",
    "config --json",
    "doctor --offline",
    "doctor --offline --json",
    "list --json",
    "check",
    "explain --all",
    "-n image-all",
    "-v image-all",
    "--json image-test --again",
    "image-test --again",
    "report",
    "-n image-exec true",
    "image-exec true",
    "-n image-lab",
    "freeze --verify",
    "-n secrets-clone",
    "secrets-clone",
    "secrets-status",
    "-n image-push",
    "wrong",
];

fn with_secrets() -> Checkout {
    let mut res = Checkout::new();
    for (name, value) in SETTINGS {
        res.env(name, &value.replace("NEEDLE", NEEDLE));
    }
    res.git();
    res
}

/// Fails when a file below `dir` contains the secret.
fn assert_clean(dir: &Path) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            assert_clean(&path);
        } else if path.ends_with("results.jsonl") {
            // Left by a test container, which gets no settings.
        } else if let Ok(bytes) = fs::read(&path) {
            let text = String::from_utf8_lossy(&bytes);
            assert!(!text.contains(NEEDLE), "{}: {text}", path.display());
        }
    }
}

#[test]
fn every_setting_is_considered() {
    let template = include_str!("../../../setup-env.template");
    let names = template.lines().filter_map(|it| it.strip_prefix("export ")?.split_once('='));
    let mut names: Vec<&str> = names.map(|it| it.0).collect();
    let mut known: Vec<&str> =
        SETTINGS.iter().chain(REFUSED).map(|it| it.0).chain(OTHERS.iter().copied()).collect();
    names.sort_unstable();
    known.sort_unstable();
    assert_eq!(known, names, "can the new setting hold a secret?");
    let in_real_builds = include_str!("../e2e/leaks.rs");
    for (name, _) in SETTINGS {
        assert!(
            in_real_builds.contains(&format!("(\"{name}\", ")),
            "{name}: missing in e2e/leaks.rs"
        );
    }
}

#[test]
fn refused_settings_are_not_repeated() {
    let checkout = Checkout::new();
    for (name, value) in REFUSED {
        let set = format!("{name}={}", value.replace("NEEDLE", NEEDLE));
        let done = checkout.run(&["--set", &set, "config"]).status(2).says(name).never_says(NEEDLE);
        assert!(!done.stdout.contains(NEEDLE), "{}", done.stdout);
    }
}

#[test]
fn no_setting_is_repeated() {
    let checkout = with_secrets();
    for task in TASKS {
        let args: Vec<&str> = task.split(' ').collect();
        let done = checkout.run(&args);
        assert!(done.code() != Some(101), "{task}: {}", done.stderr);
        for text in [&done.stdout, &done.stderr] {
            assert!(!text.contains(NEEDLE), "{task}: {text}");
        }
    }
    assert_clean(&checkout.root());
}

/// The secrets reach the programs, or the test above proves nothing.
#[test]
fn programs_get_the_settings() {
    let checkout = with_secrets();
    let done = checkout.run(&["image-build"]).status(0).called("--secret id=pip");
    let env = |name: &str| done.calls.iter().any(|it| it.env.iter().any(|it| it == name));
    assert!(env("HTTP_PROXY") && env("IMAGE_BUILD_PIP"), "{:?}", done.calls);
    checkout.run(&["image-exec", "true"]).status(0).called(NEEDLE);
}

/// Programs and tests repeat their input, in steps that pass and in steps that fail.
#[test]
fn what_programs_repeat_is_hidden() {
    let mut checkout = with_secrets();
    let said =
        SETTINGS.iter().map(|(_, value)| format!("using {value}\n").replace("NEEDLE", NEEDLE));
    let said: String = said.collect();
    for on in ["buildx build", "start --attach", "image push"] {
        checkout.flaw(json!({ "on": on, "stdout": said, "stderr": said }));
    }
    for args in [&["-v", "image-all"][..], &["--json", "image-test", "--again"], &["report"]] {
        let done = checkout.run(args);
        assert!(!done.stdout.contains(NEEDLE) && !done.stderr.contains(NEEDLE), "{}", done.stderr);
    }
    checkout.restore_docker();
    checkout.run(&["image-build"]).status(0);
    checkout.failing(&["numpy"]);
    checkout.state("failing-more", &format!("\n{said}"));
    let done = checkout.run(&["image-test", "--again"]).status(1);
    assert!(done.stderr.contains("using"), "{}", done.stderr);
    assert!(!done.stderr.contains(NEEDLE), "{}", done.stderr);
    checkout.run(&["report"]).status(0);
    for on in ["buildx build", "image push"] {
        checkout.fail(on, 1, &said);
    }
    let done = checkout.run(&["image-build", "--refresh", "--floating"]).status(1);
    assert!(!done.stderr.contains(NEEDLE), "{}", done.stderr);
    assert_clean(&checkout.root());
}
