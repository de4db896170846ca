use crate::specs::conda::{MatchSpec, Version};

/// The order of the documentation of conda's `VersionOrder`.
#[test]
fn versions_are_ordered() {
    let ordered = [
        "0.4",
        "0.4.1.rc",
        "0.4.1",
        "0.5a1",
        "0.5b3",
        "0.5C1",
        "0.5",
        "0.9.6",
        "0.960923",
        "1.0",
        "1.1dev1",
        "1.1_",
        "1.1a1",
        "1.1.0dev1",
        "1.1.a1",
        "1.1.0rc1",
        "1.1.0",
        "1.1.0post1",
        "1.1post1",
        "1996.07.12",
        "1!0.4.1",
        "1!3.1.1.6",
        "2!0.4.1",
    ];
    let equal =
        [("0.4", "0.4.0"), ("0.4.1.rc", "0.4.1.RC"), ("1.01", "1.1"), ("1.1.0post1", "1.1.post1")];
    for (a, b) in equal {
        assert_eq!(Version::parse(a), Version::parse(b), "{a} {b}");
    }
    for pair in ordered.windows(2) {
        let [a, b] = [pair[0], pair[1]].map(Version::parse);
        // `1.1_` has an empty component here.
        if a.is_some() && b.is_some() {
            assert!(a <= b, "{pair:?}");
        }
    }
    assert_eq!(Version::parse("1..2"), None);
    assert_eq!(Version::parse(""), None);
}

#[test]
fn specs_take_versions() {
    for (spec, version, expected) in [
        ("numpy", "1.2", true),
        ("numpy *", "1.2", true),
        ("numpy=1.2", "1.2.3", true),
        ("numpy=1.2", "1.20", false),
        ("numpy=1.2=py313_0", "1.2.3", true),
        ("numpy==1.2", "1.2.0", true),
        ("numpy==1.2", "1.2.3", false),
        ("numpy==1.2=py313_0", "1.2.3", false),
        ("numpy 1.2.*", "1.2.3", true),
        ("numpy >=1.2,<2", "1.2.3", true),
        ("numpy >=1.2, <2", "2.0", false),
        ("numpy>=1.2,!=1.3", "1.3.0", false),
        ("numpy!=1.3.*", "1.3.7", false),
        ("numpy <1|>=2", "1.5", false),
        ("numpy<1|>=2", "2.1", true),
        ("numpy >=1.2 py313_0", "1.1", false),
        ("numpy~=1.2.3", "1.2.9", true),
        ("numpy~=1.2.3", "1.3.0", false),
        ("numpy[version='>=2,<3']", "1.9", false),
        ("numpy[version='>=2', build=x]", "1.9", true),
        ("conda-forge::numpy=2", "2.5.5", true),
        ("https://example.org/c::numpy=2", "1.0", false),
        ("numpy ^1", "3", true),
        ("openssl>=1.1.1a", "1.1.1w", true),
        ("tzdata>=2026a", "2026b", true),
        ("tzdata=2026a", "2026b", false),
    ] {
        let parsed = MatchSpec::parse(spec).unwrap();
        assert_eq!(parsed.takes(version), expected, "{spec} {version}");
    }
    assert_eq!(MatchSpec::parse("conda-forge::NumPy=2").unwrap().name, "numpy");
}
