//! The world of the tasks about secrets: real git and sops, a clone and its remote.

use std::{
    fs,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    plan::masked,
    real::scratch::{CANARY, Scratch},
    world::{Snapshot, World, files, wrap},
};

/// Folder of the clone, in the checkout.
const CLONE: &str = "secrets/hello";

/// Answers for AWS: a role's credentials.
const AWS: &str = r#"echo '{"Credentials": {"AccessKeyId": "ASIA", "SecretAccessKey": "x", "SessionToken": "y"}}'"#;

/// Returns a clone with one file, pushed; all its programs are behind the stand-in.
pub(crate) fn scratch() -> Scratch {
    let mut res = Scratch::new();
    res.script("home/aws", AWS);
    let state = res.path("state").display().to_string();
    res.set("STAND_IN", &state);
    res.set("EDITOR", "sed -i s/hub:/hab:/");
    let find = |name: &str| PathBuf::from(res.bash(&format!("command -v {name}")).trim());
    let programs = [("git", find("git")), ("sops", find("sops")), ("aws", res.path("home/aws"))];
    wrap(&res.path(""), "bin", &programs);
    res
}

impl World for Scratch {
    fn dir(&self) -> PathBuf {
        self.path("")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut res = Scratch::command(self, env!("CARGO_BIN_EXE_xtask"));
        res.args(args).process_group(0);
        res
    }

    fn copy(&self) -> Box<dyn World> {
        Box::new(Scratch::copy(self))
    }

    fn look(&self) -> Snapshot {
        let without = ["target", ".git", "secrets/hello/.git"];
        let mut res = Snapshot { files: files(&self.checkout(), &without), ..Snapshot::default() };
        for (name, bytes) in &mut res.files {
            // Each encryption produces other bytes.
            if name.starts_with(CLONE) && name.extension().is_some_and(|it| it == "yaml") {
                *bytes = decrypted(self, name).unwrap_or_else(|| bytes.clone());
            }
            let text = String::from_utf8_lossy(bytes).into_owned();
            res.outcome.insert(format!("file {}", name.display()), text);
        }
        let git = |dir: &str, args: &[&str]| real(self, "git", dir, args).unwrap_or_default();
        for (dir, name) in [("checkout/secrets/hello", "HEAD"), ("remote.git", "main")] {
            let log = git(dir, &["log", "--format=%s", name]);
            res.outcome.insert(format!("commits of {dir}"), log);
        }
        let status = git("checkout/secrets/hello", &["status", "--porcelain", "--branch"]);
        res.outcome.insert("status".to_owned(), status);
        leftovers(self, &mut res);
        res
    }
}

fn leftovers(scratch: &Scratch, res: &mut Snapshot) {
    let temporary = files(&scratch.path("tmp"), &[]).into_keys();
    res.leftovers.extend(temporary.map(|it| format!("temporary {}", it.display())));
    for name in files(&scratch.path("checkout/secrets"), &[]).into_keys() {
        let text = name.display().to_string();
        if text.starts_with(".clone-") || text.ends_with(".new") || text.ends_with(".lock") {
            res.leftovers.push(format!("record {text}"));
        }
    }
    for dir in ["checkout", "home", "tmp", "remote.git"] {
        for (name, bytes) in files(&scratch.path(dir), &[]) {
            if memchr::memmem::find(&bytes, CANARY.as_bytes()).is_some() {
                res.leftovers.push(format!("plaintext {dir}/{}", name.display()));
            }
        }
    }
}

fn decrypted(scratch: &Scratch, name: &Path) -> Option<Vec<u8>> {
    let file = scratch.checkout().join(name);
    let text = real(scratch, "sops", "", &["decrypt", file.to_str()?])?;
    // A new file has random values.
    Some(masked(&text, Path::new("/nowhere")).into_bytes())
}

/// Runs the program itself.
fn real(scratch: &Scratch, program: &str, dir: &str, args: &[&str]) -> Option<String> {
    let path = fs::read_link(scratch.path("state/faults/real").join(program)).ok()?;
    let mut command = Scratch::command(scratch, path.to_str()?);
    let dir = scratch.path(dir);
    let output = command.args(args).current_dir(dir).env("STAND_IN_PLAIN", "1").output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
