use clap::Command;
use expect_test::{expect, expect_file};

use super::Cli;

#[test]
fn the_command_line_is_sound() {
    Cli::command().debug_assert();
}

/// `UPDATE_EXPECT=1 cargo test` writes the document.
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

/// Returns the help of a task and of its subtasks.
fn section(command: &mut Command, name: &str) -> String {
    let help = command.render_help().to_string();
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

fn parse(line: &str) -> Result<Cli, String> {
    let words = ["xtask"].into_iter().chain(line.split(' '));
    Cli::parse(words.map(Into::into)).map_err(|err| err.render().to_string())
}

#[test]
fn common_flags_before_and_after_the_task() {
    let cli = parse("-n -v --set A=1 image-all --set B=2 roman").unwrap();
    assert_eq!((cli.dry_run, cli.json, cli.verbose), (true, false, true));
    assert_eq!(cli.set, ["A=1", "B=2"]);
    let cli = parse("config --json --floating").unwrap();
    assert_eq!((cli.json, cli.task.mode()), (true, Some("USE_FROZEN=0")));
    assert_eq!(parse("freeze --verify").unwrap().task.mode(), Some("USE_FROZEN=1"));
    parse("image-exec ls -n --json").unwrap();
}

#[test]
fn flags_without_effect_are_refused() {
    for (line, said) in [
        ("image-build --again", "unexpected argument '--again'"),
        ("image-update --frozen", "unexpected argument '--frozen'"),
        ("image-update --floating", "unexpected argument '--floating'"),
        ("image-lab --json", "unexpected argument '--json'"),
        ("list -n", "unexpected argument '-n'"),
        ("--json mission-new a", "`mission-new` does not accept `--json`"),
        ("-n explain", "`explain` does not accept `--dry-run`"),
        ("--set A=1 completion bash", "`completion` does not accept `--set`"),
        ("-n image-all --json", "exclude each other"),
    ] {
        let err = parse(line).unwrap_err();
        assert!(err.contains(said) && err.contains("--help"), "{line}: {err}");
    }
}

/// A task that changes anything takes `--dry-run`, one
/// that answers a question takes `--json`.
#[test]
fn common_flags_of_each_task() {
    let mut cli = Cli::command();
    cli.build();
    let names = ["json", "dry_run", "verbose", "set", "frozen", "floating"];
    let line = |task: &Command, of: &str| {
        let has = |id: &&str| task.get_arguments().any(|it| it.get_id().as_str() == *id);
        let flags: Vec<&str> = names.iter().copied().filter(has).collect();
        format!("{of}{}: {}\n", task.get_name(), flags.join(" "))
    };
    let mut text = String::new();
    for task in cli.get_subcommands().filter(|it| it.get_name() != "help") {
        text += &line(task, "");
        let own = task.get_subcommands().filter(|it| it.get_name() != "help");
        own.for_each(|it| text += &line(it, &format!("{} ", task.get_name())));
    }
    expect![[r#"
        quickstart: json dry_run verbose set
        doctor: json dry_run verbose set
        image-update: json dry_run set
        image-base: json dry_run verbose set
        image-build: json dry_run verbose set frozen floating
        image-test: json dry_run verbose set frozen floating
        try: json dry_run verbose set
        image-push: json dry_run verbose set frozen floating
        report: json dry_run verbose set frozen floating
        receipt: 
        receipt show: json dry_run set
        receipt merge: json dry_run set
        image-list: json set
        image-diff: json set
        image-prune: json dry_run set
        image-all: json dry_run verbose set frozen floating
        image-exec: dry_run set frozen floating
        image-sh: dry_run set frozen floating
        image-lab: dry_run set frozen floating
        explain: json set frozen floating
        freeze: json dry_run verbose set
        outdated: json set
        relock: dry_run verbose set
        why: json set
        when: json set
        diff: json dry_run set
        secrets-clone: dry_run set
        secrets-init: dry_run set
        secrets-edit: dry_run set
        secrets-cat: json set
        secrets-set: dry_run set
        secrets-diff: json set
        secrets-status: json dry_run set
        secrets-push: dry_run set
        hub-values: json set
        hub-render: dry_run set
        hub-chart: 
        hub-chart update: dry_run set
        hub-deploy: json dry_run set
        hub-up: dry_run verbose set frozen floating
        hub-down: dry_run set
        hub-status: json set
        hub-history: json set
        hub-rollback: dry_run set
        hub-logs: set
        hub-smoke: json dry_run set
        check: json dry_run set
        ci-matrix: json set frozen floating
        config: json set frozen floating
        list: json set
        mission-new: dry_run set
        completion: 
        complete: 
        bench: json dry_run
        ci: dry_run verbose set
    "#]]
    .assert_eq(&text);
}
