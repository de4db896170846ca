//! Remotes that cannot be reached or written, or have moved on.

use std::{io, net::TcpListener, sync::mpsc, thread, time::Duration};

use nix::sys::signal::Signal;

use super::{Fault, Left, nothing, push, set};
use crate::{run::Done, scratch::Scratch, servers};

pub(crate) const FAULTS: &[Fault] = &[
    Fault {
        name: "the remote has moved on",
        prepare: |it| {
            theirs(it);
            set(it).status(0);
        },
        act: push,
        status: Some(1),
        says: &[
            "cannot be merged",
            "fix: keep yours",
            "git -C secrets/hello reset --keep origin/main",
        ],
        left: Left::AsItWas,
    },
    Fault {
        name: "no network",
        prepare: |it| {
            set(it).status(0);
            remote(it, "http://127.0.0.1:1/remote.git");
        },
        act: push,
        status: Some(1),
        says: &["failed with status", "fix: look at the network"],
        left: Left::AsItWas,
    },
    Fault {
        name: "the remote is gone",
        prepare: |it| {
            set(it).status(0);
            remote(it, "file:///nowhere/remote.git");
        },
        act: push,
        status: Some(1),
        says: &["fix: correct SECRETS_REPO"],
        left: Left::AsItWas,
    },
    Fault {
        name: "one may not write there",
        prepare: |it| _ = set(it).status(0),
        act: |it| {
            let server = servers::http(it, &["--read-only"]);
            remote(it, &format!("http://127.0.0.1:{}/remote.git", server.port));
            push(it)
        },
        status: Some(1),
        says: &["403", "fix: ask its owner"],
        left: Left::AsItWas,
    },
    Fault {
        name: "one is not logged in",
        prepare: |it| _ = set(it).status(0),
        act: |it| {
            let log = it.path("record/users").display().to_string();
            let server = servers::http(it, &["--log", &log]);
            remote(it, &format!("http://127.0.0.1:{}/remote.git", server.port));
            push(it)
        },
        status: Some(1),
        says: &["fix: log in"],
        left: Left::AsItWas,
    },
    Fault {
        name: "a push would go elsewhere",
        prepare: |it| {
            it.git_clone(&["config", "remote.origin.pushurl", "https://example.org/x.git"]);
            set(it).status(0);
        },
        act: push,
        status: Some(2),
        says: &["would be pushed to https://example.org/x.git", "config --unset-all"],
        left: Left::AsItWas,
    },
    Fault {
        name: "nothing to push",
        prepare: nothing,
        act: push,
        status: Some(0),
        says: &["nothing to push"],
        left: Left::AsItWas,
    },
    Fault {
        name: "the clone is there already",
        prepare: nothing,
        act: |it| it.run(&["secrets-clone"]),
        status: Some(0),
        says: &["is there already", "git -C secrets/hello pull --ff-only"],
        left: Left::AsItWas,
    },
    Fault {
        name: "a clone is interrupted",
        prepare: nothing,
        act: |it| interrupted_clone(it, Signal::SIGINT),
        status: Some(130),
        says: &["interrupted"],
        left: Left::AsItWas,
    },
    Fault {
        name: "a clone is killed",
        prepare: nothing,
        act: |it| {
            let killed = interrupted_clone(it, Signal::SIGKILL);
            // The next run removes what it left.
            it.run(&["secrets-clone", "--mission", "other"]).status(1);
            assert_eq!(it.bash("ls -A secrets"), "hello\n");
            killed
        },
        status: None,
        says: &[],
        left: Left::AsItWas,
    },
];

/// Changes the URL of the clone and of the setting.
fn remote(scratch: &mut Scratch, url: &str) {
    scratch.git_clone(&["config", "remote.origin.url", url]);
    scratch.set("SECRETS_REPO", url);
}

/// Adds another person's commit to the remote.
fn theirs(scratch: &mut Scratch) {
    scratch.bash("git clone --quiet ../remote.git ../theirs; cd ../theirs; date > README.md; git add README.md; git commit --quiet --message theirs; git push --quiet; cd ..; rm -rf theirs");
}

/// Clones from a server that never answers, interrupted while it waits; of a mission that no other
/// row uses.
fn interrupted_clone(scratch: &mut Scratch, signal: Signal) -> Done {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, waits) = mpsc::channel();
    thread::spawn(move || {
        let connection = listener.accept();
        let _ = sender.send(());
        // Held until the other end closes it.
        let _ = connection.map(|(mut it, _)| io::copy(&mut it, &mut io::sink()));
    });
    scratch.bash("mkdir -p missions/other");
    let url = scratch.setting("SECRETS_REPO");
    scratch.set("SECRETS_REPO", &format!("http://127.0.0.1:{port}/x.git"));
    let running = scratch.start(&["secrets-clone", "--mission", "other"]);
    waits.recv_timeout(Duration::from_secs(600)).expect("a clone was begun");
    running.signal(signal);
    let done = running.finish();
    if signal != Signal::SIGKILL {
        assert_eq!(scratch.bash("ls -A secrets"), "hello\n");
    }
    scratch.set("SECRETS_REPO", &url);
    if signal == Signal::SIGKILL {
        scratch.set("SECRETS_REPO", "file:///nowhere");
    }
    done
}
