//! Bad tests and images: each defect makes exactly the test fail that checks it. The mutations of
//! one image are tested in one run, so that one which hides another is noticed.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::checkout::Checkout;

/// Modules in the environment that fail on import.
const MODULES: &[(&str, &str)] = &[
    ("raises_oserror", "raise OSError('libfoo.so.1: cannot open shared object file')"),
    ("exits_quietly", "import os; os._exit(0)"),
    ("segfaults", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"),
];

/// Beside good ones; the comments are part of the test.
const IMPORTS: &str = "\
idna  # it's \"quoted\"
idna.codec
no_such_package
no_such_package_either  # isn't 'there'
";

/// Number of further missing packages: more than an exit status can count.
const MISSING: usize = 300;

/// LESSONS: import-error-only, first-bad-stops, timeout-loses-all, wrong-cwd, words-split,
/// count-as-status, output-overwritten.
#[test]
fn each_bad_test_is_the_one_that_fails() {
    let missions = Missions::new();
    let tests = "missions/bad-tests/environments/sky/tests";
    let modules = MODULES.iter().map(|(name, text)| format!("echo \"{text}\" >{name}.py"));
    let modules = modules.collect::<Vec<_>>().join(" && ");
    missions.add(
        "bad-tests",
        &format!("RUN cd /opt/conda/envs/sky/lib/python3.13/site-packages && {modules}\n"),
    );
    let mut imports = IMPORTS.to_owned();
    imports.extend(MODULES.iter().map(|(name, _)| format!("{name}\n")));
    imports.extend((0..MISSING).map(|it| format!("missing_{it}\n")));
    let bad_notebooks = bad_notebooks();
    let checkout = &missions.checkout;
    checkout.write(&format!("{tests}/imports"), &imports);
    checkout.write(&format!("{tests}/notebooks"), "/opt/nowhere/*.ipynb\n");
    for (name, text) in &bad_notebooks {
        checkout.write(&format!("{tests}/{name}"), text);
    }
    checkout.write(&format!("{tests}/deep/own.ipynb"), &notebook("open('own.txt')", &json!({})));
    checkout.write(&format!("{tests}/deep/own.txt"), "");
    checkout.script(&format!("{tests}/test"), "#!/bin/sh\nkill -TERM $$\n");

    let done = missions.fails(&["bad-tests"]);
    let mut bad: BTreeSet<String> = (0..MISSING).map(|it| format!("import missing_{it}")).collect();
    bad.extend(MODULES.iter().map(|(name, _)| format!("import {name}")));
    let packages = ["no_such_package", "no_such_package_either"];
    bad.extend(packages.map(|it| format!("import {it}")));
    bad.extend(bad_notebooks.iter().map(|(name, _)| format!("notebook {name}")));
    bad.extend(["notebook /opt/nowhere/*.ipynb", "script test"].map(str::to_owned));
    let receipt = missions.receipt("bad-tests");
    assert_eq!(names(&receipt, "failed"), bad.iter().map(|it| format!("sky {it}")).collect());
    let mut good: BTreeSet<String> = OF_THE_IMAGE.iter().map(|&it| it.to_owned()).collect();
    let tests =
        ["consistency pip check", "import idna", "import idna.codec", "notebook good.ipynb"];
    good.extend(tests.map(|it| format!("sky {it}")));
    good.insert("sky notebook deep/own.ipynb".to_owned());
    assert_eq!(names(&receipt, "passed"), good);

    // Failed notebooks are kept, too, and the terminal shows how to reproduce a failure.
    let kept = checkout.read("target/xtask/test/bad-tests/notebooks/sky/raises.ipynb");
    assert!(kept.contains("ZeroDivisionError"), "{kept}");
    let again = "again: cargo xtask image-exec --mission bad-tests -- /opt/common-scripts/";
    assert!(done.contains(again), "{done}");
    only_what_is_selected_runs(&missions);
}

/// Only selected tests run again, and the receipt is not changed.
fn only_what_is_selected_runs(missions: &Missions) {
    let checkout = &missions.checkout;
    let before = missions.receipt("bad-tests");
    let run = checkout.run(&["image-test", "bad-tests", "--only", "own.ipynb", "--json"]);
    assert_eq!(run.status, Some(1), "nothing of that name was there, and that was a success");
    let passed = |args: &[&str]| {
        let rows = checkout.rows(&[&["image-test", "bad-tests"], args].concat());
        rows.number("bad-tests", "passed")
    };
    assert_eq!(passed(&["--only", "deep/*", "--notebooks"]), 1);
    assert_eq!(passed(&["--env", "sky", "--imports", "--only", "idna*", "--jobs", "1"]), 2);
    assert_eq!(passed(&["--only", "login"]), 1);
    let name = "missions/bad-tests/environments/sky/tests/raises.ipynb";
    checkout.write(name, &notebook("1", &json!({})));
    assert_eq!(passed(&["--dev", "--only", "raises.ipynb"]), 1);
    assert_eq!(missions.receipt("bad-tests"), before);
    assert!(
        checkout.read("target/xtask/test/bad-tests/notebooks/sky/raises.ipynb").contains("Zero")
    );
}

fn bad_notebooks() -> Vec<(&'static str, String)> {
    let plain = json!({});
    let bad = |code: &str| notebook(code, &plain);
    vec![
        ("raises.ipynb", bad("1 / 0")),
        ("with space.ipynb", bad("raise ValueError('it\\'s \"bad\"')")),
        ("exits.ipynb", bad("import sys; sys.exit(0)")),
        ("needs-a-file.ipynb", bad("open('own.txt')")),
        ("loops.ipynb", notebook("while True: pass", &json!({ "execution": { "timeout": 20 } }))),
        ("no-limit.ipynb", notebook("1", &json!({ "execution": { "timeout": "long" } }))),
        ("eats-memory.ipynb", bad("x = []\nwhile True: x.append(bytearray(64 << 20))")),
        ("kernel-exits.ipynb", bad("import os; os._exit(0)")),
        ("kernel-killed.ipynb", bad("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")),
        ("runner-killed.ipynb", bad("import os, signal; os.kill(os.getppid(), signal.SIGKILL)")),
        ("broken.ipynb", "{".to_owned()),
    ]
}

/// LESSONS: starts-not, kernels-hidden, nothing-tested, no-consistency-check.
#[test]
fn each_bad_image_fails_the_test_about_it() {
    let missions = Missions::new();
    for (name, custom, entry, _) in BAD_IMAGES {
        missions.add(name, custom);
        if !entry.is_empty() {
            let name = format!("missions/{name}/environments/test");
            missions.checkout.script(&name, &format!("#!/bin/bash\nset -uo pipefail\n{entry}\n"));
        }
    }
    let all: Vec<&str> = BAD_IMAGES.iter().map(|it| it.0).chain(["good"]).collect();
    missions.fails(&all);
    for (name, _, entry, bad) in BAD_IMAGES {
        let receipt = missions.receipt(name);
        let bad: BTreeSet<String> = bad.iter().map(|&it| it.to_owned()).collect();
        assert_eq!(names(&receipt, "failed"), bad, "{name}");
        let script = (!entry.is_empty()).then_some(&SCRIPT);
        let all = OF_THE_IMAGE.iter().chain(OF_SKY).chain(script).map(|&it| it.to_owned());
        let good: BTreeSet<String> = all.filter(|it| !bad.contains(it)).collect();
        assert_eq!(names(&receipt, "passed"), good, "{name}");
        assert_eq!(missions.checkout.run(&["image-push", name]).status, Some(1));
    }
    let receipt = missions.receipt("good");
    assert_eq!(names(&receipt, "failed"), BTreeSet::new());
    let told = &receipt["contents"]["environments"];
    assert_eq!(told["sky"]["packages"]["idna"], "3.10");
    assert!(told["base"]["packages"]["jupyterlab"].is_string(), "{told}");
    assert_eq!(receipt["published"], json!([]), "it was pushed beside images that fail");
}

/// A mission, the end of its Dockerfile.custom, the end of its own script (empty for none), and its
/// failures.
type BadImage = (&'static str, &'static str, &'static str, &'static [&'static str]);

const BAD_IMAGES: &[BadImage] = &[
    (
        // A home that root owns in the end, a kernelspec in it, an invalid command.
        "bad-home",
        "USER root
RUN cd /usr/local/bin && mv fix-permissions fix-most && printf '#!/bin/bash\\nfix-most \"$@\" && chown root:root /home/jovyan && chmod 755 /home/jovyan\\n' >fix-permissions && chmod +x fix-permissions
USER 1000
RUN /opt/conda/bin/python -m ipykernel install --prefix ~/.local --name mine
ENV DOCKER_STACKS_JUPYTER_CMD=no-such-frontend
",
        "",
        &[" home files", " home kernelspecs", " permissions HOME", " server own command"],
    ),
    (
        // A folder that root made, no server for a hub, and terminals without programs.
        "bad-hub",
        "USER root
RUN mkdir /opt/conda/share/closed && rm /opt/conda/bin/jupyterhub-singleuser && echo 'PATH=/usr/bin:/bin' >/etc/profile.d/zz.sh && chmod g-w /opt/conda/share/closed
USER 1000
",
        "",
        &[" permissions CONDA_DIR", " server jupyterhub-singleuser", " shell login"],
    ),
    (
        // Files of an older image in the home come before the image's own packages.
        "bad-path",
        "ENV PYTHONPATH=/home/jovyan/.local/lib/python3.13/site-packages\n",
        "",
        &[
            " server jupyterhub-singleuser",
            " server own command",
            "base kernel python3",
            "sky kernel sky",
        ],
    ),
    (
        // `!pip` in a notebook belongs to another environment. The mission's script runs a part of
        // the tests; the others run all the same.
        "bad-entry",
        "RUN rm /opt/conda/envs/sky/bin/pip*\n",
        "exec /opt/common-scripts/test-imports sky idna",
        &["sky kernel sky"],
    ),
    (
        // Requirements are not met, which fails the mission's script, too.
        "bad-packages",
        "RUN cd /opt/conda/envs/sky/lib/python3.13/site-packages && sed -i 's/^Requires-Dist:.*/Requires-Dist: lacking>=2/' comm-*.dist-info/METADATA\n",
        "/opt/common-scripts/test-environments",
        &["sky consistency pip check", SCRIPT],
    ),
    (
        // With the user's own packages, in login shells too.
        "bad-status",
        "ENV PYTHONNOUSERSITE=\"\"\n",
        "/opt/common-scripts/test-environments && exit 7",
        &[SCRIPT],
    ),
];

/// The mission's own script.
const SCRIPT: &str = " mission /opt/environments/test";

const OF_THE_IMAGE: &[&str] = &[
    " home files",
    " home kernelspecs",
    " permissions /opt/environments",
    " permissions CONDA_DIR",
    " permissions HOME",
    " server jupyterhub-singleuser",
    " server own command",
    " shell login",
    "base kernel python3",
    "sky kernel sky",
];
const OF_SKY: &[&str] =
    &["sky consistency pip check", "sky import idna", "sky notebook good.ipynb"];

/// LESSONS: nothing-tested. A problem that can be seen without an image prevents even the build.
#[test]
fn what_tests_nothing_is_refused() {
    let missions = Missions::new();
    let checkout = &missions.checkout;
    let refused = |name: &str, text: &str, says: &str| {
        missions.add("empty", "");
        let tests = "missions/empty/environments/sky/tests";
        checkout.write(&format!("{tests}/{name}"), text);
        let run = checkout.run(&["image-all", "empty"]);
        assert_eq!(run.status, Some(2), "{name}");
        assert!(run.stderr.contains(says), "{}", run.stderr);
        std::fs::remove_dir_all(checkout.path("missions/empty")).unwrap();
    };
    refused("imports", "# nothing\n", "the list is empty");
    refused("notebooks", "", "the list is empty");
    refused("notebooks", "nothing-*.ipynb\n", "`nothing-*.ipynb` matches no notebook");
}

/// A checkout with small missions, of which `good` passes.
struct Missions {
    checkout: Checkout,
    frozen: String,
}

impl Missions {
    fn new() -> Missions {
        let mut checkout = Checkout::for_own_missions();
        // An address where nothing listens.
        checkout.set("REGISTRY", "127.0.0.1:1");
        checkout.set("TEST_MEMORY", "1500m");
        let mut res = Missions { checkout, frozen: String::new() };
        res.add("good", "");
        res.checkout.rows(&["image-build", "good", "--floating"]);
        res.frozen = res.checkout.read("missions/good/environments/sky/sky-frozen.yml");
        res
    }

    /// Adds a mission with good tests; `custom` comes after the common steps.
    fn add(&self, name: &str, custom: &str) {
        let dir = format!("missions/{name}");
        let env = format!("{dir}/environments/sky");
        let steps = "ARG BASE_IMAGE=science-platform/common:latest
FROM ${BASE_IMAGE}
RUN /opt/common-scripts/env-create sky sky.yml
RUN /opt/common-scripts/install-common sky && /opt/common-scripts/env-update sky sky.pip
";
        let write = |name: &str, text: &str| self.checkout.write(name, text);
        write(&format!("{dir}/.dockerignore"), "*\n!environments\n!default-home-contents\n");
        write(&format!("{dir}/Dockerfile.custom"), &format!("{steps}{custom}"));
        write(&format!("{dir}/default-home-contents/.gitkeep"), "");
        let yml = "name: sky\ndependencies:\n  - python=3.13\n  - pip\n";
        write(&format!("{env}/sky.yml"), yml);
        write(&format!("{env}/sky.pip"), "idna==3.10\n");
        write(&format!("{env}/kernel.name"), "Sky\n");
        write(&format!("{env}/tests/imports"), "idna\n");
        write(&format!("{env}/tests/good.ipynb"), &notebook("1 + 1", &json!({})));
        if !self.frozen.is_empty() {
            write(&format!("{env}/sky-frozen.yml"), &self.frozen);
        }
    }

    /// Builds and tests missions, which fails and pushes nothing; returns the output.
    #[track_caller]
    fn fails(&self, names: &[&str]) -> String {
        let run = self.checkout.run(&[&["image-all", "--frozen"], names].concat());
        assert_eq!(run.status, Some(1));
        let log = self.checkout.path("target/xtask/logs/image-push.log");
        assert!(!log.exists(), "something was pushed");
        run.stderr
    }

    /// Returns the only receipt of a mission.
    fn receipt(&self, mission: &str) -> Value {
        let dir = self.checkout.path(&format!("target/xtask/receipts/{mission}"));
        let mut files = std::fs::read_dir(dir).unwrap();
        let text = std::fs::read_to_string(files.next().unwrap().unwrap().path()).unwrap();
        assert!(files.next().is_none(), "{mission} has one receipt");
        serde_json::from_str(&text).unwrap()
    }
}

/// Returns the tests of a receipt with this outcome, as `environment kind name`.
fn names(receipt: &Value, outcome: &str) -> BTreeSet<String> {
    let tests = receipt["tests"].as_array().unwrap().iter();
    let text = |test: &Value, field: &str| test[field].as_str().unwrap().to_owned();
    let name = |it: &Value| ["environment", "kind", "name"].map(|field| text(it, field)).join(" ");
    tests.filter(|it| it["outcome"] == outcome).map(name).collect()
}

/// Returns a notebook of one cell.
fn notebook(code: &str, metadata: &Value) -> String {
    let cell = json!({
        "cell_type": "code", "execution_count": null, "id": "a", "metadata": {}, "outputs": [],
        "source": code,
    });
    json!({ "cells": [cell], "metadata": metadata, "nbformat": 4, "nbformat_minor": 5 }).to_string()
}
