//! Every task in a dry run: no program that changes something is called, and no file is written. A
//! task without `--dry-run` only prints answers, and the same applies to it.

use std::{collections::BTreeSet, process::Command};

use crate::{
    case::{Ran, run},
    in_parallel, judge,
    plan::{Call, Plan},
    tasks::{self, Task},
    world::{World, calls, faults, files},
};

/// Calls of programs that only read, by the start of their command lines.
const QUERIES: &[(&str, &[&str])] = &[
    (
        "docker",
        &[
            "version",
            "--version",
            "info",
            "image ls",
            "image inspect",
            "container inspect",
            "container ls",
            "network ls",
            "volume ls",
            "context inspect",
            "buildx version",
            "buildx inspect",
            "buildx ls",
            "context show",
            "manifest inspect",
        ],
    ),
    (
        "git",
        &[
            "rev-parse",
            "symbolic-ref",
            "config --get",
            "var",
            "rev-list",
            "merge-base",
            "ls-files",
            "ls-tree",
            "ls-remote",
            "cat-file",
            "log",
            "--no-replace-objects rev-list",
            "--no-replace-objects cat-file",
            "--no-replace-objects ls-tree",
            "--no-optional-locks --literal-pathspecs status",
            "--no-optional-locks status",
            "--literal-pathspecs ls-tree",
            // By an index of its own, in a temporary folder: ci-matrix. Of the checkout's, the
            // comparison of files tells.
            "read-tree",
            "checkout-index --quiet --all",
        ],
    ),
    ("sops", &["decrypt"]),
    ("python3", &["-c"]),
];

#[test]
fn every_task_in_a_dry_run() {
    let tasks: Vec<Task> = tasks::all().into_iter().chain(tasks::more()).collect();
    let names: BTreeSet<&str> = tasks.iter().map(|it| it.name()).collect();
    let missing: Vec<String> = in_help().into_iter().filter(|it| !names.contains(&**it)).collect();
    assert!(missing.is_empty(), "tasks without a dry run here: {missing:?}");
    let found: Vec<String> = in_parallel(&tasks, violations).concat();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Returns the names of all tasks that `--help` lists.
fn in_help() -> Vec<String> {
    let help = help(&["--help"]);
    let tasks = help.lines().skip_while(|it| *it != "Commands:").skip(1);
    let tasks = tasks.take_while(|it| it.starts_with("  ")).filter(|it| !it.starts_with("   "));
    let names: Vec<String> =
        tasks.filter_map(|it| it.split_whitespace().next()).map(str::to_owned).collect();
    assert!(names.len() > 20, "{names:?}");
    names.into_iter().filter(|it| it != "help").collect()
}

fn help(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask")).args(args).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn violations(task: &Task) -> Vec<String> {
    let world = (task.prepare)();
    let _ = std::fs::remove_file(faults(&*world).join("calls"));
    let before = files(&world.dir(), &["state"]);
    let ran = dry_run(&*world, task);
    let after = files(&world.dir(), &["state"]);
    let mut res = Vec::new();
    if !ran.status.is_some_and(|it| task.dry.contains(&it)) {
        res.push(format!("ended with {:?}\n{}{}", ran.status, ran.stdout, ran.stderr));
    }
    let changing = calls(&*world).into_iter().map(|it| it.call).filter(|it| !is_query(it));
    res.extend(changing.map(|it| format!("called {} {}", it.program, it.line)));
    let written = judge::differing(&before, &after);
    res.extend(written.iter().map(|it| format!("wrote {}", it.display())));
    res.iter().map(|it| format!("{}: {it}", task.name)).collect()
}

fn dry_run(world: &dyn World, task: &Task) -> Ran {
    let args: Vec<&str> = ["--dry-run"].into_iter().chain(task.args.iter().copied()).collect();
    let ran = run(world, task, &args, &Plan::Record);
    match ran.stderr.contains("does not accept `--dry-run`") {
        true => run(world, task, task.args, &Plan::Record),
        false => ran,
    }
}

fn is_query(call: &Call) -> bool {
    let of_program = QUERIES.iter().filter(|(program, _)| *program == call.program);
    of_program.flat_map(|(_, starts)| *starts).any(|it| call.line.starts_with(it))
}

#[test]
fn code_that_changes_something_without_a_permit_does_not_compile() {
    let file = "src/without_permit.rs";
    let text = std::fs::read_to_string(file).unwrap();
    let expected: Vec<(usize, &str)> = (1..)
        .zip(text.lines())
        .filter_map(|(line, it)| Some((line, it.split_once("//~ ")?.1)))
        .collect();
    assert!(expected.len() > 5);
    let args = "rustc --bin xtask --profile check --message-format short -- --cfg without_permit";
    let output = Command::new(env!("CARGO")).args(args.split(' ')).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    // `src/without_permit.rs:12:27: error[E0308]: …`
    let error = |it: &str| {
        let (place, message) = it.split_once(": error[")?;
        let line = place.split_once(&format!("{file}:"))?.1.split(':').next()?.parse().ok()?;
        Some((line, message.split(']').next()?.to_owned()))
    };
    let mut found: Vec<(usize, String)> = stderr.lines().filter_map(error).collect();
    found.sort();
    let found: Vec<(usize, &str)> = found.iter().map(|(line, it)| (*line, it.as_str())).collect();
    assert_eq!(found, expected, "{stderr}");
}
