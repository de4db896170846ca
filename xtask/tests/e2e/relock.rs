//! `relock` on the real index: a pull request's branch and text.

use crate::checkout::Checkout;

#[test]
fn new_frozen_specs_are_on_a_branch_and_the_working_tree_is_as_before() {
    let mut checkout = Checkout::of_copy("relocked");
    for name in ["AUTHOR", "COMMITTER"] {
        checkout.set(&format!("GIT_{name}_NAME"), "test");
        checkout.set(&format!("GIT_{name}_EMAIL"), "test@example.org");
    }
    // A spec that is behind its list, so that something changes whatever the index has today.
    let spec = "missions/relocked/environments/hello/hello-frozen.yml";
    let list = "missions/relocked/environments/hello/hello.pip";
    checkout.write(list, &(checkout.read(list) + "iniconfig\n"));
    checkout.commit();
    let old = checkout.read(spec);
    let run = checkout.run(&["relock", "relocked"]);
    assert_eq!(run.status, Some(0));
    assert!(run.stderr.contains("committed to relock/relocked"), "{}", run.stderr);
    let text = checkout.read("target/xtask/relock/relocked.md");
    assert!(text.contains(" tests passed\n") && text.contains("| iniconfig | "), "{text}");
    let new = checkout.git(&["show", &format!("relock/relocked:{spec}")]);
    assert!(new.contains("- iniconfig=="), "{new}");
    assert_eq!(checkout.read(spec), old);
    assert_eq!(checkout.git(&["status", "--porcelain"]), "");
    // What was committed is what a frozen build takes.
    checkout.git(&["checkout", "--quiet", "relock/relocked"]);
    assert_eq!(checkout.run(&["freeze", "--check", "hello"]).status, Some(0));
}
