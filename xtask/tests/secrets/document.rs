//! The commands of docs/secrets.md, run unchanged, in an empty home.

use std::fs;

use crate::{scratch::Scratch, servers};

#[test]
fn from_nothing_with_age() {
    check(&Scratch::empty(), "## From nothing to a pushed secret, with age");
}

#[test]
fn from_nothing_with_kms() {
    let mut scratch = Scratch::empty();
    servers::aws(&mut scratch);
    check(&scratch, "## The same with a key at AWS");
}

/// Runs the five commands below `title`; then the remote has a file that can be read.
fn check(scratch: &Scratch, title: &str) {
    let commands = commands(title);
    assert_eq!(commands.lines().count(), 5);
    scratch.bash(&commands);
    scratch.bash("git clone --quiet ~/hello-secrets.git ../theirs");
    let read = "sops decrypt --extract '[\"proxy\"][\"secretToken\"]' ../theirs/sandbox.yaml";
    assert_eq!(scratch.bash(read).len(), 64);
    assert_eq!(
        scratch.run(&["secrets-status"]).status(0).stdout.matches("you can read it").count(),
        1
    );
}

fn commands(title: &str) -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/secrets.md");
    let document = fs::read_to_string(path).unwrap();
    let (_, section) = document.split_once(title).expect("the section");
    let (_, block) = section.split_once("```bash\n").expect("a block of commands");
    block.split_once("```").unwrap().0.to_owned()
}
