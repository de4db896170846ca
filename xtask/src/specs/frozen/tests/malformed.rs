//! Malformed frozen specs: each error names the line and a fix.

use std::path::Path;

use expect_test::expect;

use super::GOOD;
use crate::specs::frozen::canonical;

const HASH: &str =
    " --hash=sha256:39e7000000000000000000000000000000000000000000000000000000000000";
const COMMIT: &str = "@0123456789abcdef0123456789abcdef01234567";

/// Replaced text of [`GOOD`], and its replacement.
const CASES: &[(&str, &str)] = &[
    (GOOD, ""),
    ("# frozen: 1\n", ""),
    ("# frozen: 1", "# frozen: 2"),
    ("# frozen: 1", "# frozen: 1\n# frozen: 1"),
    ("# platform: linux/amd64\n", ""),
    ("linux/amd64", "windows/amd64"),
    ("# base: sha256:05d7c61d175b607b5505cc9573f931c8608476e2911057019f90f5731a2a3820", "# base:"),
    ("84.2.1 --hash=sha256:84e7", "84.2.1 --hash=sha256:zzzz"),
    ("# build: setuptools==84.2.1", "# build: setuptools>=84.2.1"),
    ("name: roman-cal\n", ""),
    ("name: roman-cal", "name:"),
    ("name: roman-cal", "name: [a]"),
    ("name: roman-cal", "name: roman-cal\nname: roman-cal"),
    ("channels:\n  - conda-forge\n", ""),
    ("channels:\n", "channels: conda-forge\n"),
    ("channels:\n", "channels\n"),
    ("  - conda-forge", "\t- conda-forge"),
    ("  - conda-forge", "  - https://me:secret@example.org/c"),
    ("  - python=3", "  - https://example.org/t/secret/c::python=3"),
    ("  - conda-forge", "  - {a: b}"),
    ("name: roman-cal", "name: roman-cal\nprefix: /opt/conda"),
    ("name: roman-cal", "name: roman-cal\nvariables:"),
    ("dependencies:", "dependencies:\n  - vcs:"),
    ("  - pip:\n", "  - pip:\n  - pip:\n"),
    ("  - pip:\n", ""),
    ("    - humanize", "     - humanize"),
    ("    - humanize", "    humanize"),
    ("    - humanize", "    - \"humanize"),
    ("    - humanize", "    -"),
    ("  - python=3.13.5=h0123456_0[", "  - python=3.13.5["),
    ("  - python=3.13.5=h0123456_0[", "  - pythom=3.13.5=h0123456_0["),
    ("subdir=linux-64,", ""),
    (",sha256=05d7", ",sha256=5d7"),
    ("  - pip:", "  - python=3.13.5\n  - pip:"),
    ("  - pip:", "  - numpy=2.5\n  - pip:"),
    ("humanize==4.10.0", "humanize==4.*"),
    ("humanize==4.10.0", "humanize>=4.10.0"),
    ("humanize==4.10.0", "humanize"),
    ("humanize==4.10.0", "humanize==latest"),
    ("humanize==4.10.0", "-humanize==4.10.0"),
    (HASH, ""),
    (" --hash=sha256:39e7", " --hash=sha256:39E7"),
    (" --hash=sha256:39e7", " --hash=md5:39e7"),
    (HASH, " --hash=sha256:39e70000 --hash=sha256:39e70000"),
    ("    - humanize==4.10.0", "    - humanize==4.10.0; python_version > \"3\""),
    ("    - humanize", "    - -e .\n    - humanize"),
    ("    - romancal==0.20", "    - Humanize==0.20"),
    (COMMIT, "@01234567"),
    (COMMIT, "@main"),
    (COMMIT, ""),
    ("git+https://example.org", "https://example.org"),
    ("git+https://example.org", "git+https://me:secret@example.org"),
    ("git+https://example.org", "git+ftp://example.org"),
    ("somepkg @", "some pkg @"),
    ("# via romancal", "# via romancal\u{7}"),
    ("roman-cal.pip\n    - somepkg", "r\u{fffd}man-cal.pip\n    - somepkg"),
];

#[test]
fn malformed_frozen_specs() {
    let mut res = String::new();
    for (old, new) in CASES {
        assert!(GOOD.contains(old), "{old}");
        let text = GOOD.replacen(old, new, 1);
        let problem = canonical(Path::new("f.yml"), &text, "roman-cal").unwrap_err();
        assert!(problem.line > 0 && !problem.fix.is_empty(), "{problem}");
        let shown = problem.to_string().replace(HASH, " …").replace(&HASH[26..], "…");
        res += &format!("{}\n", shown.split_once("\n").unwrap().0);
    }
    assert!(CASES.len() > 50 && !res.contains("secret"));
    expect![[r#"
        f.yml:1: not a frozen spec: the first line is not `# frozen: 1`
        f.yml:1: not a frozen spec: the first line is not `# frozen: 1`
        f.yml:1: unsupported format `2`; expected 1
        f.yml:2: duplicate line `# frozen:`
        f.yml:1: the line `# platform:` is missing
        f.yml:2: unsupported platform `windows/amd64`; expected linux/amd64 or linux/arm64
        f.yml:1: the line `# base:` is missing
        f.yml:4: `setuptools==84.2.1` has not exactly one sha256
        f.yml:4: `setuptools>=84.2.1 --hash=sha256:84e7…0000000` is not pinned to one version
        f.yml:1: the line `name:` is missing
        f.yml:5: an empty value
        f.yml:5: cannot read `[a]`
        f.yml:6: `name` stands here a second time
        f.yml:5: the list `channels:` is missing
        f.yml:6: this key has a list
        f.yml:6: cannot read `channels`
        f.yml:7: a tab in the indentation
        f.yml:7: a channel URL with credentials
        f.yml:9: a channel URL with credentials
        f.yml:7: cannot read `{a: b}`
        f.yml:6: unknown key `prefix`
        f.yml:6: unknown key `variables`
        f.yml:9: unknown list `vcs`
        f.yml:11: a second `pip:` list
        f.yml:10: this entry is indented differently from those above it
        f.yml:12: this entry is indented differently from those above it
        f.yml:12: cannot read `humanize==4.10.0 …`
        f.yml:12: cannot read the quotes of "humanize==4.10.0 …  # via romancal
        f.yml:12: cannot read `-==4.10.0 …`
        f.yml:9: `python=3.13.5[subdir=linux-64,fn=python-3.13.5-h0123456_0.conda,sha256=05d7c61d175b607b5505cc9573f931c8608476e2911057019f90f5731a2a3820]` is not pinned to one package file
        f.yml:5: no line says which python
        f.yml:9: `python=3.13.5=h0123456_0[fn=python-3.13.5-h0123456_0.conda,sha256=05d7c61d175b607b5505cc9573f931c8608476e2911057019f90f5731a2a3820]` is not pinned to one package file
        f.yml:9: `python=3.13.5=h0123456_0[subdir=linux-64,fn=python-3.13.5-h0123456_0.conda,sha256=5d7c61d175b607b5505cc9573f931c8608476e2911057019f90f5731a2a3820]` is not pinned to one package file
        f.yml:10: duplicate entry `python`, first listed on line 9
        f.yml:10: `numpy=2.5` is not pinned to one package file
        f.yml:12: `humanize==4.* …` is not pinned to one version
        f.yml:12: `humanize>=4.10.0 …` is not pinned to one version
        f.yml:12: `humanize …` is not pinned to one version
        f.yml:12: `humanize==latest …` is not pinned to one version
        f.yml:12: `-humanize` is not a package name
        f.yml:12: `humanize==4.10.0` has not exactly one sha256
        f.yml:12: `humanize==4.10.0` has not exactly one sha256
        f.yml:12: `humanize==4.10.0` has not exactly one sha256
        f.yml:12: `humanize==4.10.0` has not exactly one sha256
        f.yml:12: `humanize==4.10.0` has not exactly one sha256
        f.yml:12: `-e .` is not pinned to one version
        f.yml:13: duplicate entry `humanize`, first listed on line 12
        f.yml:14: `git+https://example.org/somepkg@01234567` does not end with a full commit (40 hex digits)
        f.yml:14: `git+https://example.org/somepkg@main` does not end with a full commit (40 hex digits)
        f.yml:14: `git+https://example.org/somepkg` does not end with a full commit (40 hex digits)
        f.yml:14: `https://example.org/somepkg` is not a git URL
        f.yml:14: `git+https://…@example.org/somepkg` holds credentials
        f.yml:14: `git+ftp://example.org/somepkg` is not a git URL
        f.yml:14: `some pkg` is not a package name
        f.yml:12: a control character
        f.yml:13: this line is not UTF-8
    "#]].assert_eq(&res);
}
