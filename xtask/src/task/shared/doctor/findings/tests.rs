use std::path::Path;

use expect_test::{Expect, expect};

use super::super::secrets::{Needs, missing_programs};
use super::findings;
use crate::task::shared::doctor::facts::{Answer, Facts, Problem};

const GOOD: Facts = Facts {
    missing_tools: Vec::new(),
    engine: None,
    buildkit: None,
    builder: None,
    needs_rootfs: true,
    has_mmdebstrap: true,
    free: Some(100_000_000_000),
    needed: 6_000_000_000,
    storage_driver: String::new(),
    has_apt: true,
    is_root: true,
    has_docker: true,
    is_docker_io: false,
    other_engine: None,
    registry: None,
    answers: Vec::new(),
    clock: Some(2),
    secrets: Vec::new(),
    clusters: Vec::new(),
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
    let engine = Some("no docker CLI on PATH".to_owned());
    let facts = Facts { engine, has_mmdebstrap: false, has_docker: false, free: None, ..GOOD };
    check(
        &facts,
        expect![[r#"
            engine: no docker CLI on PATH
                fix: cargo xtask doctor --fix, which runs
                    apt-get update
                    DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-remove docker.io
                    service docker start
            rootfs: mmdebstrap is not on PATH; the embedded base's root file system is built with it
                fix: cargo xtask doctor --fix, which runs
                    apt-get update
                    DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-remove --no-install-recommends mmdebstrap debian-archive-keyring
        "#]],
    );
}

#[test]
fn others_than_root_are_told_what_root_has_to_run() {
    let engine = Some("no docker CLI on PATH".to_owned());
    let facts = Facts { missing_tools: vec!["git"], is_root: false, ..GOOD };
    assert!(findings(&facts, Path::new("/")).iter().all(|it| it.commands.is_empty()));
    check(
        &Facts { engine, has_docker: false, ..facts },
        expect![[r#"
        tools: not on PATH: git
            fix: run as root
                apt-get update
                DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-remove --no-install-recommends git
        engine: no docker CLI on PATH
            fix: run as root
                apt-get update
                DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-remove docker.io
                service docker start
    "#]],
    );
    let engine = Some("no docker engine answers: permission denied while trying".to_owned());
    check(
        &Facts { engine, is_root: false, ..GOOD },
        expect![[r#"
        engine: no docker engine answers: permission denied while trying
            fix: let root add you to the group docker, whose members can do all that root can, and log in again: `usermod --append --groups docker <you>`
    "#]],
    );
}

#[test]
fn buildx_for_the_distribution_s_docker() {
    let buildkit = || Some("/usr/bin/docker has neither".to_owned());
    check(
        &Facts { buildkit: buildkit(), is_docker_io: true, ..GOOD },
        expect![[r#"
        buildkit: /usr/bin/docker has neither
            fix: cargo xtask doctor --fix, which runs
                apt-get update
                DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-remove --no-install-recommends docker-buildx
    "#]],
    );
    check(
        &Facts { buildkit: buildkit(), ..GOOD },
        expect![[r#"
        buildkit: /usr/bin/docker has neither
            fix: install the buildx plugin: https://docs.docker.com/build/install-buildx/
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
        rootfs: mmdebstrap is not on PATH; the embedded base's root file system is built with it
            fix: install mmdebstrap, or set DEBIAN_IMAGE=debian:trixie-slim@sha256:<digest> (`docker pull debian:trixie-slim` prints the digest)
        disk: docker has 1000 MB of free disk space; the images that are not there yet, and what builds keep, take about 6000
            fix: make room, for example with `docker system prune`
    "#]],
    );
}

#[test]
fn an_engine_that_was_named_is_not_replaced() {
    let engine = Some("no docker engine answers".to_owned());
    check(
        &Facts { engine: engine.clone(), other_engine: Some("DOCKER_HOST"), ..GOOD },
        expect![[r#"
            engine: no docker engine answers
                fix: start the engine that DOCKER_HOST names, or unset it
        "#]],
    );
    let named = Some("DOCKER_HOST");
    let facts = Facts { engine: engine.clone(), other_engine: named, has_docker: false, ..GOOD };
    check(
        &facts,
        expect![[r#"
        engine: no docker engine answers
            fix: install docker's CLI, to talk to the engine that DOCKER_HOST names: the packages docker-ce-cli and docker-buildx-plugin of https://docs.docker.com/engine/install/
    "#]],
    );
    check(
        &Facts { engine, other_engine: Some("podman"), has_docker: false, ..GOOD },
        expect![[r#"
            engine: no docker engine answers
                fix: install docker beside podman, whose build cache misses changes of mounted files: https://docs.docker.com/engine/install/
        "#]],
    );
}

#[test]
fn the_network() {
    let answer = |problem| Answer {
        setting: "PIP_INDEX_URL",
        url: "https://host/simple/pip/".to_owned(),
        problem,
    };
    let text = || "some reason".to_owned();
    let answers = vec![
        answer(None),
        answer(Some(Problem::Tls(text()))),
        answer(Some(Problem::Proxy(text()))),
        answer(Some(Problem::Network(text()))),
        answer(Some(Problem::Status(404))),
    ];
    let registry = Some("cannot ask for quay.io/us/none:none: unauthorized".to_owned());
    check(
        &Facts { answers, registry, clock: Some(-4000), ..GOOD },
        expect![[r#"
        registry: cannot ask for quay.io/us/none:none: unauthorized
            fix: `docker login` to it, or correct REGISTRY
        ca: https://host/simple/pip/ does not answer as it should: some reason
            fix: set CA_BUNDLE to a file with the certificates that your network's proxy signs with
        proxy: https://host/simple/pip/ does not answer as it should: some reason
            fix: correct HTTPS_PROXY, HTTP_PROXY and NO_PROXY
        network: https://host/simple/pip/ does not answer as it should: some reason
            fix: set PIP_INDEX_URL to a mirror that this machine reaches
        network: https://host/simple/pip/ does not answer as it should: status 404
            fix: correct PIP_INDEX_URL
        clock: this machine's clock is 4000 s behind of others': certificates fail
            fix: set it: `timedatectl set-ntp true`; restart a docker that runs in a virtual machine
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

#[test]
fn where_there_are_secrets_it_says_how_to_get_the_tools() {
    let needs = Needs { sops: true, age: true, aws: true };
    let secrets = missing_programs(needs, |_| false);
    check(
        &Facts { secrets, ..GOOD },
        expect![[r#"
            secrets: sops is not on PATH, which encrypts the secrets
                fix: download it from https://github.com/getsops/sops/releases and check its signature as described there
            secrets: age-keygen is not on PATH, which makes keys for sops
                fix: cargo xtask doctor --fix, which runs
                    apt-get update
                    DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-remove --no-install-recommends age
            secrets: aws is not on PATH, which logs in to AWS
                fix: install it: https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html
        "#]],
    );
    let needs = Needs { sops: true, ..Needs::default() };
    assert_eq!(missing_programs(needs, |it| it == "sops"), []);
}
