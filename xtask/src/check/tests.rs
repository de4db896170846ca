use std::path::PathBuf;

use expect_test::{Expect, expect};

use super::{Facts, File, MissionFacts, Rule};
use crate::{
    dockerfile::{generate::generate, tests::sources},
    report,
};

/// A file; one whose name begins with `+` is executable.
fn file(&(name, text): &(&str, &str)) -> File {
    let path = name.trim_start_matches('+');
    File { path: PathBuf::from(path), executable: path != name, text: text.to_owned() }
}

#[track_caller]
fn check(rule: &Rule, facts: &Facts, expect: Expect) {
    let findings = (rule.check)(facts);
    assert!(findings.iter().all(|it| it.rule == rule.name));
    expect.assert_eq(&report::text(findings));
}

#[track_caller]
fn check_files(rule: &Rule, files: &[(&str, &str)], expect: Expect) {
    check(rule, &Facts { files: files.iter().map(file).collect(), missions: Vec::new() }, expect);
}

/// The mission has the author's steps `runs` and files below `environments/`.
fn mission(runs: &str, files: &[(&str, &str)]) -> Facts {
    let sources = sources(&format!("ARG BASE_IMAGE=c\nFROM ${{BASE_IMAGE}}\n{runs}"), files);
    let dockerfile = generate(&sources).ok();
    let mission = MissionFacts { model: sources.model(), sources, dockerfile };
    Facts { files: Vec::new(), missions: vec![mission] }
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
        RUN set -eux && a; b\nRUN for x in a b; do c $x || exit 1; done\nRUN a 2>&1 | b; \n\
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
                fix: join with `&&`, or begin with `set -e;`
            missions/m/Dockerfile.custom:4: run-chain: `&` hides a failure of `a`
                fix: join with `&&`, or begin with `set -e;`
            missions/m/Dockerfile.custom:5: run-chain: `;` hides a failure of `b`
                fix: join with `&&`, or begin with `set -e;`
            missions/m/Dockerfile.custom:6: run-chain: `;` hides a failure of `a`
                fix: join with `&&`, or begin with `set -e;`
            missions/m/Dockerfile.custom:7: run-chain: the loop hides a failure of `pip install $x` in all but its last round
                fix: join with `&&`, or begin with `set -e;`
            missions/m/Dockerfile.custom:8: run-chain: `;` hides a failure of `b`
                fix: join with `&&`, or begin with `set -e;`
            missions/m/Dockerfile.custom:9: run-chain: `;` hides a failure of `set -o pipefail`
                fix: join with `&&`, or begin with `set -e;`"#]],
    );
}

const HELLO: [(&str, &str); 2] = [("hello/hello.yml", ""), ("hello/tests/imports", "numpy\n")];
const CREATE: &str = "RUN env-create hello hello.yml\n";

#[test]
fn each_environment_is_made_once() {
    let rule = &super::environment_steps::RULE;
    check_mission(rule, CREATE, &HELLO, expect![[""]]);
    check_mission(rule, "RUN env-update base b.pip\n", &[("base/b.pip", "")], expect![[""]]);
    check_mission(
        rule,
        "RUN env-update hello hello.yml\n",
        &HELLO,
        expect![[r#"
        missions/m/environments/hello: environment-steps: no step makes this environment
            fix: write `RUN /opt/common-scripts/env-create hello hello.yml` in missions/m/Dockerfile.custom"#]],
    );
    let twice = format!("{CREATE}RUN a \\\n  && env-clone base hello\nRUN env-create base\n");
    check_mission(
        rule,
        &twice,
        &HELLO,
        expect![[r#"
        missions/m/Dockerfile.custom:5: environment-steps: environment `hello` is made more than once
            fix: remove this call; env-update installs more into an environment
        missions/m/Dockerfile.custom:6: environment-steps: `base` is there already
            fix: remove this call; env-update installs more into an environment"#]],
    );
}

/// LESSONS spec-never-installed.
#[test]
fn spec_never_installed() {
    let rule = &super::spec_never_installed::RULE;
    let files = [
        &HELLO[..],
        &[("hello/a.pip", "-r b.txt\n"), ("hello/b.txt", ""), ("hello/hello-frozen.yml", "")],
    ]
    .concat();
    check_mission(rule, &format!("{CREATE}RUN env-update hello a.pip\n"), &files, expect![[""]]);
    let files = [&files[..], &[("hello/py3.8/cvt.pip", ""), ("hello/tests/x.yml", "")]].concat();
    check_mission(
        rule,
        CREATE,
        &files,
        expect![[r#"
            missions/m/environments/hello/a.pip: spec-never-installed: no step installs this file
                fix: add `RUN /opt/common-scripts/env-update hello a.pip` to missions/m/Dockerfile.custom, or remove the file
            missions/m/environments/hello/py3.8/cvt.pip: spec-never-installed: no step installs this file
                fix: add `RUN /opt/common-scripts/env-update hello py3.8/cvt.pip` to missions/m/Dockerfile.custom, or remove the file"#]],
    );
}

/// LESSONS nothing-tested.
#[test]
fn nothing_tested() {
    let rule = &super::nothing_tested::RULE;
    for test in ["a/tests/imports", "a/tests/deep/x.ipynb", "a/tests/test"] {
        check_mission(rule, "", &[(test, "numpy\n"), ("base/b.pip", "")], expect![[""]]);
    }
    let files = [("a/a.pip", ""), ("b/tests/imports", "# none\n"), ("c/tests/data.txt", "")];
    check_mission(
        rule,
        "",
        &files,
        expect![[r#"
        missions/m/environments/a: nothing-tested: nothing in this environment is tested
            fix: write tests/imports, with a package per line, or add notebooks to tests/
        missions/m/environments/b/tests/imports: nothing-tested: the list is empty
            fix: add entries, one per line, or remove the file
        missions/m/environments/c: nothing-tested: nothing in this environment is tested
            fix: write tests/imports, with a package per line, or add notebooks to tests/"#]],
    );
}

#[test]
fn lines_of_notebooks_name_notebooks() {
    let rule = &super::notebook_missing::RULE;
    let list = "# a\nx.ipynb\n**/y*.ipynb # b\n../../other/tests/z.ipynb\n/opt/common/x.ipynb\n";
    let files = [
        ("a/tests/notebooks", list),
        ("a/tests/x.ipynb", ""),
        ("a/tests/d/y1.ipynb", ""),
        ("other/tests/z.ipynb", ""),
    ];
    check_mission(rule, "", &files, expect![[""]]);
    let list = "gone.ipynb\n\n*.ipynb\n/opt/default-home-contents/*.ipynb\n../../../../../x\n";
    let files = [("a/tests/notebooks", list), ("a/tests/d/y1.ipynb", "")];
    check_mission(
        rule,
        "",
        &files,
        expect![[r#"
        missions/m/environments/a/tests/notebooks:1: notebook-missing: `gone.ipynb` matches no notebook
            fix: correct the path, relative to the tests folder, or remove the line
        missions/m/environments/a/tests/notebooks:3: notebook-missing: `*.ipynb` matches no notebook
            fix: correct the path, relative to the tests folder, or remove the line
        missions/m/environments/a/tests/notebooks:4: notebook-missing: `/opt/default-home-contents/*.ipynb` matches no notebook
            fix: correct the path, relative to the tests folder, or remove the line
        missions/m/environments/a/tests/notebooks:5: notebook-missing: `../../../../../x` matches no notebook
            fix: correct the path, relative to the tests folder, or remove the line"#]],
    );
}

/// LESSONS drifted-copy.
#[test]
fn drifted_copy() {
    let rule = &super::generated_dockerfile::RULE;
    let mut facts = mission(CREATE, &HELLO);
    check(rule, &facts, expect![[""]]);
    facts.missions[0].dockerfile =
        facts.missions[0].dockerfile.take().map(|it| it.replace("hello.yml", "x.yml"));
    check(
        rule,
        &facts,
        expect![[r#"
        missions/m/Dockerfile:11: generated-dockerfile: differs from what its sources generate
            fix: run `cargo xtask image-update m`; with --check it shows the difference"#]],
    );
    facts.missions[0].dockerfile = None;
    check(
        rule,
        &facts,
        expect![[r#"
        missions/m/Dockerfile:1: generated-dockerfile: differs from what its sources generate
            fix: run `cargo xtask image-update m`; with --check it shows the difference"#]],
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
        ("e.rs", "#![allow(x)]\n"),
    ];
    check_files(rule, &silent, expect![[""]]);
    let loud = [
        ("a", "#!/usr/bin/env bash\nset -e\n"),
        ("b", "#!/opt/conda/bin/python -Es\n"),
        ("+c", "#!/bin/sh\n"),
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
            fix: write `set -eu` as its first command"#]],
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
        &[(".dockerignore", silent), ("x/Dockerfile.dockerignore", silent)],
        expect![[""]],
    );
    let loud = [
        (".dockerignore", "*\n!a/*.pip\n!b[cd]\n"),
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
        x/.dockerignore:1: dockerignore-literal: the context is open: what is not named here is sent, too
            fix: start with a line `*`, then `!name` for what the build needs
        y/.dockerignore:1: dockerignore-literal: the context is open: what is not named here is sent, too
            fix: start with a line `*`, then `!name` for what the build needs"#]],
    );
}
