//! A home, a checkout with one mission, and a remote repository, all in one temporary folder.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
    time::{Duration, SystemTime},
};

use super::run::{Done, Running};

/// Text that no disk and no message may contain: a value of `sandbox.yaml`.
pub(crate) const CANARY: &str = "canary-5be1f0c9d7";

/// Text that the waiting editor adds.
pub(crate) const EDITED: &str = "canary-edited-31aa";

/// Removed when dropped.
pub(crate) struct Scratch {
    dir: tempfile::TempDir,
    started: SystemTime,
    env: Vec<(String, String)>,
}

impl Scratch {
    /// Returns an empty home and checkout.
    pub(crate) fn empty() -> Scratch {
        for tool in ["age-keygen", "aws", "git", "moto_server", "python3", "sops", "unshare"] {
            let path = std::env::var_os("PATH").unwrap();
            let is_there = std::env::split_paths(&path).any(|it| it.join(tool).is_file());
            assert!(is_there, "{tool} is not on PATH; `cargo xtask ci` puts it there");
        }
        let dir = tempfile::Builder::new().prefix("xtask-test-").tempdir().unwrap();
        let res = Scratch { dir, started: SystemTime::now(), env: Vec::new() };
        for name in ["home", "tmp", "bin", "state", "record", "checkout/missions/hello"] {
            fs::create_dir_all(res.path(name)).unwrap();
        }
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        for name in ["setup-env.template", ".gitignore"] {
            fs::copy(repository.join(name), res.checkout().join(name)).unwrap();
        }
        let xtask = env!("CARGO_BIN_EXE_xtask");
        res.script("bin/cargo", &format!("shift\nexec {xtask} \"$@\""));
        let config =
            "[user]\nname = Test\nemail = test@example.org\n[init]\ndefaultBranch = main\n";
        res.write("home/.gitconfig", config);
        res.git("checkout", &["init", "--quiet"]);
        res
    }

    /// Returns a scratch with an age key and a clone whose `sandbox.yaml` has the canary, pushed. A
    /// copy of one that is made once in a run of these tests.
    pub(crate) fn new() -> Scratch {
        static TEMPLATE: OnceLock<PathBuf> = OnceLock::new();
        let template = TEMPLATE.get_or_init(|| {
            let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("secrets-template");
            let _ = fs::remove_dir_all(&path);
            let made = Scratch::from_nothing();
            run(Command::new("cp").arg("-a").arg(made.path("")).arg(&path));
            path
        });
        let mut res = Scratch::empty();
        for name in ["home", "checkout", "remote.git"] {
            let _ = fs::remove_dir_all(res.path(name));
            run(Command::new("cp").arg("-a").arg(template.join(name)).arg(res.path(name)));
        }
        let url = format!("file://{}", res.path("remote.git").display());
        res.git_clone(&["config", "remote.origin.url", &url]);
        res.set("SECRETS_REPO", &url);
        res
    }

    #[allow(dead_code, reason = "for the target `faults`")]
    /// Returns another scratch with the same files; names of the old folder are replaced.
    pub(crate) fn copy(&self) -> Scratch {
        let dir = tempfile::Builder::new().prefix("xtask-test-").tempdir().unwrap();
        run(Command::new("cp").arg("-a").arg(self.path(".")).arg(dir.path()));
        let (old, new) = (self.path("").display().to_string(), dir.path().display().to_string());
        let (old, new) = (old.trim_end_matches('/'), new.as_str());
        let moved = |text: &str| text.replace(old, new);
        let env = self.env.iter().map(|(name, value)| (name.clone(), moved(value))).collect();
        let res = Scratch { dir, started: SystemTime::now(), env };
        let mut files = vec![res.file(".git/config")];
        files.extend(fs::read_dir(res.path("bin")).unwrap().map(|it| it.unwrap().path()));
        for path in files.iter().filter(|it| it.is_file() && !it.is_symlink()) {
            fs::write(path, moved(&fs::read_to_string(path).unwrap())).unwrap();
        }
        res
    }

    /// Makes the scratch by the tasks themselves.
    fn from_nothing() -> Scratch {
        let mut res = Scratch::empty();
        res.git("", &["init", "--quiet", "--bare", "remote.git"]);
        res.set("SECRETS_REPO", &format!("file://{}", res.path("remote.git").display()));
        res.bash("mkdir -p ~/.config/sops/age && age-keygen -o ~/.config/sops/age/keys.txt");
        res.run(&["secrets-clone"]).status(0);
        let key = res.bash("age-keygen -y ~/.config/sops/age/keys.txt");
        res.run(&["secrets-init", "--age", key.trim()]).status(0);
        res.run_with(&["secrets-set", "hub.secret"], CANARY).status(0);
        res.run(&["secrets-push"]).status(0);
        res
    }

    /// Returns a path below the temporary folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn checkout(&self) -> PathBuf {
        self.path("checkout")
    }

    /// Returns the path of a file of the clone.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path("checkout/secrets/hello").join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap_or_default()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
    }

    /// Writes a file of the clone.
    pub(crate) fn write_file(&self, name: &str, text: &str) {
        self.write(&format!("checkout/secrets/hello/{name}"), text);
    }

    /// Writes an executable script for bash.
    pub(crate) fn script(&self, name: &str, text: &str) -> String {
        self.write(name, &format!("#!/bin/bash\nset -euo pipefail\n{text}\n"));
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o755)).unwrap();
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Sets a variable for later runs.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.env.retain(|(it, _)| it != name);
        self.env.push((name.to_owned(), value.to_owned()));
    }

    pub(crate) fn unset(&mut self, name: &str) {
        self.env.retain(|(it, _)| it != name);
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.env.iter().any(|(it, _)| it == name)
    }

    /// Returns a variable that was set.
    pub(crate) fn setting(&self, name: &str) -> String {
        self.env.iter().find(|(it, _)| it == name).unwrap().1.clone()
    }

    /// Returns a command in the checkout, without the person's own keys and settings.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let path = std::env::var("PATH").unwrap();
        command.current_dir(self.checkout()).env_clear();
        command.env("PATH", format!("{}:{path}", self.path("bin").display()));
        command.env("HOME", self.path("home")).env("TMPDIR", self.path("tmp"));
        command.env("AWS_EC2_METADATA_DISABLED", "true");
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a script that must succeed, and returns its output.
    #[track_caller]
    pub(crate) fn bash(&self, script: &str) -> String {
        let mut bash = self.command("bash");
        let output = bash.args(["-euo", "pipefail", "-c", script]).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}\n{stderr}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs git, which must succeed, in a folder below the temporary one.
    #[track_caller]
    pub(crate) fn git(&self, dir: &str, args: &[&str]) -> String {
        let mut git = self.command("git");
        let output = git.args(args).current_dir(self.path(dir)).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {args:?}\n{stderr}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs git in the clone.
    #[track_caller]
    pub(crate) fn git_clone(&self, args: &[&str]) -> String {
        self.git("checkout/secrets/hello", args)
    }

    /// Runs `cargo xtask` with an empty standard input.
    #[track_caller]
    pub(crate) fn run(&self, args: &[&str]) -> Done {
        self.run_with(args, "")
    }

    /// Runs `cargo xtask` with `stdin` on its standard input.
    #[track_caller]
    pub(crate) fn run_with(&self, args: &[&str], stdin: &str) -> Done {
        self.start_with(args, stdin).finish()
    }

    /// Runs `cargo xtask` in mounts of its own, which the script `prepare` makes.
    #[track_caller]
    pub(crate) fn run_in_mounts(&self, prepare: &str, args: &[&str]) -> Done {
        let script = format!("{prepare}\nexec \"$@\"");
        let mut command = self.command("unshare");
        command.args(["--user", "--map-root-user", "--mount", "bash", "-euo", "pipefail", "-c"]);
        command.arg(script).arg("bash").arg(env!("CARGO_BIN_EXE_xtask")).args(args);
        self.spawn(&mut command, "").finish()
    }

    /// Starts `cargo xtask`.
    pub(crate) fn start(&self, args: &[&str]) -> Running {
        self.start_with(args, "")
    }

    /// Starts `cargo xtask` with `stdin` on its standard input.
    pub(crate) fn start_with(&self, args: &[&str], stdin: &str) -> Running {
        let mut command = self.command(env!("CARGO_BIN_EXE_xtask"));
        self.spawn(command.args(args), stdin)
    }

    fn spawn(&self, command: &mut Command, stdin: &str) -> Running {
        let input = self.path("state/stdin");
        // The file contains a canary: it is removed before any search.
        fs::write(&input, stdin).unwrap();
        let file = fs::File::open(&input).unwrap();
        fs::remove_file(&input).unwrap();
        command.stdin(file).stdout(Stdio::piped()).stderr(Stdio::piped());
        Running::new(command.spawn().unwrap())
    }

    /// Sets an editor that adds a canary to the file, reports that, and waits to be killed.
    pub(crate) fn waiting_editor(&mut self) {
        let pid = self.path("state/editor");
        let editor = self.script(
            "bin/waiting",
            &format!(
                "end=31aa\necho \"more: canary-edited-$end\" >> \"$1\"\necho \"$$ $1\" > {0}.new\nmv {0}.new {0}\nexec sleep 600",
                pid.display()
            ),
        );
        self.set("EDITOR", &editor);
    }

    /// Waits for the editor, and returns its process id and the file that it edits.
    #[track_caller]
    pub(crate) fn editor(&self) -> (i32, PathBuf) {
        let path = self.path("state/editor");
        wait_until("no editor was started", || path.exists());
        let text = fs::read_to_string(path).unwrap();
        let (pid, file) = text.trim().split_once(' ').unwrap();
        (pid.parse().unwrap(), PathBuf::from(file))
    }

    /// Returns the commits of the clone and the remote, which a leak would change.
    pub(crate) fn commits(&self) -> [String; 2] {
        let head = |dir: &str| self.git(dir, &["rev-parse", "--verify", "HEAD"]);
        [head("checkout/secrets/hello"), head("remote.git")]
    }

    /// Checks that no canary is in any file that may be on a disk: of the home, the checkout, the
    /// clone, the remote, and of the folders for temporary files; nor in any object of git, which
    /// compresses.
    #[track_caller]
    pub(crate) fn assert_no_plaintext(&self, what: &str) {
        let mut found = Vec::new();
        for name in ["home", "checkout", "remote.git", "tmp", "bin", "state"] {
            search(&self.path(name), usize::MAX, SystemTime::UNIX_EPOCH, &mut found);
        }
        for dir in ["/tmp", "/var/tmp"] {
            search(Path::new(dir), 2, self.started, &mut found);
        }
        // The editor's script contains the text that it adds.
        found.retain(|it| !it.starts_with(self.path("bin")));
        assert!(found.is_empty(), "{what}: plain text in {found:?}");
        let objects = ["cat-file", "--batch-all-objects", "--batch"];
        for dir in ["checkout/secrets/hello", "remote.git"] {
            if let Ok(all) = self.command("git").args(objects).current_dir(self.path(dir)).output()
            {
                assert!(!holds_canary(&all.stdout), "{what}: plain text in an object of {dir}");
            }
        }
    }
}

#[track_caller]
fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}

fn holds_canary(bytes: &[u8]) -> bool {
    [CANARY, EDITED].iter().any(|it| memchr::memmem::find(bytes, it.as_bytes()).is_some())
}

/// Adds the files below `dir` that contain a canary and were written since then.
fn search(dir: &Path, depth: usize, since: SystemTime, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let Ok(metadata) = fs::symlink_metadata(entry.path()) else { continue };
        if metadata.is_dir() && depth > 0 {
            search(&entry.path(), depth - 1, since, found);
        }
        let is_new = metadata.modified().is_ok_and(|it| it >= since);
        if metadata.is_file() && is_new && metadata.len() < 50_000_000 {
            let bytes = fs::read(entry.path()).unwrap_or_default();
            if holds_canary(&bytes) {
                found.push(entry.path());
            }
        }
    }
}

/// Waits for something that happens soon, or, on a busy machine, after minutes.
#[track_caller]
pub(crate) fn wait_until(what: &str, done: impl Fn() -> bool) {
    let deadline = SystemTime::now() + Duration::from_secs(600);
    while !done() {
        assert!(SystemTime::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
