#![expect(clippy::disallowed_methods, reason = "tests write files")]

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use expect_test::{Expect, expect};

use super::{BuildContext, Filter};
use crate::mission::file_content::stays_inside;

fn read(dir: &Path) -> BuildContext {
    BuildContext::read(dir, &dir.join(".dockerignore")).unwrap()
}

fn digest(context: &BuildContext) -> String {
    let mut hasher = blake3::Hasher::new();
    context.hash(&mut hasher);
    hasher.finalize().to_hex().to_string()
}

#[test]
fn modes_are_normalised_and_what_is_staged_is_what_was_read() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    fs::create_dir_all(root.join("a/__pycache__")).unwrap();
    fs::write(root.join(".dockerignore"), "# closed\n*\n!a\n**/__pycache__\n").unwrap();
    fs::write(root.join("a/x"), "1").unwrap();
    fs::write(root.join("a/__pycache__/y"), "2").unwrap();
    fs::write(root.join("b"), "3").unwrap();
    fs::set_permissions(root.join("a/x"), fs::Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::symlink("x", root.join("a/link")).unwrap();
    let context = read(root);
    let names: Vec<_> = context.entries.keys().map(|it| it.to_str().unwrap()).collect();
    assert_eq!(names, ["a/link", "a/x"]);

    fs::set_permissions(root.join("a/x"), fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(digest(&read(root)), digest(&context));
    fs::set_permissions(root.join("a/x"), fs::Permissions::from_mode(0o600)).unwrap();
    assert_ne!(digest(&read(root)), digest(&context));

    let staged = root.join("staged");
    context.stage(crate::run::process::Permit::of_test(), &staged).unwrap();
    fs::write(staged.join(".dockerignore"), "*\n!a\n").unwrap();
    assert_eq!(read(&staged), context);
}

#[test]
fn only_literal_names_are_let_in() {
    #[track_caller]
    fn check(text: &str, expect: Expect) {
        let err = Filter::parse(text).err().map(|err| format!("{err:#}"));
        expect.assert_eq(&err.unwrap_or_default());
    }
    check("*\n!a/b\n**/x\n", expect![[""]]);
    check("a\n", expect!["the first pattern must be `*`: the context names what it needs"]);
    check("*\n!*.pip\n", expect!["line 2: `!*.pip`: write `!literal/name` or `**/name`"]);
    check("*\nfoo\n", expect!["line 2: `foo`: write `!literal/name` or `**/name`"]);
}

#[test]
fn links_out_of_the_context() {
    let inside = |name: &str, target: &str| stays_inside(Path::new(name), Path::new(target));
    assert!(inside("a/b", "../c"));
    assert!(!inside("a/b", "../../c"));
    assert!(!inside("a", "/etc/passwd"));
    assert!(inside("a/b", "./c/../d"));
}
