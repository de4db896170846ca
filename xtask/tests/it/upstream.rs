//! `docs/upstream.md`: a fork with missions of its own merges a later state of this repository, with
//! real git.

use std::process::Command;

use crate::checkout::Checkout;

/// Runs a script in the checkout, and returns what it prints.
#[track_caller]
fn bash(checkout: &Checkout, script: &str) -> String {
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", script])
        .current_dir(checkout.root())
        .env("XTASK", env!("CARGO_BIN_EXE_xtask"))
        .env("LC_ALL", "C")
        .env("GIT_CONFIG_COUNT", "0")
        .envs(["GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"].map(|it| (it, "test")))
        .envs(["GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"].map(|it| (it, "test@example.org")))
        .output()
        .unwrap();
    let text = |it: &[u8]| String::from_utf8_lossy(it).into_owned();
    assert!(output.status.success(), "{script}\n{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// What a fork does: a mission, settings, a package, a workflow; no examples.
const OWN: &str = "
    git clone --quiet . ../upstream && git -C ../upstream checkout --quiet -B main
    git remote add upstream ../upstream
    git rm --quiet -r missions
    $XTASK mission-new euclid
    sed -i 's#^export REGISTRY=.*#export REGISTRY=quay.io/us#' setup-env.template
    sed -i 's#^export DEPLOYMENT_NAME=.*#export DEPLOYMENT_NAME=euclid#' setup-env.template
    echo tmux >> common/image/packages.txt
    cp .github/workflows/relock.yml .github/workflows/own.yml
    git add --all
    git commit --quiet --message 'Our missions'
";

/// What happens here meanwhile: steps for every mission, a list, a setting, a package, code, documents.
const LATER: &str = "
    cd ../upstream
    echo '# a later remark' >> common/image/Dockerfile.trailer
    sed -i 's/^export PLATFORM=/# A later remark.\\nexport PLATFORM=/' setup-env.template
    sed -i '1i # a later remark' common/image/packages.txt
    echo '// a later remark' >> xtask/src/main.rs
    echo 'A later remark.' >> docs/missions.md
    echo scipy >> missions/hello/environments/hello/hello.pip
    $XTASK image-update --all
    git add --all
    git commit --quiet --message Later
";

#[test]
fn a_fork_merges_a_later_state() {
    let checkout = Checkout::clone_of_this_repository();
    let examples = bash(&checkout, "ls missions");
    bash(&checkout, OWN);
    bash(&checkout, LATER);
    bash(
        &checkout,
        "git fetch --quiet upstream; git merge --no-ff --no-commit upstream/main || true",
    );
    // Only examples that the fork removed and upstream changed; git takes the first one's Dockerfile for the
    // origin of the fork's own.
    let changed = examples.lines().map(|it| match it {
        "hello" => "DU missions/hello/environments/hello/hello.pip\n".to_owned(),
        _ => format!("DU missions/{it}/Dockerfile\n"),
    });
    let conflicts = bash(&checkout, "git status --porcelain | grep -E '^(DD|AU|UD|UA|DU|AA|UU)'");
    assert_eq!(conflicts, changed.collect::<String>());
    bash(
        &checkout,
        "git diff --name-only --diff-filter=U | xargs git rm --quiet
        $XTASK image-update --all
        git add --all
        git commit --quiet --no-edit
        $XTASK check",
    );
    assert_eq!(bash(&checkout, "ls missions"), "euclid\n");
    let packages = checkout.read("common/image/packages.txt");
    assert!(packages.starts_with("# a later remark\n") && packages.ends_with("\ntmux\n"));
    let template = checkout.read("setup-env.template");
    assert!(template.contains("export REGISTRY=quay.io/us\n"));
    assert!(template.contains("# A later remark.\nexport PLATFORM="));
    assert!(checkout.read("missions/euclid/Dockerfile").contains("# a later remark\n"));
    // A change of the trailer is one of every mission.
    let matrix = bash(&checkout, "$XTASK ci-matrix --since HEAD^1");
    assert_eq!(matrix, "euclid\n");
}

#[test]
fn one_line_that_both_edited() {
    let checkout = Checkout::clone_of_this_repository();
    bash(&checkout, OWN);
    bash(
        &checkout,
        "cd ../upstream
        sed -i 's#^export REGISTRY=.*#export REGISTRY=other#' setup-env.template
        git commit --quiet --all --message Later",
    );
    bash(
        &checkout,
        "git fetch --quiet upstream; git merge --no-ff --no-commit upstream/main || true",
    );
    let conflicts = bash(&checkout, "git diff --name-only --diff-filter=U");
    assert_eq!(conflicts, "setup-env.template\n");
}

#[test]
fn a_merge_without_a_conflict() {
    let checkout = Checkout::clone_of_this_repository();
    bash(
        &checkout,
        "git clone --quiet . ../upstream && git -C ../upstream checkout --quiet -B main",
    );
    bash(
        &checkout,
        "git remote add upstream ../upstream
        $XTASK mission-new euclid
        git add --all && git commit --quiet --message 'Our mission'",
    );
    bash(&checkout, LATER);
    bash(
        &checkout,
        "git branch before
        git fetch --quiet upstream
        git merge --quiet --no-ff --no-commit upstream/main
        $XTASK image-update --all
        git add --all && git commit --quiet --no-edit
        test \"$(git rev-parse HEAD^1)\" = \"$(git rev-parse before)\"",
    );
    let matrix = bash(&checkout, "$XTASK ci-matrix --since before");
    assert!(matrix.contains("euclid\n") && matrix.contains("hello\n"), "{matrix}");
}
