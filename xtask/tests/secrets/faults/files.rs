//! Damaged files, editors that fail, and full or read-only disks.

use super::{Fault, Left, edit, nothing, push, set};
use crate::scratch::Scratch;

pub(crate) const FAULTS: &[Fault] = &[
    Fault {
        name: "nothing changed",
        prepare: |it| it.set("EDITOR", "true"),
        act: edit,
        status: Some(0),
        says: &["has not changed"],
        left: Left::AsItWas,
    },
    Fault {
        name: "the editor fails",
        prepare: |it| it.set("EDITOR", "false"),
        act: edit,
        status: Some(1),
        says: &["the editor failed", "fix: run it again"],
        left: Left::AsItWas,
    },
    Fault {
        name: "the editor is missing",
        prepare: |it| it.set("EDITOR", "/nowhere/editor"),
        act: edit,
        status: Some(1),
        says: &["EDITOR names no program", "fix: "],
        left: Left::AsItWas,
    },
    Fault {
        name: "the editor saves invalid YAML",
        prepare: |it| it.set("EDITOR", "sed -i s/hub:/[:/"),
        act: edit,
        status: Some(1),
        says: &["not valid yaml", "fix: correct what the editor writes"],
        left: Left::AsItWas,
    },
    Fault {
        name: "the editor saves an encrypted file",
        prepare: |it| {
            let text = it.file("sandbox.yaml").display().to_string();
            let editor = it.script("bin/again", &format!("cat {text} > \"$1\""));
            it.set("EDITOR", &editor);
        },
        act: edit,
        status: Some(1),
        says: &["file is encrypted already", "sandbox.yaml is unchanged", "fix: "],
        left: Left::AsItWas,
    },
    Fault {
        name: "the editor never ends",
        prepare: Scratch::waiting_editor,
        act: |it| it.run(&["secrets-edit", "--time-limit", "1"]),
        status: Some(1),
        says: &["did not end within 1 s", "--time-limit"],
        left: Left::AsItWas,
    },
    Fault {
        name: "the editor wants a person",
        prepare: |it| it.set("EDITOR", "vim"),
        act: edit,
        status: Some(2),
        says: &["is interactive", "secrets-set"],
        left: Left::AsItWas,
    },
    Fault {
        name: "the file is not encrypted",
        prepare: |it| commit(it, "sandbox.yaml", "a: b\n"),
        act: edit,
        status: Some(2),
        says: &["not encrypted", "sops encrypt --in-place sandbox.yaml"],
        left: Left::AsItWas,
    },
    Fault {
        name: "no rule matches",
        prepare: |it| commit(it, ".sops.yaml", "creation_rules:\n- path_regex: ^dev$\n  age: x\n"),
        act: |it| it.run(&["--set", "ENVIRONMENT=prod", "secrets-init"]),
        status: Some(2),
        says: &["no rule of .sops.yaml is about prod.yaml"],
        left: Left::AsItWas,
    },
    Fault {
        name: "the file is missing",
        prepare: nothing,
        act: |it| it.run(&["secrets-cat", "--file", "prod.yaml"]),
        status: Some(2),
        says: &["missing secrets/hello/prod.yaml", "secrets-init"],
        left: Left::AsItWas,
    },
    Fault {
        name: "the file is empty",
        prepare: |it| commit(it, "sandbox.yaml", ""),
        act: edit,
        status: Some(2),
        says: &["is empty", "git -C secrets/hello restore"],
        left: Left::AsItWas,
    },
    Fault {
        name: "the file is broken YAML",
        prepare: |it| commit(it, "sandbox.yaml", "a: [\n"),
        act: edit,
        status: Some(2),
        says: &["damaged", "git -C secrets/hello restore"],
        left: Left::AsItWas,
    },
    Fault {
        name: "a ciphertext was tampered with",
        prepare: |it| {
            let text = it.read("sandbox.yaml");
            let (before, after) = text.split_once("cookieSecret: ENC[AES256_GCM,data:").unwrap();
            let text = format!("{before}cookieSecret: ENC[AES256_GCM,data:AAAA{after}");
            commit(it, "sandbox.yaml", &text);
        },
        act: edit,
        status: Some(2),
        says: &["damaged", "restore --source=<commit> -- sandbox.yaml"],
        left: Left::AsItWas,
    },
    Fault {
        name: "the MAC does not fit",
        prepare: |it| {
            // A complete value, under its name, is gone.
            let text = it.read("sandbox.yaml");
            let lines = text.lines().filter(|it| !it.contains("cookieSecret"));
            commit(it, "sandbox.yaml", &(lines.collect::<Vec<_>>().join("\n") + "\n"));
        },
        act: edit,
        status: Some(2),
        says: &["do not fit its checksum (MAC)", "restore --source=<commit>"],
        left: Left::AsItWas,
    },
    Fault {
        name: "a value was replaced by a number",
        prepare: |it| {
            let text = it.read("sandbox.yaml");
            let line = text.lines().find(|it| it.contains("cookieSecret")).unwrap();
            commit(it, "sandbox.yaml", &text.replace(line, "    cookieSecret: 5"));
        },
        act: edit,
        status: Some(2),
        says: &["damaged: hub.cookieSecret is in plain text"],
        left: Left::AsItWas,
    },
    Fault {
        name: "the disk is full",
        prepare: nothing,
        act: |it| {
            it.set("EDITOR", "sed -i s/hub:/hab:/");
            it.run_in_mounts(&small_disk(it), &["secrets-edit"])
        },
        status: Some(3),
        says: &["sandbox.yaml is unchanged", "fix: make room"],
        left: Left::AsItWas,
    },
    Fault {
        name: "the memory is full",
        prepare: nothing,
        act: |it| {
            it.set("EDITOR", "sed -i s/hub:/hab:/");
            let mount =
                "mount -t tmpfs -o size=4k tmpfs /dev/shm; head -c 4096 /dev/zero > /dev/shm/x";
            it.run_in_mounts(mount, &["secrets-edit"])
        },
        status: Some(3),
        says: &["/dev/shm", "make room"],
        left: Left::AsItWas,
    },
    Fault {
        name: "the memory is a disk",
        prepare: nothing,
        act: |it| {
            it.set("EDITOR", "true");
            let mount = format!("mount --bind {} /dev/shm", it.path("state").display());
            it.run_in_mounts(&mount, &["secrets-edit"])
        },
        status: Some(3),
        says: &["not in memory", "fix: see `secrets` in `cargo xtask doctor`"],
        left: Left::AsItWas,
    },
    Fault {
        name: "the clone is read-only",
        prepare: nothing,
        act: |it| {
            it.set("EDITOR", "sed -i s/hub:/hab:/");
            let dir = it.file("").display().to_string();
            let mount = format!("mount --bind {dir} {dir}; mount -o remount,bind,ro {dir}");
            it.run_in_mounts(&mount, &["secrets-edit"])
        },
        status: Some(3),
        says: &["sandbox.yaml is unchanged", "can be written"],
        left: Left::AsItWas,
    },
    Fault {
        name: "a plain text file is committed",
        prepare: |it| commit(it, "prod.yaml", "password: plain\n"),
        act: push,
        status: Some(2),
        says: &["secrets/hello/prod.yaml: not encrypted", "sops encrypt --in-place"],
        left: Left::AsItWas,
    },
    Fault {
        name: "a plain text is only in the history",
        prepare: |it| {
            commit(it, "prod.yaml", "password: plain\n");
            it.git_clone(&["rm", "--quiet", "prod.yaml"]);
            it.git_clone(&["commit", "--quiet", "--message", "gone"]);
        },
        act: push,
        status: Some(2),
        says: &["secrets/hello/prod.yaml in commit", "reset --soft"],
        left: Left::AsItWas,
    },
    Fault {
        name: "a private key is committed",
        prepare: |it| {
            let key = it.bash("cat ~/.config/sops/age/keys.txt");
            commit(it, "notes.md", &key);
        },
        act: push,
        status: Some(2),
        says: &["notes.md: line 3 begins a age identity"],
        left: Left::AsItWas,
    },
    Fault {
        name: "nothing says what is encrypted",
        prepare: |it| {
            it.git_clone(&["rm", "--quiet", ".sops.yaml"]);
            it.git_clone(&["commit", "--quiet", "--message", "no rules"]);
        },
        act: push,
        status: Some(2),
        says: &["has no .sops.yaml", "docs/secrets.md"],
        left: Left::AsItWas,
    },
    Fault {
        name: "a file outside is named",
        prepare: nothing,
        act: |it| it.run(&["secrets-cat", "--file", "../other/sandbox.yaml"]),
        status: Some(2),
        says: &["give the file's name in secrets/hello"],
        left: Left::AsItWas,
    },
    Fault {
        name: "the file is changed while it is edited",
        prepare: |it| {
            let file = it.file("sandbox.yaml").display().to_string();
            let editor = it
                .script("bin/slow", &format!("echo '# theirs' >> {file}\necho '# ours' >> \"$1\""));
            it.set("EDITOR", &editor);
        },
        act: edit,
        status: Some(1),
        says: &["was changed by another program", "fix: run it again"],
        left: Left::Uncommitted,
    },
    Fault {
        name: "a key would become a mapping",
        prepare: nothing,
        act: |it| it.run_with(&["secrets-set", "hub.secret.deeper"], "x"),
        status: Some(2),
        says: &["would replace hub.secret", "secrets-edit"],
        left: Left::AsItWas,
    },
    Fault {
        name: "the value is empty",
        prepare: nothing,
        act: |it| it.run(&["secrets-set", "hub.secret"]),
        status: Some(2),
        says: &["standard input is empty"],
        left: Left::AsItWas,
    },
    Fault {
        name: "the value looks like a flag",
        prepare: nothing,
        act: |it| {
            it.run_with(&["secrets-set", "--", "--flag"], "--help").status(0);
            let done = it.run(&["secrets-cat", "--", "--flag"]);
            assert_eq!(done.stdout, "--help");
            done
        },
        status: Some(0),
        says: &[],
        left: Left::Commit,
    },
    Fault {
        name: "the value has newlines and quotes",
        prepare: nothing,
        act: |it| {
            let value = "-----BEGIN x-----\n'\"$(id)`id`\\n\t%s\r\n: {é}\n";
            it.run_with(&["secrets-set", "hub.secret"], value).status(0);
            let done = it.run(&["secrets-cat", "hub.secret"]);
            assert_eq!(done.stdout, value);
            done
        },
        status: Some(0),
        says: &[],
        left: Left::Commit,
    },
    Fault {
        name: "the hook refuses the commit",
        prepare: |it| _ = it.script("checkout/secrets/hello/.git/hooks/pre-commit", "exit 1"),
        act: set,
        status: Some(1),
        says: &["is changed and not committed", "git -C secrets/hello commit -- sandbox.yaml"],
        left: Left::Uncommitted,
    },
];

/// Commits a file in the clone.
fn commit(scratch: &mut Scratch, name: &str, text: &str) {
    scratch.write_file(name, text);
    scratch.git_clone(&["add", "--", name]);
    scratch.git_clone(&["commit", "--quiet", "--message", "by hand", "--", name]);
}

/// Returns a script that puts the clone on a disk of its own, and fills it. The files there are
/// copied back afterwards, so that they can be searched.
fn small_disk(scratch: &Scratch) -> String {
    let (dir, copy) = (scratch.file(""), scratch.path("state/copy"));
    let (dir, copy) = (dir.display(), copy.display());
    format!(
        "cp -a {dir} {copy}; mount -t tmpfs -o size=512k tmpfs {dir}; cp -a {copy}/. {dir}; rm -r {copy}
        cat /dev/zero > {dir}/.git/fill 2>/dev/null || true
        cargo() {{ :; }}; status=0; \"$@\" || status=$?
        cmp {dir}/sandbox.yaml <(git -C {dir} show HEAD:sandbox.yaml); ! grep -r canary {dir}
        exit $status"
    )
}
