//! Lists of environment `base`.

use std::collections::BTreeMap;

use expect_test::expect;

use super::{START, generated, sources};
use crate::mission::dockerfile::asked::asked;

/// Hashed lists of base are in both modes; what must be solved is replaced by the frozen spec.
#[test]
fn what_a_step_of_base_sees_by_mode() {
    let hashed = format!("papermill==2.6 --hash=sha256:{}\n", "0".repeat(64));
    let files = [
        ("base/base.build", ""),
        ("base/hashed.pip", hashed.as_str()),
        ("base/lab.pip", "jupyterlab-git\n-c ../limits.pip\n"),
        ("limits.pip", "nbdime<5\n"),
    ];
    let custom = format!("{START}RUN env-update base hashed.pip\nRUN env-update base lab.pip\n");
    let text = generated(&custom, &files);
    let (start, end) = (text.find("FROM scratch").unwrap(), text.find("FROM specs-").unwrap());
    expect![[r#"
        FROM scratch AS specs-0
        WORKDIR /steps/1/base
        COPY --chmod=0644 environments/base/base.build environments/base/hashed.pip /steps/1/base/
        WORKDIR /steps/2
        COPY --chmod=0644 environments/limits.pip /steps/2/
        WORKDIR /steps/2/base
        COPY --chmod=0644 environments/base/base.build environments/base/lab.pip /steps/2/base/
        WORKDIR /environments
        COPY --chmod=0644 environments/limits.pip /environments/
        WORKDIR /environments/base
        COPY --chmod=0644 environments/base/base.build environments/base/hashed.pip environments/base/lab.pip /environments/base/

        FROM scratch AS specs-1
        WORKDIR /steps/1/base
        COPY --chmod=0644 environments/base/hashed.pip /steps/1/base/
        WORKDIR /steps/2/base
        COPY --chmod=0644 environments/base/base-frozen.ym[l] /steps/2/base/
        WORKDIR /environments/base
        COPY --chmod=0644 environments/base/base-frozen.ym[l] environments/base/base.build environments/base/hashed.pip /environments/base/

    "#]].assert_eq(&text[start..end]);
}

/// The frozen spec of `base` does not repeat its hashed lists, and a clone's does.
#[test]
fn hashed_lists_of_base_are_asked_for_in_clones() {
    let hashed = format!("papermill==2.6 --hash=sha256:{}\n", "0".repeat(64));
    let files = [("base/a.pip", hashed.as_str()), ("base/b.pip", "nbdime\n"), ("sky/x", "")];
    let custom = "ARG BASE_IMAGE=c\nFROM ${BASE_IMAGE}\n\
        RUN env-update base a.pip b.pip && env-clone base sky\n";
    let sources = sources(custom, &files);
    let model = sources.model().unwrap();
    let asked = asked(&sources, Some(&model), &BTreeMap::new(), &mut Vec::new());
    let names = |env: &str| -> Vec<&str> {
        asked[env].pip.iter().map(|it| it.what.name.as_str()).collect()
    };
    assert_eq!(names("base"), ["nbdime"]);
    assert_eq!(names("sky"), ["nbdime", "papermill"]);
}
