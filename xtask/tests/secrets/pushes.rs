//! A push publishes the commit that was checked, and nothing that could contain a key.

use std::fs;

use crate::scratch::{Scratch, wait_until};

/// Puts a plain text file on the branch `main`, and restores `clean`.
const PLAIN_ON_MAIN: &str = "cd secrets/hello; git branch clean; echo 'a: plain' > prod.yaml
    git add prod.yaml; git commit --quiet --message plain";

/// The branch is switched while another task holds the lock: the pushed commit is the checked one.
#[test]
fn a_branch_switch_while_waiting_publishes_nothing_unchecked() {
    let mut scratch = Scratch::new();
    scratch.run_with(&["secrets-set", "hub.more"], "x").status(0);
    scratch.bash(PLAIN_ON_MAIN);
    let (open, go) = (scratch.path("state/open"), scratch.path("state/go"));
    let text =
        format!("touch {}\nuntil [ -e {} ]; do sleep 0.05; done", open.display(), go.display());
    let editor = scratch.script("bin/slow", &text);
    scratch.set("EDITOR", &editor);
    let first = scratch.start(&["secrets-edit"]);
    wait_until("no editor was started", || fs::exists(&open).unwrap());
    let mut push = scratch.start(&["secrets-push"]);
    push.wait_for("waiting for another");
    scratch.git_clone(&["switch", "--quiet", "clean"]);
    fs::write(&go, "").unwrap();
    first.finish().status(0);
    push.finish().status(0);
    assert_eq!(scratch.git("remote.git", &["rev-parse", "clean"]), scratch.commits()[0]);
    assert_no_plain_file(&scratch);
}

/// The branch moves while the push asks the remote: the checked commit is pushed.
#[test]
fn a_commit_during_the_fetch_is_not_published() {
    let scratch = Scratch::new();
    scratch.run_with(&["secrets-set", "hub.more"], "x").status(0);
    let checked = scratch.commits()[0].clone();
    let helper = scratch.script(
        "bin/upload-pack",
        &format!(
            "if mkdir {}; then (cd {}; unset GIT_DIR; {PLAIN_ON_MAIN}; git switch --quiet clean) >&2; fi\nexec git-upload-pack \"$@\"",
            scratch.path("state/moved").display(),
            scratch.checkout().display()
        ),
    );
    scratch.git_clone(&["config", "remote.origin.uploadpack", &helper]);
    scratch.run(&["secrets-push"]).status(0).says("pushed 1 commit");
    assert_eq!(scratch.commits()[1], checked);
    assert_no_plain_file(&scratch);
}

/// A push does not send the replacement files of `git replace`.
#[test]
fn a_replaced_object_is_seen_through() {
    let scratch = Scratch::new();
    scratch.bash(PLAIN_ON_MAIN);
    scratch.git_clone(&["replace", "HEAD:prod.yaml", "HEAD:sandbox.yaml"]);
    scratch.run(&["secrets-push"]).status(2).says("secrets/hello/prod.yaml: not encrypted");
    assert_no_plain_file(&scratch);
}

/// Keys in Latin-1, UTF-16 and DER.
#[test]
fn keys_in_any_encoding_are_not_pushed() {
    let name = ["PRIVATE ", "KEY-----"].concat();
    let body = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj";
    let pem = format!("-----BEGIN {name}\n{body}\n-----END {name}\n");
    let latin1 = [b"caf\xe9\n", pem.as_bytes()].concat();
    let utf16 = |bytes: fn(u16) -> [u8; 2]| pem.encode_utf16().flat_map(bytes).collect::<Vec<_>>();
    let der = b"\x30\x82\x04\xbd\x02\x01\x00\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01";
    let cases: [(&str, &[u8], &str); 5] = [
        ("latin1.pem", &latin1, "line 2 begins a private key"),
        ("le.pem", &utf16(u16::to_le_bytes), "line 1 begins a private key"),
        ("be.pem", &utf16(u16::to_be_bytes), "line 1 begins a private key"),
        ("key.der", der, "not a UTF-8 text file"),
        ("raw.key", b"\x01\x00\x02\x00", "not a UTF-8 text file"),
    ];
    for (name, bytes, what) in cases {
        let scratch = Scratch::new();
        fs::write(scratch.file(name), bytes).unwrap();
        scratch.git_clone(&["add", name]);
        scratch.git_clone(&["commit", "--quiet", "--message", "key"]);
        let before = scratch.commits()[1].clone();
        scratch.run(&["secrets-push"]).status(2).says(&format!("secrets/hello/{name}: {what}"));
        assert_eq!(scratch.commits()[1], before, "{name}");
    }
}

/// A binary file is pushed when sops encrypted it.
#[test]
fn an_encrypted_key_is_pushed() {
    let scratch = Scratch::new();
    let rules = scratch.read(".sops.yaml").replace(r"\.ya?ml$", r"\.(ya?ml|der)$");
    scratch.write_file(".sops.yaml", &rules);
    fs::write(scratch.file("key.der"), b"\x30\x82\x04\xbd\x00\xff").unwrap();
    scratch.bash("cd secrets/hello; sops encrypt --in-place key.der; git add key.der");
    scratch.git_clone(&["commit", "--quiet", "--all", "--message", "key"]);
    scratch.run(&["secrets-push"]).status(0);
}

#[track_caller]
fn assert_no_plain_file(scratch: &Scratch) {
    let files = scratch.git("remote.git", &["log", "--all", "--name-only", "--format="]);
    assert!(!files.contains("prod.yaml"), "{files}");
}
