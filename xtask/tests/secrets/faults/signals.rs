//! Signals during an edit: to sops, to the editor, to the tool.

use std::{fs, path::Path};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{Fault, Left};
use crate::{
    run::Done,
    scratch::{Scratch, wait_until},
};

pub(crate) const FAULTS: &[Fault] = &[
    Fault {
        name: "SIGKILL of sops",
        prepare: Scratch::waiting_editor,
        act: |it| during_edit(it, |_, editor| send(sops(editor), Signal::SIGKILL)),
        status: Some(1),
        says: &["sops was ended by signal 9", "fix: run it again"],
        left: Left::AsItWas,
    },
    Fault {
        name: "SIGKILL of the editor",
        prepare: Scratch::waiting_editor,
        act: |it| during_edit(it, |_, editor| send(editor, Signal::SIGKILL)),
        status: Some(1),
        says: &["the editor failed", "fix: run it again"],
        left: Left::AsItWas,
    },
    Fault {
        name: "SIGINT",
        prepare: Scratch::waiting_editor,
        act: |it| during_edit(it, |tool, _| send(tool, Signal::SIGINT)),
        status: Some(130),
        says: &["interrupted"],
        left: Left::AsItWas,
    },
    Fault {
        name: "SIGTERM",
        prepare: Scratch::waiting_editor,
        act: |it| during_edit(it, |tool, _| send(tool, Signal::SIGTERM)),
        status: Some(130),
        says: &["interrupted"],
        left: Left::AsItWas,
    },
    Fault {
        name: "SIGHUP",
        prepare: Scratch::waiting_editor,
        act: |it| during_edit(it, |tool, _| send(tool, Signal::SIGHUP)),
        status: Some(130),
        says: &["interrupted"],
        left: Left::AsItWas,
    },
    Fault {
        name: "SIGKILL of the tool",
        prepare: Scratch::waiting_editor,
        act: killed_tool,
        status: None,
        says: &[],
        left: Left::AsItWas,
    },
];

/// Edits, runs `act` with the process ids of the tool and the editor while the editor waits, and
/// checks that nothing is left.
fn during_edit(scratch: &mut Scratch, act: fn(i32, i32)) -> Done {
    let running = scratch.start(&["secrets-edit"]);
    let (editor, file) = scratch.editor();
    scratch.assert_no_plaintext("while the editor is open");
    assert!(file.starts_with("/dev/shm"), "{}", file.display());
    assert_eq!(core_limit(editor), "1");
    act(running.child.id().cast_signed(), editor);
    let done = running.finish();
    assert!(!private_folder(&file).exists(), "the private folder is left");
    assert!(!is_running(editor), "the editor is left");
    done
}

/// Kills the tool. Its remains are only in memory, and the next task sweeps them, even another
/// fault's.
fn killed_tool(scratch: &mut Scratch) -> Done {
    let running = scratch.start(&["secrets-edit"]);
    let (editor, file) = scratch.editor();
    let sops = sops(editor);
    running.signal(Signal::SIGKILL);
    wait_until("the tool lives", || parent(sops) != running.child.id().cast_signed());
    scratch.assert_no_plaintext("after SIGKILL of the tool");
    // The editor that still runs is stopped by hand: it holds the pipes that `finish` reads.
    send(editor, Signal::SIGKILL);
    let done = running.finish();
    scratch.run(&["secrets-status"]).status(0);
    assert!(!private_folder(&file).exists(), "the private folder is left");
    done
}

/// Returns the folder in /dev/shm that contains a file at any depth.
fn private_folder(file: &Path) -> &Path {
    file.ancestors().find(|it| it.parent() == Some(Path::new("/dev/shm"))).unwrap()
}

fn send(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).unwrap();
}

/// Returns the sops that started an editor, by a shell.
fn sops(editor: i32) -> i32 {
    parent(parent(editor))
}

fn parent(pid: i32) -> i32 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    rest.split_whitespace().nth(1).map_or(0, |it| it.parse().unwrap())
}

fn is_running(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// Returns the limit in bytes.
fn core_limit(pid: i32) -> String {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let line = limits.lines().find(|it| it.starts_with("Max core file size")).unwrap();
    line.split_whitespace().nth(4).unwrap().to_owned()
}
