use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use expect_test::{Expect, expect};

use super::{answers, text};
use crate::specs::{
    frozen::parse,
    read::{Texts, read},
};

const FROZEN: &str = "\
# frozen: 1
# platform: linux/amd64
# base: sha256:0
name: e
channels:
  - conda-forge
dependencies:
  - python=3.13.5
  - pip:
    - a==1 --hash=sha256:H  # via b, c
    - b==2 --hash=sha256:H  # via a, c, e.pip
    - c==3 --hash=sha256:H  # via d, old.pip
    - d==4 --hash=sha256:H  # via e.pip
";

/// The same on a conda base.
const CONDA: &str = "\
# frozen: 1
# platform: linux/amd64
# base: sha256:0
name: e
channels:
  - conda-forge
dependencies:
  - libopencv=4.10=0[subdir=linux-64,fn=a.conda,sha256=H]  # via py-opencv
  - mystery=1=0[subdir=linux-64,fn=a.conda,sha256=H]
  - old_lib=1=0[subdir=linux-64,fn=a.conda,sha256=H]  # via base
  - py-opencv=4.10=0[subdir=linux-64,fn=a.conda,sha256=H]  # via d, e.yml; provides opencv-python==4.10.0.84, opencv-python-headless==4.10.0.84
  - pyqt=5.15=0[subdir=linux-64,fn=a.conda,sha256=H]  # via old_lib; provides pyqt5==5.15.10
  - python=3.13.5=0[subdir=linux-64,fn=a.conda,sha256=H]  # via e.yml
  - pip:
    - d==4 --hash=sha256:H  # via e.pip
";

fn check(package: &str, expect: Expect) {
    check_in(FROZEN, package, expect);
}

#[track_caller]
fn check_in(frozen: &str, package: &str, expect: Expect) {
    let frozen = frozen.replace("256=H", "256:H").replace(":H", &format!(":{}", "0".repeat(64)));
    let frozen = frozen.replace(",sha256:", ",sha256=");
    let frozen = parse(Path::new("f.yml"), &frozen).unwrap();
    let lists = [
        ("e.pip", "b\n\nd>=4\nPyQt5>=5\n"),
        ("e.yml", "dependencies:\n- python=3.13\n- Py-OpenCV>=4\n"),
    ];
    let files: BTreeMap<PathBuf, String> =
        lists.iter().map(|(name, text)| (name.into(), (*text).to_owned())).collect();
    let texts = Texts { dir: Path::new("envs"), files: &files };
    let mut asked = read(texts, Path::new("e.pip"), &mut Vec::new());
    asked.extend(read(texts, Path::new("e.yml"), &mut Vec::new()));
    asked.cloned.insert("base".to_owned());
    let answers = answers("m", &frozen, &asked, package);
    expect.assert_eq(&answers.iter().map(text).collect::<String>());
}

/// Packages may depend on each other.
#[test]
fn each_list_has_its_shortest_chain() {
    check(
        "a",
        expect![[r#"
            m/e: a 1
              envs/e.pip:1: b → a
              old.pip: c (no longer required there) → a
              envs/e.pip:3: d>=4 → c → a
        "#]],
    );
    check(
        "d",
        expect![[r#"
        m/e: d 4
          envs/e.pip:3: d>=4
    "#]],
    );
    check(
        "python",
        expect![[r#"
        m/e: python 3.13.5
          envs/e.yml:2: python=3.13
    "#]],
    );
}

/// Issue 10, defect 7: neither name nor reason of a conda package that a dependency brought was
/// printed, and no conda package was found by the name of its Python distribution.
#[test]
fn conda_packages_have_names_and_reasons() {
    let check = |package: &str, expect: Expect| check_in(CONDA, package, expect);
    check(
        "libopencv",
        expect![[r#"
        m/e: libopencv 4.10
          envs/e.yml:3: Py-OpenCV>=4 → libopencv
          envs/e.pip:3: d>=4 → py-opencv → libopencv
    "#]],
    );
    check(
        "opencv-python",
        expect![[r#"
        m/e: py-opencv 4.10 (provides opencv-python==4.10.0.84, opencv-python-headless==4.10.0.84)
          envs/e.yml:3: Py-OpenCV>=4
          envs/e.pip:3: d>=4 → py-opencv
    "#]],
    );
    check(
        "py-opencv",
        expect![[r#"
        m/e: py-opencv 4.10 (provides opencv-python==4.10.0.84, opencv-python-headless==4.10.0.84)
          envs/e.yml:3: Py-OpenCV>=4
          envs/e.pip:3: d>=4 → py-opencv
    "#]],
    );
    check(
        "pyqt5",
        expect![[r#"
            m/e: pyqt 5.15 (provides pyqt5==5.15.10)
              cloned from base: old_lib → pyqt
              envs/e.pip:4: PyQt5>=5
        "#]],
    );
    check(
        "old-lib",
        expect![[r#"
        m/e: old_lib 1
          cloned from base: old_lib
    "#]],
    );
    check(
        "mystery",
        expect![[r#"
        m/e: mystery 1
          no list asks for it: creating the environment brought it
    "#]],
    );
    check(
        "python",
        expect![[r#"
        m/e: python 3.13.5
          envs/e.yml:2: python=3.13
    "#]],
    );
}
