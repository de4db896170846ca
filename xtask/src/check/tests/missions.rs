//! Rules about missions.

use expect_test::expect;

use super::{check as check_facts, check_mission, mission};
use crate::check;

const HELLO: [(&str, &str); 2] = [("hello/hello.yml", ""), ("hello/tests/imports", "numpy\n")];
const CREATE: &str = "RUN env-create hello hello.yml\n";

#[test]
fn each_environment_is_made_once() {
    let rule = &check::environment_steps::RULE;
    check_mission(rule, CREATE, &HELLO, expect![[""]]);
    check_mission(rule, "RUN env-update base b.pip\n", &[("base/b.pip", "")], expect![[""]]);
    check_mission(
        rule,
        "RUN env-update hello hello.yml\n",
        &HELLO,
        expect![[r#"
            missions/m/environments/hello: environment-steps: no step makes this environment
                fix: write `RUN /opt/common-scripts/env-create hello hello.yml` and `RUN /opt/common-scripts/install-common hello` in missions/m/Dockerfile.custom"#]],
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
    let rule = &check::spec_never_installed::RULE;
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
                fix: add `RUN /opt/common-scripts/env-update hello a.pip py3.8/cvt.pip` to missions/m/Dockerfile.custom, or remove the files
            missions/m/environments/hello/py3.8/cvt.pip: spec-never-installed: no step installs this file
                fix: add `RUN /opt/common-scripts/env-update hello a.pip py3.8/cvt.pip` to missions/m/Dockerfile.custom, or remove the files"#]],
    );
}

/// LESSONS nothing-tested.
#[test]
fn nothing_tested() {
    let rule = &check::nothing_tested::RULE;
    for test in ["a/tests/imports", "a/tests/commands", "a/tests/deep/x.ipynb", "a/tests/test"] {
        check_mission(rule, "", &[(test, "numpy\n"), ("base/b.pip", "")], expect![[""]]);
    }
    let files = [("a/a.pip", ""), ("b/tests/imports", "# none\n"), ("c/tests/data.txt", "")];
    check_mission(
        rule,
        "",
        &files,
        expect![[r#"
        missions/m/environments/a: nothing-tested: no tests for this environment
            fix: write tests/imports, with a package per line, or add notebooks to tests/
        missions/m/environments/b/tests/imports: nothing-tested: the list is empty
            fix: add entries, one per line, or remove the file
        missions/m/environments/c: nothing-tested: no tests for this environment
            fix: write tests/imports, with a package per line, or add notebooks to tests/"#]],
    );
}

/// LESSONS nothing-tested, for a mission as a whole.
#[test]
fn a_mission_without_tests() {
    let rule = &check::nothing_tested::RULE;
    let base = [("base/b.pip", "papermill\n"), ("base/tests/imports", "papermill\n")];
    check_mission(rule, "", &base, expect![[""]]);
    for files in [&[][..], &[("base/b.pip", "# none\n")]] {
        check_mission(
            rule,
            "",
            files,
            expect![[r#"
                missions/m: nothing-tested: nothing in this mission is tested: no environment has tests
                    fix: add an environment with tests, or write environments/base/tests/imports, with a package per line"#]],
        );
    }
    check_mission(
        rule,
        "",
        &base[..1],
        expect![[r#"
            missions/m/environments/base: nothing-tested: no tests for this environment
                fix: write tests/imports, with a package per line, or add notebooks to tests/"#]],
    );
    check_mission(
        rule,
        "",
        &[("a/tests/imports", "numpy\n"), ("base/tests/imports", "# none\n")],
        expect![[r#"
            missions/m/environments/base/tests/imports: nothing-tested: the list is empty
                fix: add entries, one per line, or remove the file"#]],
    );
}

#[test]
fn lines_of_notebooks_name_notebooks() {
    let rule = &check::notebook_missing::RULE;
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
    let rule = &check::generated_dockerfile::RULE;
    let mut facts = mission(CREATE, &HELLO);
    check_facts(rule, &facts, expect![[""]]);
    facts.missions[0].dockerfile =
        facts.missions[0].dockerfile.take().map(|it| it.replace("hello.yml", "x.yml"));
    check_facts(
        rule,
        &facts,
        expect![[r#"
            missions/m/Dockerfile:12: generated-dockerfile: differs from what its sources generate
                fix: run `cargo xtask image-update m`; with --check it shows the difference"#]],
    );
    facts.missions[0].dockerfile = None;
    check_facts(
        rule,
        &facts,
        expect![[r#"
        missions/m/Dockerfile:1: generated-dockerfile: differs from what its sources generate
            fix: run `cargo xtask image-update m`; with --check it shows the difference"#]],
    );
}

#[test]
fn frozen_specs_are_whole() {
    let rule = &check::frozen_spec::RULE;
    let text = crate::specs::frozen::tests::GOOD.replace("roman-cal", "hello");
    let with = |text: &str| {
        let text = text.to_owned();
        move |expect| {
            let files = [&HELLO[..], &[("hello/hello-frozen.yml", text.as_str())]].concat();
            check_mission(rule, CREATE, &files, expect);
        }
    };
    check_mission(rule, CREATE, &HELLO, expect![[""]]);
    with(&text)(expect![[""]]);
    with("")(expect![[r#"
        missions/m/environments/hello/hello-frozen.yml:1: frozen-spec: not a frozen spec: the first line is not `# frozen: 1`
            fix: remove the file; a floating build solves the lists, and writes it"#]]);
    with(&text.replace(" --hash=sha256:39e7", " --hash=sha256:"))(expect![[r#"
        missions/m/environments/hello/hello-frozen.yml:12: frozen-spec: `humanize==4.10.0` has not exactly one sha256
            fix: freeze the environment again"#]]);
}

#[test]
fn lists_that_cannot_be_read() {
    let rule = &check::spec_lines::RULE;
    let runs = "RUN env-create hello hello.yml && install-common hello && env-update hello a.pip\n";
    let yml = "dependencies:\n- python=3.13\n- pip:\n  - -e .\n";
    let files = [
        ("hello/hello.yml", yml),
        ("hello/a.pip", "numpy >= 2\n-r b.txt\n"),
        ("hello/b.txt", "scipy=2\n"),
        ("hello/tests/imports", "numpy\n"),
    ];
    let mut facts = mission(runs, &files);
    facts.files.push(super::file(&("common/image/common-env/common.pip", "ipykernel\nx y\n")));
    check_facts(
        rule,
        &facts,
        expect![[r#"
        common/image/common-env/common.pip:2: spec-lines: `x y` is not a requirement: Unexpected end of version specifier, expected operator
            fix: write the requirement like `name[extra]>=1.2,<2; python_version >= "3.12"`
        missions/m/environments/hello/b.txt:1: spec-lines: `scipy=2` is not a requirement: no such comparison operator "=", must be one of ~= == != <= >= < > ===
            fix: write the requirement like `name[extra]>=1.2,<2; python_version >= "3.12"`
        missions/m/environments/hello/hello.yml:4: spec-lines: an editable install cannot be repeated
            fix: give `name @ git+https://…@commit`"#]],
    );
}
