//! Disabled rules.

use expect_test::{Expect, expect};

use super::{Facts, File, check_files, facts, file, mission};
use crate::{check, run::finding};

const RULE: &check::Rule = &check::switch::RULE;
const CHAIN: &str = "FROM a\nRUN b; c\n";

#[track_caller]
fn check_all(facts: &Facts, expect: Expect) {
    expect.assert_eq(&finding::text(check::findings(facts)));
}

#[test]
fn a_rule_is_switched_off_for_a_reason() {
    let allowed = format!("# check: allow run-chain -- b may fail\n{CHAIN}");
    check_all(&facts(&[("x/Dockerfile", &allowed)]), expect![[""]]);
    check_all(
        &facts(&[("x/Dockerfile", &allowed), ("y/Dockerfile", CHAIN)]),
        expect![[r#"
        y/Dockerfile:2: run-chain: `;` hides a failure of `b`
            fix: join the commands with `&&`, or begin with `set -e;`"#]],
    );
    let notebook = r#"{"cells": [{"cell_type": "code", "id": "a", "metadata": {}, "source": "",
        "execution_count": 1, "outputs": []}], "nbformat": 4, "nbformat_minor": 5,
        "metadata": {"kernelspec": {"name": "python3"}, "check": {"allow": {"notebook-outputs": "it shows what a run gives"}}}}"#;
    check_all(&facts(&[("a.ipynb", notebook)]), expect![[""]]);
}

#[test]
fn a_file_beside_data_switches_rules_off_for_it() {
    let data = File { path: "a b.fits".into(), size: 2_000_000, ..File::default() };
    let text = "# check: allow large-file -- a test needs it\n# check: allow file-name -- the archive calls it so\n";
    let files = vec![data, file(&("a b.fits.check", text))];
    check_all(&Facts { files, ..Facts::default() }, expect![[""]]);
}

#[test]
fn switches_have_a_reason_a_rule_and_a_use() {
    let silent = [
        ("Dockerfile", "# check: allow run-chain -- why\n  # check: allow x\n# check this\n"),
        ("a.md", "# check: allow x\n"),
        ("a.rs", "# check: allow x\n"),
    ];
    check_files(RULE, &silent, expect![[""]]);
    let text = "#check: allow run-chain\n# check: allow run-chian -- why\n# check:allow xyz -- why\n\
        # check: allow nothing-tested -- why\n# check: allow switch -- why\n# check: allow --\n";
    check_files(
        RULE,
        &[("a", text)],
        expect![[r#"
            a:1: switch: no reason is given why `run-chain` does not hold
                fix: write it behind the name: `check: allow run-chain -- <reason>`
            a:2: switch: unknown rule `run-chian`
                fix: did you mean `run-chain`?
            a:3: switch: unknown rule `xyz`
                fix: write a name of `cargo xtask check --help`
            a:4: switch: `nothing-tested` is never switched off
                fix: remove the switch, and fix the finding
            a:5: switch: `switch` is never switched off
                fix: remove the switch, and fix the finding
            a:6: switch: unknown rule ``
                fix: write a name of `cargo xtask check --help`"#]],
    );
    check_all(
        &facts(&[("x/Dockerfile", "# check: allow run-chain -- why\nFROM a\n")]),
        expect![[r#"
            x/Dockerfile:1: switch: nothing here is against `run-chain`
                fix: remove the exception"#]],
    );
}

/// The generator's refusals cannot be disabled by `check`.
#[test]
fn what_guards_a_build_stays() {
    let mut facts =
        mission("RUN env-create a\n", &[("a/w$t.pip", ""), ("a/tests/imports", "numpy\n")]);
    let ignore = "*\n!environments\n";
    facts.files.push(file(&("missions/m/.dockerignore", ignore)));
    facts
        .files
        .push(file(&("missions/m/environments/a/w$t.pip", "# check: allow file-name -- why\n")));
    check_all(
        &facts,
        expect![[r#"
            missions/m/environments/a/w$t.pip: file-name: the name has `$`, to which shells and COPY give a meaning
                fix: rename it; letters, digits, `.`, `_`, `-`, `+`, `@`, `=` and `,` are fine
            missions/m/environments/a/w$t.pip: spec-never-installed: no step installs this file
                fix: add `RUN /opt/common-scripts/env-update a w$t.pip` to missions/m/Dockerfile.custom, or remove the file
            missions/m/environments/a/w$t.pip:1: switch: nothing here is against `file-name`
                fix: remove the exception"#]],
    );
}
