//! Completion, with a real bash. `cargo xtask ci` tries zsh and fish too, end to end.

use std::process::Command;

use crate::checkout::Checkout;

/// Returns bash's candidates for the last of `words`, with this tool's functions.
fn offers(checkout: &Checkout, words: &[&str]) -> Vec<String> {
    let cargo = format!("#!/bin/bash\nexec {} \"${{@:3}}\"\n", env!("CARGO_BIN_EXE_xtask"));
    checkout.script("../tools/cargo", &cargo);
    let script = checkout.run(&["completion", "bash"]).status(0).stdout;
    let ask = format!(
        "{script}\nCOMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1))\n_cargo_xtask\nprintf '%s\\n' \"${{COMPREPLY[@]}}\""
    );
    let output = Command::new("bash")
        .args(["-euc", &ask, "bash"])
        .args(words)
        .current_dir(checkout.root())
        .env_clear()
        .env("PATH", checkout.dir().join("tools"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn bash_offers_tasks_flags_missions_and_environments() {
    let checkout = Checkout::new();
    checkout.mission("roman");
    assert_eq!(offers(&checkout, &["cargo", "xtask", "image-t"]), ["image-test"]);
    assert_eq!(offers(&checkout, &["cargo", "xtask", "image-all", "--flo"]), ["--floating"]);
    assert_eq!(offers(&checkout, &["cargo", "xtask", "image-sh", "ro"]), ["roman"]);
    let all = offers(&checkout, &["cargo", "xtask", "freeze", ""]);
    assert!(all.contains(&"hello".to_owned()) && all.contains(&"roman".to_owned()), "{all:?}");
    assert_eq!(offers(&checkout, &["cargo", "bu"]), [""]);
}
