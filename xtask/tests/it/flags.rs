//! Each task accepts exactly the flags that its help lists.

use crate::checkout::Checkout;

/// Flags that may precede the task.
const COMMON: &[&[&str]] =
    &[&["--json"], &["--dry-run"], &["--verbose"], &["--set", "IMAGE_TAG=a"]];

/// Returns the names of the tasks that `cargo xtask --help` lists.
fn tasks(checkout: &Checkout) -> Vec<String> {
    let help = checkout.run(&["--help"]).status(0).stdout;
    let (_, rest) = help.split_once("Commands:\n").unwrap();
    let (list, _) = rest.split_once("\n\n").unwrap();
    let names = list.lines().filter_map(|it| it.split_whitespace().next());
    names.filter(|it| *it != "help").map(str::to_owned).collect()
}

/// Returns a command line of a task, with a word for each argument and option that its usage requires.
fn command_line(task: &str, help: &str) -> Vec<String> {
    let usage = help.lines().find_map(|it| it.strip_prefix("Usage: cargo xtask ")).unwrap();
    let words = usage.split_whitespace().filter(|it| it.starts_with(['<', '-']));
    let value = |word| match word {
        "<SHELL>" => "bash",
        "<COMMAND>" if task == "receipt" => "show",
        _ if word.starts_with('-') => word,
        _ => "word",
    };
    [task].into_iter().chain(words.map(value)).map(str::to_owned).collect()
}

#[test]
fn flags_that_help_does_not_list_are_refused() {
    let checkout = Checkout::new();
    let tasks = tasks(&checkout);
    assert!(tasks.len() > 30, "{tasks:?}");
    let mut refused = 0;
    for task in &tasks {
        let help = checkout.run(&[task, "--help"]).status(0).stdout;
        let line = command_line(task, &help);
        let words: Vec<&str> = line.iter().map(String::as_str).collect();
        // The tasks below these have the flags.
        let is_group = ["receipt", "hub-chart"].contains(&task.as_str());
        let flags = COMMON.iter().filter(|it| !help.contains(it[0]) && !is_group);
        for flag in flags {
            let before = [*flag, words.as_slice()].concat();
            let done = checkout.run(&before).status(2).did_nothing();
            done.says(&format!("`{task}` does not accept `{}`", flag[0]));
            refused += 1;
        }
    }
    assert!(refused > 40, "{refused}");
}

#[test]
fn quickstart_prints_one_json_document() {
    let checkout = Checkout::new();
    checkout.script("../tools/mmdebstrap", "#!/bin/bash\n");
    let done = checkout.run(&["--json", "quickstart"]).status(0);
    assert_eq!(done.json()["images"].as_array().unwrap().len(), 4);
}
