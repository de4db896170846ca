use std::path::Path;

use expect_test::{Expect, expect};

use super::{Facts, findings};

const GOOD: Facts = Facts {
    missing_tools: Vec::new(),
    engine: None,
    buildkit: None,
    needs_rootfs: true,
    has_mmdebstrap: true,
    free: Some(100_000_000_000),
    has_apt: true,
    has_docker: true,
    names_an_engine: false,
};

#[track_caller]
fn check(facts: &Facts, expect: Expect) {
    let text: Vec<String> = findings(facts, Path::new("/"))
        .iter()
        .map(|it| format!("{}: {}\n    fix: {}\n", it.name, it.what, it.fix))
        .collect();
    expect.assert_eq(&text.concat());
}

#[test]
fn nothing_is_missing() {
    check(&GOOD, expect![[""]]);
}

#[test]
fn a_fresh_debian_gets_commands() {
    let engine = Some("there is no docker CLI on PATH".to_owned());
    let facts = Facts { engine, has_mmdebstrap: false, has_docker: false, free: None, ..GOOD };
    check(
        &facts,
        expect![[r#"
        engine: there is no docker CLI on PATH
            fix: cargo xtask doctor --fix, which runs
                apt-get update
                DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends docker.io
                service docker start
        rootfs: mmdebstrap is not on PATH; it makes the embedded base's root file system
            fix: cargo xtask doctor --fix, which runs
                apt-get update
                DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends mmdebstrap debian-archive-keyring
    "#]],
    );
}

#[test]
fn elsewhere_it_says_what_to_do() {
    let facts = Facts {
        engine: Some("no docker engine answers".to_owned()),
        buildkit: Some("/usr/bin/docker has neither".to_owned()),
        has_mmdebstrap: false,
        has_apt: false,
        free: Some(1_000_000_000),
        ..GOOD
    };
    check(
        &facts,
        expect![[r#"
        engine: no docker engine answers
            fix: install and start docker: https://docs.docker.com/engine/install/
        buildkit: /usr/bin/docker has neither
            fix: install the buildx plugin: https://docs.docker.com/build/install-buildx/
        rootfs: mmdebstrap is not on PATH; it makes the embedded base's root file system
            fix: install mmdebstrap, or set DEBIAN_IMAGE=debian:trixie-slim@sha256:<digest> (`docker pull debian:trixie-slim` prints the digest)
        disk: docker has 1000 MB of free disk space, a first build takes 6000
            fix: make room, for example with `docker system prune`
    "#]],
    );
}

#[test]
fn an_engine_that_was_named_is_not_replaced() {
    let engine = Some("no docker engine answers".to_owned());
    check(
        &Facts { engine, names_an_engine: true, ..GOOD },
        expect![[r#"
        engine: no docker engine answers
            fix: install and start docker: https://docs.docker.com/engine/install/
    "#]],
    );
}

#[test]
fn tools() {
    let facts = Facts { missing_tools: vec!["git"], has_apt: false, ..GOOD };
    check(
        &facts,
        expect![[r#"
        tools: not on PATH: git
            fix: install them
    "#]],
    );
}
