use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{Kind, all, includes, is_frozen, kind, modes, normal};
use crate::settings::config::Mode;

/// LESSONS extension-cut: the kind was the text after the first dot of the path.
#[test]
fn extension_cut() {
    for (path, expected) in [
        ("./x.pip", Some(Kind::Pip)),
        ("py3.8/x.pip", Some(Kind::Pip)),
        ("foo.v2.pip", Some(Kind::Pip)),
        ("x.yaml", Some(Kind::Yaml)),
        ("x.yml", Some(Kind::Yaml)),
        ("x.conda", Some(Kind::Conda)),
        ("x.pip.txt", None),
        ("pip", None),
    ] {
        assert_eq!(kind(Path::new(path)), expected, "{path}");
    }
}

/// LESSONS name-contains-base: names are compared whole.
#[test]
fn name_contains_base() {
    let both: &[Mode] = &[Mode::Floating, Mode::Frozen];
    let floating: &[Mode] = &[Mode::Floating];
    let hashed = format!("numpy==2 --hash=sha256:{}\n", "0".repeat(64));
    let files = files(&[
        ("base/base-frozen.yml", &format!("dependencies:\n- pip:\n  - {hashed}")),
        ("base/base.yml", "dependencies:\n- pip:\n  - numpy\n"),
        ("base/lab.pip", &hashed),
        ("base/limited.pip", &format!("-c lab.pip\n{hashed}")),
        ("base/open.pip", &format!("-r lab.pip\n{}", hashed.replace("==2", "==2.*"))),
        ("base/with.pip", "# none\n-r lab.pip\n"),
        ("base/without.pip", "numpy==2\n"),
    ]);
    for (path, expected) in [
        ("base/lab.pip", both),
        ("base/with.pip", both),
        ("base/open.pip", floating),
        ("base/without.pip", floating),
        ("base/limited.pip", floating),
        ("base/base.yml", floating),
        ("base/base-frozen.yml", &[Mode::Frozen]),
        ("database-tools/x.pip", &[Mode::Floating]),
        ("hello/hello-frozen.yml", &[Mode::Frozen]),
        ("hello/other-frozen.yml", &[Mode::Floating]),
        ("hello/old/hello-frozen.yml", &[Mode::Floating]),
    ] {
        assert_eq!(modes(Path::new(path), &files), expected, "{path}");
    }
}

fn files(files: &[(&str, &str)]) -> BTreeMap<PathBuf, String> {
    files.iter().map(|(path, text)| (path.into(), (*text).to_owned())).collect()
}

/// Only what must be solved is frozen: not the base image, and not what is hashed.
#[test]
fn a_base_with_lists_to_solve_is_frozen() {
    let hashed = format!("numpy==2 --hash=sha256:{}\n", "0".repeat(64));
    for (text, expected) in [(Some("numpy\n"), true), (Some(&hashed), false), (None, false)] {
        let list = text.map(|it| ("base/base.pip", it));
        let lists: Vec<_> = list.into_iter().chain([("base/tests/imports", "numpy\n")]).collect();
        assert_eq!(is_frozen("base", &files(&lists)), expected, "{text:?}");
        assert!(is_frozen("sky", &files(&lists)));
    }
}

#[test]
fn includes_of_pip_and_of_yaml() {
    let text = "numpy\n-r a.txt  # why\n--constraint=b/c.pip\n  -cd.txt\n# -r e\n-r https://x.org/f\n\
        dependencies:\n- pip:\n  - -r g.pip\n  - \"-r h i.pip\"\n-e .\n--no-cache\n";
    let expected = [(2, "a.txt"), (3, "b/c.pip"), (4, "d.txt"), (9, "g.pip"), (10, "h i.pip")];
    assert_eq!(includes(text), expected);
}

#[test]
fn lists_are_found_by_name_and_by_inclusion() {
    let files = [
        ("README.pip", ""),
        ("a/a.pip", "-r ../b/common.txt\n"),
        ("a/notes.txt", ""),
        ("a/tests/data.yml", ""),
        ("b/common.txt", "-c ../a/a.pip\n"),
    ];
    let files = self::files(&files);
    let found: Vec<_> =
        all(&files).into_iter().map(|it| it.to_string_lossy().into_owned()).collect();
    assert_eq!(found, ["README.pip", "a/a.pip", "b/common.txt"]);
}

#[test]
fn paths_without_detours() {
    assert_eq!(normal(Path::new("a/./b/../c")).as_deref(), Some(Path::new("a/c")));
    assert_eq!(normal(Path::new("a/../../b")), None);
}

mod cases;
pub(crate) mod form;
mod malformed;
mod requirement;
mod conda;
