//! Many missions: what they share is read once, by programs whose number does not grow with theirs.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
};

use crate::checkout::Checkout;

/// Returns a checkout with `hello` and `others` more missions, in whose `PATH` git leaves a line for each call.
fn checkout(others: usize) -> Checkout {
    let checkout = Checkout::new();
    (0..others).for_each(|it| checkout.mission(&format!("mission-{it}")));
    checkout.run(&["image-update", "--all"]).status(0);
    checkout.git();
    checkout.commit();
    let (tools, bin) = (checkout.dir().join("tools"), checkout.dir().join("bin"));
    let git = fs::read_link(tools.join("git")).unwrap();
    symlink(git, bin.join("real-git")).unwrap();
    fs::remove_file(tools.join("git")).unwrap();
    let script = "#!/bin/bash\necho \"git $1\" >> \"$STAND_IN/git-calls\"\nexec real-git \"$@\"\n";
    fs::write(bin.join("git"), script).unwrap();
    fs::set_permissions(bin.join("git"), fs::Permissions::from_mode(0o755)).unwrap();
    checkout
}

/// Returns the calls of git and docker by a run with these arguments, without their values.
fn programs(checkout: &Checkout, args: &[&str]) -> Vec<String> {
    checkout.state("git-calls", "");
    let done = checkout.run(args).status(0);
    let calls = done.calls.iter().map(|it| it.line());
    let docker = calls.map(|it| it.split(' ').take(2).collect::<Vec<_>>().join(" "));
    let mut res: Vec<String> = docker.collect();
    res.extend(checkout.stand_in("git-calls").lines().map(str::to_owned));
    res.sort();
    res
}

#[test]
fn programs_that_run_once_for_all_missions() {
    let (few, many) = (checkout(1), checkout(12));
    let tasks: [&[&str]; 5] = [
        &["check"],
        &["list"],
        &["explain", "--all"],
        &["image-all", "--all", "--dry-run"],
        &["image-prune", "--dry-run"],
    ];
    for task in tasks {
        let expected = programs(&few, task);
        assert!(!expected.is_empty() || task == ["list"], "{task:?}");
        assert_eq!(programs(&many, task), expected, "{task:?}");
    }
}
