#![expect(clippy::disallowed_methods, reason = "Bash is the oracle")]

use std::process::Command;

use expect_test::{Expect, expect};

use super::{Assigned, Scope, Vars, read};

fn vars(pairs: &[(&str, &str)]) -> Vars {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Returns the assignments, or a line for each line that cannot be read.
fn parse(text: &str, scope: &Scope<'_>) -> anyhow::Result<Assigned> {
    let (assigned, unreadable) = read(text, scope);
    let lines: Vec<String> = unreadable.iter().map(|it| format!("setup-env:{it}")).collect();
    anyhow::ensure!(lines.is_empty(), "{}", lines.join("\n"));
    Ok(assigned)
}

#[track_caller]
fn check(text: &str, expect: Expect) {
    check_with(&[], text, expect);
}

/// Evaluates `text`, and compares an accepted text with bash.
#[track_caller]
fn check_with(fixed: &[(&str, &str)], text: &str, expect: Expect) {
    let fixed = vars(fixed);
    let ambient = vars(&[("REGION", "from-env")]);
    let scope = Scope { root: "/", fixed: &fixed, ambient: &ambient };
    let actual = match parse(text, &scope) {
        Ok(assigned) => {
            let ours: Vars = assigned.into_iter().map(|(k, (v, _))| (k, v)).collect();
            let all: Vars = fixed.clone().into_iter().chain(ours.clone()).collect();
            assert_eq!(all, sourced_by_bash(&fixed, text), "bash reads the same file differently");
            ours.iter().map(|(name, value)| format!("{name}={value}\n")).collect()
        }
        Err(err) => format!("error: {err:#}\n"),
    };
    expect.assert_eq(&actual);
}

/// Returns the variables after bash sources `text` in `/`, with the names of `fixed` made
/// `readonly` before.
fn sourced_by_bash(fixed: &Vars, text: &str) -> Vars {
    let readonly: String = fixed
        .iter()
        .map(|(name, value)| format!("export {name}='{value}'; readonly {name}\n"))
        .collect();
    let script = format!("set -a\n{readonly}\n{text}\nenv -0");
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir("/")
        .env_clear()
        .env("REGION", "from-env")
        .env("PATH", "/usr/bin:/bin")
        .output()
        .unwrap();
    assert!(output.status.success());
    let shells_own = ["REGION", "PATH", "PWD", "OLDPWD", "SHLVL", "_"];
    String::from_utf8(output.stdout)
        .unwrap()
        .split_terminator('\0')
        .filter_map(|it| it.split_once('='))
        .filter(|(name, _)| !shells_own.contains(name))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// A template that `check` accepts can be sourced.
#[test]
fn the_template_of_this_repository() {
    let text = include_str!("../../../../setup-env.template");
    let (fixed, ambient) = (Vars::new(), Vars::new());
    let scope = Scope { root: "/", fixed: &fixed, ambient: &ambient };
    let ours = parse(text, &scope).unwrap().into_iter().map(|(name, (value, _))| (name, value));
    assert_eq!(ours.collect::<Vars>(), sourced_by_bash(&fixed, text));
}

#[test]
fn comments_and_quotes() {
    check(
        r##"
# Clone and customize this.
export DEPLOYMENT_NAME=roman  # roman, tike
export REGISTRY=""
export GLUED=a#b GLOB=*.pip
  	export	PARS='--rm -e X=$Y' FLAGS="a b #c"x'y'
PLAIN=1
export EMPTY=
"##,
        expect![[r#"
            DEPLOYMENT_NAME=roman
            EMPTY=
            FLAGS=a b #cxy
            GLOB=*.pip
            GLUED=a#b
            PARS=--rm -e X=$Y
            PLAIN=1
            REGISTRY=
        "#]],
    );
}

#[test]
fn expansions() {
    check(
        r#"
export ECR=${REGION}.amazonaws.com
export ENVIRONMENT=dev
export TAG=unscanned-${ENVIRONMENT}-$ENVIRONMENT
export FREEZE=${FREEZE:-0}
export NESTED=${NONE:-${ENVIRONMENT}-x}
export EMPTY=
export FILLED="${EMPTY:-a b}"
export ID="${ECR}/roman:${TAG}"
export HERE=`pwd` THERE="$(pwd)x"
export ENVIRONMENT=prod LATE=$ENVIRONMENT
"#,
        expect![[r#"
            ECR=from-env.amazonaws.com
            EMPTY=
            ENVIRONMENT=prod
            FILLED=a b
            FREEZE=0
            HERE=/
            ID=from-env.amazonaws.com/roman:unscanned-dev-dev
            LATE=dev
            NESTED=dev-x
            TAG=unscanned-dev-dev
            THERE=/x
        "#]],
    );
}

#[test]
fn an_overridden_name_keeps_its_value_and_expansions_see_it() {
    check_with(
        &[("ENVIRONMENT", "prod")],
        "export ENVIRONMENT=dev\nexport TAG=latest-$ENVIRONMENT\n",
        expect![[r#"
            TAG=latest-prod
        "#]],
    );
}

#[test]
fn what_a_shell_would_run_is_refused() {
    for (text, expect) in [
        (
            "export DATE=$(date)",
            expect![[r#"
            error: setup-env:1: cannot read `export DATE=$(date)`: `date` is a command; expected a value or `$(pwd)`, so write its output
        "#]],
        ),
        (
            "export A=1\nsource infrequent-env",
            expect![[r#"
            error: setup-env:2: cannot read `source infrequent-env`: expected `export NAME=value`; commands are not run here
        "#]],
        ),
        (
            "A=1 rm -rf x",
            expect![[r#"
            error: setup-env:1: cannot read `A=1 rm -rf x`: expected `export NAME=value`; commands are not run here
        "#]],
        ),
        (
            "export A=${B}",
            expect![[r#"
            error: setup-env:1: cannot read `export A=${B}`: `B` is not set here; assign it before, or write `${B:-}`
        "#]],
        ),
        (
            "export A=1; rm x",
            expect![[r#"
            error: setup-env:1: cannot read `export A=1; rm x`: `;` must be quoted; commands are not run here
        "#]],
        ),
        (
            "export A=~/x",
            expect![[r#"
            error: setup-env:1: cannot read `export A=~/x`: write `$HOME` instead of `~`
        "#]],
        ),
        (
            "export A=${B%x}",
            expect![[r#"
            error: setup-env:1: cannot read `export A=${B%x}`: only `${NAME}` and `${NAME:-default}` are supported in braces
        "#]],
        ),
        (
            "export A=a\\ b",
            expect![[r#"
            error: setup-env:1: cannot read `export A=a\ b`: `\` is not supported; use single quotes
        "#]],
        ),
        (
            "export A=\"x",
            expect![[r#"
            error: setup-env:1: cannot read `export A="x`: missing closing `"`
        "#]],
        ),
        (
            "export A=1\r\n",
            expect![[r#"
            error: setup-env:1: the line ends in CR LF; save the file with LF line ends
        "#]],
        ),
        (
            "\u{feff}export A=1",
            expect![[r#"
            error: setup-env:1: starts with a byte order mark; save the file as plain UTF-8
        "#]],
        ),
        (
            "A=1 B=2",
            expect![[r#"
            error: setup-env:1: cannot read `A=1 B=2`: write `export` before several assignments
        "#]],
        ),
        (
            "export A=$1",
            expect![[r#"
            error: setup-env:1: cannot read `export A=$1`: only `$NAME`, `${NAME}` and `${NAME:-default}` are supported after `$`
        "#]],
        ),
    ] {
        check(text, expect);
    }
}
