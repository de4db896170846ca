use expect_test::{Expect, expect};

use crate::{
    specs::{
        marker::{Marker, Target},
        requirement::{normalised, parse},
    },
    tools::platform::Platform,
};

#[test]
fn names_are_normalised() {
    for (name, expected) in
        [("A.b_C--d", "a-b-c-d"), ("numpy", "numpy"), ("zope.interface", "zope-interface")]
    {
        assert_eq!(normalised(name), expected);
    }
}

#[track_caller]
fn check(line: &str, expect: Expect) {
    let res = parse(line).unwrap();
    let marker = if res.marker.is_some() { "; marked" } else { "" };
    let wants = match res.wants {
        crate::specs::requirement::Wants::Versions(it) => it.to_string(),
        crate::specs::requirement::Wants::Git(url) => format!("@ {url}"),
    };
    let hashes: Vec<&str> = res.hashes.iter().map(|it| &it[..2]).collect();
    expect.assert_eq(&format!("{} {:?} {wants}{marker} {hashes:?}", res.name, res.extras));
}

#[test]
fn requirements_are_read() {
    check("NumPy", expect!["numpy []  []"]);
    check("numpy (>=2, <3)", expect!["numpy [] >=2, <3 []"]);
    check(
        "a[B_c,d] ~=1.2.0 ; python_version<'4'",
        expect![[r#"a ["b-c", "d"] ~=1.2.0; marked []"#]],
    );
    check("a>=1,", expect!["a [] >=1 []"]);
    check("a[]===1.0", expect!["a [] ===1.0 []"]);
    let hashes =
        format!("a==1!2.* --hash=sha256:{} --hash sha256:{}", "1".repeat(64), "2".repeat(64));
    check(&hashes, expect![[r#"a [] ==1!2.* ["11", "22"]"#]]);
    check(
        "a@git+ssh://git@example.org/a;b.git@v1#subdirectory=c ; os_name == 'x'",
        expect!["a [] @ git+ssh://git@example.org/a;b.git@v1#subdirectory=c; marked []"],
    );
    check("a[b] @ git+file:///srv/a", expect![[r#"a ["b"] @ git+file:///srv/a []"#]]);
}

/// The oracle is packaging's `Marker.evaluate`.
#[test]
fn markers_hold_or_not() {
    let target = Target { python: "3.13.5".to_owned(), platform: Platform::Arm64 };
    for (text, expected) in [
        ("python_version >= '3.9'", Some(true)),
        ("'3.9' > python_version", Some(false)),
        ("python_version in '3.12 3.13'", Some(true)),
        ("python_version not in \"3.12\"", Some(true)),
        ("python_full_version == '3.13.*'", Some(true)),
        ("implementation_version ~= '3.13'", Some(true)),
        ("sys_platform != 'linux'", Some(false)),
        ("os.name == 'posix' and platform.machine == 'aarch64'", Some(true)),
        ("platform_system == 'Darwin' or (python_version < '3' or os_name != 'nt')", Some(true)),
        ("implementation_name != '3.13'", Some(true)),
        ("extra == 'tests'", Some(false)),
        ("platform_release > '5'", None),
        ("platform_version == '' or os_name == 'posix'", Some(true)),
        ("platform_version == '' and os_name == 'posix'", None),
        ("platform_version == '' and os_name == 'nt'", Some(false)),
    ] {
        assert_eq!(Marker::parse(text).unwrap().holds(&target), expected, "{text}");
    }
}
