use std::path::Path;

use expect_test::{Expect, expect};

use super::{Subject, failure, yaml_line};
use crate::{run::failure as ours, tools::sops::recipients::Recipients};

#[track_caller]
fn check(status: u8, said: &str, expect: Expect) {
    let recipients = Recipients {
        age: vec!["age1x".to_owned()],
        kms: vec!["arn:aws:kms:x".to_owned()],
        others: Vec::new(),
    };
    let about = Subject { file: Path::new("secrets/m/dev.yaml"), recipients: &recipients };
    let err = failure(status, said, about);
    expect.assert_eq(&format!("{} {err:#}", ours::status(&err)));
}

#[test]
fn each_status_has_a_message_and_a_remedy() {
    check(
        1,
        "sops metadata not found",
        expect![[r#"
        2 secrets/m/dev.yaml is not encrypted
            fix: run `sops encrypt --in-place` on it, in its folder"#]],
    );
    check(
        1,
        "error loading config: no matching creation rules found",
        expect![[r#"
        2 no rule of .sops.yaml is about secrets/m/dev.yaml
            fix: correct its path_regex, as docs/secrets.md shows"#]],
    );
    check(
        2,
        "panic: runtime error canary",
        expect![[r#"
            2 secrets/m/dev.yaml is damaged: not as sops writes it
                fix: take the last version that was whole: `git -C secrets/m restore -- dev.yaml`"#]],
    );
    check(
        25,
        "",
        expect![[r#"
            2 secrets/m/dev.yaml is damaged: a value was changed by hand
                fix: take the last version that was whole: `git -C secrets/m log -- dev.yaml`, then `git -C secrets/m restore --source=<commit> -- dev.yaml`"#]],
    );
    check(
        201,
        "Could not run editor: exit status 127",
        expect![[r#"
        1 EDITOR names no program that can be run; secrets/m/dev.yaml is unchanged
            fix: run it again, with EDITOR naming an editor that works"#]],
    );
    check(
        137,
        "",
        expect![[r#"
        1 sops was ended by signal 9; secrets/m/dev.yaml is unchanged
            fix: run it again"#]],
    );
    check(
        203,
        "",
        expect!["2 secrets/m/dev.yaml is encrypted already; edit it by `cargo xtask secrets-edit`"],
    );
    check(100, "", expect!["2 missing secrets/m/dev.yaml; `cargo xtask secrets-init` makes it"]);
    check(130, "", expect!["130 interrupted"]);
    check(
        77,
        "canary",
        expect![[r#"
        1 sops failed with status 77; secrets/m/dev.yaml is unchanged
            fix: run `sops decrypt` on it in its folder, which says why"#]],
    );
}

#[test]
fn who_has_no_key_is_told_whose_it_is() {
    let said = "Group 0: FAILED\n  arn:aws:kms:x: FAILED\n    - | failed to decrypt sops data key with AWS KMS:\n      | connection refused\n\n  age1x: FAILED\n    - | canary\n";
    check(
        128,
        said,
        expect![[r#"
            1 you have no key that opens secrets/m/dev.yaml
                recipients: age1x
                recipients: arn:aws:kms:x
                AWS says: failed to decrypt sops data key with AWS KMS: connection refused
                fix: put your age key into ~/.config/sops/age/keys.txt or name its file in SOPS_AGE_KEY_FILE; if it is another one, ask somebody who can read the file to add your public key (docs/secrets.md), or log in to AWS as someone who may use that key (`aws sts get-caller-identity` prints your identity)"#]],
    );
}

#[test]
fn only_the_line_is_repeated_of_bad_yaml() {
    assert_eq!(yaml_line("error=\"yaml: line 12: canary\""), " (line 12)");
    assert_eq!(yaml_line("canary"), "");
}
