//! Output on a terminal: no untrusted text controls it; and output to a reader that has closed its
//! pipe.

use std::{
    fs::{self, File},
    io::pipe,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::checkout::Checkout;

/// Tasks whose result goes to stdout.
const PRINTING: &[&[&str]] = &[
    &["--help"],
    &["completion", "bash"],
    &["complete", "1", "xtask", "im"],
    &["list"],
    &["--json", "list"],
    &["config"],
    &["--json", "config"],
    &["check"],
    &["--json", "check"],
    &["explain"],
    &["image-update", "--check"],
    &["doctor"],
    &["why", "python"],
    &["diff"],
    &["when", "python"],
    &["freeze", "--check"],
    &["-n", "image-all"],
    &["-n", "freeze", "--verify"],
    &["-n", "image-exec", "ls"],
    &["-n", "image-lab"],
    &["-n", "report"],
    &["report"],
    &["--json", "report"],
    &["wrong"],
];

/// The status is the same as with a reader; a panic would be status 101.
#[test]
fn closed_pipe() {
    let checkout = Checkout::new();
    checkout.git();
    checkout.run(&["image-build"]).status(0);
    for args in PRINTING {
        let with_reader = checkout.run(args).code();
        let run = |closes_stderr: bool| {
            let (reader, writer) = pipe().unwrap();
            drop(reader);
            let said = checkout.dir().join("said");
            let mut command = checkout.command(args);
            command.stdout(writer.try_clone().unwrap()).stderr(File::create(&said).unwrap());
            if closes_stderr {
                command.stderr(writer);
            }
            let status = command.status().unwrap().code();
            (status, fs::read_to_string(said).unwrap())
        };
        let (status, said) = run(false);
        assert_eq!(status, with_reader, "{args:?}: {said}");
        assert!(!said.to_lowercase().contains("pipe"), "{args:?}: {said}");
        assert_eq!(run(true).0, with_reader, "{args:?} with both streams closed");
    }
}

/// The command lines of the report, with a reader that ends early.
#[test]
fn closed_pipe_of_the_report() {
    let checkout = Checkout::clone_of_this_repository();
    let lines = include_str!("cases/closed-pipe/how").lines();
    for line in lines.filter(|it| it.starts_with("cargo xtask ")) {
        let line = line.replace("cargo xtask", env!("CARGO_BIN_EXE_xtask"));
        let script = format!("{line} > /dev/null; echo \"${{PIPESTATUS[0]}}\"");
        let mut command = Command::new("bash");
        let ran = checkout.command(&[]);
        command.args(["-c", &script]).current_dir(checkout.root()).env_clear();
        command.envs(ran.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let path = ran.get_envs().find(|it| it.0 == "PATH").unwrap().1.unwrap();
        command.env("PATH", format!("{}:/usr/bin:/bin", path.to_str().unwrap()));
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!said.contains("panicked") && !said.contains("error"), "{line}: {said}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "0\n", "{line}");
    }
}

/// Work goes on without a reader, and its status is its own.
#[test]
fn work_without_a_reader() {
    let checkout = Checkout::new();
    let status = |failing: &[&str]| {
        checkout.failing(failing);
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let mut command = checkout.command(&["--json", "--verbose", "image-all"]);
        command.stdout(writer.try_clone().unwrap()).stderr(writer).status().unwrap().code()
    };
    assert_eq!(status(&["numpy"]), Some(1));
    assert_eq!(checkout.published("hello"), [""; 0]);
    assert_eq!(status(&[]), Some(0));
    assert!(!checkout.published("hello:latest-sandbox").is_empty());
}

/// A result that could not be written is not a success.
#[test]
fn full_disk_behind_stdout() {
    let checkout = Checkout::new();
    for args in [&["config"] as &[&str], &["--json", "list"], &["--help"]] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut command = checkout.command(args);
        let child = command.stdout(full).stderr(Stdio::piped()).spawn().unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(said.contains("error: cannot write to stdout: No space left on device"), "{said}");
    }
}

/// The clipboard (OSC 52), the title, a colour, a line drawn over, C1, and a turned direction.
const HOSTILE: &str =
    "\x1b]52;c;cm0gLXJm\x07\x1b]0;done\x1b\\\x1b[31m\x08\rdone\u{9d}52;c;x\u{9c}\u{202e}enod\x7f";

fn is_hostile(c: char) -> bool {
    (c.is_control() && !"\n\t".contains(c)) || "\u{202e}\u{2028}\u{2066}".contains(c)
}

#[track_caller]
fn assert_harmless(text: &str, of: &str) {
    assert!(!text.contains(is_hostile), "{of}: {text:?}");
}

/// Checks all files below `target/xtask` that people open in a terminal.
fn assert_harmless_files(dir: &Path) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            assert_harmless_files(&path);
        } else if path
            .extension()
            .is_some_and(|it| ["log", "xml", "html"].contains(&it.to_str().unwrap()))
        {
            assert_harmless(&fs::read_to_string(&path).unwrap(), path.to_str().unwrap());
        }
    }
}

/// Output of tests, builds and engines, on both streams and in logs.
#[test]
fn control_characters_of_programs() {
    let mut checkout = Checkout::new();
    checkout.flaw(json!({ "on": "start --attach", "stdout": format!("{HOSTILE}\n"), "stderr": format!("{HOSTILE}\n") }));
    for args in [&["image-all"] as &[&str], &["--verbose", "image-all"], &["--json", "image-all"]] {
        checkout.failing(&["numpy"]);
        let done = checkout.run(args);
        assert_harmless(&done.stderr, "stderr");
        assert_harmless(&done.stdout, "stdout");
    }
    checkout.fail("buildx build", 1, &format!("#9 ERROR {HOSTILE}\n{HOSTILE}\n"));
    let done = checkout.run(&["--verbose", "image-build", "--floating"]).status(1);
    assert_harmless(&done.stderr, "stderr");
    assert_harmless_files(&checkout.root().join("target/xtask"));
}

/// A test's name, message and command come from the image.
#[test]
fn control_characters_of_tests() {
    let checkout = Checkout::new();
    checkout.run(&["image-build"]).status(0);
    let mut state = checkout.knows();
    let name = format!("plot.ipynb{HOSTILE}\nhello: done\ndone");
    for image in state["images"].as_array_mut().unwrap() {
        for test in image["tests"].as_array_mut().unwrap() {
            test["name"] = Value::from(name.clone());
        }
    }
    checkout.state("state.json", &state.to_string());
    let done = checkout.run(&["image-test"]).status(1);
    assert_harmless(&done.stderr, "stderr");
    let forged = |it: &str| it == "done" || it.starts_with("hello: done");
    assert!(!done.stderr.lines().any(forged), "{}", done.stderr);
    let done = checkout.run(&["--json", "image-test", "--again"]).status(1);
    assert_harmless(&done.stdout, "stdout");
    assert!(done.json()["images"].is_array());
    checkout.run(&["report"]);
    assert_harmless_files(&checkout.root().join("target/xtask"));
}

/// File names, in findings, errors and JSON: no line is forged, and JSON keeps the name.
#[test]
fn control_characters_of_names() {
    let checkout = Checkout::new();
    let name = format!("a{HOSTILE}\nmissions/hello/Dockerfile: fine\nb.pip");
    checkout.file(&format!("missions/hello/environments/hello/{name}"), "numpy ==\n");
    checkout.git();
    for args in [
        &["check"] as &[&str],
        &["image-update"],
        &["-n", "image-all"],
        &["explain"],
        &["--json", "check"],
    ] {
        let done = checkout.run(args);
        assert!(done.code() != Some(0), "{args:?}");
        for text in [&done.stderr, &done.stdout] {
            assert_harmless(text, &args.join(" "));
            let forged = |it: &str| it.starts_with("missions/hello/Dockerfile:");
            assert!(!text.lines().any(forged), "{text}");
        }
    }
    let done = checkout.run(&["--json", "check"]).status(1);
    assert!(done.json().is_array());
    // Words of the command line and of settings.
    for args in [
        &[HOSTILE] as &[&str],
        &["image-all", HOSTILE],
        &["--set", HOSTILE, "list"],
        &["why", HOSTILE],
    ] {
        let done = checkout.run(args);
        assert!(done.code() != Some(0), "{args:?}");
        assert_harmless(&done.stderr, &args.join(" "));
    }
}
