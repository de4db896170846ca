//! Rules about files, whatever their content.

use std::fmt::Write as _;

use expect_test::expect;

use super::{Facts, File, check, check_files};
use crate::{
    check::{
        self,
        fix::{Change, change},
    },
    run::finding::Finding,
    settings::layers,
};

#[test]
fn names_are_plain() {
    let rule = &check::file_name::RULE;
    let silent = ["a/b-c_d.e+f@g=h,i", ".gitignore", "C/x", "b/X"].map(|it| (it, ""));
    check_files(rule, &silent, expect![""]);
    let loud = [
        "-rf",
        "a b/c d",
        "a b/e",
        "a/$x",
        "it's",
        "m\u{fc}ll",
        "a\nb",
        "back\\slash",
        "readme",
        "README",
        "X/y",
        "x/z",
        "x/Z",
    ];
    let loud = loud.map(|it| (it, ""));
    check_files(
        rule,
        &loud,
        expect![[r#"
            -rf: file-name: the name begins with `-`, as options of programs do
                fix: rename it; letters, digits, `.`, `_`, `-`, `+`, `@`, `=` and `,` are fine
            a/$x: file-name: the name has `$`, to which shells and COPY give a meaning
                fix: rename it; letters, digits, `.`, `_`, `-`, `+`, `@`, `=` and `,` are fine
            a b: file-name: the name has a space
                fix: rename it; letters, digits, `.`, `_`, `-`, `+`, `@`, `=` and `,` are fine
            a b/c d: file-name: the name has a space
                fix: rename it; letters, digits, `.`, `_`, `-`, `+`, `@`, `=` and `,` are fine
            a�b: file-name: the name has a control character
                fix: rename it; letters, digits, `.`, `_`, `-`, `+`, `@`, `=` and `,` are fine
            back\slash: file-name: the name has `\`, to which shells and COPY give a meaning
                fix: rename it; letters, digits, `.`, `_`, `-`, `+`, `@`, `=` and `,` are fine
            it's: file-name: the name has `'`, to which shells and COPY give a meaning
                fix: rename it; letters, digits, `.`, `_`, `-`, `+`, `@`, `=` and `,` are fine
            müll: file-name: the name is not all ASCII
                fix: rename it; letters, digits, `.`, `_`, `-`, `+`, `@`, `=` and `,` are fine
            readme: file-name: differs from README in case alone
                fix: rename one: some file systems take them for one file
            x: file-name: differs from X in case alone
                fix: rename one: some file systems take them for one file
            x/z: file-name: differs from x/Z in case alone
                fix: rename one: some file systems take them for one file"#]],
    );
}

#[test]
fn a_name_that_a_mission_cannot_have_is_said_once() {
    let mut facts = super::facts(&[("missions/My Mission/x", "")]);
    facts.refused.push(Finding {
        file: "missions/My Mission".into(),
        line: None,
        rule: check::mission_name::RULE.name,
        what: "bad".to_owned(),
        fix: "rename it".to_owned(),
    });
    check(&check::file_name::RULE, &facts, expect![[""]]);
    check(
        &check::mission_name::RULE,
        &facts,
        expect![[r#"
        missions/My Mission: mission-name: bad
            fix: rename it"#]],
    );
    check(&check::mission_name::RULE, &super::facts(&[]), expect![[""]]);
}

#[test]
fn text_is_text() {
    let rule = &check::text_file::RULE;
    let silent = [
        ("a.pip", "numpy\n"),
        ("Dockerfile", ""),
        ("data.csv", "\u{feff}a\r\nb"),
        ("a.ipynb", "{}"),
    ];
    check_files(rule, &silent, expect![[""]]);
    let loud = [
        ("x/Dockerfile.custom", "\u{feff}FROM a\n"),
        ("a.pip", "numpy\nscipy\r\nx\r\n"),
        ("run", "#!/bin/sh\r\nset -eu"),
    ];
    check_files(
        rule,
        &loud,
        expect![[r#"
        a.pip:2: text-file: lines end in CR LF
            fix: run `cargo xtask check --fix`, or save it as UTF-8 with LF
        run:1: text-file: lines end in CR LF
            fix: run `cargo xtask check --fix`, or save it as UTF-8 with LF
        run:2: text-file: the last line has no end
            fix: run `cargo xtask check --fix`, or save it as UTF-8 with LF
        x/Dockerfile.custom:1: text-file: begins with a byte order mark
            fix: run `cargo xtask check --fix`, or save it as UTF-8 with LF"#]],
    );
    let facts = super::facts(&loud);
    for finding in (rule.check)(&facts) {
        let Some(Change::Text(_, text)) = change(&facts, &finding) else { panic!("{finding}") };
        assert!(!text.contains(['\r', '\u{feff}']) && text.ends_with('\n'));
    }
}

#[test]
fn what_could_not_be_read() {
    let file = |rule: &check::Rule, path: &str| {
        let file = File { path: path.into(), ..File::default() };
        let unreadable = Some(file.finding(rule.name, Some(1), "it is bad", "fix it"));
        File { unreadable, ..file }
    };
    let (kind, text) = (&check::file_kind::RULE, &check::text_file::RULE);
    let files = vec![file(text, "a.pip"), file(text, "photo.png"), file(kind, "link")];
    let facts = Facts { files, ..Facts::default() };
    check(
        kind,
        &facts,
        expect![[r#"
            link:1: file-kind: it is bad
                fix: fix it"#]],
    );
    check(
        text,
        &facts,
        expect![[r#"
            a.pip:1: text-file: it is bad
                fix: fix it"#]],
    );
    check_files(kind, &[("a", "")], expect![[""]]);
}

#[test]
fn files_are_small() {
    let rule = &check::large_file::RULE;
    check_files(rule, &[("a", "")], expect![[""]]);
    let file = |path: &str, size| File { path: path.into(), size, ..File::default() };
    let files = vec![file("a", 999_999), file("b", 1_000_000), file("c", 2_400_000_000)];
    check(
        rule,
        &Facts { files, ..Facts::default() },
        expect![[r#"
        b: large-file: this file has 1.0 MB
            fix: let a test or a build step fetch it, by its checksum
        c: large-file: this file has 2400.0 MB
            fix: let a test or a build step fetch it, by its checksum"#]],
    );
}

#[test]
fn the_template_is_complete() {
    let rule = &check::settings_template::RULE;
    let mut text = String::new();
    for name in layers::NAMES {
        writeln!(text, "export {name}=").unwrap();
    }
    check_files(
        rule,
        &[("setup-env.template", &text), ("x/setup-env.template", "")],
        expect![[""]],
    );
    let loud = text
        .replace("export REGISTRY=\n", "export REGISTY=local\nexport X=1\n")
        .replace("IMAGE_TAG=", "IMAGE_TAG=$(date)")
        .replace("PLATFORM=", "PLATFORM=a b")
        .replace("export DOCKER=\n", "");
    check_files(
        rule,
        &[("setup-env.template", &loud)],
        expect![[r#"
            setup-env.template: settings-template: `DOCKER` has no default
                fix: write `export DOCKER=<default>`, and what it means
            setup-env.template: settings-template: `REGISTRY` has no default
                fix: write `export REGISTRY=<default>`, and what it means
            setup-env.template:6: settings-template: `REGISTY` is not a setting
                fix: write `REGISTRY`, or take the line out
            setup-env.template:7: settings-template: `X` is not a setting
                fix: take the line out
            setup-env.template:11: settings-template: cannot read `export IMAGE_TAG=$(date)`: `date` is a command; expected a value or `$(pwd)`, so write its output
                fix: write `export NAME=value`; the head of the file says what else can be read
            setup-env.template:14: settings-template: cannot read `export PLATFORM=a b`: expected `export NAME=value`; commands are not run here
                fix: write `export NAME=value`; the head of the file says what else can be read"#]],
    );
}
