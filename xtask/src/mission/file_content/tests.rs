#![expect(clippy::disallowed_methods, reason = "tests write files")]

use std::{fs, os::unix::fs::symlink, path::Path};

use expect_test::{Expect, expect};

use super::{Content, bad_name, is_text};
use crate::run::text_file::read_text;

/// Returns a checkout with files and links: `name -> target`.
fn tree(files: &[(&str, &[u8])], links: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let make_parent = |path: &Path| fs::create_dir_all(path.parent().unwrap()).unwrap();
    for (name, bytes) in files {
        let path = dir.path().join(name);
        make_parent(&path);
        fs::write(path, bytes).unwrap();
    }
    for (name, target) in links {
        let path = dir.path().join(name);
        make_parent(&path);
        symlink(target, path).unwrap();
    }
    dir
}

#[track_caller]
fn check(dir: &tempfile::TempDir, name: &str, expect: Expect) {
    let content = Content::read(dir.path(), Path::new(name)).unwrap();
    assert!(content.unreadable.is_none() || content.text.is_empty());
    expect.assert_eq(&content.unreadable.map_or(content.text, |it| it.to_string()));
}

#[test]
fn texts_and_what_is_none() {
    let big = vec![b'x'; 1_000_000];
    let files: [(&str, &[u8]); 5] = [
        ("a", "m\u{fc}\n".as_bytes()),
        ("latin", b"a\nm\xfcll\n"),
        ("nul", b"a\n\n\0"),
        ("big", &big),
        ("empty", b""),
    ];
    let dir = tree(&files, &[]);
    check(
        &dir,
        "a",
        expect![[r#"
        mü
    "#]],
    );
    check(&dir, "empty", expect![[""]]);
    check(
        &dir,
        "latin",
        expect![[r#"
        latin:2: text-file: invalid UTF-8
            fix: save the file as plain UTF-8"#]],
    );
    check(
        &dir,
        "nul",
        expect![[r#"
        nul:3: text-file: not a text file: contains a NUL byte
            fix: save the file as plain UTF-8"#]],
    );
    check(
        &dir,
        "big",
        expect![[r#"
        big: large-file: this file has 1.0 MB
            fix: let a test or a build step fetch it, by its checksum"#]],
    );
    check(
        &dir,
        "gone",
        expect![[r#"
        gone: file-kind: the file does not exist
            fix: restore or write it"#]],
    );
    let err = read_text(dir.path(), Path::new("latin")).unwrap_err();
    expect![[r#"
        latin:2: text-file: invalid UTF-8
            fix: save the file as plain UTF-8"#]]
    .assert_eq(&err.to_string());
}

#[test]
fn links() {
    let links = [
        ("missions/m/in", "a/x"),
        ("missions/m/a/up", "../a/./x"),
        ("missions/m/out", "../n/x"),
        ("up", "missions/n/x"),
        ("out", "../x"),
        ("absolute", "/etc/passwd"),
        ("dangling", "gone"),
        ("loop", "loop"),
    ];
    let dir = tree(&[("missions/m/a/x", b"x"), ("missions/n/x", b"y")], &links);
    for name in ["missions/m/in", "missions/m/a/up", "up"] {
        check(&dir, name, expect![[""]]);
        let content = Content::follow(dir.path(), Path::new(name)).unwrap();
        assert!(content.unreadable.is_none() && content.text.len() == 1);
    }
    check(
        &dir,
        "missions/m/out",
        expect![[r#"
        missions/m/out: file-kind: the link to ../n/x leads out of the mission
            fix: copy the file instead"#]],
    );
    check(
        &dir,
        "out",
        expect![[r#"
        out: file-kind: the link to ../x leads out of the checkout
            fix: copy the file instead"#]],
    );
    check(
        &dir,
        "absolute",
        expect![[r#"
        absolute: file-kind: the link to /etc/passwd leads out of the checkout
            fix: copy the file instead"#]],
    );
    check(
        &dir,
        "dangling",
        expect![[r#"
        dangling: file-kind: the link to gone leads nowhere
            fix: correct or remove it"#]],
    );
    check(
        &dir,
        "loop",
        expect![[r#"
        loop: file-kind: the link to loop leads nowhere
            fix: correct or remove it"#]],
    );
}

#[test]
fn names() {
    for name in ["a", "a.b-c_d+e@f=g,h", "-a/b"] {
        assert_eq!(bad_name(Path::new(name)), None);
    }
    for name in ["-a", "a b", "a$b", "a'b", "\u{e9}", "a\tb", "a*b", "a~"] {
        assert!(bad_name(Path::new(name)).is_some(), "{name}");
    }
}

#[test]
fn what_is_read_as_text() {
    let texts = "x/Dockerfile Dockerfile.custom a.pip a.yaml a.conda a.ipynb e/tests/imports e/tests/commands kernel.name a.sh";
    assert!(texts.split(' ').all(|it| is_text(Path::new(it))));
    assert!("imports a.csv a.fits notebooks a.py".split(' ').all(|it| !is_text(Path::new(it))));
}
