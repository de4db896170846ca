//! The tasks, each with the preparation that gives it work.

use std::fs;

use crate::{checkout::Checkout, images, secrets, world::World};

/// A task with its arguments.
pub(crate) struct Task {
    /// Name in the summary.
    pub(crate) name: &'static str,
    /// Prepares the world of the task.
    pub(crate) prepare: fn() -> Box<dyn World>,
    pub(crate) args: &'static [&'static str],
    pub(crate) stdin: &'static str,
    /// Status of a run without a fault.
    pub(crate) status: i32,
    /// Possible statuses of its dry run.
    pub(crate) dry: &'static [i32],
    /// Messages about incomplete information, with which answers are valid, too.
    pub(crate) honest: &'static [&'static str],
    /// Start of the call that the user attends, who waits for it and sees its output.
    pub(crate) attended: Option<&'static str>,
}

const fn task(
    name: &'static str,
    prepare: fn() -> Box<dyn World>,
    args: &'static [&'static str],
) -> Task {
    Task { name, prepare, args, stdin: "", status: 0, dry: &[0], honest: &[], attended: None }
}

impl Task {
    /// Returns the name in `--help`.
    pub(crate) fn name(&self) -> &'static str {
        let is_flag = |it: &&&str| it.starts_with("--");
        let start = if self.args.first().is_some_and(|it| is_flag(&it)) { 2 } else { 0 };
        self.args[start]
    }
}

/// Returns tasks without faults: they take long, or do the same as others.
pub(crate) fn more() -> Vec<Task> {
    vec![
        task("image-lab", built, &["image-lab"]),
        task("bench", built, &["bench"]),
        task("bench --cold", built, &["bench", "--cold"]),
        // First checks whether this machine lacks something, its network included.
        Task { dry: &[0, 3], ..task("ci", in_git, &["ci", "--engine", "default"]) },
        Task { dry: &[0, 3], ..task("ci on its own engine", in_git, &["ci"]) },
        task("freeze --check", frozen_in_git, &["freeze", "--check"]),
        // No curl is on PATH there.
        Task { dry: &[3], ..task("outdated", frozen_in_git, &["outdated"]) },
        // Git has no name for commits there.
        Task { dry: &[0, 2], ..task("relock", frozen_in_git, &["relock"]) },
        task("doctor --fix", built, &["doctor", "--offline", "--fix", "--yes"]),
        Task { dry: &[1], ..task("image-update --check", empty, &["image-update", "--check"]) },
        // The registry on this machine does not run there.
        Task { dry: &[1], ..task("image-list", built, &["image-list"]) },
        // No part of the tests ran there.
        Task { dry: &[2], ..task("receipt merge", built, &["receipt", "merge", "a.json"]) },
        Task { dry: &[1], ..task("image-diff", built, &["image-diff", "hello", "a", "b"]) },
        task("image-prune", built, &["image-prune", "--keep", "0"]),
        // The registry on this machine does not run there.
        Task { dry: &[1], ..task("image-prune --registry", built, &["image-prune", "--registry"]) },
        task("hub-render", with_hub, &["hub-render", "--env", "prod"]),
        // No kubectl is on PATH there.
        Task {
            dry: &[3],
            ..task("hub-deploy", with_known_chart, &["hub-deploy", "--env", "prod"])
        },
        task("hub-chart", with_hub, &["hub-chart", "update"]),
        task("completion", empty, &["completion", "bash"]),
        task("hub-up", with_hub_values, &["hub-up", "--detach"]),
        task("image-test --hub", with_hub_values, &["image-test", "--hub"]),
        task("hub-down", built, &["hub-down", "--volumes", "--yes"]),
        // No hub runs there.
        Task { dry: &[1], ..task("hub-status", built, &["hub-status"]) },
        Task { dry: &[1], ..task("hub-logs", built, &["hub-logs"]) },
        // Needs kubectl, which is not on PATH there.
        Task { dry: &[3], ..task("hub-status --env", with_hub, &["hub-status", "--env", "prod"]) },
        Task { dry: &[3], ..task("hub-rollback", with_hub, &["hub-rollback", "--env", "prod"]) },
        Task { dry: &[3], ..task("hub-history", with_hub, &["hub-history", "--env", "prod"]) },
        Task { dry: &[1], ..task("hub-smoke", built, &["hub-smoke"]) },
        // No image is in the registry there.
        Task {
            dry: &[1, 3],
            ..task(
                "image-test --on",
                with_hub,
                &["--set", "ENVIRONMENT=prod", "image-test", "--on", "kubernetes"],
            )
        },
    ]
}

pub(crate) fn all() -> Vec<Task> {
    // A call gets every fault in the first task that has it. Tasks of several others come last: each of
    // their cases takes as long as all of those together.
    vec![
        task("image-base", empty, &["image-base"]),
        task("image-build", empty, &["image-build"]),
        task("image-build floating", empty, &["image-build", "--floating"]),
        task("image-test", built, &["image-test"]),
        task("image-test --shard", built, &["image-test", "--shard", "2/2"]),
        task("try", built, &["try", "--add", "scipy"]),
        task("image-push", tested, &["--set", "REGISTRY=quay.io/us", "image-push"]),
        task(
            "image-push --candidate",
            built,
            &["--set", "REGISTRY=quay.io/us", "image-push", "--candidate"],
        ),
        task("image-push --promote", pushed, &["image-push", "--promote", "latest-prod"]),
        task("receipt", pushed_elsewhere, &["receipt", "show", "quay.io/us/hello@DIGEST"]),
        task("report", pushed, &["report"]),
        task("freeze", empty, &["freeze"]),
        // The stand-in's image from a frozen spec produces another spec.
        Task { status: 1, ..task("freeze --verify", empty, &["freeze", "--verify"]) },
        task("explain", built, &["explain"]),
        Task {
            attended: Some("run "),
            ..task("image-exec", built, &["image-exec", "echo", "word"])
        },
        Task { attended: Some("run "), ..task("image-sh", built, &["image-sh"]) },
        task("check", in_git, &["check"]),
        task("check --fix", in_git, &["check", "--fix"]),
        Task {
            honest: &["all missions count as changed"],
            ..task("ci-matrix", frozen_in_git, &["ci-matrix", "--since", "HEAD"])
        },
        task("doctor", built, &["doctor", "--offline"]),
        task("diff", frozen_in_git, &["diff", "hello"]),
        task(
            "diff --image",
            built_floating,
            &["--set", "USE_FROZEN=0", "diff", "hello", "--image"],
        ),
        task("when", frozen_in_git, &["when", "numpy"]),
        task("image-update", empty, &["image-update"]),
        task("mission-new", empty, &["mission-new", "euclid"]),
        task("config", empty, &["config"]),
        task("list", empty, &["list"]),
        task("hub-values", with_hub, &["hub-values", "--env", "prod"]),
        task("secrets-clone", not_cloned, &["secrets-clone"]),
        task("secrets-init", cloned, &["--set", "ENVIRONMENT=prod", "secrets-init"]),
        task("secrets-edit", cloned, &["secrets-edit"]),
        task("secrets-cat", cloned, &["secrets-cat", "hub.secret"]),
        Task { stdin: "another", ..task("secrets-set", cloned, &["secrets-set", "hub.secret"]) },
        Task {
            stdin: "[\"ann\", \"bob\"]",
            ..task("secrets-set list", cloned, &["secrets-set", "--as-json", "hub.admins"])
        },
        task("secrets-diff", ahead, &["secrets-diff"]),
        Task {
            honest: &["cannot be reached", "cannot read"],
            ..task("secrets-status", ahead, &["secrets-status"])
        },
        task("secrets-push", ahead, &["secrets-push"]),
        task("secrets-push role", ahead_with_role, &["secrets-push"]),
        task("why", frozen_in_git, &["why", "numpy"]),
        task("image-all again", changed, &["image-all"]),
        task("image-all", empty, &["image-all"]),
        task("quickstart", empty, &["quickstart"]),
    ]
}

/// A mission with values of a hub, and no secrets.
fn with_hub() -> Box<dyn World> {
    with_chart("")
}

/// The same, and the chart's archive is known.
fn with_known_chart() -> Box<dyn World> {
    with_chart(&format!("sha256: {}\n", "a".repeat(64)))
}

/// `known` is the end of the chart's lock.
fn with_chart(known: &str) -> Box<dyn World> {
    let checkout = images::checkout();
    let file = checkout.root().join("missions/hello/hub/prod.yaml");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, "singleuser: {cmd: a}\n").unwrap();
    fs::create_dir_all(checkout.root().join("common/hub")).unwrap();
    let lock = "repository: http://127.0.0.1:9/\nname: a\nversion: 1.0.0\nappVersion: 1.0.0\nkubeVersion: null\n";
    let lock = lock.to_owned() + known;
    fs::write(checkout.root().join("common/hub/chart.lock.yaml"), lock).unwrap();
    Box::new(checkout)
}

fn after(args: &[&[&str]]) -> Checkout {
    let checkout = images::checkout();
    for args in args {
        checkout.run(args).status(0);
    }
    checkout
}

fn empty() -> Box<dyn World> {
    Box::new(after(&[]))
}

fn built() -> Box<dyn World> {
    Box::new(after(&[&["image-build"]]))
}

fn built_floating() -> Box<dyn World> {
    Box::new(after(&[&["image-build", "--floating"]]))
}

fn tested() -> Box<dyn World> {
    Box::new(after(&[&["image-build"], &["image-test"]]))
}

fn with_hub_values() -> Box<dyn World> {
    let checkout = after(&[&["image-build"], &["image-test"]]);
    checkout.file("missions/hello/hub/local.yaml", "{}\n");
    Box::new(checkout)
}

fn pushed() -> Box<dyn World> {
    Box::new(after(&[&["image-all"]]))
}

fn pushed_elsewhere() -> Box<dyn World> {
    Box::new(after(&[&["--set", "REGISTRY=quay.io/us", "image-all"]]))
}

/// Returns a world with an earlier published version.
fn changed() -> Box<dyn World> {
    let checkout = after(&[&["image-all"]]);
    checkout.file("missions/hello/environments/hello/tests/imports", "numpy\nscipy\n");
    Box::new(checkout)
}

fn in_git() -> Box<dyn World> {
    let checkout = after(&[&["image-update"]]);
    checkout.git();
    Box::new(checkout)
}

fn frozen_in_git() -> Box<dyn World> {
    let checkout = after(&[&["freeze"]]);
    checkout.git();
    checkout.commit();
    Box::new(checkout)
}

fn cloned() -> Box<dyn World> {
    Box::new(secrets::scratch())
}

fn not_cloned() -> Box<dyn World> {
    let scratch = secrets::scratch();
    scratch.bash("rm -rf secrets");
    Box::new(scratch)
}

fn ahead() -> Box<dyn World> {
    let scratch = secrets::scratch();
    scratch.run_with(&["secrets-set", "hub.secret"], "another").status(0);
    Box::new(scratch)
}

fn ahead_with_role() -> Box<dyn World> {
    let mut scratch = secrets::scratch();
    scratch.run_with(&["secrets-set", "hub.secret"], "another").status(0);
    scratch.set("SECRETS_ROLE_ARN", "arn:aws:iam::123456789012:role/secrets");
    Box::new(scratch)
}
