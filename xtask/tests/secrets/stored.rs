//! What is stored is what was given; `cases/` holds inputs that once were stored as something else.

use crate::scratch::{CANARY, Scratch};

/// A file of `cases/`.
fn case(name: &str) -> String {
    format!("{}/tests/secrets/cases/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Nothing is committed, and the file is as it was.
#[track_caller]
fn assert_nothing_stored(scratch: &Scratch) {
    let [ours, remote] = scratch.commits();
    assert_eq!(ours, remote);
    assert_eq!(scratch.git_clone(&["status", "--short"]), "");
}

#[test]
fn empty_secret() {
    let scratch = Scratch::new();
    let how = std::fs::read_to_string(case("empty-secret/how")).unwrap();
    let key = how.split_whitespace().skip_while(|it| *it != "secrets-set").nth(1).unwrap();
    for value in ["\n", " \t\n", "\u{a0}\n", "\u{feff}"] {
        scratch.run_with(&["secrets-set", key], value).status(2).says("standard input is empty");
    }
    assert_nothing_stored(&scratch);
    // Whoever means it writes it.
    scratch.run_with(&["secrets-set", "--as-json", key], "\"\"").status(0);
}

#[test]
fn numbers_in_secrets() {
    let mut scratch = Scratch::new();
    scratch.set("EDITOR", &case("numbers-in-secrets/editor"));
    scratch
        .run(&["secrets-edit"])
        .status(2)
        .says("sops would change the value of aws")
        .says("quotes");
    assert_nothing_stored(&scratch);
    for value in
        ["0042", "117234567890123456789", "1.10", "12345e67", "2026-01-01", "0x1F", "1_000"]
    {
        let editor = scratch.script("bin/number", &format!("echo 'pin: {value}' >> \"$1\""));
        scratch.set("EDITOR", &editor);
        scratch.run(&["secrets-edit"]).status(2).says("sops would change the value of pin");
        let editor = scratch.script("bin/number", &format!("echo 'pin: \"{value}\"' >> \"$1\""));
        scratch.set("EDITOR", &editor);
        scratch.run(&["secrets-edit"]).status(0);
        assert_eq!(scratch.run(&["secrets-cat", "pin"]).status(0).stdout, value);
        scratch.git_clone(&["reset", "--quiet", "--hard", "HEAD~1"]);
    }
    for value in ["12345678901", "1.10", "{\"a\": [12345678901234567890]}"] {
        scratch.run_with(&["secrets-set", "--as-json", "id"], value).status(2).says("value of id");
    }
    assert_nothing_stored(&scratch);
    scratch.run_with(&["secrets-set", "id"], "012345678901\n").status(0);
    assert_eq!(scratch.run(&["secrets-cat", "id"]).status(0).stdout, "012345678901");
}

/// What people write in Helm values is taken as it is.
#[test]
fn ordinary_values_are_stored() {
    let mut scratch = Scratch::new();
    let text = "# a comment\nport: 8000\nlimit: 1.5\nneg: -3\non: yes\nflag: True\nnone: ~\nblank:\nempty: ''\nlist: [a, {b: 1}]\nmap: {}\npem: |\n    x\n    y\nurl: https://a.b/?c=d#e\n";
    scratch.write("state/text", text);
    let from = scratch.path("state/text").display().to_string();
    let editor = scratch.script("bin/append", &format!("cat {from} >> \"$1\""));
    scratch.set("EDITOR", &editor);
    scratch.run(&["secrets-edit"]).status(0).says("change 12 keys");
    assert_eq!(scratch.run(&["secrets-cat", "pem"]).status(0).stdout, "x\ny\n");
}

/// Names that sops leaves alone: by its default, or because `.sops.yaml` says so.
#[test]
fn what_stays_in_plain_text_is_refused() {
    let mut scratch = Scratch::new();
    let leaves = |scratch: &Scratch, key: &str| {
        let what = format!("sops would leave {key} in plain text");
        scratch.run_with(&["secrets-set", key], CANARY).status(2).says(&what);
        assert_nothing_stored(scratch);
    };
    leaves(&scratch, "hub.token_unencrypted");
    leaves(&scratch, "hub_unencrypted.token");
    let editor =
        scratch.script("bin/add", "end=31aa\necho \"a_unencrypted: canary-edited-$end\" >> \"$1\"");
    scratch.set("EDITOR", &editor);
    scratch.run(&["secrets-edit"]).status(2).says("sops would leave a_unencrypted in plain text");
    assert_nothing_stored(&scratch);
    let rules = scratch.read(".sops.yaml");
    for (rule, key) in [
        ("encrypted_regex: ^secretToken$", "token"),
        ("unencrypted_regex: ^tok", "token"),
        ("encrypted_suffix: _s", "token"),
        ("unencrypted_suffix: _u", "token_u"),
    ] {
        scratch.bash("git -C secrets/hello reset --quiet --hard origin/main");
        scratch.write_file(".sops.yaml", &format!("{rules}    {rule}\n"));
        scratch.bash(&format!("cd secrets/hello; printf 'secretToken: x\\na_s: x\\n' > sandbox.yaml; sops encrypt --in-place sandbox.yaml; git commit --quiet --all --message '{rule}'; git push --quiet"));
        leaves(&scratch, key);
    }
}

/// sops knows no escapes in names.
#[test]
fn keys_are_stored_under_their_names() {
    let scratch = Scratch::new();
    for key in ["a\"b", "a'b", r"a\\b", "a]b", "hub.\u{e9} x", "5"] {
        scratch.run_with(&["secrets-set", key], "value").status(0).says(&format!("add {key}"));
        assert_eq!(scratch.run(&["secrets-cat", key]).status(0).stdout, "value", "{key}");
    }
    scratch
        .run_with(&["secrets-set", "a[0]"], "value")
        .status(2)
        .says("cannot address a key with `[`");
}

#[test]
fn editor_empties() {
    let mut scratch = Scratch::new();
    scratch.set("EDITOR", &case("editor-empties/editor"));
    scratch.run(&["secrets-edit"]).status(2).says("the saved file is empty").says("is as it was");
    scratch.set("EDITOR", "rm");
    scratch.run(&["secrets-edit"]).status(1).says("the editor failed, or removed the file");
    let latin1 = scratch.script("bin/latin1", "printf 'caf: \\xe9\\n' >> \"$1\"");
    scratch.set("EDITOR", &latin1);
    let done = scratch.run(&["secrets-edit"]);
    assert_ne!(done.code, Some(0), "{}", done.stderr);
    assert_nothing_stored(&scratch);
}
