use expect_test::expect;

use super::{ROWS, escaped, summary, table};
use crate::testing::{
    differences::Difference,
    page::{Changes, Image, Page, Section},
    receipt::{Outcome, Receipt},
};

fn receipt() -> Receipt {
    let corpus: serde_json::Value =
        serde_json::from_str(include_str!("../../../tests/receipts.json")).unwrap();
    let mut receipt = Receipt::parse(&corpus["receipt"].to_string()).unwrap();
    receipt.tests.truncate(2);
    receipt
}

fn change(name: &str, old: Option<&str>, new: Option<&str>) -> Difference {
    let version = |it: Option<&str>| it.map(str::to_owned);
    let environment = "hello".to_owned();
    Difference { environment, name: name.to_owned(), old: version(old), new: version(new) }
}

#[test]
fn a_mission_with_changes_and_a_failure() {
    let mut receipt = receipt();
    receipt.tests[1].outcome = Outcome::Failed;
    receipt.tests[1].message = "trace\n@us <b> | `x`\n\n".to_owned();
    receipt.tests[1].name = "a.ipynb".to_owned();
    let differences = vec![
        change("numpy", Some("2.4"), Some("2.5")),
        change("a|b", None, Some("1")),
        change("c", Some("1"), None),
    ];
    let image = Image {
        name: "hello".to_owned(),
        id: String::new(),
        inputs: String::new(),
        size: 1_200_000_000,
    };
    let section = Section {
        mission: "hello".to_owned(),
        images: vec![image],
        receipt: Some(receipt),
        changes: Some(Changes { since: "latest-prod".to_owned(), differences }),
        ..Section::default()
    };
    let other = Section { mission: "roman".to_owned(), ..Section::default() };
    let page = Page { made: String::new(), missions: vec![section, other] };
    expect![[r#"
        ## hello

        1 tests passed, **1 failed**
        - hello: carried over from image bbbbbbbbbbbb, tested 2026-11-21T10:00:00Z
        - mission a.ipynb: &#64;us &#60;b&#62; &#124; &#96;x&#96;

        | image | size |
        | --- | --- |
        | hello | 1200 MB |

        Since latest-prod:

        | part | package | before | after |  |
        | --- | --- | --- | --- | --- |
        | hello | numpy | 2.4 | 2.5 | changed |
        | hello | a&#124;b |  | 1 | added |
        | hello | c | 1 |  | removed |

        ## roman

        not tested
    "#]]
    .assert_eq(&summary(&page));
}

#[test]
fn text_of_others_has_no_markup() {
    assert_eq!(escaped("a\n- b"), "a\u{fffd}- b");
    let hostile = "<img src=x> ![a](http://h/x) @team [b](c) `d` **e** | #1 www.h.org";
    let shown = escaped(hostile);
    assert!(!shown.contains(['<', '[', '(', '@', '`', '*', '|']), "{shown}");
    assert!(!shown.contains("www.") && !shown.contains("://"), "{shown}");
}

#[test]
fn long_tables_are_cut() {
    let rows = vec![vec!["a".to_owned()]; ROWS + 5];
    assert!(table(&["x"], &rows).ends_with("\n5 more.\n"));
}
