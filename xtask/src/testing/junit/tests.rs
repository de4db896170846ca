use expect_test::expect;

use super::text;
use crate::testing::receipt::{Outcome, Receipt};

fn receipt() -> Receipt {
    let corpus: serde_json::Value =
        serde_json::from_str(include_str!("../../../tests/receipts.json")).unwrap();
    Receipt::parse(&corpus["receipt"].to_string()).unwrap()
}

#[test]
fn a_suite_for_each_environment() {
    let mut receipt = receipt();
    receipt.tests[0].outcome = Outcome::Failed;
    receipt.tests[0].message = "in cell [3]:\n\x1b[31mValueError\x1b[0m: \x00 <\"&'>\n".to_owned();
    expect![[r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="hello" tests="2" failures="1" errors="0" time="12.500">
          <testsuite name="hello" tests="1" failures="0" errors="0" skipped="0" time="3.250" timestamp="2026-11-22T10:00:00">
            <properties><property name="image" value="sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"></property><property name="platform" value="linux/amd64"></property><property name="inputs" value="fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"></property></properties>
            <testcase classname="hello" name="mission a server starts" time="3.250"></testcase>
          </testsuite>
          <testsuite name="hello.hello" tests="1" failures="1" errors="0" skipped="0" time="0.000" timestamp="2026-11-22T10:00:00">
            <properties><property name="image" value="sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"></property><property name="platform" value="linux/amd64"></property><property name="inputs" value="fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"></property><property name="carried over from" value="sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"></property><property name="tested" value="2026-11-21T10:00:00Z"></property></properties>
            <testcase classname="hello.hello" name="consistency pip check" time="0.000"><failure type="consistency" message="ValueError: � &lt;&quot;&amp;'&gt;">in cell [3]:
        ValueError: � &lt;&quot;&amp;'&gt;

        again: /opt/common-scripts/env-test hello</failure></testcase>
          </testsuite>
        </testsuites>
    "#]].assert_eq(&text(&receipt));
}

#[test]
fn of_no_tests() {
    let mut receipt = receipt();
    receipt.tests.clear();
    expect![[r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="hello" tests="0" failures="0" errors="0" time="12.500">
        </testsuites>
    "#]]
    .assert_eq(&text(&receipt));
}
