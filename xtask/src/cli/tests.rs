use clap::{Command, CommandFactory as _};
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
