//! The files of CI servers: each shell step runs, in a clean clone. What cannot be here is stood in
//! for: the servers' own programs, a cluster, and builds, which run dry.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_yaml::Value;

use crate::checkout::Checkout;

/// Expressions of workflows and their values; another one is an error.
const VALUES: &[(&str, &str)] = &[
    ("vars.REGISTRY || format('ghcr.io/{0}', github.repository)", "ghcr.io/Us/Platform"),
    ("vars.REGISTRY_USER || github.actor", "me"),
    ("matrix.mission", "hello"),
    ("github.token", "a-token"),
    ("github.repository", "us/platform"),
    ("github.event.repository.default_branch", "main"),
    ("github.event.workflow_run.id", "7"),
    ("github.event.workflow_run.head_sha", "8d2b0a6ad1e6d6cf4a4d70bd0d0dfd7b4b4a4f7a"),
    ("secrets.REGISTRY_PASSWORD", "a-password"),
    ("secrets.RELOCK_TOKEN || github.token", "a-token"),
    ("secrets.KUBECONFIG", "a-kubeconfig"),
    ("secrets.SOPS_AGE_KEY", "a-key"),
];

/// `cargo xtask`: what needs no engine runs, builds run dry, what needs a cluster or an image is only parsed.
const CARGO: &str = r###"#!/bin/bash
set -euo pipefail
[[ $1 == xtask ]]
shift
echo "xtask $*" >> "$CALLS"
case $1 in
check | ci-matrix | freeze | image-update | list) exec "$XTASK" "$@" ;;
doctor | hub-deploy | image-test | secrets-clone) "$XTASK" "$@" --help > /dev/null ;;
report)
    "$XTASK" "$@" --help > /dev/null
    echo "## $2, for @team"
    ;;
relock)
    "$XTASK" --dry-run "$@"
    mkdir -p target/xtask/relock
    echo "## $2" > "target/xtask/relock/$2.md"
    git branch --force "$1/$2"
    ;;
*) exec "$XTASK" --dry-run "$@" ;;
esac
"###;

const GH: &str = r###"#!/bin/bash
set -euo pipefail
echo "gh $*" >> "$CALLS"
case "$1 $2" in
"api --paginate")
    case $3 in
    */artifacts) printf 'check\nmission-hello\n' ;;
    */comments) echo 5 ;;
    esac
    ;;
"api --silent") [[ -f comment.md ]] ;;
"auth setup-git") ;;
"pr list") echo 12 ;;
"pr edit" | "pr create") ;;
"run download")
    [[ $4 == --pattern && $6 == --dir ]]
    mkdir -p "$7/mission-hello/target/summary"
    echo '## hello, for @team' > "$7/mission-hello/target/summary/summary.md"
    ;;
*) exit 9 ;;
esac
"###;

const DOCKER: &str = r###"#!/bin/bash
set -euo pipefail
[[ $1 == login ]] || exec "$STAND_IN_DOCKER" "$@"
echo "docker $* < $(cat)" >> "$CALLS"
"###;

/// Like the real one for others than root: GitHub's runners.
const APT: &str =
    "#!/bin/bash\n[[ ${BY_SUDO:-} || $EUID == 0 ]] && echo \"apt-get $*\" >> \"$CALLS\"\n";

const SUDO: &str = "#!/bin/bash\nBY_SUDO=1 exec \"$@\"\n";

/// What a build of the base needs on a machine that has only docker.
const INSTALLED: &str =
    "apt-get install --yes --no-install-recommends mmdebstrap debian-archive-keyring\nxtask doctor";

/// A clean clone with a remote, and a place for what steps leave.
struct Clone {
    checkout: Checkout,
    env: BTreeMap<String, String>,
}

impl Clone {
    fn new() -> Clone {
        let checkout = Checkout::clone_of_this_repository();
        for (name, text) in
            [("cargo", CARGO), ("gh", GH), ("docker", DOCKER), ("apt-get", APT), ("sudo", SUDO)]
        {
            checkout.script(&format!("../stand-ins/{name}"), text);
        }
        let dir = checkout.dir().to_owned();
        let at = |name: &str| dir.join(name).display().to_string();
        let path = std::env::var("PATH").unwrap();
        fs::create_dir(dir.join("temp")).unwrap();
        let env = [
            ("PATH", format!("{}:{}:{path}", at("stand-ins"), at("tools"))),
            ("HOME", at("home")),
            ("CALLS", at("calls")),
            ("XTASK", env!("CARGO_BIN_EXE_xtask").to_owned()),
            ("STAND_IN", at("state")),
            ("STAND_IN_DOCKER", at("bin/docker")),
            ("RUNNER_TEMP", at("temp")),
            ("GITHUB_OUTPUT", at("output")),
            ("GITHUB_STEP_SUMMARY", at("summary.md")),
            ("GIT_CONFIG_COUNT", "0".to_owned()),
        ];
        let env = env.map(|(name, value)| (name.to_owned(), value)).into_iter().collect();
        let res = Clone { checkout, env };
        res.run(
            "git init --quiet --bare ../origin && git remote add origin \"$PWD/../origin\"
            git -C ../origin config receive.advertisePushOptions true",
            &BTreeMap::new(),
        );
        res
    }

    /// Runs a step as GitHub does with `shell: bash`.
    #[track_caller]
    fn run(&self, script: &str, env: &BTreeMap<String, String>) {
        let output = Command::new("bash")
            .args(["--noprofile", "--norc", "-eo", "pipefail", "-c", script])
            .current_dir(self.checkout.root())
            .env_clear()
            .envs(&self.env)
            .envs(env)
            .output()
            .unwrap();
        let text = |it: &[u8]| String::from_utf8_lossy(it).into_owned();
        let said = text(&output.stdout) + &text(&output.stderr);
        assert!(output.status.success(), "{script}\n{}\n{said}", output.status);
    }

    fn left(&self, name: &str) -> String {
        fs::read_to_string(self.checkout.dir().join(name)).unwrap_or_default()
    }

    /// Changes what only `hello` is built from, and commits it.
    fn change_hello(&self) {
        let file = "missions/hello/environments/hello/tests/imports";
        self.checkout.file(file, &(self.checkout.read(file) + "numpy.linalg\n"));
        self.checkout.commit();
    }
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn yaml(path: &Path) -> Value {
    serde_yaml::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Returns the workflows of GitHub.
fn workflows() -> Vec<(PathBuf, Value)> {
    let entries = fs::read_dir(repository().join(".github/workflows")).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|it| it.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|it| (it.clone(), yaml(&it))).collect()
}

/// Returns the values of `env:`, with those of expressions.
fn env(of: &Value) -> BTreeMap<String, String> {
    let Some(map) = of.get("env").and_then(Value::as_mapping) else { return BTreeMap::new() };
    let value = |text: &str| match text.strip_prefix("${{").and_then(|it| it.strip_suffix("}}")) {
        Some(expression) => {
            let expression = expression.trim();
            let known = VALUES.iter().find(|it| it.0 == expression);
            known.unwrap_or_else(|| panic!("no value for `{expression}`")).1.to_owned()
        }
        None => text.to_owned(),
    };
    let text = |it: &Value| it.as_str().unwrap().to_owned();
    map.iter().map(|(name, it)| (text(name), value(&text(it)))).collect()
}

fn jobs(workflow: &Value) -> impl Iterator<Item = &Value> {
    workflow["jobs"].as_mapping().unwrap().values()
}

fn steps(job: &Value) -> &[Value] {
    job["steps"].as_sequence().unwrap()
}

/// Runs all shell steps of a workflow in one clone.
fn run(clone: &Clone, name: &str) {
    let file = repository().join(".github/workflows").join(name);
    let workflow = yaml(&file);
    for job in jobs(&workflow) {
        for step in steps(job) {
            let Some(script) = step.get("run").and_then(Value::as_str) else { continue };
            let all = [&workflow, job, step].into_iter().flat_map(env).collect();
            clone.run(script, &all);
        }
    }
}

#[test]
fn the_shell_steps_of_pull_requests() {
    let clone = Clone::new();
    clone.change_hello();
    run(&clone, "pull-request.yml");
    assert_eq!(clone.left("output"), "missions={\"mission\":[\"hello\"]}\n");
    assert!(clone.left("root/target/check.sarif").contains("\"version\": \"2.1.0\""));
    assert!(clone.left("calls").contains("xtask image-build hello\nxtask image-test hello\n"));
    assert!(clone.left("calls").contains(INSTALLED), "{}", clone.left("calls"));
    assert!(clone.left("summary.md").contains("## hello"), "{}", clone.left("summary.md"));
}

#[test]
fn the_shell_steps_of_comments() {
    let clone = Clone::new();
    run(&clone, "comment.yml");
    let expect = "<!-- summaries of missions -->\nCommit 8d2b0a6ad1e6d6cf4a4d70bd0d0dfd7b4b4a4f7a:\n\n\
                  ## hello, for &#64;team\n";
    assert_eq!(clone.left("temp/comment.md"), expect);
    let calls = clone.left("calls");
    let last = calls.lines().last().unwrap();
    let patch = "--method PATCH repos/us/platform/issues/comments/5 --field body=@comment.md";
    assert!(last.ends_with(patch), "{calls}");
}

#[test]
fn the_shell_steps_of_main() {
    let clone = Clone::new();
    run(&clone, "main.yml");
    let calls = clone.left("calls");
    assert!(calls.contains("docker login ghcr.io --username me --password-stdin < a-password"));
    assert!(calls.contains("image-all --all\n"), "{calls}");
    assert!(calls.contains(INSTALLED), "{calls}");
    assert!(calls.ends_with("hub-deploy --all --env staging --yes --json\n"), "{calls}");
    assert_eq!(clone.left("temp/kubeconfig"), "a-kubeconfig");
}

#[test]
fn the_shell_steps_of_relock() {
    let clone = Clone::new();
    run(&clone, "relock.yml");
    assert!(clone.left("output").starts_with("missions=[\"hello\""), "{}", clone.left("output"));
    assert!(clone.left("calls").contains(INSTALLED), "{}", clone.left("calls"));
    clone.run("git -C ../origin show-ref --verify --quiet refs/heads/relock/hello", &clone.env);
    let edit = "gh pr edit 12 --body-file target/xtask/relock/hello.md\n";
    assert!(clone.left("calls").ends_with(edit), "{}", clone.left("calls"));
}

#[test]
fn the_scripts_of_gitlab() {
    let clone = Clone::new();
    clone.change_hello();
    let origin = clone.checkout.dir().join("origin").display().to_string();
    let given = [
        ("CI_MERGE_REQUEST_DIFF_BASE_SHA", "HEAD^"),
        ("CI_REGISTRY", "registry.example.org"),
        ("CI_REGISTRY_USER", "me"),
        ("CI_REGISTRY_PASSWORD", "a-password"),
        ("CI_JOB_URL", "https://example.org/jobs/1"),
        ("CI_PROJECT_URL", origin.strip_suffix(".git").unwrap_or(&origin)),
        ("RELOCK_TOKEN", "a-token"),
        ("REGISTRY", "registry.example.org/us"),
        ("MISSION", "hello"),
    ];
    let mut env: BTreeMap<String, String> =
        given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    for name in ["AUTHOR", "COMMITTER"] {
        env.insert(format!("GIT_{name}_NAME"), "relock".to_owned());
        env.insert(format!("GIT_{name}_EMAIL"), "relock@example.org".to_owned());
    }
    fs::rename(&origin, format!("{origin}.git")).unwrap();
    let (mut seen, mut missions) = (0, String::new());
    for file in ["ci/gitlab-job.yml", "ci/gitlab-ci.yml"] {
        for (name, job) in yaml(&repository().join(file)).as_mapping().unwrap() {
            if name == "relock" {
                missions = clone.checkout.read("missions.yml");
                clone.checkout.reset();
            }
            let lines = ["before_script", "script", "after_script"]
                .iter()
                .filter_map(|it| job.get(it)?.as_sequence());
            for line in lines.flatten() {
                clone.run(line.as_str().unwrap(), &env);
                seen += 1;
            }
        }
    }
    assert!(seen > 10, "{seen} lines");
    let missions: Value = serde_yaml::from_str(&missions).unwrap();
    assert_eq!(missions["mission hello"]["variables"]["MISSION"], "hello");
    let branches = r#"for it in missions/*; do
        git -C ../origin.git show-ref --verify --quiet "refs/heads/relock/${it#missions/}"
    done"#;
    clone.run(branches, &clone.env);
}

/// What the linters leave open: a tag may move, and an expression in a script is code.
#[test]
fn workflows_are_closed() {
    for (path, workflow) in workflows() {
        let text = fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        assert_eq!(workflow["permissions"].as_mapping().map(|it| it.len()), Some(0), "{name}");
        assert!(name != "pull-request.yml" || !text.contains("secrets."), "{name}");
        assert_eq!(workflow["defaults"]["run"]["shell"], "bash", "{name}");
        for job in jobs(&workflow) {
            assert!(job["permissions"].is_mapping() && job["timeout-minutes"].is_u64(), "{name}");
            for step in steps(job) {
                let script = step.get("run").and_then(Value::as_str).unwrap_or_default();
                assert!(!script.contains("${{"), "{name}: {script}");
                let action = step.get("uses").and_then(Value::as_str).unwrap_or_default();
                let commit = action.split_once('@').map_or("", |it| it.1);
                let is_commit =
                    commit.len() == 40 && commit.bytes().all(|it| it.is_ascii_hexdigit());
                assert!(action.is_empty() || is_commit, "{name}: {action}");
                let checks_out = action.starts_with("actions/checkout@");
                assert!(!checks_out || step["with"]["persist-credentials"] == false, "{name}");
                assert!(!checks_out || name != "comment.yml", "{name}");
            }
        }
        for line in
            text.lines().filter(|it| it.contains("group: hub-") || it.contains("group: publish"))
        {
            let after = text.split_once(line).unwrap().1;
            assert!(after.trim_start().starts_with("cancel-in-progress: false"), "{name}: {line}");
        }
    }
}
