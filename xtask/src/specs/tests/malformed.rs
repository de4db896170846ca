//! Malformed floating lists: each error names the line and a fix.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use expect_test::expect;

use crate::specs::read::{Spec, Texts, read};

/// Lists with one problem each.
const CASES: &[(&str, &str)] = &[
    ("a.pip", "numpy\nnumpy>=\n"),
    ("a.pip", "\n# A comment.\nnumpy>=2;\n"),
    ("a.pip", "numpy >> 2\n"),
    ("a.pip", "numpy==1..2\n"),
    ("a.pip", "numpy=2\n"),
    ("a.pip", "numpy 2\n"),
    ("a.pip", "numpy>=2004d\n"),
    ("a.pip", "numpy~=2\n"),
    ("a.pip", "numpy[a\n"),
    ("a.pip", "numpy[a b]\n"),
    ("a.pip", "_numpy\n"),
    ("a.pip", "numpy-\n"),
    ("a.pip", "nümpy\n"),
    ("a.pip", "n\u{fffd}mpy\n"),
    ("a.pip", "numpy; python > '3'\n"),
    ("a.pip", "numpy; python_version > 3.12\n"),
    ("a.pip", "numpy; python_version '3'\n"),
    ("a.pip", "numpy; python_version ~= '3'\n"),
    ("a.pip", "numpy; (python_version > '3'\n"),
    ("a.pip", "numpy; python_version > '3\n"),
    ("a.pip", "numpy; python_version not '3'\n"),
    ("a.pip", "numpy; python_version > '3' os_name == 'x'\n"),
    ("a.pip", "numpy; python_version >\n"),
    ("a.pip", "numpy; &\n"),
    ("a.pip", "numpy --hash=sha256:12\n"),
    ("a.pip", "numpy --hash=md5:0123\n"),
    ("a.pip", "numpy --no-binary\n"),
    ("a.pip", "./numpy-2.5.5-py3-none-any.whl\n"),
    ("a.pip", "numpy @ file:///numpy-2.5.5-py3-none-any.whl\n"),
    ("a.pip", "git+https://example.org/numpy\n"),
    ("a.pip", "https://example.org/numpy.tar.gz\n"),
    ("a.pip", "numpy @ https://example.org/numpy.tar.gz\n"),
    ("a.pip", "numpy @ git+https://me:secret@example.org/numpy\n"),
    ("a.pip", "https://me:secret@example.org/numpy.tar.gz\n"),
    ("a.pip", "numpy @\n"),
    ("a.pip", "numpy @ git+https://example.org/a b\n"),
    ("a.pip", "-e .\n"),
    ("a.pip", "--editable=git+https://example.org/numpy\n"),
    ("a.pip", "--index-url https://example.org/simple\n"),
    ("a.pip", "--pre\n"),
    ("a.pip", "numpy\n-r\n"),
    ("a.pip", "-r absent.txt\n"),
    ("a.pip", "-r ../../outside.pip\n"),
    ("a.pip", "scipy \\\n  >= \\\n  x\n"),
    ("a.pip", "-c loop.txt\n"),
    ("a.pip", "-r a.pip\n"),
    ("a.conda", "numpy\n>=2\n"),
    ("a.conda", "numpy ==\n"),
    ("a.conda", "numpy --hash=sha256:0123\n"),
    ("a.conda", "numpy @ git+https://example.org/numpy\n"),
    ("a.conda", "numpy[version='>=1'\n"),
    ("a.conda", "nu$py\n"),
    ("a.conda", "numpy,scipy\n"),
    ("a.conda", "https://me:secret@example.org/c::numpy\n"),
    ("a.conda", "numpy[channel='https://example.org/t/secret/c']\n"),
    ("a.conda", "numpy @ git+https://me:secret@example.org/numpy\n"),
    ("a.yml", "channels:\n  - https://me:secret@example.org/c\n"),
    ("a.yml", "channels:\n  - https://example.org/t/secret/c\n"),
    ("a.yml", "dependencies:\n  - numpy\n - scipy\n"),
    ("a.yml", "dependencies:\n  - numpy: 2\n"),
    ("a.yml", "dependencies:\n  - &a numpy\n"),
    ("a.yml", "dependencies: numpy\n"),
    ("a.yml", "dependencies:\n- pip:\n  - numpy\n  - -e .\n"),
    ("a.yml", "dependencies:\n- pip:\n  - numpy\n- pip:\n  - scipy\n"),
    ("a.yml", "deps:\n- numpy\n"),
    ("a.yml", "- numpy\n"),
    ("a.yml", "name: 'a\n"),
    ("a.yml", "name: |\n  a\n"),
];

fn problems(name: &str, text: &str) -> (Spec, String) {
    let files = [(name, text), ("loop.txt", "scipy\n-r loop.txt\n")];
    let files: BTreeMap<PathBuf, String> =
        files.iter().map(|(name, text)| (name.into(), (*text).to_owned())).collect();
    let mut problems = Vec::new();
    let texts = Texts { dir: Path::new("envs"), files: &files };
    let spec = read(texts, Path::new(name), &mut problems);
    (spec, problems.iter().map(|it| format!("{it}\n")).collect())
}

#[test]
fn malformed_lists() {
    let mut res = String::new();
    for (name, text) in CASES {
        let (_, problem) = problems(name, text);
        assert_eq!(problem.matches("    fix: ").count(), 1, "{text}{problem}");
        res += problem.split_once("\n    fix").unwrap().0;
        res += "\n";
    }
    assert!(CASES.len() > 50 && !res.contains("secret"));
    expect![[r#"
        envs/a.pip:2: `numpy>=` is not a requirement: Unexpected end of version specifier, expected version
        envs/a.pip:3: `numpy>=2;` is not a requirement: the marker ends too early
        envs/a.pip:1: `numpy >> 2` is not a requirement: no such comparison operator ">>", must be one of ~= == != <= >= < > ===
        envs/a.pip:1: `numpy==1..2` is not a requirement: after parsing `1`, found `..2`, which is not part of a valid version
        envs/a.pip:1: `numpy=2` is not a requirement: no such comparison operator "=", must be one of ~= == != <= >= < > ===
        envs/a.pip:1: `numpy 2` is not a requirement: Unexpected end of version specifier, expected operator
        envs/a.pip:1: `numpy>=2004d` is not a requirement: after parsing `2004`, found `d`, which is not part of a valid version
        envs/a.pip:1: `numpy~=2` is not a requirement: The ~= operator requires at least two segments in the release version
        envs/a.pip:1: `numpy[a` is not a requirement: a `[` is not closed
        envs/a.pip:1: `numpy[a b]` is not a requirement: `a b` is not a valid extra name
        envs/a.pip:1: `_numpy` is not a requirement: a package's name starts and ends with a letter or a digit
        envs/a.pip:1: `numpy-` is not a requirement: a package's name starts and ends with a letter or a digit
        envs/a.pip:1: `nümpy` is not a requirement: unexpected character U+00FC
        envs/a.pip:1: `n�mpy` is not a requirement: unexpected character U+FFFD
        envs/a.pip:1: `numpy; python > '3'` is not a requirement: `python` is not a marker variable; text needs quotes
        envs/a.pip:1: `numpy; python_version > 3.12` is not a requirement: `3.12` is not a marker variable; text needs quotes
        envs/a.pip:1: `numpy; python_version '3'` is not a requirement: `3` is not a comparison
        envs/a.pip:1: `numpy; python_version ~= '3'` is not a requirement: `~=` cannot compare python_version with `3`
        envs/a.pip:1: `numpy; (python_version > '3'` is not a requirement: a `(` is not closed
        envs/a.pip:1: `numpy; python_version > '3` is not a requirement: the quote of '3 is not closed
        envs/a.pip:1: `numpy; python_version not '3'` is not a requirement: `not` needs `in`
        envs/a.pip:1: `numpy; python_version > '3' os_name == 'x'` is not a requirement: `os_name` is not expected in a marker
        envs/a.pip:1: `numpy; python_version >` is not a requirement: the marker ends too early
        envs/a.pip:1: `numpy; &` is not a requirement: `&` is not expected in a marker
        envs/a.pip:1: `sha256:12` is not a sha256
        envs/a.pip:1: `md5:0123` is not a sha256
        envs/a.pip:1: `--no-binary` behind a requirement is not known
        envs/a.pip:1: `./numpy-2.5.5-py3-none-any.whl` does not begin with the package's name
        envs/a.pip:1: `file:///numpy-2.5.5-py3-none-any.whl` is not a git URL
        envs/a.pip:1: `git+https://example.org/numpy` does not begin with the package's name
        envs/a.pip:1: `https://example.org/numpy.tar.gz` does not begin with the package's name
        envs/a.pip:1: `https://example.org/numpy.tar.gz` is not a git URL
        envs/a.pip:1: `git+https://…@example.org/numpy` holds credentials
        envs/a.pip:1: `https://…@example.org/numpy.tar.gz` does not begin with the package's name
        envs/a.pip:1: `numpy @` is not a requirement: expected one URL behind `@`, then a space and `;` before a marker
        envs/a.pip:1: `numpy @ git+https://example.org/a b` is not a requirement: expected one URL behind `@`, then a space and `;` before a marker
        envs/a.pip:1: an editable install cannot be repeated
        envs/a.pip:1: an editable install cannot be repeated
        envs/a.pip:1: `--index-url` in a list
        envs/a.pip:1: unsupported option `--pre`
        envs/a.pip:2: missing file ``
        envs/a.pip:1: missing file `absent.txt`
        envs/a.pip:1: missing file `../../outside.pip`
        envs/a.pip:1: `scipy >= x` is not a requirement: expected version to start with a number, but no leading ASCII digits were found
        envs/loop.txt:2: `loop.txt` includes itself
        envs/a.pip:1: `a.pip` includes itself
        envs/a.conda:2: `>=2` is not a conda package spec: expected a name of letters, digits, `_`, `.` and `-`
        envs/a.conda:1: `numpy ==` is not a conda package spec: missing version
        envs/a.conda:1: `numpy --hash=sha256:0123` is not a conda package spec: a hash, URL or marker of pip
        envs/a.conda:1: `numpy @ git+https://example.org/numpy` is not a conda package spec: a hash, URL or marker of pip
        envs/a.conda:1: `numpy[version='>=1'` is not a conda package spec: a `[` is not closed
        envs/a.conda:1: `nu$py` is not a conda package spec: expected a name of letters, digits, `_`, `.` and `-`
        envs/a.conda:1: `numpy,scipy` is not a conda package spec: expected a name of letters, digits, `_`, `.` and `-`
        envs/a.conda:1: a channel URL with credentials, which would stay in the image
        envs/a.conda:1: a channel URL with credentials, which would stay in the image
        envs/a.conda:1: a channel URL with credentials, which would stay in the image
        envs/a.yml:2: a channel URL with credentials, which would stay in the image
        envs/a.yml:2: a channel URL with credentials, which would stay in the image
        envs/a.yml:3: this entry is indented differently from those above it
        envs/a.yml:2: cannot read `numpy: 2`
        envs/a.yml:2: cannot read `&a numpy`
        envs/a.yml:1: this key has a list
        envs/a.yml:4: an editable install cannot be repeated
        envs/a.yml:4: a second `pip:` list
        envs/a.yml:1: unknown key `deps`
        envs/a.yml:1: a list entry under no list
        envs/a.yml:1: cannot read the quotes of 'a
        envs/a.yml:1: cannot read `|`
    "#]].assert_eq(&res);
}

/// A line that cannot be read hides no other.
#[test]
fn all_lines_are_read() {
    let (spec, problems) = problems("a.pip", "numpy>=\nscipy\n-e .\n-r nowhere\nastropy\n");
    assert_eq!(spec.pip.iter().map(|it| it.line).collect::<Vec<_>>(), [2, 5]);
    assert_eq!(problems.matches("    fix: ").count(), 3, "{problems}");
}

/// Any character may be lost.
#[test]
fn damage_is_no_panic() {
    for (name, text) in CASES {
        for (at, _) in text.char_indices() {
            problems(name, &text[..at]);
            problems(name, &text[at..]);
        }
    }
}
