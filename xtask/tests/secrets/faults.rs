//! Possible faults, a row each. After every one of them no plain text is on a disk, nothing is
//! committed or pushed that should not be, the exit status is right, and the message has a fix.

mod files;
mod people;
mod remotes;
mod signals;

use std::{
    panic,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use crate::{run::Done, scratch::Scratch};

/// A fault.
pub(crate) struct Fault {
    name: &'static str,
    /// Causes the fault.
    prepare: fn(&mut Scratch),
    act: fn(&mut Scratch) -> Done,
    /// Exit status; `None` for a run that was killed.
    status: Option<i32>,
    /// Parts of the message: what happened, and the fix.
    says: &'static [&'static str],
    left: Left,
}

/// Expected state of the clone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    /// Unchanged.
    AsItWas,
    /// One additional commit.
    Commit,
    /// The file, encrypted and not committed.
    Uncommitted,
}

/// LESSONS plaintext-left, wrong-directory.
#[test]
fn plaintext_left() {
    let faults: Vec<&Fault> = [files::FAULTS, people::FAULTS, remotes::FAULTS, signals::FAULTS]
        .into_iter()
        .flatten()
        .collect();
    assert!(faults.len() >= 20);
    // Four at a time: most of each is waiting for processes.
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(fault) = faults.get(next.fetch_add(1, Ordering::SeqCst)) {
            if panic::catch_unwind(|| check(fault)).is_err() {
                failed.lock().unwrap().push(fault.name);
            }
        }
    };
    thread::scope(|scope| (0..4).for_each(|_| _ = scope.spawn(work)));
    assert!(failed.lock().unwrap().is_empty(), "failed: {failed:?}");
}

fn check(fault: &Fault) {
    let name = fault.name;
    let mut scratch = Scratch::new();
    (fault.prepare)(&mut scratch);
    let (commits, file) = (scratch.commits(), scratch.read("sandbox.yaml"));
    let done = (fault.act)(&mut scratch);
    let said = &done.stderr;
    assert_eq!(done.code, fault.status, "{name}\n{said}");
    for part in fault.says {
        assert!(said.contains(part), "{name}: no `{part}` in:\n{said}");
    }
    scratch.assert_no_plaintext(name);
    let new = scratch.commits();
    assert_eq!(new[1], commits[1], "{name}: the remote has moved");
    assert_eq!(new[0] != commits[0], fault.left == Left::Commit, "{name}: commits");
    let is_same = scratch.read("sandbox.yaml") == file;
    assert_eq!(is_same, fault.left == Left::AsItWas, "{name}: the file");
}

/// Prepares nothing.
fn nothing(_: &mut Scratch) {}

/// Runs `secrets-edit` with an editor that would change the canary's key.
fn edit(scratch: &mut Scratch) -> Done {
    if !scratch.has("EDITOR") {
        scratch.set("EDITOR", "sed -i s/hub:/hab:/");
    }
    scratch.run(&["secrets-edit"])
}

fn set(scratch: &mut Scratch) -> Done {
    scratch.run_with(&["secrets-set", "hub.secret"], "another")
}

fn push(scratch: &mut Scratch) -> Done {
    scratch.run(&["secrets-push"])
}
