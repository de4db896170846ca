//! People without a key, a name or a tool, in the wrong place, or two of them at once.

use super::{Fault, Left, edit, nothing, set};
use crate::scratch::Scratch;

pub(crate) const FAULTS: &[Fault] = &[
    Fault {
        name: "no key",
        prepare: |it| _ = it.bash("rm ~/.config/sops/age/keys.txt"),
        act: edit,
        status: Some(1),
        says: &[
            "you have no key that opens secrets/hello/sandbox.yaml",
            "recipients: age1",
            "fix: put",
        ],
        left: Left::AsItWas,
    },
    Fault {
        name: "the key is another one",
        prepare: |it| _ = it.bash("cd ~/.config/sops/age; rm keys.txt; age-keygen -o keys.txt"),
        act: |it| it.run(&["secrets-cat"]),
        status: Some(1),
        says: &["you have no key that opens", "ask somebody who can read the file"],
        left: Left::AsItWas,
    },
    Fault {
        name: "the key file is missing",
        prepare: |it| {
            it.bash("rm ~/.config/sops/age/keys.txt");
            it.set("SOPS_AGE_KEY_FILE", "/nowhere/keys.txt");
        },
        act: set,
        status: Some(1),
        says: &["you have no key that opens", "fix: correct SOPS_AGE_KEY_FILE"],
        left: Left::AsItWas,
    },
    Fault {
        name: "an invalid key",
        prepare: |it| {
            it.bash("rm ~/.config/sops/age/keys.txt");
            it.set("SOPS_AGE_KEY", crate::scratch::CANARY);
        },
        act: set,
        status: Some(1),
        says: &["fix: put a valid age key into SOPS_AGE_KEY"],
        left: Left::AsItWas,
    },
    Fault {
        name: "no sops",
        prepare: nothing,
        act: |it| {
            let bin = it.path("tools");
            it.bash(&format!(
                "mkdir {0}; for it in git bash env; do ln -s $(command -v $it) {0}/; done",
                bin.display()
            ));
            it.set("PATH", bin.to_str().unwrap());
            let done = set(it);
            it.set("PATH", &std::env::var("PATH").unwrap());
            done
        },
        status: Some(3),
        says: &["`sops` is not on PATH", "fix: see `secrets` in `cargo xtask doctor`"],
        left: Left::AsItWas,
    },
    Fault {
        name: "git does not know who that is",
        prepare: |it| it.write("home/.gitconfig", "[user]\nuseConfigOnly = true\n"),
        act: edit,
        status: Some(2),
        says: &["git does not know who you are", "config user.email"],
        left: Left::AsItWas,
    },
    Fault {
        name: "the folder is not a repository",
        prepare: nothing,
        act: |it| {
            it.bash("mv secrets/hello/.git ../moved");
            let done = edit(it);
            it.bash("mv ../moved secrets/hello/.git");
            done
        },
        status: Some(2),
        says: &["is not a git repository of its own", "secrets-clone"],
        left: Left::AsItWas,
    },
    Fault {
        name: "a hook's variables lead elsewhere",
        prepare: nothing,
        act: |it| {
            let git = it.path("checkout/.git");
            it.set("GIT_DIR", git.to_str().unwrap());
            it.set("GIT_INDEX_FILE", git.join("index").to_str().unwrap());
            let done = set(it);
            it.unset("GIT_DIR");
            it.unset("GIT_INDEX_FILE");
            done
        },
        status: Some(0),
        says: &["committed: sandbox.yaml: change hub.secret"],
        left: Left::Commit,
    },
    Fault {
        name: "it is a clone of something else",
        prepare: |it| it.set("SECRETS_REPO", "https://example.org/other.git"),
        act: edit,
        status: Some(2),
        says: &["is a clone of file://", "SECRETS_REPO is https://example.org/other.git"],
        left: Left::AsItWas,
    },
    Fault {
        name: "the URL holds a password",
        prepare: |it| {
            it.set("SECRETS_REPO", &format!("https://me:{}@host/x", crate::scratch::CANARY))
        },
        act: |it| it.run(&["secrets-clone"]),
        status: Some(2),
        says: &["the URL holds a password", "credential helper"],
        left: Left::AsItWas,
    },
    Fault {
        name: "HEAD is detached",
        prepare: |it| _ = it.git_clone(&["switch", "--quiet", "--detach"]),
        act: edit,
        status: Some(2),
        says: &["detached HEAD", "git -C secrets/hello switch"],
        left: Left::AsItWas,
    },
    Fault {
        name: "the file has uncommitted changes",
        prepare: |it| it.write_file("sandbox.yaml", &(it.read("sandbox.yaml") + "# more\n")),
        act: edit,
        status: Some(2),
        says: &["changes that are not committed", "git -C secrets/hello commit -- sandbox.yaml"],
        left: Left::AsItWas,
    },
    Fault {
        name: "others' changes are staged",
        prepare: |it| {
            it.write_file("notes.md", "theirs");
            it.git_clone(&["add", "notes.md"]);
        },
        act: |it| {
            let done = set(it);
            let files = it.git_clone(&["show", "--name-only", "--format=", "HEAD"]);
            assert_eq!(files, "sandbox.yaml\n");
            assert_eq!(it.git_clone(&["status", "--short"]), "A  notes.md\n");
            done
        },
        status: Some(0),
        says: &["committed: sandbox.yaml: change hub.secret"],
        left: Left::Commit,
    },
    Fault {
        name: "an unknown key",
        prepare: nothing,
        act: |it| it.run(&["secrets-cat", "hub.sekret"]),
        status: Some(2),
        says: &["has no key hub.sekret", "did you mean `hub.secret`?"],
        left: Left::AsItWas,
    },
    Fault {
        name: "a file is there already",
        prepare: nothing,
        act: |it| it.run(&["secrets-init"]),
        status: Some(2),
        says: &["sandbox.yaml is there already", "secrets-edit"],
        left: Left::AsItWas,
    },
    Fault {
        name: "a private key is given for a public one",
        prepare: remove_rules,
        act: |it| {
            let key = it.bash("grep -v '#' ~/.config/sops/age/keys.txt");
            let done = it.run(&["--set", "ENVIRONMENT=prod", "secrets-init", "--age", key.trim()]);
            assert!(!done.stderr.contains(key.trim()));
            done
        },
        status: Some(2),
        says: &["takes the public key", "age-keygen"],
        left: Left::AsItWas,
    },
    Fault {
        name: "nobody could read it",
        prepare: remove_rules,
        act: |it| it.run(&["--set", "ENVIRONMENT=prod", "secrets-init"]),
        status: Some(2),
        says: &["missing recipients", "--age"],
        left: Left::AsItWas,
    },
    Fault {
        name: "an unknown recipient",
        prepare: remove_rules,
        act: |it| it.run(&["--set", "ENVIRONMENT=prod", "secrets-init", "--age", "age1nobody"]),
        status: Some(1),
        says: &["sops failed", "fix: "],
        left: Left::AsItWas,
    },
];

fn remove_rules(scratch: &mut Scratch) {
    scratch.git_clone(&["rm", "--quiet", ".sops.yaml"]);
    scratch.git_clone(&["commit", "--quiet", "--message", "no rules"]);
}
