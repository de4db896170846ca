//! A list that was edited without freezing is found, and its line named.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use expect_test::{Expect, expect};

use super::{GOOD, good};
use crate::{
    run::finding,
    specs::{
        frozen::{parse, satisfies::findings},
        read::{Texts, read},
    },
};

/// Requests that the comments of [`GOOD`] name.
const LIST: &str = "romancal\nsomepkg @ git+https://example.org/somepkg.git@main\n";

fn found(frozen: &str, files: &[(&str, &str)]) -> String {
    let files: BTreeMap<PathBuf, String> =
        files.iter().map(|(name, text)| (name.into(), (*text).to_owned())).collect();
    let texts = Texts { dir: Path::new("envs"), files: &files };
    let mut problems = Vec::new();
    let mut asked = read(texts, Path::new("roman-cal.pip"), &mut problems);
    for other in ["a.yml", "roman-cal.build"].map(Path::new) {
        if files.contains_key(other) {
            asked.extend(read(texts, other, &mut problems));
        }
    }
    assert_eq!(problems, []);
    asked.cloned.insert("base".to_owned());
    let frozen = parse(Path::new("f.yml"), frozen).unwrap();
    let text = finding::text(findings("rule", (Path::new("f.yml"), "m/e"), &frozen, &asked));
    text.lines().filter(|it| !it.contains("  fix: ")).collect::<Vec<_>>().join("\n")
}

#[track_caller]
fn check(lines: &str, expect: Expect) {
    expect.assert_eq(&found(GOOD, &[("roman-cal.pip", &format!("{LIST}{lines}"))]));
}

#[test]
fn what_is_asked_for_is_there() {
    assert_eq!(good().pip.len(), 3);
    check("", expect![[""]]);
    check("Humanize>=4,<5\nhumanize[tests]~=4.10\n", expect![[""]]);
    check("humanize; sys_platform == 'win32'\n", expect![[""]]);
    check("nothing; python_version < '3.13' or platform_machine != 'x86_64'\n", expect![[""]]);
    check("nothing; platform_release == '6.1'\n", expect![[""]]);
    check("somepkg>=3\n", expect![[""]]);
}

#[test]
fn what_is_missing_is_named_with_its_line() {
    check(
        "\n# Why.\nastropy  # new\n",
        expect!["envs/roman-cal.pip:5: rule: `astropy`: the frozen spec does not have it"],
    );
    check(
        "humanize>=4.11\n",
        expect!["envs/roman-cal.pip:3: rule: `humanize>=4.11`: frozen is 4.10.0"],
    );
    check(
        "nothing; python_full_version >= '3.13.5' and 'linux' in sys_platform\n",
        expect![
            "envs/roman-cal.pip:3: rule: `nothing; python_full_version >= '3.13.5' and 'linux' in sys_platform`: the frozen spec does not have it"
        ],
    );
    check(
        &format!("humanize --hash=sha256:{}\n", "a".repeat(64)),
        expect![
            "envs/roman-cal.pip:3: rule: `humanize --hash=sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa`: frozen is another artefact, sha256:39e7000000000000000000000000000000000000000000000000000000000000"
        ],
    );
    check(
        "humanize @ git+https://example.org/humanize\n",
        expect![
            "envs/roman-cal.pip:3: rule: `humanize @ git+https://example.org/humanize`: frozen is not a commit, but a version"
        ],
    );
    check(
        "somepkg @ git+https://example.org/fork\n",
        expect![
            "envs/roman-cal.pip:3: rule: `somepkg @ git+https://example.org/fork`: frozen is git+https://example.org/somepkg"
        ],
    );
    check(
        "somepkg @ git+https://example.org/somepkg@0000000000000000000000000000000000000000\n",
        expect![
            "envs/roman-cal.pip:3: rule: `somepkg @ git+https://example.org/somepkg@0000000000000000000000000000000000000000`: frozen is 0123456789abcdef0123456789abcdef01234567"
        ],
    );
}

#[test]
fn constraints_and_included_lists_count() {
    let list = format!("{LIST}-c c.txt\n-r more/m.pip\n");
    let files = [
        ("roman-cal.pip", list.as_str()),
        ("c.txt", "humanize<4.5\nabsent==1\n"),
        ("more/m.pip", "-r n.txt\n"),
        ("more/n.txt", "romancal==0.19\n"),
    ];
    expect![[r#"
        envs/c.txt:1: rule: `humanize<4.5`: frozen is 4.10.0
        envs/more/n.txt:1: rule: `romancal==0.19`: frozen is 0.20"#]]
    .assert_eq(&found(GOOD, &files));
}

#[test]
fn build_requirements_count() {
    let build = |name: &str| {
        format!(
            "# build: {name}==1.5 --hash=sha256:{}\n# build-for: romancal: {name}\n",
            "0".repeat(64)
        )
    };
    let frozen = GOOD.replace("name: roman-cal\n", &format!("{}name: roman-cal\n", build("numpy")));
    let check = |frozen: &str, needs: &str, expect: Expect| {
        expect.assert_eq(&found(frozen, &[("roman-cal.pip", LIST), ("roman-cal.build", needs)]));
    };
    check(&frozen, "RomanCal: numpy<2\nabsent: scipy\n", expect![""]);
    check(
        &frozen,
        "romancal: numpy<1.5\nromancal: cython\n",
        expect![[r#"
        envs/roman-cal.build:1: rule: `romancal: numpy<1.5`: frozen is 1.5
        envs/roman-cal.build:2: rule: `romancal: cython`: the frozen spec does not have it"#]],
    );
    check(
        &frozen,
        "",
        expect![
            "f.yml:15: rule: `romancal` was frozen with `numpy` to build it, which no line asks for"
        ],
    );
    check(
        GOOD,
        "romancal: numpy\n",
        expect![
            "envs/roman-cal.build:1: rule: `romancal: numpy`: the frozen spec does not have it"
        ],
    );
}

#[test]
fn builds_from_sources_count() {
    let list = format!("{LIST}--no-binary humanize,absent\n");
    let check = |frozen: &str, expect: Expect| {
        expect.assert_eq(&found(frozen, &[("roman-cal.pip", &list)]));
    };
    check(GOOD, expect![""]);
    let lines = GOOD.lines().filter(|it| !it.starts_with("# build: "));
    let without: String = lines.map(|it| format!("{it}\n")).collect();
    check(
        &without,
        expect![
            "envs/roman-cal.pip:3: rule: `--no-binary humanize,absent`: `humanize` was frozen from a wheel"
        ],
    );
}

#[test]
fn conda_lines_count() {
    let check = |lines: &str, expect: Expect| {
        let text = format!("dependencies:\n{lines}");
        expect.assert_eq(&found(GOOD, &[("roman-cal.pip", LIST), ("a.yml", &text)]));
    };
    check("  - python=3.13\n  - python >=3.12,<3.14\n  - conda-forge::python\n", expect![[""]]);
    check(
        "  - python=3.12\n  - gcc\n",
        expect![[r#"
        envs/a.yml:2: rule: `python=3.12`: frozen is 3.13.5
        envs/a.yml:3: rule: `gcc`: the frozen spec does not have it"#]],
    );
}

#[test]
fn what_nobody_asks_for_any_more_is_named() {
    let frozen = GOOD.replace("# via romancal", "# via roman-cal.pip, romancal");
    expect![[r#"
        f.yml:12: rule: `humanize` was frozen because roman-cal.pip required it, but roman-cal.pip no longer does
        f.yml:14: rule: `somepkg` was frozen because roman-cal.pip required it, but roman-cal.pip no longer does"#]]
    .assert_eq(&found(&frozen, &[("roman-cal.pip", "romancal\n")]));
}

/// A frozen spec of a conda base: `hdf5` from a clone, the others from lists.
const CONDA: &str = "\
# frozen: 1
# platform: linux/amd64
# base: sha256:0
name: e
channels:
  - conda-forge
dependencies:
  - graphviz=12.0=0[subdir=linux-64,fn=a.conda,sha256=H]  # via roman-cal.pip
  - hdf5=1.14=0[subdir=linux-64,fn=a.conda,sha256=H]  # via base, py-opencv
  - py-opencv=4.10=0[subdir=linux-64,fn=a.conda,sha256=H]  # via astropy, opencv-python-user; provides opencv-python==4.10.0.84
  - python=3.13.5=0[subdir=linux-64,fn=a.conda,sha256=H]  # via a.yml
  - python-graphviz=0.20=0[subdir=noarch,fn=a.conda,sha256=H]  # via roman-cal.pip; provides graphviz==0.20.3
  - pip:
    - astropy==7.0 --hash=sha256:H  # via roman-cal.pip
    - opencv-python-user==1.0 --hash=sha256:H  # via opencv-python, roman-cal.pip
";

#[test]
fn conda_packages_provide_distributions() {
    let check = |lines: &str, expect: Expect| {
        let frozen = CONDA.replace("=H", &format!("={}", "0".repeat(64)));
        let frozen = frozen.replace(":H", &format!(":{}", "0".repeat(64)));
        let list = format!("astropy\nopencv-python-user\n{lines}");
        let yml = "dependencies:\n- python=3.13\n";
        expect.assert_eq(&found(&frozen, &[("roman-cal.pip", &list), ("a.yml", yml)]));
    };
    check("opencv-python==4.10.0.84\ngraphviz<1\n", expect![[""]]);
    check(
        "opencv-python>=4.11\ngraphviz>1\nopencv-python-headless\n",
        expect![[r#"
        envs/roman-cal.pip:3: rule: `opencv-python>=4.11`: frozen is 4.10.0.84
        envs/roman-cal.pip:4: rule: `graphviz>1`: frozen is 0.20.3
        envs/roman-cal.pip:5: rule: `opencv-python-headless`: the frozen spec does not have it"#]],
    );
    check(
        "",
        expect![[r#"
        f.yml:8: rule: `graphviz` was frozen because roman-cal.pip required it, but roman-cal.pip no longer does
        f.yml:12: rule: `python-graphviz` was frozen because roman-cal.pip required it, but roman-cal.pip no longer does"#]],
    );
}
