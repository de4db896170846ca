use expect_test::expect;

use super::{updates, write};
use crate::{mission::checkout::Checkout, run::files};

/// Returns a checkout with the missions `a`, which is generated, and `b`, which is not.
fn checkout() -> (tempfile::TempDir, Checkout) {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in [
        ("common/image/Dockerfile.trailer", "USER root\n"),
        ("missions/a/Dockerfile.custom", "ARG BASE_IMAGE=c\nFROM ${BASE_IMAGE}\n"),
        ("missions/b/Dockerfile", "FROM x\n"),
    ] {
        files::write(
            crate::run::process::Permit::of_test(),
            &dir.path().join(path),
            text.as_bytes(),
        )
        .unwrap();
    }
    let checkout = Checkout::read(dir.path()).unwrap();
    (dir, checkout)
}

#[test]
fn writes_what_differs_and_nothing_else() {
    let (dir, checkout) = checkout();
    let missions: Vec<_> = checkout.missions.iter().collect();
    let wanted = updates(&checkout, &missions).unwrap();
    assert_eq!(wanted.len(), 1);
    assert!(wanted[0].differs());
    write(crate::run::process::Permit::of_test(), &checkout, &wanted).unwrap();
    assert!(!updates(&checkout, &missions).unwrap()[0].differs());
    let own = fs_err::read_to_string(dir.path().join("missions/b/Dockerfile")).unwrap();
    assert_eq!(own, "FROM x\n");
}

#[test]
fn a_difference_is_shown_as_a_diff() {
    let (dir, checkout) = checkout();
    let missions: Vec<_> = checkout.missions.iter().collect();
    write(
        crate::run::process::Permit::of_test(),
        &checkout,
        &updates(&checkout, &missions).unwrap(),
    )
    .unwrap();
    let trailer = dir.path().join("common/image/Dockerfile.trailer");
    files::write(crate::run::process::Permit::of_test(), &trailer, b"USER root\nUSER 1000\n")
        .unwrap();
    let diff = updates(&checkout, &missions).unwrap()[0].diff();
    let lines: Vec<&str> = diff.lines().filter(|it| it.starts_with(['+', '-', '@'])).collect();
    expect![[r#"
        --- missions/a/Dockerfile
        +++ missions/a/Dockerfile
        @@ -20,3 +20,4 @@
        +USER 1000"#]]
    .assert_eq(&lines.join("\n"));
}

#[test]
fn all_findings_of_all_missions_are_told() {
    let (dir, _) = checkout();
    files::write(
        crate::run::process::Permit::of_test(),
        &dir.path().join("missions/a/Dockerfile.custom"),
        b"RUM a\n",
    )
    .unwrap();
    files::write(
        crate::run::process::Permit::of_test(),
        &dir.path().join("missions/c/README.md"),
        b"",
    )
    .unwrap();
    let checkout = Checkout::read(dir.path()).unwrap();
    let err = updates(&checkout, &checkout.missions.iter().collect::<Vec<_>>()).unwrap_err();
    assert_eq!(crate::run::failure::status(&err), 2);
    expect![[r#"
        no Dockerfile can be generated
        missions/a/Dockerfile.custom:1: dockerfile: unknown instruction `RUM`
            fix: a line that goes on needs a `\` at its end; a comment, a `#` before it
        missions/c: dockerfile: missing Dockerfile.custom
            fix: write one; missions/hello has an example"#]]
    .assert_eq(&err.to_string());
    assert!(!dir.path().join("missions/a/Dockerfile").exists());
}
