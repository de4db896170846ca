//! A checkout on a disk that is read-only, and on one that is full.

use crate::{
    checkout::{Checkout, Run},
    doctor::Machine,
};

/// An image with git.
const COMMON: &str = "science-platform/common:latest";

/// Fills the disk except for a few small files.
const FILL: &str = "
cp -r /checkout /small
head -c 32M /dev/zero > /small/fill || truncate --size=-16K /small/fill
";

#[test]
fn nothing_can_be_written() {
    let checkout = Checkout::new();
    let machine = Machine::start(&checkout, COMMON);
    let mission_new = |dir: &str| {
        machine.exec("root", &[], &["env", "-C", dir, "xtask", "mission-new", "euclid"])
    };
    lacks(&mission_new("/checkout"), "Read-only file system", "a clone that can be written to");

    machine.script(FILL);
    lacks(&mission_new("/small/checkout"), "No space left on device", "make room on that disk");
    machine.script("test ! -e /small/checkout/missions/euclid");
}

/// Checks that the run blames the machine, with a fix.
#[track_caller]
fn lacks(run: &Run, what: &str, fix: &str) {
    assert_eq!(run.status, Some(3));
    assert!(run.stderr.contains(what) && run.stderr.contains(fix), "{}", run.stderr);
}
