use std::path::PathBuf;

use expect_test::{Expect, expect};

use super::{Row, Selected, markdown, text};
use crate::{
    mission::checkout::{Checkout, Environment, Mission},
    specs::frozen::changes::{Change, Kind},
};

fn checkout() -> Checkout {
    let environment = |name: &str| Environment { name: name.to_owned(), dir: PathBuf::from(name) };
    let mission = |name: &str, envs: &[&str]| Mission {
        name: name.to_owned(),
        dir: PathBuf::from(name),
        environments: envs.iter().map(|it| environment(it)).collect(),
    };
    let missions = vec![
        mission("roman", &["base", "common", "database-tools", "roman-cal"]),
        mission("tike", &["common", "py3.8-x", "tess"]),
    ];
    Checkout { root: PathBuf::from("/r"), missions, refused: Vec::new() }
}

#[track_caller]
fn check(mission: Option<&str>, names: &[&str], expect: Expect) {
    let names: Vec<String> = names.iter().map(|it| (*it).to_owned()).collect();
    let res = match Selected::of_names(&checkout(), mission, &names) {
        Ok(selected) => format!("{selected:?}"),
        Err(err) => format!("{err:#}"),
    };
    expect.assert_eq(&res);
}

/// LESSONS name-contains-base: names are compared whole.
#[test]
fn name_contains_base() {
    check(
        None,
        &["database-tools", "py3.8-x"],
        expect![[r#"Selected({"roman": {"database-tools"}, "tike": {"py3.8-x"}})"#]],
    );
    check(
        None,
        &["base"],
        expect!["there is nothing to freeze: no list adds packages to `base` that must be solved"],
    );
}

#[test]
fn names_mean_one_environment() {
    check(
        None,
        &["tess", "roman/common", "roman-cal"],
        expect![[r#"Selected({"roman": {"common", "roman-cal"}, "tike": {"tess"}})"#]],
    );
    check(Some("tike"), &["common"], expect![[r#"Selected({"tike": {"common"}})"#]]);
    check(
        None,
        &["common"],
        expect![
            "more than one mission has an environment `common`; say roman/common or tike/common"
        ],
    );
    check(None, &["tes"], expect!["no environment `tes`; did you mean `tess`?"]);
    check(
        Some("roman"),
        &["tess"],
        expect![
            "no environment `tess`; there are: roman/common, roman/database-tools, roman/roman-cal"
        ],
    );
    check(
        None,
        &["rome/tess"],
        expect!["no mission `rome` under missions/; there are: roman, tike"],
    );
}

#[test]
fn summaries() {
    let row = |changed, changes: &[Change]| Row {
        mission: "m".to_owned(),
        environment: "e".to_owned(),
        file: PathBuf::from("missions/m/environments/e/e-frozen.yml"),
        changed,
        changes: changes.to_vec(),
        diff: String::new(),
    };
    let (old, new) = (Some("2.4.6".to_owned()), Some("2.5.5".to_owned()));
    let change = Change { name: "numpy".to_owned(), kind: Kind::Upgraded, old, new };
    let rows = [row(false, &[]), row(true, &[]), row(true, &[change])];
    expect![[r#"
        m/e: unchanged
        m/e: only comments differ in missions/m/environments/e/e-frozen.yml
        m/e: 1 change in missions/m/environments/e/e-frozen.yml
          numpy 2.4.6 → 2.5.5
    "#]]
    .assert_eq(&rows.iter().map(text).collect::<String>());
    expect![[r#"
        ### m/e

        | package | before | after | |
        | --- | --- | --- | --- |
        | numpy | 2.4.6 | 2.5.5 | upgraded |

    "#]]
    .assert_eq(&markdown(&rows[2]));
    expect![[r#"[{"mission":"m","environment":"e","file":"missions/m/environments/e/e-frozen.yml","changed":true,"changes":[]},{"mission":"m","environment":"e","file":"missions/m/environments/e/e-frozen.yml","changed":true,"changes":[{"name":"numpy","kind":"upgraded","old":"2.4.6","new":"2.5.5"}]}]"#]].assert_eq(&serde_json::to_string(&rows[1..]).unwrap());
}
