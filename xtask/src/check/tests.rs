use std::path::PathBuf;

use expect_test::{Expect, expect};

use super::{Facts, File, MissionFacts, Refusals, Rule};
use crate::{
    mission::dockerfile::{generate::generate, tests::sources},
    run::{
        finding::{self, Finding},
        private_key,
    },
};

mod missions;
mod secrets;
mod dockerfiles;
mod notebooks;
mod files;
mod switches;
pub(crate) mod mutations;

/// Returns a file; one whose name begins with `+` is executable.
fn file(&(name, text): &(&str, &str)) -> File {
    let path = name.trim_start_matches('+');
    let path = PathBuf::from(path);
    let size = text.len() as u64;
    let executable = name.starts_with('+');
    let keys = private_key::find_in_bytes(text.as_bytes());
    File { path, executable, size, text: text.to_owned(), keys, ..File::default() }
}

pub(crate) fn facts(files: &[(&str, &str)]) -> Facts {
    let mut files: Vec<File> = files.iter().map(file).collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Facts { files, ..Facts::default() }
}

#[track_caller]
fn check(rule: &Rule, facts: &Facts, expect: Expect) {
    let findings = (rule.check)(facts);
    assert!(findings.iter().all(|it| it.rule == rule.name));
    expect.assert_eq(&finding::text(findings));
}

#[track_caller]
fn check_files(rule: &Rule, files: &[(&str, &str)], expect: Expect) {
    check(rule, &facts(files), expect);
}

/// Returns a mission with the author's steps `runs` and files below `environments/`.
pub(crate) fn mission(runs: &str, files: &[(&str, &str)]) -> Facts {
    let sources = sources(&format!("ARG BASE_IMAGE=c\nFROM ${{BASE_IMAGE}}\n{runs}"), files);
    let dockerfile = generate(&sources).ok();
    let (model, problems) = sources.look();
    let mission = MissionFacts { model, problems, sources, dockerfile, config: None };
    Facts { missions: vec![mission], ..Facts::default() }
}

#[track_caller]
fn check_mission(rule: &Rule, runs: &str, files: &[(&str, &str)], expect: Expect) {
    check(rule, &mission(runs, files), expect);
}

#[test]
fn rules_have_different_names() {
    let mut names: Vec<&str> = super::RULES.iter().map(|it| it.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), super::RULES.len());
}

#[test]
fn dockerfiles_that_not_every_builder_reads() {
    let rule = &super::dockerfile::RULE;
    check_files(
        rule,
        &[("Dockerfile", "FROM a\nRUN b\n"), ("Dockerfile.dockerignore", "*\n")],
        expect![[""]],
    );
    check_files(
        rule,
        &[("x/Dockerfile", "FROM a\nRUN cat <<EOF\nb\nEOF\n")],
        expect![[r#"
        x/Dockerfile:2: dockerfile: the builder of docker 20.10 does not know here-documents (`<<EOF`)
            fix: put the text into a file and COPY it, or join the commands with `&& \`"#]],
    );
    check_mission(
        rule,
        "RUN env-create $X\n",
        &[],
        expect![[r#"
        missions/m/Dockerfile.custom:3: dockerfile: `$X` is known only to the shell, not to the generator
            fix: write the environment and its spec files literally"#]],
    );
}

/// LESSONS swallowed-in-run.
#[test]
fn swallowed_in_run() {
    let rule = &super::run_chain::RULE;
    let silent = "FROM a\nRUN set -e; a; b\nRUN a && b || true; c\nRUN if a; then b; else c; fi && d # e; f\n\
        RUN set -eux && a; b\nRUN for x in a b; do c $x || exit 1; done\nRUN set -o pipefail && a 2>&1 | b; \n\
        RUN case $x in a) b ;; *) c ;; esac\nRUN echo 'a; b & c' && (a && b)\nRUN [\"bash\", \"-ec\", \"a; b\"]\n\
        SHELL [\"/bin/bash\", \"-euo\", \"pipefail\", \"-c\"]\nRUN a; for x in y; do b; done\n";
    check_files(rule, &[("Dockerfile", silent)], expect![[""]]);
    let loud = "FROM a\nRUN apt-get update; \\\n  apt-get install b\nRUN a & b\nRUN a && (b; c)\nRUN [\"sh\", \"-c\", \"a; b\"]\n\
        RUN for x in a b; do pip install $x; done\nRUN if a; then b; c; fi\nRUN set -o pipefail; a; b\n";
    check_files(
        rule,
        &[("missions/m/Dockerfile.custom", loud)],
        expect![[r#"
            missions/m/Dockerfile.custom:2: run-chain: `;` hides a failure of `apt-get update`
                fix: join the commands with `&&`, or begin with `set -e;`
            missions/m/Dockerfile.custom:4: run-chain: `&` hides a failure of `a`
                fix: join the commands with `&&`, or begin with `set -e;`
            missions/m/Dockerfile.custom:5: run-chain: `;` hides a failure of `b`
                fix: join the commands with `&&`, or begin with `set -e;`
            missions/m/Dockerfile.custom:6: run-chain: `;` hides a failure of `a`
                fix: join the commands with `&&`, or begin with `set -e;`
            missions/m/Dockerfile.custom:7: run-chain: the loop hides a failure of `pip install $x` in all but its last round
                fix: join the commands with `&&`, or begin with `set -e;`
            missions/m/Dockerfile.custom:8: run-chain: `;` hides a failure of `b`
                fix: join the commands with `&&`, or begin with `set -e;`
            missions/m/Dockerfile.custom:9: run-chain: `;` hides a failure of `set -o pipefail`
                fix: join the commands with `&&`, or begin with `set -e;`"#]],
    );
}

#[test]
fn scripts_are_executable_and_strict() {
    let rule = &super::script_strict::RULE;
    let silent = [
        ("+a", "#!/bin/bash\n# Why.\nset -euo pipefail\n"),
        ("+b", "#!/usr/bin/env python3\n"),
        ("+c", "#! /bin/sh -x\nset -eu\n"),
        ("profile.d/d.sh", "export A=1\n"),
        ("+missions/m/environments/e/tests/test", "#!/usr/bin/env python3\n"),
        ("e.rs", "#![allow(x)]\n"),
    ];
    check_files(rule, &silent, expect![[""]]);
    let loud = [
        ("a", "#!/usr/bin/env bash\nset -e\n"),
        ("b", "#!/opt/conda/bin/python -Es\n"),
        ("+c", "#!/bin/sh\n"),
        ("+missions/m/environments/e/tests/test", "pytest\n"),
        ("missions/m/environments/test", "pytest\n"),
    ];
    check_files(
        rule,
        &loud,
        expect![[r#"
            a:1: script-strict: goes on after a failure
                fix: write `set -euo pipefail` as its first command
            a:1: script-strict: has a `#!` line and is not executable
                fix: run `chmod +x a`, or remove the line if others source the file
            b:1: script-strict: has a `#!` line and is not executable
                fix: run `chmod +x b`, or remove the line if others source the file
            c:1: script-strict: goes on after a failure
                fix: write `set -eu` as its first command
            missions/m/environments/e/tests/test:1: script-strict: is started as a test, and has no `#!` line
                fix: begin it with `#!/bin/bash` or another program
            missions/m/environments/test:1: script-strict: is not executable, and is started as a test
                fix: run `chmod +x missions/m/environments/test`"#]],
    );
}

#[test]
fn what_is_private_is_not_in_git() {
    let rule = &super::setup_env_untracked::RULE;
    check_files(rule, &[("setup-env.template", ""), ("docs/secrets.md", "")], expect![[""]]);
    check_files(
        rule,
        &[("setup-env", ""), ("secrets/dev.yaml", "")],
        expect![[r#"
        secrets/dev.yaml: setup-env-untracked: git tracks this file, or would
            fix: keep it in .gitignore, and run `git rm --cached secrets/dev.yaml` if it is tracked
        setup-env: setup-env-untracked: git tracks this file, or would
            fix: keep it in .gitignore, and run `git rm --cached setup-env` if it is tracked"#]],
    );
}

#[test]
fn contexts_are_closed_and_opened_by_names() {
    let rule = &super::dockerignore_literal::RULE;
    let silent = "# Closed.\n*\n!a/b.txt\n**/__pycache__\n";
    check_files(
        rule,
        &[(".dockerignore", silent), ("a/b.txt", ""), ("x/Dockerfile.dockerignore", silent)],
        expect![[""]],
    );
    let loud = [
        (".dockerignore", "*\n!a/*.pip\n!b[cd]\n!gone\na/x\n**/*.pyc\n"),
        ("x/.dockerignore", "!a\n"),
        ("y/.dockerignore", ""),
    ];
    check_files(
        rule,
        &loud,
        expect![[r#"
            .dockerignore:2: dockerignore-literal: `!a/*.pip` gives an empty context with older builders
                fix: write the folder's name, or each file's
            .dockerignore:3: dockerignore-literal: `!b[cd]` gives an empty context with older builders
                fix: write the folder's name, or each file's
            .dockerignore:4: dockerignore-literal: git has nothing of that name: `!gone`
                fix: take the line out
            .dockerignore:5: dockerignore-literal: `a/x` is not read here
                fix: write `!name` for what is sent, `**/name` for what is left out of it
            .dockerignore:6: dockerignore-literal: `**/*.pyc` is not read here
                fix: write `!name` for what is sent, `**/name` for what is left out of it
            x/.dockerignore:1: dockerignore-literal: git has nothing of that name: `!a`
                fix: take the line out
            x/.dockerignore:1: dockerignore-literal: the context is open: files that are not named here are sent, too
                fix: start with a line `*`, then `!name` for what the build needs
            y/.dockerignore:1: dockerignore-literal: the context is open: files that are not named here are sent, too
                fix: start with a line `*`, then `!name` for what the build needs"#]],
    );
}

/// Missions are checked at once, and each is refused only for its own files and shared ones.
#[test]
fn refusals_of_one_of_several_missions() {
    let finding = |file: &str| {
        let (what, fix) = (String::new(), String::new());
        Finding { file: file.into(), line: None, rule: "run-chain", what, fix }
    };
    let files = [
        "Dockerfile",
        "common/base/Dockerfile",
        "missions/a/Dockerfile.custom",
        "missions/a/environments/a/a.pip",
        "missions/a-b/Dockerfile.custom",
        "missions/b/apt.txt",
        "xtask",
    ];
    let mut all: Vec<Finding> = files.iter().map(|it| finding(it)).collect();
    all.sort();
    let all = Refusals { always: all.clone(), frozen: all };
    let of = |mission: &str| {
        let Refusals { always, frozen } = all.of(&PathBuf::from("missions").join(mission));
        assert_eq!(always, frozen);
        let names = always.iter().map(|it| it.file.to_string_lossy().into_owned());
        names.collect::<Vec<_>>()
    };
    assert_eq!(of("a"), [&files[..2], &files[2..4], &files[6..]].concat());
    assert_eq!(of("a-b"), [&files[..2], &files[4..5], &files[6..]].concat());
    assert_eq!(of("c"), [&files[..2], &files[6..]].concat());
}
