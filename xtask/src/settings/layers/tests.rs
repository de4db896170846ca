use expect_test::{Expect, expect, expect_file};

use super::{MISSION, NAMES, OnceLock, Setting, Sources, Vars};

const TEMPLATE: &str = include_str!("../../../../setup-env.template");

#[track_caller]
fn check(file: &str, env: &[(&str, &str)], set: &[&str], names: &[&str], expect: Expect) {
    let pairs = env.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
    let sources = Sources {
        root: "/repo".to_owned(),
        template: TEMPLATE.to_owned(),
        file: Some(file.to_owned()),
        environment: pairs.collect::<Vars>(),
        flags: set.iter().map(|it| super::flag(it).unwrap()).collect(),
        own: OnceLock::new(),
    };
    let actual = match sources.evaluate(Some("roman")) {
        Ok((settings, warnings)) => {
            let line = |name: &&str| {
                let it = &settings[name];
                format!("{name}={} ({})\n", it.value, it.origin)
            };
            names.iter().map(line).collect::<String>() + &warnings.join("\n")
        }
        Err(err) => format!("error: {err:#}"),
    };
    expect.assert_eq(&actual);
}

#[test]
fn the_template_has_every_setting_in_this_order_and_no_other() {
    let assigned: Vec<&str> = TEMPLATE
        .lines()
        .filter_map(|it| it.strip_prefix("export ")?.split_once('=').map(|(name, _)| name))
        .collect();
    assert_eq!(assigned, NAMES);
}

/// Returns the reference: comments above an assignment describe it and the assignments right below.
fn reference(template: &str) -> String {
    let mut res = String::new();
    let mut comment = String::new();
    for block in template.split("\n\n").skip_while(|it| !it.contains("export ")) {
        for line in block.lines() {
            match (line.strip_prefix('#'), line.strip_prefix("export ")) {
                (Some(text), _) => comment += &format!("{}\n", text.trim()),
                (_, Some(assignment)) => {
                    let (name, value) = assignment.split_once('=').unwrap();
                    res += &format!("\n## {name}\n\n{comment}");
                    let quoted = format!("`{value}`");
                    let default = if value.is_empty() { "empty" } else { &quoted };
                    res += &format!("\nDefault: {default}\n");
                }
                _ => panic!("{line}"),
            }
        }
        comment.clear();
    }
    res
}

/// `UPDATE_EXPECT=1 cargo test` rewrites the document.
#[test]
fn docs_settings_md_is_what_the_template_says() {
    let head = "\
<!-- Written from setup-env.template by `UPDATE_EXPECT=1 cargo test docs`. -->
# Settings

Copy `setup-env.template` to `setup-env`, and change what is yours. The first of these places that has a value gives it:
`--set NAME=value`, the process environment, `setup-env`, the template. `cargo xtask config` prints each value, and where
it came from. The file is read and never run: comments, `export NAME=value`, both quotes, `$NAME`, `${NAME}`,
`${NAME:-default}`, and `$(pwd)` for the top of the checkout.
";
    expect_file!["../../../../docs/settings.md"]
        .assert_eq(&(head.to_owned() + &reference(TEMPLATE)));
}

#[test]
fn order_of_origins() {
    check(
        "export ENVIRONMENT=dev REGISTRY=ghcr.io/x\nexport USE_FROZEN=0\nexport BASE_IMAGE=${REGISTRY}/b",
        &[("ENVIRONMENT", "test"), ("USE_FROZEN", "1"), ("HOME", "/h"), ("https_proxy", "p")],
        &["ENVIRONMENT=prod"],
        &["ENVIRONMENT", "USE_FROZEN", "REGISTRY", "BASE_IMAGE", "DEPLOYMENT_NAME", "HTTPS_PROXY"],
        expect![[r#"
            ENVIRONMENT=prod (--set)
            USE_FROZEN=1 (the environment)
            REGISTRY=ghcr.io/x (setup-env:1)
            BASE_IMAGE=ghcr.io/x/b (setup-env:3)
            DEPLOYMENT_NAME=roman (the command line)
            HTTPS_PROXY=p (the environment)
        "#]],
    );
}

#[test]
fn a_file_may_use_the_mission_and_the_defaults() {
    check(
        "export SECRETS_REPO=git@host:$DEPLOYMENT_NAME-secrets\nexport IMAGE_TAG=${COMMON_TAG}-x",
        &[],
        &[],
        &["SECRETS_REPO", "IMAGE_TAG"],
        expect![[r#"
            SECRETS_REPO=git@host:roman-secrets (setup-env:1)
            IMAGE_TAG=latest-sandbox-x (setup-env:2)
        "#]],
    );
}

#[test]
fn a_mission_has_the_settings_of_its_own_evaluation() {
    for file in [
        "export ENVIRONMENT=dev\nexport MINE=1",
        "# $DEPLOYMENT_NAME\nexport DEPLOYMENT_NAME=tess",
        "export SECRETS_REPO=$DEPLOYMENT_NAME-secrets",
        "export IMAGE_TAG=\"${DEPLOYMENT_NAME:-x}\"",
        "export DEPLOYMENT_NAME=$(date)\nexport IMAGE_TAG=x",
        "export DEPLOYMENT_NAME=tess IMAGE_TAG=$DEPLOYMENT_NAME",
        "export IMAGE_TAG=$DEPLOYMENT_NAME\nexport DEPLOYMENT_NAME=roman",
    ] {
        let sources =
            Sources { file: Some(file.to_owned()), ..Sources::template_with(&[]).unwrap() };
        let res = sources.readable(Some("roman"));
        let mut named = sources.overrides();
        let (value, origin) = ("roman".to_owned(), res.settings[MISSION].origin.clone());
        named.insert(MISSION, Setting { value, origin });
        let expect = sources.evaluated(named);
        assert_eq!(format!("{res:?}"), format!("{expect:?}"), "{file}");
        assert_eq!(res.settings[MISSION].value, "roman");
    }
}

#[test]
fn unknown_names_are_warnings_with_the_nearest_known_one() {
    check(
        "export REGISTERY=x\nexport MINE=1\nexport ACCOUNT=1",
        &[],
        &[],
        &[],
        expect![[r#"
            setup-env:1: `REGISTERY` is not a setting; did you mean `REGISTRY`?
            setup-env:2: `MINE` is not a setting; setup-env.template lists all settings
            setup-env:3: `ACCOUNT` is not a setting; did you mean `REGISTRY`?"#]],
    );
}
