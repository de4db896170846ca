//! Hostile tests of an image: they change nothing but results of their own, and certify nothing.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use crate::checkout::Checkout;

const START: &str = include_str!("hostile/start.py");
const WHEEL: &[u8] = include_bytes!("hostile/tomlixx-1.0-py3-none-any.whl");
const TESTS: &str = "missions/hostile/environments/hello/tests";

/// Returns a step that writes `text` into a file of the environment's packages.
fn planted(name: &str, text: &str) -> String {
    let site = "/opt/conda/envs/hello/lib/python3*/site-packages";
    let bytes: Vec<String> = text.bytes().map(|it| format!("\\{it:03o}")).collect();
    format!("RUN cd {site} && printf '{}' > {name}\n", bytes.concat())
}

fn notebook(cells: &[&str]) -> String {
    let cells = cells.iter().map(|it| {
        json!({ "cell_type": "code", "execution_count": null, "metadata": {}, "outputs": [], "source": it })
    });
    let cells: Vec<Value> = cells.collect();
    json!({ "cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4 }).to_string()
}

/// Returns every file outside `target/xtask` and git's own folder, with its bytes.
fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut res = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()) {
            if path.ends_with("target/xtask") || path.ends_with(".git/index") {
                continue;
            }
            if path.is_dir() && !path.is_symlink() {
                folders.push(path);
            } else {
                res.insert(path.clone(), fs::read(&path).unwrap_or_default());
            }
        }
    }
    res
}

/// Returns the last results, by name.
fn results(checkout: &Checkout, folder: &str) -> BTreeMap<String, Value> {
    let text = checkout.read(&format!("target/xtask/{folder}/hostile/results.jsonl"));
    let parsed = text.lines().map(|it| serde_json::from_str::<Value>(it).unwrap());
    parsed.map(|it| (it["name"].as_str().unwrap().to_owned(), it)).collect()
}

/// LESSONS: tests can neither harm nor lie. The cases `notebook-installs` (`installs.ipynb`) and
/// `tmp-cleaned` (`cleans.ipynb`): what a notebook installs or removes, no other test sees.
#[test]
fn a_hostile_package_changes_nothing_and_certifies_nothing() {
    let checkout = Checkout::of_copy("hostile");
    let custom = "missions/hostile/Dockerfile.custom";
    let steps = [
        planted("hostile_start.py", START),
        planted("hostile.pth", "import hostile_start\n"),
        planted("quits.py", "import os\nos._exit(0)\n"),
    ];
    let steps = format!("USER root\n{}USER ${{NB_UID}}\n", steps.concat());
    checkout.write(custom, &format!("{}\n{steps}", checkout.read(custom)));
    let imports = format!("{TESTS}/imports");
    let all = format!("{}\nnot_there\nquits\ntomlixx\n", checkout.read(&imports));
    checkout.write(&imports, &all);
    fs::write(checkout.path(&format!("{TESTS}/tomlixx-1.0-py3-none-any.whl")), WHEEL).unwrap();
    let install = notebook(&["%pip install --no-index ./tomlixx-1.0-py3-none-any.whl", "1"]);
    checkout.write(&format!("{TESTS}/installs.ipynb"), &install);
    let clean = notebook(&["!rm -rf /tmp/* /opt/test-* /opt/tester /opt/environments/*", "1"]);
    checkout.write(&format!("{TESTS}/cleans.ipynb"), &clean);
    assert_eq!(checkout.run(&["image-update", "hostile"]).status, Some(0));
    checkout.commit();
    let before = files(&checkout.path(""));

    let run = checkout.run(&["image-all", "hostile"]);
    assert_eq!(run.status, Some(1));
    assert!(!run.stderr.contains('\x1b') && !run.stdout.contains('\x1b'));
    let results = results(&checkout, "test");
    for name in ["not_there", "quits", "tomlixx"] {
        assert_eq!(results[name]["outcome"], "failed", "{}", results[name]);
    }
    // Changes by other tests to these show in neither.
    for name in ["numpy", "cmb.ipynb", "cleans.ipynb"] {
        assert_eq!(results[name]["outcome"], "passed", "{}", results[name]);
    }
    let after = files(&checkout.path(""));
    assert!(before == after, "{:?}", changed(&before, &after));
    for folder in ["test", "receipts"] {
        assert_only_plain_files(&checkout.path(&format!("target/xtask/{folder}")));
    }
    let push = checkout.run(&["image-push", "hostile"]);
    assert_eq!(push.status, Some(1), "a receipt certifies the image");
    assert!(push.stderr.contains("; nothing is pushed"), "{}", push.stderr);
}

fn changed<'a>(
    before: &'a BTreeMap<PathBuf, Vec<u8>>,
    after: &'a BTreeMap<PathBuf, Vec<u8>>,
) -> Vec<&'a PathBuf> {
    let both = before.keys().chain(after.keys());
    both.filter(|it| before.get(*it) != after.get(*it)).collect()
}

fn assert_only_plain_files(folder: &Path) {
    for path in fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()) {
        let found = fs::symlink_metadata(&path).unwrap();
        assert!(found.is_dir() || found.is_file(), "{}", path.display());
        assert!(found.len() < 100_000_000, "{}", path.display());
        if found.is_dir() {
            assert_only_plain_files(&path);
        }
    }
}

/// A mission's own script prepares its tests, and requests them.
#[test]
fn a_mission_s_own_script_asks_the_tester() {
    let checkout = Checkout::of_copy("hostile");
    checkout.rows(&["image-build", "hostile"]);
    let script = "missions/hostile/environments/test";
    let asks =
        "#!/bin/sh\nexport GREETING=hello\n/opt/common-scripts/test-environments --notebooks\n";
    checkout.script(
        script,
        &format!("{asks}echo '{{}}' > /opt/test-results/x 2>&1 && exit 5\nexit 3\n"),
    );
    let asserts = "import os; assert os.environ['GREETING'] == 'hello', os.environ";
    checkout.write(&format!("{TESTS}/greeting.ipynb"), &notebook(&[asserts]));
    let homes = "import os, pathlib\n\
        home = pathlib.Path.home()\n\
        assert not (home / 'mark').exists() and (home / 'welcome.ipynb').exists()\n\
        (home / 'mark').touch(); (pathlib.Path(os.environ['TMPDIR']) / 'mark').touch()\n\
        pathlib.Path('made-here').write_text('new')\n\
        try:\n    open('firas.txt', 'a')\nexcept PermissionError:\n    pass\nelse:\n    raise SystemExit(1)";
    checkout.write(&format!("{TESTS}/home-1.ipynb"), &notebook(&[homes]));
    checkout.write(&format!("{TESTS}/home-2.ipynb"), &notebook(&[homes]));
    let offline = "import socket; socket.getaddrinfo('example.org', 80)";
    checkout.write(&format!("{TESTS}/offline.ipynb"), &notebook(&[offline]));
    let run = checkout.run(&["image-test", "hostile", "--dev"]);
    assert_eq!(run.status, Some(1));
    let results = results(&checkout, "test-selection");
    let outcome = |name: &str| results[name]["outcome"].as_str().unwrap().to_owned();
    assert_eq!(outcome("greeting.ipynb"), "passed", "{}", results["greeting.ipynb"]);
    for name in ["home-1.ipynb", "home-2.ipynb", "numpy"] {
        assert_eq!(outcome(name), "passed", "{}", results[name]);
    }
    let says = |name: &str, part: &str| {
        let message = results[name]["message"].as_str().unwrap();
        assert!(message.contains(part), "{name}: {message}");
    };
    says("/opt/environments/test", "ended with status 3");
    says("offline.ipynb", "TEST_NETWORK=egress gives them one");
}

#[test]
fn tests_that_fill_the_disk_are_stopped() {
    let checkout = Checkout::of_copy("hostile");
    checkout.rows(&["image-build", "hostile"]);
    // A sparse file has no blocks, so that only the limit of a file's size can stop it.
    let at_once = "open('big', 'wb').truncate(60_000_000)";
    checkout.write(&format!("{TESTS}/at-once.ipynb"), &notebook(&[at_once]));
    let in_parts = "import os, time\n\
        for it in range(20):\n    open(f'{os.environ[\"TMPDIR\"]}/{it}', 'wb').write(b'x' * 6_000_000)\n\
        time.sleep(3600)";
    checkout.write(&format!("{TESTS}/in-parts.ipynb"), &notebook(&[in_parts]));
    for (name, says) in [
        ("at-once.ipynb", "File too large"),
        ("in-parts.ipynb", "filled more than TEST_DISK=0.05g"),
    ] {
        let limit = ["--set", "TEST_DISK=50m", "image-test", "hostile", "--dev", "--only", name];
        assert_eq!(checkout.run(&limit).status, Some(1));
        let message = results(&checkout, "test-selection")[name]["message"].to_string();
        assert!(message.contains(says), "{message}");
    }
}
