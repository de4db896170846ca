//! Two people with a clone each.

use std::fs;

use crate::{run::Done, scratch::Scratch};

/// Both edit the same file at the same time: the second push is refused, and the commands that it
/// prints lose nothing.
#[test]
fn two_edit_at_once() {
    let scratch = Scratch::new();
    scratch.run_with(&["secrets-set", "hub.both"], "old").status(0);
    scratch.run(&["secrets-push"]).status(0);
    // The second checkout is beside this one.
    scratch.bash("cp -a ../checkout ../other");
    scratch.bash(
        "cd ../other; echo theirs | cargo xtask secrets-set hub.both; echo theirs | cargo xtask secrets-set hub.theirs; cargo xtask secrets-push",
    );
    scratch.run_with(&["secrets-set", "hub.both"], "ours\nin \"two\" lines\n").status(0);
    scratch.run_with(&["secrets-set", "--as-json", r"hub.a list\.x"], "[1, \"ours\"]").status(0);
    scratch.run_with(&["--set", "ENVIRONMENT=prod", "secrets-init"], "").status(0);

    let refused = scratch.run(&["secrets-push"]).status(1).says("2 commits that it has not");
    let way_out = commands(&refused);
    assert!(way_out.contains("git -C secrets/hello branch mine-"), "{way_out}");
    scratch.bash(&way_out);

    let value = |key: &str| scratch.run(&["secrets-cat", key]).status(0).stdout;
    assert_eq!(value("hub.both"), "ours\nin \"two\" lines\n");
    assert_eq!(value("hub.theirs"), "theirs");
    assert_eq!(value(r"hub.a list\.x"), "- 1\n- ours\n");
    assert!(scratch.file("prod.yaml").is_file());
    let [ours, remote] = scratch.commits();
    assert_eq!(ours, remote);
    let log = scratch.git_clone(&["log", "--all", "--format=%s"]);
    assert!(log.contains("change hub.both") && log.contains("add hub.theirs"), "{log}");
    scratch.assert_no_plaintext("after the way out");
}

/// Returns the commands printed below the fix, one per line.
fn commands(refused: &Done) -> String {
    let (_, below) = refused.stderr.split_once("do yours again:\n").unwrap();
    below.lines().map(|it| it.trim_start().to_owned() + "\n").collect()
}

/// Two concurrent edits in one checkout: the second waits for the first, and both are committed.
#[test]
fn two_in_one_checkout() {
    let mut scratch = Scratch::new();
    let (open, go) = (scratch.path("state/open"), scratch.path("state/go"));
    let editor = scratch.script(
        "bin/slow",
        &format!(
            "touch {}\nuntil [ -e {} ]; do sleep 0.05; done\necho 'a: b' >> \"$1\"",
            open.display(),
            go.display()
        ),
    );
    scratch.set("EDITOR", &editor);
    let first = scratch.start(&["secrets-edit"]);
    crate::scratch::wait_until("no editor was started", || fs::exists(&open).unwrap());
    let mut second = scratch.start_with(&["secrets-set", "c"], "d");
    second.wait_for("waiting for another");
    fs::write(&go, "").unwrap();
    second.finish().status(0);
    first.finish().status(0);
    let log = scratch.git_clone(&["log", "--format=%s", "-2"]);
    assert_eq!(log, "sandbox.yaml: add c\nsandbox.yaml: add a\n");
}

/// A clone that is only behind has nothing to push, and the message has the command to update it.
#[test]
fn behind() {
    let scratch = Scratch::new();
    scratch.bash("cp -a ../checkout ../other; cd ../other; echo x | cargo xtask secrets-set y; cargo xtask secrets-push");
    scratch.run(&["secrets-push"]).status(0).says("nothing to push");
    let status = scratch.run(&["secrets-status"]).status(0);
    assert!(
        status.stdout.starts_with("secrets/hello: main, 0 ahead, 1 behind\n"),
        "{}",
        status.stdout
    );
    assert!(status.stdout.contains("pull --ff-only"), "{}", status.stdout);
}
