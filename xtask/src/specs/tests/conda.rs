use crate::{
    run::redact::in_channel,
    specs::conda::{MatchSpec, Version},
};

/// The order in the documentation of conda's `VersionOrder`.
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
        let [a, b] = [pair[0], pair[1]].map(|it| Version::parse(it).unwrap());
        assert!(a <= b, "{pair:?}");
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
        ("numpy~=1", "2.4.6", true),
        ("numpy[version='>=2,<3']", "1.9", false),
        ("numpy[version='>=2', build=x]", "1.9", false),
        ("conda-forge::numpy=2", "2.5.5", true),
        ("https://example.org/c::numpy=2", "1.0", false),
        ("numpy ^1", "3", true),
        ("openssl>=1.1.1a", "1.1.1w", true),
        ("tzdata>=2026a", "2026b", true),
        ("tzdata=2026a", "2026b", false),
        ("numpy=", "1.2", true),
        ("numpy=1.2[md5=0123]", "1.3", false),
        ("numpy[build=x, version = 2.*]", "2.1", true),
        ("*[name=numpy, version='>=2']", "1.9", false),
    ] {
        let parsed = MatchSpec::parse(spec).unwrap();
        assert_eq!(parsed.takes(version), expected, "{spec} {version}");
    }
    assert_eq!(MatchSpec::parse("conda-forge::NumPy=2").unwrap().name, "numpy");
}

/// Issue 10, defect 13: match specs with any version and a build are valid.
#[test]
fn what_only_conda_can_judge_is_not_refused() {
    for (spec, name, version, expected) in [
        ("blas=*=openblas", "blas", "2.1", true),
        ("jaxlib=*=*cuda*", "jaxlib", "0.5", true),
        ("numpy=*", "numpy", "2", true),
        ("numpy==*", "numpy", "2", true),
        ("_openmp_mutex=*=*_llvm", "_openmp_mutex", "4.5", true),
        ("hdf5=1.14.*=nompi*", "hdf5", "1.14.3", true),
        ("hdf5=1.14.*=nompi*", "hdf5", "1.12", false),
        ("hdf5 * nompi_*", "hdf5", "1.12", true),
        ("conda-forge/linux-64::NumPy=2", "numpy", "1.9", false),
        ("https://example.org/c/linux-64::numpy 2.*", "numpy", "2.5", true),
        ("defaults/*::numpy", "numpy", "1", true),
        ("numpy[md5=0123456789abcdef]", "numpy", "1", true),
        ("*[name=numpy]", "numpy", "1", true),
        ("conda-forge::*[name='NumPy']", "numpy", "1", true),
        ("numpy[channel='https://example.org/a::b']", "numpy", "1", true),
        ("numpy 1.1_", "numpy", "3", false),
        ("numpy ^1", "numpy", "3", true),
        ("numpy=1.2=py313_0=x=y", "numpy", "3", true),
        ("numpy (>=1|<0.5),!=1.3", "numpy", "3", true),
        ("__glibc>=2.17", "__glibc", "2.36", true),
        ("numpy if python>=3", "numpy", "3", true),
        ("numpy; if python>=3", "numpy", "3", true),
        ("python_abi 3.13.* *_cp313", "python_abi", "3.13", true),
        ("python_abi 3.13.* *_cp313", "python_abi", "3.12", false),
        ("tk 8.6.*,>=8.6.12,<8.7.0a0", "tk", "8.6.13", true),
        ("blas * mkl", "blas", "2", true),
        ("numpy >=1.7 =py3*", "numpy", "1.6", false),
        ("cudatoolkit=11|12.*", "cudatoolkit", "12.4", true),
        ("numpy 1.8.1 py27_0 [features=mkl]", "numpy", "1.8.1", true),
        ("pytorch[version='>=1.8',build='*cuda*']", "pytorch", "1.7", false),
        ("numpy >=1.8,<2|1.9", "numpy", "3", false),
        ("py*-client>=2", "py*-client", "3", true),
        ("*[md5=0123456789abcdef]", "*", "3", true),
    ] {
        let parsed = MatchSpec::parse(spec).unwrap_or_else(|err| panic!("{err}"));
        assert_eq!((parsed.name.as_str(), parsed.takes(version)), (name, expected), "{spec}");
    }
}

#[test]
fn a_version_alone_is_exact_in_depends() {
    for (text, version, expected) in [
        ("numpy", "1.2", true),
        ("numpy 1.2", "1.2.0", true),
        ("numpy 1.2 py313_0", "1.2.3", false),
        ("numpy 1.2.*", "1.2.3", true),
        ("numpy >=1.2,<2.0a0", "2.0", false),
        ("numpy >=1.2, <2.0a0", "1.9", true),
        ("numpy 1.2|1.3", "1.3", true),
        ("numpy=1.2", "1.2.3", true),
        ("libblas 3.9.0 37_h4a7cf45_openblas", "3.11.0", false),
    ] {
        let parsed = MatchSpec::of_dependency(text).unwrap();
        assert_eq!(parsed.takes(version), expected, "{text} {version}");
    }
    for text in ["", " ", "\u{1b}[31m 1", "numpy 1.2 \u{7}", ">=1"] {
        assert_eq!(MatchSpec::of_dependency(text), None, "{text:?}");
    }
}

#[test]
fn what_is_certainly_wrong_is_refused() {
    for spec in [
        ">=2",
        "::",
        "conda-forge::",
        "conda-forge::>=2",
        "-e",
        "--hash=sha256:0123",
        "numpy --hash=sha256:0123",
        "numpy @ git+https://example.org/numpy",
        "numpy@1.2",
        "numpy; python_version > '3'",
        "numpy>=1; python_version > '3'",
        "numpy[version='>=1'",
        "numpy,scipy",
        "numpy ==",
        "https://example.org/linux-64/numpy-2.5-0.conda",
    ] {
        assert!(MatchSpec::parse(spec).is_err(), "{spec}");
    }
}

#[derive(serde::Deserialize)]
struct Cases {
    valid: Vec<(String, String)>,
    refused: Vec<String>,
    credentials: Vec<String>,
}

/// `common/image/tests/test_conda_lines.py` reads the same lines.
#[test]
fn cases_of_host_and_scripts() {
    let text = include_str!("../../../../common/image/tests/conda_lines.json");
    let cases: Cases = serde_json::from_str(text).unwrap();
    for (line, name) in &cases.valid {
        assert_eq!(MatchSpec::parse(line).unwrap().name, *name, "{line}");
        assert!(!in_channel(line), "{line}");
    }
    assert!(cases.refused.iter().all(|it| MatchSpec::parse(it).is_err()));
    assert!(cases.credentials.iter().all(|it| in_channel(it)));
}
