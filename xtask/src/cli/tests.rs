use clap::{Command, CommandFactory as _, Parser as _};
use expect_test::expect_file;

use super::Cli;

#[test]
fn the_command_line_is_sound() {
    Cli::command().debug_assert();
}

/// `UPDATE_EXPECT=1 cargo test` writes the document anew.
#[test]
fn docs_tasks_md_is_what_help_says() {
    let mut text = "\
<!-- Written from `cargo xtask --help` by `UPDATE_EXPECT=1 cargo test docs`. -->
# Tasks
"
    .to_owned();
    let mut cli = Cli::command();
    cli.build();
    text += &section(&mut cli, "cargo xtask");
    for task in cli.get_subcommands_mut().filter(|it| it.get_name() != "help") {
        let name = task.get_name().to_owned();
        text += &section(task, &name);
    }
    expect_file!["../../../docs/tasks.md"].assert_eq(&text);
}

/// What `--help` prints of a task and of its own tasks. The flags of every task are told once.
fn section(command: &mut Command, name: &str) -> String {
    let help = command.render_help().to_string();
    let help = if name == "cargo xtask" { help } else { without_common_flags(&help) };
    let help = help.lines().map(|it| format!("    {it}").trim_end().to_owned() + "\n");
    let mut res = format!("\n## {name}\n\n{}", help.collect::<String>());
    if name != "cargo xtask" {
        for task in command.get_subcommands_mut().filter(|it| it.get_name() != "help") {
            let name = format!("{name} {}", task.get_name());
            res += &section(task, &name);
        }
    }
    res
}

fn without_common_flags(help: &str) -> String {
    let (before, rest) = help.split_once("For every task:\n").unwrap();
    let after = rest.split_once("\n\n").map_or("", |it| it.1);
    if after.is_empty() { before.trim_end().to_owned() } else { before.to_owned() + after }
}

/// The commands that a text tells people to run, one per line after four spaces or in backquotes.
fn commands(text: &str) -> Vec<Vec<String>> {
    let blocks = text.lines().filter_map(|it| it.strip_prefix("    cargo xtask "));
    let quoted =
        text.split('`').skip(1).step_by(2).filter_map(|it| it.strip_prefix("cargo xtask "));
    let words = |it: &str| {
        let it = it.split("  ").next().unwrap_or_default();
        let it = it.split(" #").next().unwrap_or_default();
        shell_words::split(it).unwrap()
    };
    blocks.chain(quoted).map(words).collect()
}

/// What documents say of the command line is a command line.
#[test]
fn docs_name_tasks_and_flags_that_exist() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let docs = std::fs::read_dir(format!("{root}/docs")).unwrap();
    let mut files: Vec<_> = docs.map(|it| it.unwrap().path()).collect();
    files.push(format!("{root}/README.md").into());
    for file in files.iter().filter(|it| it.extension().is_some_and(|it| it == "md")) {
        if file.ends_with("tasks.md") {
            continue;
        }
        for command in commands(&std::fs::read_to_string(file).unwrap()) {
            if command.iter().any(|it| it.contains(['<', '…']) || it == "TASK" || it == "--help")
            {
                continue;
            }
            let name = command.join(" ");
            let args = ["cargo xtask".to_owned()].into_iter().chain(command);
            if let Err(err) = Cli::try_parse_from(args) {
                panic!("{}: `cargo xtask {name}`: {err}", file.display());
            }
        }
    }
}
