//! Values of hubs with their secrets.

use crate::scratch::{CANARY, Scratch};

fn with_hub() -> Scratch {
    let scratch = Scratch::new();
    scratch.write("checkout/missions/hello/hub/sandbox.yaml", "singleuser: {cmd: a}\n");
    scratch
}

#[test]
fn secrets_are_merged_and_not_shown() {
    let scratch = with_hub();
    for args in [&[][..], &["--json"], &["--origin"], &["--origin", "--json"]] {
        let done = scratch.run(&[&["hub-values", "hello"], args].concat()).status(0);
        assert!(done.stdout.contains("<secret>") && done.stdout.contains("cmd"), "{}", done.stdout);
        assert!(!done.stdout.contains(CANARY) && !done.stderr.contains(CANARY));
    }
    let done = scratch.run(&["hub-values", "hello", "--origin"]).status(0);
    assert!(done.stdout.contains("secrets/hello/sandbox.yaml:"), "{}", done.stdout);
    let without = scratch.run(&["hub-values", "hello", "--without-secrets"]).status(0);
    assert!(!without.stdout.contains("<secret>"), "{}", without.stdout);
}

#[test]
fn short_and_plain_secrets_are_refused() {
    let scratch = with_hub();
    scratch.run_with(&["secrets-set", "hub.db.password"], "hunter2").status(0);
    let done = scratch.run(&["hub-values", "hello"]).status(2);
    let done = done.says("hub-secret: `hub.db.password`: a secret of under 8 characters");
    assert!(!done.stderr.contains("hunter2"), "{}", done.stderr);
    scratch.bash("git -C secrets/hello reset --quiet --hard HEAD~1");
    let text = format!("hub:\n  cookieSecret: plain-{CANARY}\n");
    scratch.write("checkout/missions/hello/hub/sandbox.yaml", &text);
    let done = scratch.run(&["hub-values", "hello"]).status(2);
    let done =
        done.says("hub/sandbox.yaml:2: hub-secret: `hub.cookieSecret`: a secret in plain text");
    assert!(!done.stderr.contains(CANARY), "{}", done.stderr);
}

/// All four tokens that the chart would otherwise make at random.
#[test]
fn the_first_file_of_secrets_has_every_token() {
    let scratch = with_hub();
    scratch.write("checkout/missions/hello/hub/prod.yaml", "singleuser: {cmd: a}\n");
    let set = ["--set", "ENVIRONMENT=prod"];
    scratch.run(&[&set[..], &["secrets-init"]].concat()).status(0);
    let done = scratch.run(&[&set[..], &["hub-values", "--origin"]].concat()).status(0);
    for key in [
        "proxy.secretToken",
        "hub.cookieSecret",
        "hub.config.CryptKeeper.keys[0]",
        "hub.services.xtask-smoke.apiToken",
    ] {
        let is_there = done.stdout.lines().any(|it| it.starts_with(key) && it.contains("<secret>"));
        assert!(is_there, "{key}: {}", done.stdout);
    }
}
