use expect_test::{Expect, expect};

use super::Config;
use crate::settings::Sources;

/// The settings of this repository's template with `set` on top.
pub(crate) fn config(set: &[&str]) -> anyhow::Result<Config> {
    Config::new(&Sources::template_with(set)?.evaluate(None)?.0)
}

#[track_caller]
fn check(set: &[&str], expect: Expect) {
    let err = config(set).err().map(|err| format!("{err:#}"));
    expect.assert_eq(&err.unwrap_or_default());
}

#[test]
fn the_defaults_are_valid() {
    check(&[], expect![[""]]);
}

#[test]
fn string_flag() {
    check(
        &["USE_FROZEN=yes"],
        expect![[r#"USE_FROZEN=yes (--set): it is 0 (floating) or 1 (frozen)"#]],
    );
}

#[test]
fn frozen_floats() {
    check(
        &["BASE_IMAGE=quay.io/jupyter/scipy-notebook:2026-11-01"],
        expect![
            "BASE_IMAGE=quay.io/jupyter/scipy-notebook:2026-11-01 (--set): a frozen build needs the base by digest; write quay.io/jupyter/scipy-notebook:2026-11-01@sha256:<digest>, or set USE_FROZEN=0"
        ],
    );
    check(&["BASE_IMAGE=quay.io/jupyter/scipy-notebook:2026-11-01", "USE_FROZEN=0"], expect![[""]]);
}

#[test]
fn wrong_values() {
    check(
        &["ENVIRONMENT=live"],
        expect!["ENVIRONMENT=live (--set): it is sandbox, dev, test, staging or prod"],
    );
    check(&["PLATFORM=amd64"], expect!["PLATFORM=amd64 (--set): it is linux/amd64 or linux/arm64"]);
    check(
        &["IMAGE_TAG=a b"],
        expect!["IMAGE_TAG=a b (--set): a tag is up to 128 letters, digits, `_`, `.` and `-`"],
    );
    check(
        &["REGISTRY=https://x"],
        expect!["REGISTRY=https://x (--set): write the host without a scheme, as in docker.io/org"],
    );
    check(&["IMAGE_RUN_PARS='a"], expect!["IMAGE_RUN_PARS='a (--set): missing closing quote"]);
    check(
        &["DEBIAN_IMAGE=debian:13"],
        expect![
            "DEBIAN_IMAGE=debian:13 (--set): it needs a digest, as in debian:trixie-slim@sha256:<64 hex digits>"
        ],
    );
    check(
        &["REGISTERY=x"],
        expect!["--set REGISTERY: there is no such setting; did you mean `REGISTRY`?"],
    );
}
