//! Rules about secrets, which check this repository and clones.

use expect_test::expect;

use super::{check, check_files, file};
use crate::{
    check::{Facts, decrypted_copy, private_key, secret_plaintext},
    secrets::encrypted::tests as encrypted,
};

/// Returns a file of this repository, and files of a clone.
fn facts(own: (&str, &str), clone: &[(&str, &str)]) -> Facts {
    let secrets = clone.iter().map(file).collect();
    Facts { files: vec![file(&own)], secrets, ..Facts::default() }
}

/// Split in this file, which the rule reads, too.
fn key() -> String {
    ["-----BEGIN OPENSSH PRIVATE ", "KEY-----\n", &"b3Bl".repeat(15), "\n"].concat()
}

#[test]
fn private_keys() {
    let rule = &private_key::RULE;
    check_files(rule, &[("docs/x.md", "It begins with AGE-SECRET-KEY-1…\n")], expect![[""]]);
    check(
        rule,
        &facts(("a/id", &format!("\n{}", key())), &[("secrets/m/tls.key", &key())]),
        expect![[r#"
            a/id:2: private-key: a OpenSSH private key begins here
                fix: move it out of the repository; if it was committed, make a new one
            secrets/m/tls.key:1: private-key: a OpenSSH private key begins here
                fix: move it out of the repository; if it was committed, make a new one"#]],
    );
}

const RULES: &str = "creation_rules:\n- path_regex: ^dev\\.yaml$\n  age: age1x\n";

#[test]
fn plain_text_where_a_rule_wants_none() {
    let rule = &secret_plaintext::RULE;
    let whole = encrypted::file(&format!("a: {}", encrypted::cipher("x")));
    let clone = [("secrets/m/.sops.yaml", RULES), ("secrets/m/dev.yaml", &whole)];
    check(rule, &facts(("dev.yaml", "a: b\n"), &clone), expect![[""]]);
    let clone = [("secrets/m/.sops.yaml", RULES), ("secrets/m/dev.yaml", "a: b\n")];
    check(
        rule,
        &facts(("dev.yaml", "a: b\n"), &clone),
        expect![[r#"
            secrets/m/dev.yaml: secret-plaintext: not encrypted, although a rule of .sops.yaml requires it
                fix: run `sops encrypt --in-place dev.yaml` in its folder"#]],
    );
}

#[test]
fn plaintext_left() {
    let rule = &decrypted_copy::RULE;
    let whole = encrypted::file(&format!("a: {}", encrypted::cipher("x")));
    let clone = [("secrets/m/dev.yaml", whole.as_str())];
    check(rule, &facts(("values.yaml", "a: b\nc: d\n"), &clone), expect![[""]]);
    let clone =
        [("secrets/m/dev.yaml", whole.as_str()), ("secrets/m/env.yaml.decrypted", "a: b\n")];
    check(
        rule,
        &facts(("values.yaml", "a: b\n"), &clone),
        expect![[r#"
            secrets/m/env.yaml.decrypted: decrypted-copy: the name is that of a decrypted file
                fix: delete it; `cargo xtask secrets-cat` shows values without a file
            values.yaml: decrypted-copy: contains the keys of secrets/m/dev.yaml in plain text
                fix: delete it; `cargo xtask secrets-cat` shows values without a file"#]],
    );
}
