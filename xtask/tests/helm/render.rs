//! `hub-render` with Helm 3 and Helm 4.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf, process::Command};

use crate::scratch::{Scratch, failed, helms, run, stdout};

const TOKENS: &str = "proxy: {secretToken: canary-0123456789-proxy}\nhub:\n  cookieSecret: canary-0123456789-cookie\n  config: {CryptKeeper: {keys: [canary-0123456789-crypt]}}\n";

fn prepared() -> Scratch {
    let scratch = Scratch::new();
    let _server = scratch.serve_chart();
    scratch.write("missions/hello/hub/prod.yaml", VALUES);
    stdout(&scratch.xtask(&["hub-chart", "update"]));
    scratch.write(".gitignore", "target\nbin\n");
    scratch.git(&["init", "--quiet"]);
    scratch.git(&["add", "."]);
    scratch.git(&["commit", "--quiet", "--message", "first"]);
    scratch
}

const VALUES: &str =
    "singleuser:\n  image: {name: r/hello, tag: \"a@sha256:0f\"}\n  memory: {limit: 1G}\n";

#[test]
fn values_are_decoded_and_secrets_are_not_shown() {
    let scratch = prepared();
    for helm in helms() {
        let text = stdout(&scratch.xtask_with(&helm, &["hub-render", "hello", "--env", "prod"]));
        assert!(
            text.contains("--- # Deployment/hub\n")
                && text.contains("--- # DaemonSet/hook-image-puller\n"),
            "{text}"
        );
        assert!(
            text.contains("      memory:\n        guarantee: 1G\n        limit: 1G\n"),
            "{text}"
        );
        assert!(text.contains("hub.config.JupyterHub.cookie_secret: <secret>"), "{text}");
        // The database outlives its release.
        assert!(text.contains("helm.sh/resource-policy: keep"), "{text}");
    }
    // Secrets in plain text do not come so far.
    scratch.write("missions/hello/hub/prod.yaml", TOKENS);
    let refused = failed(&scratch.xtask(&["hub-render", "hello", "--env", "prod"]), 2);
    assert!(!refused.contains("canary"), "{refused}");
}

/// With the four tokens that `secrets-init` makes; sops and age are real.
#[test]
fn two_renders_of_the_same_are_identical_and_hold_no_secret() {
    let scratch = prepared();
    let dir = scratch.path("");
    let shell = |script: &str| {
        let mut command = Command::new("bash");
        command.args(["-euc", script]).current_dir(&dir);
        stdout(&run(&mut command, ""))
    };
    let public = shell(
        "age-keygen -o key 2>/dev/null; age-keygen -y key; git init -q secrets/hello; git -C secrets/hello config user.name T; git -C secrets/hello config user.email t@example.org",
    );
    let key = ("SOPS_AGE_KEY_FILE", scratch.path("key"));
    let xtask = |args: &[&str]| scratch.xtask_in(&helms()[1], &[&key], args);
    let set = ["--set", "ENVIRONMENT=prod"];
    stdout(&xtask(&[&set[..], &["secrets-init", "--age", public.trim()]].concat()));
    let secrets = stdout(&xtask(&[&set[..], &["secrets-cat"]].concat()));
    let is_token = |it: &&str| it.len() == 64;
    let tokens: Vec<&str> = secrets.split_whitespace().filter(is_token).collect();
    assert_eq!(tokens.len(), 4, "{secrets}");
    let sops = shell("command -v sops");
    let helm = recorder(&scratch, "recorders/helm", &helms()[1].to_string_lossy());
    recorder(&scratch, "bin/sops", sops.trim());
    let xtask = |args: &[&str]| stdout(&scratch.xtask_in(&helm, &[&key], args));
    let render = || xtask(&["hub-render", "hello", "--env", "prod"]);
    let (one, other) = (render(), render());
    assert_eq!(one, other);
    let values = xtask(&[&set[..], &["hub-values", "hello"]].concat());
    let recorded = shell("cat recorded");
    assert!(
        recorded.contains("bin/helm template") && recorded.contains("bin/sops decrypt"),
        "{recorded}"
    );
    assert!(one.contains("cookieSecret: <secret>"), "{one}");
    for token in tokens {
        assert!(!one.contains(token) && !values.contains(token), "{one}{values}");
        // Of the recorded arguments and variables, too.
        let found = shell(&format!("grep -rl {token} . || true"));
        assert_eq!(found, "", "plain text on the disk");
    }
}

/// Writes a program `name` that appends its arguments and variables to the file `recorded` and becomes `real`.
fn recorder(scratch: &Scratch, name: &str, real: &str) -> PathBuf {
    let file = scratch.path("recorded");
    let record = format!("{{ echo \"$0\" \"$@\"; env; }} >> {}", file.to_string_lossy());
    scratch.write(name, &format!("#!/bin/bash\n{record}\nexec {real} \"$@\"\n"));
    let path = scratch.path(name);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn a_change_has_a_summary() {
    let scratch = prepared();
    let since = ["hub-render", "hello", "--env", "prod", "--since", "HEAD"];
    let values = VALUES.replace("a@sha256:0f", "b@sha256:1e").replace("1G", "2G")
        + "  storage: {capacity: 20Gi}\nhub: {db: {pvc: {storage: 2Gi}}}\n";
    scratch.write("missions/hello/hub/prod.yaml", &values);
    let text = stdout(&scratch.xtask(&since));
    for part in [
        "image of users' servers: r/hello:a@sha256:0f -> r/hello:b@sha256:1e",
        "image of DaemonSet/continuous-image-puller, image-pull-singleuser: r/hello:a@sha256:0f ->",
        "users' servers: new ones get `singleuser.image.tag`, `singleuser.memory.limit`, `singleuser.storage.capacity`",
        "storage: `singleuser.storage.capacity` apply to new homes only",
        "storage: PersistentVolumeClaim/hub-db-dir: Kubernetes accepts a larger size",
        "the hub restarts, since values change: hub.db.pvc.storage, singleuser.image.tag",
        "-        limit: 1G\n+        limit: 2G",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(
        failed(&scratch.xtask(&["hub-render", "hello", "--env", "prod", "--since", "gone"]), 2)
            .contains("unknown commit `gone`")
    );
}
