use expect_test::{Expect, expect};

use super::validate;

const GOOD: &str = "\
# frozen: 1
# platform: linux/amd64
# base: sha256:0123
name: hello
channels:
  - conda-forge
dependencies:
  - python=3.13.5
  - pip:
    - --no-require-hashes
    - humanize==4.10.0 --hash=sha256:39e7000000000000000000000000000000000000000000000000000000000000  # via hello.pip
    - some @ git+https://example.org/some@0123456789012345678901234567890123456789
";

#[track_caller]
fn check(text: &str, expect: Expect) {
    let err = validate(text, "hello").err().map(|err| format!("{err:#}"));
    expect.assert_eq(&err.unwrap_or_default());
}

#[test]
fn damaged_files_are_refused() {
    check(GOOD, expect![[""]]);
    check("", expect!["no line starts with `# frozen: 1`"]);
    check(GOOD.trim_end(), expect!["the last line is cut off"]);
    check(&GOOD.replace("name: hello", "name: other"), expect!["its name is not `hello`"]);
    check(&GOOD.replace("python=", "pythom="), expect!["no dependency starts with `python=`"]);
    check(
        &GOOD.replace("39e7", "39 7"),
        expect![
            "`humanize==4.10.0 --hash=sha256:39 7000000000000000000000000000000000000000000000000000000000000` has neither a hash nor a full commit"
        ],
    );
    check(
        &GOOD.replace("@0123456789", "@"),
        expect![
            "`some @ git+https://example.org/some@012345678901234567890123456789` has neither a hash nor a full commit"
        ],
    );
}
