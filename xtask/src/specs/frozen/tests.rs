use std::path::Path;

use expect_test::{Expect, expect};

use super::{FrozenSpec, canonical, changes, parse, version_in};
use crate::mission::checkout::Checkout;

mod cases;
mod malformed;
pub(crate) mod property;
mod satisfies;

/// The example of DESIGN.md, with whole digests.
pub(crate) const GOOD: &str = "\
# frozen: 1
# platform: linux/amd64
# base: sha256:05d7c61d175b607b5505cc9573f931c8608476e2911057019f90f5731a2a3820
# build: setuptools==84.2.1 --hash=sha256:84e7000000000000000000000000000000000000000000000000000000000000
name: roman-cal
channels:
  - conda-forge
dependencies:
  - python=3.13.5=h0123456_0[subdir=linux-64,fn=python-3.13.5-h0123456_0.conda,sha256=05d7c61d175b607b5505cc9573f931c8608476e2911057019f90f5731a2a3820]
  - pip:
    - --no-require-hashes
    - humanize==4.10.0 --hash=sha256:39e7000000000000000000000000000000000000000000000000000000000000  # via romancal
    - romancal==0.20 --hash=sha256:40e7000000000000000000000000000000000000000000000000000000000000  # via roman-cal.pip
    - somepkg @ git+https://example.org/somepkg@0123456789abcdef0123456789abcdef01234567  # via roman-cal.pip
";

pub(crate) fn good() -> FrozenSpec {
    parse(Path::new("good.yml"), GOOD).unwrap()
}

/// Frozen specs that real floating builds wrote.
#[test]
fn the_specs_of_this_repository_are_canonical() {
    let checkout = Checkout::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).unwrap();
    let mut packages = 0;
    for environment in checkout.missions.iter().flat_map(|it| &it.environments) {
        let path = environment.frozen_spec();
        if !path.is_file() {
            continue;
        }
        let text = fs_err::read_to_string(&path).unwrap();
        let frozen = canonical(&path, &text, &environment.name).unwrap();
        assert_eq!(frozen.to_string(), text);
        packages += frozen.pip.len();
    }
    assert!(packages > 20, "{packages}");
}

#[test]
fn the_example_of_the_design_is_read() {
    let frozen = canonical(Path::new("good.yml"), GOOD, "roman-cal").unwrap();
    assert_eq!(frozen.to_string(), GOOD);
    assert_eq!(frozen.python_version(), "3.13.5");
    assert_eq!(frozen.build[0].source.to_string(), "84.2.1");
    assert_eq!(frozen.pip[0].via, ["romancal"]);
    assert_eq!(
        (frozen.pip[2].line, frozen.pip[2].source.to_string()),
        (14, "@0123456789ab".into())
    );
}

/// Frozen specs in another form than freezing writes.
#[test]
fn another_form_is_no_canonical_one() {
    let check = |text: &str, expect: Expect| {
        parse(Path::new("a.yml"), text).unwrap();
        let problem = canonical(Path::new("a.yml"), text, "roman-cal").unwrap_err();
        expect.assert_eq(&problem.to_string());
    };
    check(
        GOOD.trim_end(),
        expect![[r#"
            a.yml:14: this line's end is not one LF
                fix: freeze the environment again"#]],
    );
    check(
        &GOOD.replace("# platform", "# A comment.\n# platform"),
        expect![[r#"
        a.yml:2: not as freezing writes it, which is `# platform: linux/amd64`
            fix: freeze the environment again"#]],
    );
    check(
        &GOOD.replace("romancal==", "Roman_Cal=="),
        expect![[r#"
        a.yml:13: not as freezing writes it, which is `    - roman-cal==0.20 --hash=sha256:40e7000000000000000000000000000000000000000000000000000000000000  # via roman-cal.pip`
            fix: freeze the environment again"#]],
    );
    check(
        &GOOD.replace("    - --no-require-hashes\n", ""),
        expect![[r#"
        a.yml:11: not as freezing writes it, which is `    - --no-require-hashes`
            fix: freeze the environment again"#]],
    );
    check(
        &GOOD.replace('\n', "\r\n"),
        expect![[r#"
            a.yml:1: this line's end is not one LF
                fix: freeze the environment again"#]],
    );
    check(
        &GOOD.replace("name: roman-cal", "name: tess"),
        expect![[r#"
        a.yml:5: this is the frozen spec of `tess`, not of `roman-cal`
            fix: freeze the environment again"#]],
    );
    check(
        &format!("{GOOD}\n"),
        expect![[r#"
        a.yml:15: not as freezing writes it, which is `nothing`
            fix: freeze the environment again"#]],
    );
}

#[test]
fn changes_are_told() {
    let old = good();
    let new = GOOD
        .replace("humanize==4.10.0", "humanize==4.9.0")
        .replace("romancal==0.20", "romancal==0.21")
        .replace("84e7", "85e7")
        .replace("0123456789abcdef", "fedcba9876543210")
        .replace("3.13.5", "3.13.10")
        .replace("base: sha256:05d7", "base: sha256:15d7")
        .replace(
            "    - romancal",
            &format!("    - new==1.0 --hash=sha256:{}\n    - romancal", "a".repeat(64)),
        );
    let new = parse(Path::new("new.yml"), &new).unwrap();
    let changes = changes::changes(Some(&old), Some(&new));
    expect![[r#"
        changes
          (base) sha256:05d7c61d175b → sha256:15d7c61d175b
          humanize 4.10.0 → 4.9.0 (downgraded)
          new 1.0 added
          python 3.13.5 → 3.13.10
          romancal 0.20 → 0.21
          setuptools (build) 84.2.1 rebuilt
          somepkg @0123456789ab → @fedcba987654
    "#]]
    .assert_eq(&format!("changes\n{}", changes::text(&changes)));
    expect![[r#"
        | package | before | after | |
        | --- | --- | --- | --- |
        | (base) | sha256:05d7c61d175b | sha256:15d7c61d175b | changed |
        | humanize | 4.10.0 | 4.9.0 | **downgraded** |
        | new |  | 1.0 | added |
        | python | 3.13.5 | 3.13.10 | upgraded |
        | romancal | 0.20 | 0.21 | upgraded |
        | setuptools (build) | 84.2.1 | 84.2.1 | rebuilt |
        | somepkg | @0123456789ab | @fedcba987654 | changed |
    "#]]
    .assert_eq(&changes::markdown(&changes));
    expect![[r#"[{"name":"(base)","kind":"changed","old":"sha256:05d7c61d175b","new":"sha256:15d7c61d175b"},{"name":"humanize","kind":"downgraded","old":"4.10.0","new":"4.9.0"}]"#]].assert_eq(&serde_json::to_string(&changes[..2]).unwrap());
    assert_eq!(changes::changes(Some(&old), Some(&old)), []);
    let commented = GOOD.replace("3820]\n", "3820]  # via a.yml; provides a==1\n");
    let commented = parse(Path::new("new.yml"), &commented).unwrap();
    assert_ne!(commented, old);
    assert_eq!(changes::changes(Some(&old), Some(&commented)), []);
    let gone = changes::changes(Some(&old), None);
    expect![[r#"
        changes
          (base) sha256:05d7c61d175b removed
          (platform) linux/amd64 removed
          humanize 4.10.0 removed
          python 3.13.5 removed
          romancal 0.20 removed
          setuptools (build) 84.2.1 removed
          somepkg @0123456789ab removed
    "#]]
    .assert_eq(&format!("changes\n{}", changes::text(&gone)));
}

/// The distribution hid the conda package.
#[test]
fn changes_of_two_packages_with_one_name() {
    let python = "  - python=3.13.5=h0123456_0[subdir=linux-64,fn=python-3.13.5-h0123456_0.conda,";
    let conda = python.replace("python", "humanize").replace("3.13.5", "1");
    let hash = "sha256=05d7c61d175b607b5505cc9573f931c8608476e2911057019f90f5731a2a3820]\n";
    let old = GOOD.replace(python, &format!("{conda}{hash}{python}"));
    let new = parse(Path::new("new.yml"), &old.replace("humanize=1", "humanize=2")).unwrap();
    let old = parse(Path::new("old.yml"), &old).unwrap();
    let changes = changes::changes(Some(&old), Some(&new));
    assert_eq!(changes::text(&changes), "  humanize (conda) 1 → 2\n");
}

/// Like `when` reads the lines of a patch.
#[test]
fn versions_in_lines() {
    let hash = "0".repeat(64);
    let conda = format!(
        "  - py_opencv=4.10=0[subdir=noarch,fn=a.conda,sha256={hash}]  # via a.yml; provides opencv-python==4.10.0.84"
    );
    let pip = format!("    - opencv-python==4.11 --hash=sha256:{hash}  # via a.pip");
    for (line, name, version) in [
        (conda.as_str(), "py-opencv", Some("4.10")),
        (&conda, "opencv-python", Some("4.10.0.84")),
        (&conda, "opencv", None),
        (&conda, "a-yml", None),
        (&pip, "opencv-python", Some("4.11")),
        (&pip, "a-pip", None),
        ("  - python=3.13.5", "python", Some("3.13.5")),
        ("  - python=3.13.5", "pytho", None),
        ("# build: setuptools==84.2.1", "setuptools", None),
    ] {
        assert_eq!(version_in(line, name).as_deref(), version, "{line} {name}");
    }
}
