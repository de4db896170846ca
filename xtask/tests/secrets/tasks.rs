//! The tasks without faults.

use std::fs;

use serde_json::Value;

use crate::scratch::{CANARY, Scratch};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_clone_is_as_its_owners_made_it() {
    let mut scratch = Scratch::empty();
    scratch.run(&["secrets-clone"]).status(2).says("SECRETS_REPO is not set");
    scratch.set("SECRETS_REPO", "http://127.0.0.1:1/x.git");
    scratch.run(&["secrets-clone"]).status(1).says("fix: look at the network");
    assert!(!scratch.path("checkout/secrets").exists());
    scratch.unset("SECRETS_REPO");
    scratch.git("", &["init", "--quiet", "--bare", "hello-x.git"]);
    // Expanded for each mission.
    scratch.write("checkout/setup-env", "export SECRETS_REPO=../${DEPLOYMENT_NAME}-x.git\n");
    scratch.run(&["secrets-clone"]).status(0).says("secrets-init --age <public key>");
    assert_eq!(scratch.bash("ls -A secrets/hello"), ".git\n");
    assert_eq!(scratch.bash("ls -A secrets"), "hello\n");
    scratch.run(&["secrets-clone"]).status(0).says("is there already");
    scratch.run(&["secrets-push"]).status(2).says("has no commit");
    let status = scratch.run(&["secrets-status"]).status(0);
    assert!(status.stdout.contains("no commit yet"), "{}", status.stdout);
    scratch.set("SECRETS_REPO", "https://example.org/x.git");
    scratch.run(&["secrets-status"]).status(2).says("is a clone of");
}

/// Over HTTP with the person's own credential helper.
#[test]
fn a_credential_helper_logs_in() {
    let mut scratch = Scratch::new();
    let log = scratch.path("record/users");
    let server = crate::servers::http(&scratch, &["--log", log.to_str().unwrap()]);
    scratch.bash("rm -rf secrets/hello; git config --global credential.helper '!echo username=me; echo password=pw; :'");
    scratch.set("SECRETS_REPO", &format!("http://127.0.0.1:{}/remote.git", server.port));
    scratch.run(&["secrets-clone"]).status(0);
    assert!(fs::read_to_string(log).unwrap().lines().all(|it| it == "me:pw"));
}

#[test]
fn a_commit_names_keys() {
    let mut scratch = Scratch::new();
    let editor = scratch.script("bin/more", "printf 'a:\\n    b: %s\\n' $RANDOM >> \"$1\"");
    scratch.set("EDITOR", &editor);
    scratch
        .run(&["secrets-edit", "sandbox.yaml"])
        .status(0)
        .says("committed: sandbox.yaml: add a.b");
    assert_eq!(scratch.git_clone(&["log", "-1", "--format=%B"]).trim(), "sandbox.yaml: add a.b");
    let rows = json(&scratch.run(&["secrets-diff", "--json"]).status(0).stdout);
    assert_eq!(rows, json(r#"[{"file": "sandbox.yaml", "key": "a.b", "change": "added"}]"#));
    let since = scratch.run(&["secrets-diff", "HEAD~2", "HEAD"]).status(0).stdout;
    assert!(since.contains("hub.secret") && since.contains("a.b"), "{since}");
    scratch.run(&["secrets-diff", "nowhere"]).status(2).says("unknown commit `nowhere`");
    let at = scratch.run(&["secrets-cat", "--at", "HEAD~1", "hub.secret"]).status(0).stdout;
    assert_eq!(at, CANARY);
    scratch.run(&["secrets-set", "a.b"]).status(2);
}

#[test]
fn values_keep_their_types() {
    let scratch = Scratch::new();
    for value in ["5", "true", "null", "\"5\"", "\"\"", "[1,{\"a\":\"b\"}]", "{\"x\":1.5}"] {
        scratch.run_with(&["secrets-set", "--as-json", "new.key"], value).status(0);
        let got = json(&scratch.run(&["secrets-cat", "--json", "new.key"]).status(0).stdout);
        assert_eq!(got, json(value));
        scratch.git_clone(&["reset", "--quiet", "--hard", "HEAD~1"]);
    }
    scratch.run_with(&["secrets-set", "--as-json", "x"], CANARY).status(2).says("no JSON value");
    scratch.run_with(&["secrets-set", "hub.secret"], CANARY).status(0).says("has not changed");
    let all = json(&scratch.run(&["secrets-cat", "--json"]).status(0).stdout);
    assert_eq!(all["hub"]["secret"], CANARY);
}

/// For a person sops has the terminal, and prints its own messages.
#[test]
fn at_a_terminal() {
    let mut scratch = Scratch::new();
    let terminal = |scratch: &Scratch, wanted: i32| {
        scratch.bash(&format!(
            "script --quiet --return --command 'cargo xtask secrets-edit' /dev/null < /dev/null || test $? = {wanted}"
        ))
    };
    scratch.set("EDITOR", "sed -i s/hub:/hab:/");
    assert!(terminal(&scratch, 0).contains("committed: sandbox.yaml: change 8 keys"));
    scratch.set("EDITOR", "false");
    assert!(terminal(&scratch, 1).contains("the editor failed"));
    // An editor of a person's, which is there and is configured to keep nothing.
    let vim = scratch.script("bin/vim", "printf '%s\n' \"$@\" > \"$HOME/arguments\"");
    assert!(vim.ends_with("bin/vim"));
    scratch.set("EDITOR", "vim");
    assert!(terminal(&scratch, 0).contains("has not changed"));
    let arguments = scratch.bash("cat ~/arguments");
    assert!(arguments.starts_with("-n\n-i\nNONE\n-c\nset noundofile"), "{arguments}");
    scratch.assert_no_plaintext("at a terminal");
}

/// LESSONS empty-secrets-deployed: a file that cannot be decrypted is an error, not an empty
/// answer.
#[test]
fn empty_secrets_deployed() {
    let scratch = Scratch::new();
    scratch.bash("rm ~/.config/sops/age/keys.txt");
    for args in [&["secrets-cat"][..], &["secrets-cat", "hub.secret"], &["secrets-cat", "--json"]] {
        assert_eq!(scratch.run(args).status(1).stdout, "");
    }
}

/// The rules check the clone, including files that its git ignores.
#[test]
fn check_looks_into_clones() {
    let scratch = Scratch::new();
    whole_checkout(&scratch);
    scratch.bash("rmdir missions/hello; rmdir missions");
    scratch.bash("cargo xtask check");
    scratch.bash("sops decrypt secrets/hello/sandbox.yaml > secrets/hello/copy.json; echo copy.json > secrets/hello/.gitignore");
    scratch.bash(
        "cp ~/.config/sops/age/keys.txt secrets/hello/keys; echo 'a: b' > secrets/hello/prod.yaml",
    );
    let found = scratch.run(&["check"]).status(1).stdout;
    for part in [
        "secrets/hello/copy.json: decrypted-copy: contains the keys of secrets/hello/sandbox.yaml",
        "secrets/hello/keys:3: private-key: a age identity begins here",
        "secrets/hello/prod.yaml: secret-plaintext: not encrypted",
    ] {
        assert!(found.contains(part), "no `{part}` in:\n{found}");
    }
    assert!(!found.contains(CANARY));
}

/// Files of each format that sops knows can be pushed, and one plain value among them cannot.
#[test]
fn formats() {
    let scratch = Scratch::new();
    let rules = scratch.read(".sops.yaml").replace(r"\.ya?ml$", r"\.(ya?ml|json|env|ini|key)$");
    scratch.write_file(".sops.yaml", &rules);
    let plain = [
        ("a.env", "# x\nA=b\nC=\n"),
        ("a.ini", "; x\n[s]\na = b\n"),
        ("a.json", "{\"a\": [1, null]}"),
        ("a.key", "text"),
    ];
    for (name, text) in plain {
        scratch.write_file(name, text);
        scratch.bash(&format!("cd secrets/hello; sops encrypt --in-place {name}; git add {name}"));
    }
    scratch.git_clone(&["commit", "--quiet", "--all", "--message", "formats"]);
    scratch.run(&["secrets-push"]).status(0);
    scratch
        .bash("cd secrets/hello; echo B=plain >> a.env; git commit --quiet --all --message plain");
    scratch
        .run(&["secrets-push"])
        .status(2)
        .says("secrets/hello/a.env: contains values that are not encrypted: B");
}

/// Copies the files that tasks about images read, without the tests, whose notebooks belong to
/// missing missions.
fn whole_checkout(scratch: &Scratch) {
    let repository = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    scratch.bash(&format!("cp -a {repository}/common {repository}/Dockerfile {repository}/.dockerignore .; rm -r common/image/tests; git add --all"));
}

#[test]
fn doctor_says_what_is_missing() {
    let mut scratch = Scratch::new();
    whole_checkout(&scratch);
    let bin = scratch.path("tools").display().to_string();
    scratch.bash(&format!(
        "mkdir {bin}; for it in git bash env python3; do ln -s $(command -v $it) {bin}/; done"
    ));
    scratch.set("PATH", &bin);
    scratch.set("SECRETS_ROLE_ARN", "arn:aws:iam::123456789012:role/secrets");
    let findings = json(&scratch.run(&["doctor", "--offline", "--json"]).status(3).stdout);
    let findings = findings.as_array().unwrap();
    let ours = findings.iter().filter(|it| it["name"] == "secrets");
    let what: Vec<&str> = ours.map(|it| it["what"].as_str().unwrap()).collect();
    assert_eq!(what.len(), 3, "{what:?}");
    for program in ["sops", "age-keygen", "aws"] {
        assert!(what.iter().any(|it| it.starts_with(program)), "{program}: {what:?}");
    }
}
