//! Completion in real shells that a machine need not have: both run in a container of the image
//! that is used to build root file systems.

use std::{os::unix::fs::PermissionsExt as _, process::Command};

use crate::{
    checkout::{Checkout, run, text},
    containers::{Container, docker},
};

/// zsh's completion system requires a terminal; the candidates are printed instead.
const ZSH: &str = r#"
compdef() { : }
compadd() { shift; print -l -- "$@" }
source /completion.zsh
words=(cargo xtask image-all --flo) CURRENT=4
_cargo_xtask
"#;

const FISH: &str = "source /completion.fish; complete --do-complete 'cargo xtask image-all --flo'";

#[test]
fn zsh_and_fish_ask_as_bash_does() {
    let checkout = Checkout::copied();
    let container =
        Container::start(&["--entrypoint", "sleep", "science-platform/rootfs:latest", "1d"]);
    let install =
        "apt-get update -qq && apt-get install -qq --yes --no-install-recommends zsh fish";
    exec(&container, &["bash", "-c", install]);
    for shell in ["zsh", "fish"] {
        let script = checkout.path(&format!("target/completion.{shell}"));
        std::fs::create_dir_all(script.parent().unwrap()).unwrap();
        std::fs::write(&script, checkout.run(&["completion", shell]).stdout).unwrap();
        copy(&container, script.to_str().unwrap(), &format!("/completion.{shell}"));
    }
    // The functions' question to cargo, and its answer.
    let cargo = checkout.path("target/cargo");
    std::fs::write(&cargo, "#!/bin/sh\necho \"$@\" >> /asked\necho --floating\n").unwrap();
    std::fs::set_permissions(&cargo, std::fs::Permissions::from_mode(0o755)).unwrap();
    copy(&container, cargo.to_str().unwrap(), "/usr/local/bin/cargo");
    for shell in [["zsh", "-fc", ZSH], ["fish", "-c", FISH]] {
        let offers = exec(&container, &shell);
        assert_eq!(offers.trim(), "--floating", "{shell:?}");
        // fish's completion of cargo itself asks questions too.
        let asked = exec(&container, &["tail", "--lines=1", "/asked"]);
        assert_eq!(asked.trim(), "--quiet xtask complete 2 -- xtask image-all --flo", "{shell:?}");
        exec(&container, &["rm", "/asked"]);
    }
}

fn exec(container: &Container, command: &[&str]) -> String {
    let mut exec: Command = docker(&[&["exec", &container.id], command].concat());
    text(&run(&mut exec))
}

fn copy(container: &Container, from: &str, to: &str) {
    run(&mut docker(&["cp", from, &format!("{}:{to}", container.id)]));
}
