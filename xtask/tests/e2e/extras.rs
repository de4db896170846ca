//! What missions bring besides lists and tests of their environments.

use std::path::Path;

use serde_json::Value;

use crate::{
    checkout::{Checkout, run, text},
    containers::docker,
};

const DIR: &str = "missions/extras";
const ENV: &str = "missions/extras/environments/hello";
const HINTS: &str = "missions/extras/environments/common-hints.pip";

/// Adds a line to a file.
fn append(checkout: &Checkout, name: &str, line: &str) {
    checkout.write(name, &format!("{}{line}\n", checkout.read(name)));
}

/// Returns what a command prints in a new container of `image`, below its entry point.
fn printed(image: &str, command: &[&str]) -> String {
    text(&run(docker(&["run", "--rm", image]).args(command)))
}

/// Returns the newest receipt's tests with this outcome, as `kind name`.
fn tests(checkout: &Checkout, outcome: &str) -> Vec<String> {
    let dir = checkout.path("target/xtask/receipts/extras");
    let time = |it: &Path| it.metadata().unwrap().modified().unwrap();
    let files = std::fs::read_dir(dir).unwrap().map(|it| it.unwrap().path());
    let newest = files.max_by_key(|it| time(it)).unwrap();
    let receipt: Value = serde_json::from_str(&std::fs::read_to_string(newest).unwrap()).unwrap();
    let tests = receipt["tests"].as_array().unwrap().iter();
    let field = |it: &Value, name: &str| it[name].as_str().unwrap().to_owned();
    let found = tests.filter(|it| it["outcome"] == outcome);
    found.map(|it| format!("{} {}", field(it, "kind"), field(it, "name"))).collect()
}

#[test]
fn shared_constraints_debian_packages_and_hooks() {
    let checkout = Checkout::of_copy("extras");
    checkout.write(HINTS, "idna<3.10\n");
    append(&checkout, &format!("{ENV}/hello.pip"), "-c ../common-hints.pip\nidna");
    checkout.write(&format!("{DIR}/apt.txt"), "# Shows folders.\ntree\n");
    checkout.write(&format!("{ENV}/tests/commands"), "tree  # of apt.txt\n");
    checkout.write(&format!("{DIR}/before-notebook.d/50-hello.sh"), "export HOOKED=hook\n");
    checkout.write(&format!("{DIR}/profile.d/hello.sh"), "export PROFILED=profile\n");
    append(&checkout, &format!("{DIR}/.dockerignore"), "!before-notebook.d\n!profile.d");
    checkout.commit();
    assert_eq!(checkout.run(&["image-update", "extras"]).status, Some(0));

    let floating = checkout.rows(&["image-build", "extras", "--floating"]).text("extras", "tag");
    let checked = checkout.run(&["check", DIR]);
    assert_eq!((checked.status, checked.stdout.as_str()), (Some(0), ""));
    let frozen = checkout.read(&format!("{ENV}/hello-frozen.yml"));
    assert!(frozen.contains("- idna==3.9"), "{frozen}");
    assert!(checkout.read(&format!("{DIR}/packages-debian.txt")).contains("\ntree="));
    let script = "echo $HOOKED; bash --login -c 'echo $PROFILED'; cat /opt/environments/common-hints.pip; ls -A /opt/environments";
    let said = printed(&floating, &["bash", "-c", script]);
    assert_eq!(said, "hook\nprofile\nidna<3.10\ncommon-hints.pip\nhello\ntest\n");

    // The file is an input of the step whose list names it, and of no other.
    checkout.write(HINTS, "idna<3.9\n");
    checkout.rows(&["image-build", "extras", "--floating"]);
    assert!(checkout.was_cached("extras", "apt-get install"));
    assert!(!checkout.was_cached("extras", "env-update hello"));
    assert!(checkout.read(&format!("{ENV}/hello-frozen.yml")).contains("- idna==3.8"));
    assert_eq!(checkout.run(&["freeze", "--check", "hello"]).status, Some(0));

    let frozen = checkout.rows(&["image-build", "extras", "--frozen"]).text("extras", "tag");
    assert_eq!(printed(&frozen, &["ls", "-A", "/opt/environments"]), "hello\ntest\n");
    assert_eq!(
        printed(&frozen, &["ls", "-ld", "/etc/profile.d"]).split(' ').next(),
        Some("drwxr-xr-x")
    );
    checkout.rows(&["image-test", "extras", "--frozen"]);
    assert_eq!(tests(&checkout, "failed"), Vec::<String>::new());
    assert!(tests(&checkout, "passed").contains(&"command tree".to_owned()));

    // A hook that fails, a file that ends the login, and a program that is gone.
    checkout.write(&format!("{DIR}/before-notebook.d/50-hello.sh"), "return 3\n");
    checkout.write(&format!("{DIR}/profile.d/hello.sh"), "exit 3\n");
    checkout.write(&format!("{ENV}/tests/commands"), "tree\nno-such-program\n");
    checkout.rows(&["image-build", "extras", "--frozen"]);
    assert_eq!(checkout.run(&["image-test", "extras", "--frozen"]).status, Some(1));
    let failed = tests(&checkout, "failed");
    for name in ["shell login", "server own command", "command no-such-program"] {
        assert!(failed.contains(&name.to_owned()), "{failed:?}");
    }
}

/// The setup of bls.py imports numpy and Cython, declares neither, and has only a source archive.
#[test]
fn a_package_that_does_not_declare_its_build_requirements() {
    let checkout = Checkout::of_copy("extras");
    append(&checkout, &format!("{ENV}/hello.pip"), "bls.py==0.1.2");
    let failed = checkout.run(&["image-build", "extras", "--floating"]);
    assert_eq!(failed.status, Some(1));
    assert!(failed.stderr.contains("write the line `bls-py: numpy`"), "{}", failed.stderr);

    checkout.write(&format!("{ENV}/hello.build"), "bls-py: numpy\nbls-py: cython\n");
    checkout.rows(&["image-build", "extras", "--floating"]);
    let frozen = checkout.read(&format!("{ENV}/hello-frozen.yml"));
    assert!(
        frozen.contains("\n# build-for: bls-py: cython\n# build-for: bls-py: numpy\n"),
        "{frozen}"
    );
    assert_eq!(checkout.run(&["freeze", "--check", "hello"]).status, Some(0));
    let verified = checkout.run(&["freeze", "--verify", "hello"]);
    assert_eq!(verified.status, Some(0), "{}", verified.stdout);
}
