use expect_test::{Expect, expect};

use super::Config;
use crate::settings::layers::Sources;

/// Returns the settings of this repository's template with `set` on top.
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
        expect![[r#"USE_FROZEN=yes (--set): expected 0 (floating) or 1 (frozen)"#]],
    );
}

#[test]
fn frozen_floats() {
    let unpinned = |set: &[&str]| {
        config(set).unwrap().unpinned.map(|it| format!("{}={}", it.setting, it.reference))
    };
    let digest = format!("@sha256:{}", "a".repeat(64));
    assert_eq!(unpinned(&[]), None);
    assert_eq!(unpinned(&["BASE_IMAGE=x:1"]).as_deref(), Some("BASE_IMAGE=x:1"));
    assert_eq!(unpinned(&[&format!("BASE_IMAGE=x:1{digest}")]), None);
    assert_eq!(unpinned(&["DEBIAN_IMAGE=d:13"]).as_deref(), Some("DEBIAN_IMAGE=d:13"));
    assert_eq!(unpinned(&[&format!("BASE_IMAGE=x{digest}"), "DEBIAN_IMAGE=d:13"]), None);
}

#[test]
fn wrong_values() {
    check(
        &["ENVIRONMENT=live"],
        expect!["ENVIRONMENT=live (--set): expected sandbox, dev, test, staging or prod"],
    );
    check(
        &["PLATFORM=amd64"],
        expect!["PLATFORM=amd64 (--set): expected linux/amd64 or linux/arm64"],
    );
    check(
        &["IMAGE_TAG=a b"],
        expect![
            "IMAGE_TAG=a b (--set): expected a tag of up to 128 letters, digits, `_`, `.` and `-`"
        ],
    );
    check(
        &["REGISTRY=https://x"],
        expect!["REGISTRY=https://x (--set): write the host without a scheme, as in docker.io/org"],
    );
    check(&["IMAGE_RUN_PARS='a"], expect!["IMAGE_RUN_PARS='a (--set): missing closing quote"]);
    check(
        &["DEBIAN_IMAGE=debian@sha256:13"],
        expect![
            "DEBIAN_IMAGE=debian@sha256:13 (--set): expected a digest after `@`, as in debian:trixie-slim@sha256:<64 hex digits>"
        ],
    );
    check(&["REGISTERY=x"], expect!["--set REGISTERY: unknown setting; did you mean `REGISTRY`?"]);
}

/// Docker refused the name at the push, after build and tests.
#[test]
fn uppercase_registry() {
    check(
        &["REGISTRY=ghcr.io/MyOrg"],
        expect![
            "REGISTRY=ghcr.io/MyOrg (--set): `MyOrg` is not a valid part of an image's name; expected lower-case letters and digits, with `.`, `_` or `-` between them"
        ],
    );
    check(
        &["BASE_IMAGE=quay.io/Jupyter/base-notebook:1"],
        expect![
            "BASE_IMAGE=quay.io/Jupyter/base-notebook:1 (--set): `Jupyter` is not a valid part of an image's name; expected lower-case letters and digits, with `.`, `_` or `-` between them"
        ],
    );
}
