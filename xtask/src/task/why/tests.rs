use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use expect_test::{Expect, expect};

use super::{Answer, chains, text, version};
use crate::{
    frozen::parse,
    specs::read::{Texts, read},
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

fn check(package: &str, expect: Expect) {
    let frozen = FROZEN.replace(":H", &format!(":{}", "0".repeat(64)));
    let frozen = parse(Path::new("f.yml"), &frozen).unwrap();
    let lists = [("e.pip", "b\n\nd>=4\n"), ("e.yml", "dependencies:\n- python=3.13\n")];
    let files: BTreeMap<PathBuf, String> =
        lists.iter().map(|(name, text)| (name.into(), (*text).to_owned())).collect();
    let texts = Texts { dir: Path::new("envs"), files: &files };
    let mut asked = read(texts, Path::new("e.pip"), &mut Vec::new());
    asked.extend(read(texts, Path::new("e.yml"), &mut Vec::new()));
    let answer = Answer {
        mission: "m".to_owned(),
        environment: "e".to_owned(),
        version: version(&frozen, package).unwrap(),
        chains: chains(&frozen, &asked, package),
    };
    expect.assert_eq(&text(&answer));
}

/// Packages may need each other.
#[test]
fn each_list_has_its_shortest_chain() {
    check(
        "a",
        expect![[r#"
            m/e: a 1
              envs/e.pip:1: b → a
              old.pip: c, which it asks for no more → a
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
