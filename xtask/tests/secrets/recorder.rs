//! Every child is recorded, with its arguments and environment: a value reaches only the process
//! that needs it, and never an argument.

use std::fs;

use crate::{
    scratch::{CANARY, EDITED, Scratch},
    servers,
};

/// A recorded child.
struct Call {
    program: String,
    argv: Vec<String>,
    env: Vec<String>,
}

impl Call {
    fn env(&self, name: &str) -> Option<&str> {
        self.env
            .iter()
            .find_map(|it| it.strip_prefix(&format!("{name}=")))
            .filter(|it| !it.is_empty())
    }

    /// Returns whether the child is a git that contacts the remote.
    fn is_remote(&self) -> bool {
        self.program == "git"
            && ["clone", "fetch", "ls-remote", "push"]
                .iter()
                .any(|it| self.argv.contains(&(*it).to_owned()))
    }

    /// Returns a name for messages.
    fn name(&self) -> String {
        format!("{} {:?}", self.program, self.argv)
    }
}

/// Puts a recorder before each program.
fn record(scratch: &mut Scratch) {
    for program in ["git", "sops", "aws", "age", "age-keygen", "sed"] {
        let real = scratch.bash(&format!("command -v {program}"));
        let folder = scratch.path("record").display().to_string();
        scratch.script(
            &format!("bin/{program}"),
            &format!(
                "{{ printf '%s\\0' \"$@\"; printf '\\0'; env -0; }} > {folder}/{program}-$$\nexec {} \"$@\"",
                real.trim()
            ),
        );
    }
}

fn calls(scratch: &Scratch) -> Vec<Call> {
    let mut res = Vec::new();
    for entry in fs::read_dir(scratch.path("record")).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        let text = String::from_utf8_lossy(&fs::read(entry.path()).unwrap()).into_owned();
        let Some((argv, env)) = text.split_once("\0\0") else { continue };
        let list = |text: &str| text.split('\0').map(str::to_owned).collect();
        let program = name.rsplit_once('-').unwrap().0.to_owned();
        res.push(Call { program, argv: list(argv), env: list(env) });
    }
    res
}

/// LESSONS credentials-evaluated.
#[test]
fn credentials_evaluated() {
    let mut scratch = Scratch::new();
    servers::aws(&mut scratch);
    let key =
        scratch.bash("grep -v '#' ~/.config/sops/age/keys.txt; rm ~/.config/sops/age/keys.txt");
    let key = key.trim();
    scratch.set("SOPS_AGE_KEY", key);
    scratch.set("SECRETS_ROLE_ARN", "arn:aws:iam::123456789012:role/secrets");
    scratch.set("EDITOR", &format!("sed -i s/{CANARY}/{CANARY}/;s/old/new/"));
    scratch.run_with(&["secrets-set", "hub.old"], EDITED).status(0);
    record(&mut scratch);
    // The editor's own arguments are the person's choice; this one gets none.
    scratch.set("EDITOR", "sed -i s/old/new/");
    scratch.run_with(&["secrets-set", "hub.secret"], &format!("{CANARY}\n")).status(0);
    scratch.run_with(&["secrets-set", "hub.secret"], EDITED).status(0);
    scratch.run(&["secrets-edit"]).status(0);
    assert_eq!(scratch.run(&["secrets-cat", "hub.secret"]).status(0).stdout, EDITED);
    scratch.run(&["secrets-diff"]).status(0);
    scratch.run(&["secrets-push"]).status(0);
    scratch.run(&["secrets-status"]).status(0);
    scratch.bash("mv secrets/hello ../old-clone");
    scratch.run(&["secrets-clone"]).status(0);

    let calls = calls(&scratch);
    let programs = |name: &'static str| calls.iter().filter(move |it| it.program == name);
    for program in ["git", "sops", "aws", "sed"] {
        assert!(programs(program).count() > 0, "{program} was not recorded");
    }
    let issued: Vec<&str> = programs("git")
        .filter(|it| it.is_remote())
        .map(|it| it.env("AWS_SESSION_TOKEN").expect("the role's credentials"))
        .collect();
    assert!(issued.len() >= 3);
    for call in &calls {
        let name = call.name();
        let values = [CANARY, EDITED, key].into_iter().chain(issued.iter().copied());
        for value in values {
            assert!(
                !call.argv.iter().any(|it| it.contains(value)),
                "a value among the arguments of {name}"
            );
        }
        for value in [CANARY, EDITED] {
            assert!(
                !call.env.iter().any(|it| it.contains(value)),
                "a value in the environment of {name}"
            );
        }
        let is_given = call.env("SOPS_AGE_KEY").is_some();
        assert_eq!(
            is_given,
            call.program == "sops",
            "the private key in the environment of {name}"
        );
        let has_role = call.env("AWS_SESSION_TOKEN").is_some();
        assert_eq!(
            has_role,
            call.is_remote(),
            "the role's credentials in the environment of {name}"
        );
    }
    let log = scratch.bash("cat target/xtask/logs/* 2>/dev/null || true");
    assert!(issued.iter().all(|it| !log.contains(it)) && !log.contains(key));
}

/// A dry run prints no value, and asks no host.
#[test]
fn a_dry_run_starts_nothing_that_changes_anything() {
    let mut scratch = Scratch::new();
    scratch.set("SECRETS_ROLE_ARN", "arn:aws:iam::123456789012:role/secrets");
    scratch.set("EDITOR", "sed -i s/a/b/");
    record(&mut scratch);
    let commits = scratch.commits();
    let set = scratch.run_with(&["-n", "secrets-set", "hub.secret"], CANARY).status(0).stdout;
    let edit = scratch.run(&["-n", "secrets-edit"]).status(0).stdout;
    let push = scratch.run(&["-n", "secrets-push"]).status(0).stdout;
    let clone = scratch.run(&["-n", "secrets-clone", "--set", "DEPLOYMENT_NAME=hello"]).status(0);
    drop(clone);
    assert!(set.contains("sops set") && !set.contains(CANARY), "{set}");
    assert!(edit.contains("sops edit '<private folder>/sandbox.yaml'"), "{edit}");
    assert!(push.contains("aws sts assume-role") && push.contains("git push"), "{push}");
    assert_eq!(scratch.commits(), commits);
    let asks = [
        "rev-parse",
        "rev-list",
        "config",
        "symbolic-ref",
        "var",
        "status",
        "ls-tree",
        "cat-file",
        "ls-files",
    ];
    for call in calls(&scratch) {
        let asks = call.program == "git" && call.argv.iter().any(|it| asks.contains(&it.as_str()));
        assert!(asks, "{}", call.name());
    }
}
