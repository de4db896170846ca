//! Stored content equals the input; `cases/` has inputs that once were stored as something else.

use crate::scratch::{CANARY, Scratch};

/// Returns a file of `cases/`.
fn case(name: &str) -> String {
    format!("{}/tests/secrets/cases/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Checks that nothing is committed, and the file is unchanged.
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
    // A user who means an empty value writes it explicitly.
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

/// Usual text in Helm values is accepted unchanged.
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

/// Names that sops leaves in plain text: by its default, or by `.sops.yaml`.
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

/// sops supports no escapes in names.
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
    scratch.run(&["secrets-edit"]).status(2).says("the saved file is empty").says("is unchanged");
    scratch.set("EDITOR", "rm");
    let done = scratch.run(&["secrets-edit"]).status(1).says("the editor removed the file");
    assert!(!done.stderr.contains("damaged"), "{}", done.stderr);
    scratch.set("EDITOR", "false");
    scratch.run(&["secrets-edit"]).status(1).says("the editor failed;");
    let latin1 = scratch.script("bin/latin1", "printf 'caf: \\xe9\\n' >> \"$1\"");
    scratch.set("EDITOR", &latin1);
    let done = scratch.run(&["secrets-edit"]);
    assert_ne!(done.code, Some(0), "{}", done.stderr);
    assert_nothing_stored(&scratch);
}

/// The editor of the case returns at once, and a program that it started saves later.
#[test]
fn editor_does_not_wait() {
    let mut scratch = Scratch::new();
    scratch.set("EDITOR", &case("editor-does-not-wait/editor"));
    scratch
        .run(&["secrets-edit"])
        .status(1)
        .says("the editor returned, but a program that it started still runs")
        .says("fix: set EDITOR to a command that waits");
    assert_nothing_stored(&scratch);
    // Recognised by its name.
    scratch.set("EDITOR", "code");
    scratch.run(&["secrets-edit"]).status(2).says("set EDITOR to `code --wait`");
    // Its window belongs to a program that ran before, which cannot be detected.
    scratch.set("EDITOR", "true");
    scratch.run(&["secrets-edit"]).status(0).says("has not changed").says("`code --wait`");
}

/// A folder of the clone that is a link leads elsewhere.
#[test]
fn links_are_not_followed() {
    let mut scratch = Scratch::new();
    scratch.bash("mkdir ../elsewhere; cp secrets/hello/sandbox.yaml ../elsewhere/; ln -s ../../../elsewhere secrets/hello/folder; ln -s ../../../elsewhere/sandbox.yaml secrets/hello/file.yaml; ln -s ../../../elsewhere/new.yaml secrets/hello/prod.yaml");
    scratch.git_clone(&["add", "--all"]);
    scratch.git_clone(&["commit", "--quiet", "--message", "links"]);
    let text = scratch.bash("cat ../elsewhere/sandbox.yaml");
    scratch.set("EDITOR", "sed -i s/hub:/hab:/");
    for (name, link) in [("folder/sandbox.yaml", "folder"), ("file.yaml", "file.yaml")] {
        let what = format!("secrets/hello/{link} is a link");
        scratch.run(&["secrets-edit", name]).status(2).says(&what);
        scratch.run(&["secrets-cat", "--file", name]).status(2).says(&what);
        scratch.run_with(&["secrets-set", "--file", name, "a"], "x").status(2).says(&what);
    }
    let done = scratch.run(&["--set", "ENVIRONMENT=prod", "secrets-init"]).status(2);
    done.says("secrets/hello/prod.yaml is a link");
    assert_eq!(
        scratch.bash("cat ../elsewhere/sandbox.yaml; ls ../elsewhere"),
        text + "sandbox.yaml\n"
    );
}

/// A user's name in a URL may be a token.
#[test]
fn a_token_as_user_name_is_hidden() {
    let mut scratch = Scratch::new();
    let url = format!("http://{CANARY}@127.0.0.1:1/x.git");
    let hidden = "http://…@127.0.0.1:1/x.git";
    scratch.set("SECRETS_REPO", &url);
    // `run` searches its output for the canary.
    scratch.run(&["secrets-status"]).status(2).says(&format!("SECRETS_REPO is {hidden}"));
    scratch.git_clone(&["config", "remote.origin.url", &url]);
    scratch.run(&["secrets-push"]).status(1).says("fix: look at the network");
    let status = scratch.run(&["secrets-status"]).status(0);
    assert!(!status.stdout.contains(CANARY), "{}", status.stdout);
    let config = scratch.run(&["config"]);
    assert!(!config.stdout.contains(CANARY), "{}", config.stdout);
    scratch.bash("rm -rf secrets/hello");
    scratch.run(&["secrets-clone"]).status(1).says(hidden);
    let dry = scratch.run(&["--dry-run", "secrets-clone"]).status(0);
    assert!(dry.stdout.contains(hidden), "{}", dry.stdout);
}
