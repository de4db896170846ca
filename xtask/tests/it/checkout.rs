//! A scratch checkout with a small mission, and runs of `cargo xtask` in it.

use std::{
    env, fs,
    os::unix::{
        fs::{PermissionsExt as _, symlink},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::LazyLock,
};

use serde_json::{Value, json};

use super::run::{Call, Done, Running};

/// Removed when dropped.
pub(crate) struct Checkout {
    dir: tempfile::TempDir,
    /// Folder in which the tool is started.
    start_in: &'static str,
    /// Folders of `PATH`.
    path: Vec<&'static str>,
    env: Vec<(&'static str, String)>,
    flaws: Vec<Value>,
}

/// Programs of the machine that the scratch checkout needs, by name; looked up once, since
/// launchers are slow.
static TOOLS: LazyLock<Vec<(&str, PathBuf)>> = LazyLock::new(|| {
    ["bash", "env", "git", "python3", "sh", "tar"].map(|it| (it, find(it))).to_vec()
});

/// Parts copied from this repository.
const COPIED: &[&str] = &[
    "setup-env.template",
    "Dockerfile",
    ".dockerignore",
    "common/base/Dockerfile",
    "common/base/.dockerignore",
    "common/base/rootfs-packages.txt",
    "common/base/debian.sources",
    "common/registry/Dockerfile",
    "common/registry/Dockerfile.dockerignore",
    "common/hub/local/Dockerfile",
    "common/hub/local/Dockerfile.dockerignore",
    "common/image/Dockerfile.trailer",
];

/// Build contexts with their exclusions: only one file of each folder in them is copied, since
/// files take time.
const CONTEXTS: &[(&str, &str)] = &[
    ("", ".dockerignore"),
    ("common/base", "common/base/.dockerignore"),
    ("common", "common/registry/Dockerfile.dockerignore"),
    ("common", "common/hub/local/Dockerfile.dockerignore"),
];

/// Scripts of the common image that Dockerfiles call.
const SCRIPTS: &[&str] =
    &["env-clone", "env-create", "env-update", "install-common", "kernel-setup", "login-setup"];

/// Stand-in for the script that calls mmdebstrap.
pub(crate) const ROOTFS: &str = "#!/bin/bash\nset -euo pipefail\necho \"a root file system, $*\"\n";

/// Frozen spec of `hello` that satisfies its list.
pub(crate) const FRESH: &str = "# frozen: 1\n# platform: linux/amd64\n# base: local python-3.13\nname: hello\nchannels:\n  - conda-forge\ndependencies:\n  - python=3.13.5\n  - pip:\n    - numpy==2.1.0 --hash=sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n";

/// Frozen spec of `hello` from another base and an empty list.
pub(crate) const FROZEN: &str = "# frozen: 1\n# platform: linux/amd64\n# base: sha256:0\nname: hello\nchannels:\n  - conda-forge\ndependencies:\n  - python=3.13.5\n";

/// A notebook without cells.
pub(crate) const NOTEBOOK: &str = r#"{"cells": [], "metadata": {"kernelspec": {"name": "python3"}}, "nbformat": 4, "nbformat_minor": 5}
"#;

impl Checkout {
    /// Returns a checkout with one mission `hello`, a docker with buildx, and only the template's
    /// settings.
    pub(crate) fn new() -> Checkout {
        // Not below this repository, which would be found instead of a broken checkout.
        let dir = tempfile::Builder::new().prefix("checkout-").tempdir().unwrap();
        let path = vec!["bin", "tools"];
        let (env, flaws) = (Vec::new(), Vec::new());
        let res = Checkout { dir, start_in: "common", path, env, flaws };
        for name in ["root", "state", "home", "tools"] {
            fs::create_dir(res.dir.path().join(name)).unwrap();
        }
        for name in COPIED {
            res.file(name, &fs::read_to_string(repository().join(name)).unwrap());
        }
        CONTEXTS.iter().for_each(|(dir, ignore)| res.context(dir, ignore));
        for name in SCRIPTS {
            res.file(&format!("common/image/common-scripts/{name}"), "some text\n");
        }
        res.script("common/base/rootfs", ROOTFS);
        res.file("../ca.crt", "a certificate");
        let tools = res.dir.path().join("tools");
        for (name, path) in &*TOOLS {
            symlink(path, tools.join(name)).unwrap();
        }
        res.docker("bin", "buildx");
        res.mission("hello");
        res
    }

    /// Returns a checkout with all sources of this repository's images.
    pub(crate) fn of_this_repository() -> Checkout {
        let res = Checkout::new();
        for name in ["common", "missions"] {
            fs::remove_dir_all(res.root().join(name)).unwrap();
            copy(&repository().join(name), &res.root().join(name));
        }
        res
    }

    /// Returns a checkout with all files of this repository, and a few commits; the tool is started
    /// at its top.
    pub(crate) fn clone_of_this_repository() -> Checkout {
        let res = Checkout { start_in: "", ..Checkout::new() };
        fs::remove_dir_all(res.root()).unwrap();
        let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
        for name in git(repository(), &list).split_terminator('\0') {
            let to = res.root().join(name);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            copy(&repository().join(name), &to);
        }
        git(&res.root(), &["init", "--quiet"]);
        git(&res.root(), &["add", "--all"]);
        for message in ["0", "1", "2", "3", "4", "5"] {
            git(&res.root(), &["commit", "--quiet", "--allow-empty", "--message", message]);
        }
        res
    }

    /// Restores all committed files, except those that git ignores.
    pub(crate) fn reset(&self) {
        git(&self.root(), &["reset", "--quiet", "--hard"]);
        git(&self.root(), &["clean", "--quiet", "--force", "-d"]);
    }

    /// Returns another checkout with the same files, without the records of this one.
    pub(crate) fn copy(&self) -> Checkout {
        let dir = tempfile::Builder::new().prefix("checkout-").tempdir().unwrap();
        for entry in fs::read_dir(self.dir()).unwrap() {
            let entry = entry.unwrap();
            copy(&entry.path(), &dir.path().join(entry.file_name()));
        }
        // Values may contain the old path.
        let (old, new) = (self.dir().display().to_string(), dir.path().display().to_string());
        let env = self.env.iter().map(|(name, value)| (*name, value.replace(&old, &new))).collect();
        let path = self.path.clone();
        Checkout { dir, start_in: self.start_in, path, env, flaws: Vec::new() }
    }

    fn context(&self, dir: &str, ignore: &str) {
        let text = self.read(ignore);
        for name in text.lines().filter_map(|it| it.strip_prefix('!')) {
            let path = Path::new(dir).join(name);
            let is_folder = repository().join(&path).is_dir();
            let path = if is_folder { path.join("file") } else { path };
            self.file(path.to_str().unwrap(), "some text\n");
        }
    }

    /// Returns the folder of the checkout, the stand-in's folder and others.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    /// Adds a mission with an environment of its name, with floating and frozen specs and two tests.
    pub(crate) fn mission(&self, name: &str) {
        let dir = format!("missions/{name}");
        let env = format!("{dir}/environments/{name}");
        self.file(&format!("{dir}/.dockerignore"), "*\n!environments\n");
        let custom = format!(
            "ARG BASE_IMAGE\nFROM ${{BASE_IMAGE}}\nRUN /opt/common-scripts/env-create {name}\nRUN /opt/common-scripts/env-update {name} {name}.pip\n"
        );
        self.file(&format!("{dir}/Dockerfile.custom"), &custom);
        self.file(&format!("{env}/{name}.pip"), "numpy\n");
        self.file(
            &format!("{env}/{name}-frozen.yml"),
            &FRESH.replace("name: hello", &format!("name: {name}")),
        );
        self.file(&format!("{env}/tests/imports"), "numpy\n");
        self.file(&format!("{env}/tests/plot.ipynb"), NOTEBOOK);
    }

    /// Adds the environment `name` to the mission `hello`.
    pub(crate) fn copy_of_environment(&self, name: &str) {
        self.mission(name);
        let from = self.root().join(format!("missions/{name}/environments/{name}"));
        fs::rename(from, self.root().join(format!("missions/hello/environments/{name}"))).unwrap();
        let steps = self.read(&format!("missions/{name}/Dockerfile.custom"));
        let own = steps.split_once("${BASE_IMAGE}\n").unwrap().1.to_owned();
        let custom = "missions/hello/Dockerfile.custom";
        self.file(custom, &(self.read(custom) + &own));
        fs::remove_dir_all(self.root().join("missions").join(name)).unwrap();
    }

    /// Removes all missions but `hello`, like a team that needs no examples.
    pub(crate) fn remove_examples(&self) {
        for entry in fs::read_dir(self.root().join("missions")).unwrap() {
            let entry = entry.unwrap();
            if entry.file_name() != "hello" {
                fs::remove_dir_all(entry.path()).unwrap();
            }
        }
    }

    /// Adds the mission `name` with the environment `environment`: a copy of `hello`.
    pub(crate) fn copy_of_hello(&self, name: &str, environment: &str) {
        let files = git(&self.root(), &["ls-files", "-z", "missions/hello"]);
        for file in files.split_terminator('\0') {
            let to = file
                .replace("missions/hello", &format!("missions/{name}"))
                .replace("environments/hello", &format!("environments/{environment}"))
                .replace("hello-frozen", &format!("{environment}-frozen"));
            let text = self
                .read(file)
                .replace("name: hello", &format!("name: {environment}"))
                .replace(r#""name": "hello""#, &format!(r#""name": "{environment}""#));
            // The lists keep their names, by which frozen specs are sorted.
            let text =
                ["env-create", "install-common", "env-update"].iter().fold(text, |it, script| {
                    it.replace(&format!("{script} hello"), &format!("{script} {environment}"))
                });
            self.file(&to, &text);
        }
    }

    /// Makes the checkout a git repository.
    pub(crate) fn git(&self) {
        let init = ["init", "--quiet", "--template="];
        let status = Command::new("git").args(init).current_dir(self.root()).status();
        assert!(status.unwrap().success());
    }

    /// Makes git track a submodule at `path`, which is not checked out.
    pub(crate) fn git_link(&self, path: &str) {
        let entry = format!("160000,{},{path}", "1".repeat(40));
        git(&self.root(), &["update-index", "--add", "--cacheinfo", &entry]);
    }

    /// Adds a repository as a submodule at `path`, checked out.
    pub(crate) fn submodule(&self, path: &str) {
        let other = self.dir.path().join("other");
        fs::create_dir(&other).unwrap();
        git(&other, &["init", "--quiet"]);
        fs::write(other.join("a.csv"), "1\n").unwrap();
        git(&other, &["add", "a.csv"]);
        git(&other, &["commit", "--quiet", "--message", "one"]);
        let url = other.to_str().unwrap();
        let add = ["submodule", "--quiet", "add", "--", url, path];
        git(&self.root(), &[&["-c", "protocol.file.allow=always"][..], &add].concat());
    }

    /// Commits all files.
    pub(crate) fn commit(&self) {
        git(&self.root(), &["add", "--all"]);
        git(&self.root(), &["commit", "--quiet", "--allow-empty", "--message", "all"]);
    }

    /// Adds a program of the machine to `PATH`.
    pub(crate) fn tool(&self, name: &str) {
        symlink(find(name), self.dir.path().join("tools").join(name)).unwrap();
    }

    /// Makes `dir` the home of a docker CLI of the kind `buildx`, `built-in` or `neither`.
    pub(crate) fn docker(&self, dir: &str, kind: &str) {
        let dir = self.dir.path().join(dir);
        fs::create_dir_all(&dir).unwrap();
        let _ = fs::remove_file(dir.join("docker"));
        symlink(env!("CARGO_BIN_EXE_stand-in"), dir.join("docker")).unwrap();
        fs::write(dir.join("docker.kind"), kind).unwrap();
    }

    /// Sets the folders of `PATH`.
    pub(crate) fn path(&mut self, path: &[&'static str]) {
        self.path = path.to_vec();
    }

    pub(crate) fn env(&mut self, name: &'static str, value: &str) {
        self.env.push((name, value.to_owned()));
    }

    /// Writes a file of the checkout.
    pub(crate) fn file(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn script(&self, path: &str, text: &str) {
        self.file(path, text);
        fs::set_permissions(self.root().join(path), fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root().join(path)).unwrap()
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        self.root().join(path).exists()
    }

    pub(crate) fn remove(&self, path: &str) {
        fs::remove_file(self.root().join(path)).unwrap();
    }

    /// Makes docker's command lines that contain `on` fail.
    pub(crate) fn fail(&mut self, on: &str, status: u8, stderr: &str) {
        self.flaw(json!({ "on": on, "status": status, "stderr": stderr }));
    }

    /// Adds a flaw, in the stand-in's format.
    pub(crate) fn flaw(&mut self, flaw: Value) {
        self.flaws.push(flaw);
        self.state("flaws.json", &Value::from(self.flaws.clone()).to_string());
    }

    /// Removes all flaws of docker.
    pub(crate) fn restore_docker(&mut self) {
        self.flaws.clear();
        self.state("flaws.json", "[]");
    }

    /// Sets the names of the tests that fail in containers.
    pub(crate) fn failing(&self, names: &[&str]) {
        self.state("failing", &names.join("\n"));
    }

    /// Writes a file of the stand-in's folder.
    pub(crate) fn state(&self, name: &str, text: &str) {
        fs::write(self.dir.path().join("state").join(name), text).unwrap();
    }

    /// Reads a file of the stand-in's folder; returns an empty text when it is missing.
    pub(crate) fn stand_in(&self, name: &str) -> String {
        fs::read_to_string(self.dir.path().join("state").join(name)).unwrap_or_default()
    }

    /// Returns the state of the engine and the registries.
    pub(crate) fn knows(&self) -> Value {
        serde_json::from_str(&self.stand_in("state.json")).unwrap()
    }

    /// Returns the references in registries that contain `part`.
    pub(crate) fn published(&self, part: &str) -> Vec<String> {
        let state = self.knows();
        let names = state["registry"].as_object().unwrap().keys();
        names.filter(|it| it.contains(part)).cloned().collect()
    }

    /// Runs `cargo xtask` and waits for its end.
    #[track_caller]
    pub(crate) fn run(&self, args: &[&str]) -> Done {
        self.start(args).finish()
    }

    pub(crate) fn start(&self, args: &[&str]) -> Running<'_> {
        let old_calls = self.calls().len();
        let stderr = tempfile::NamedTempFile::new_in(self.dir()).unwrap();
        let child = self.command(args).stderr(stderr.reopen().unwrap()).spawn().unwrap();
        Running { checkout: self, child, stderr, old_calls }
    }

    /// Returns a run of `cargo xtask` that was not started, with an empty stdin.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let dir = self.dir.path();
        let path = env::join_paths(self.path.iter().map(|it| dir.join(it))).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command
            .args(args)
            .current_dir(self.root().join(self.start_in))
            .env_clear()
            .env("PATH", path)
            .env("HOME", dir.join("home"))
            .env("STAND_IN", dir.join("state"))
            .env("SSL_CERT_FILE", dir.join("ca.crt"))
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        command
    }

    /// Returns the bytes that a run and its children read, by proc(5); the run must succeed.
    #[track_caller]
    pub(crate) fn bytes_read(&self, args: &[&str]) -> u64 {
        let script = r#""$0" "$@" > /dev/null && sed -n 's/rchar: //p' /proc/$$/io"#;
        let output = Command::new("bash")
            .args(["-c", script, env!("CARGO_BIN_EXE_xtask")])
            .args(args)
            .current_dir(self.root())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
    }

    /// Returns all calls so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.stand_in("calls").lines().map(|it| serde_json::from_str(it).unwrap()).collect()
    }
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn git(dir: &Path, args: &[&str]) -> String {
    let author = ["-c", "user.name=test", "-c", "user.email=test@example.org"];
    let output = Command::new("git").args(author).args(args).current_dir(dir).output().unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn find(program: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap();
    let mut found = env::split_paths(&path).map(|it| it.join(program)).filter(|it| it.is_file());
    let found = found.next().unwrap_or_else(|| panic!("{program} is not on PATH"));
    if program == "python3" { interpreter(&found) } else { found }
}

/// Returns the target of a launcher such as pyenv's, which would not work in a scratch checkout.
fn interpreter(launcher: &Path) -> PathBuf {
    let print = "import sys; print(sys.executable)";
    let output = Command::new(launcher).args(["-c", print]).output().unwrap();
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
}

/// Copies a file or a folder, without the files that tools leave in it.
fn copy(from: &Path, to: &Path) {
    let name = from.file_name().unwrap().to_string_lossy().into_owned();
    if name == "__pycache__" || name == ".ruff_cache" {
        return;
    }
    if from.is_symlink() {
        symlink(fs::read_link(from).unwrap(), to).unwrap();
        return;
    }
    if !from.is_dir() {
        fs::copy(from, to).unwrap();
        return;
    }
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        copy(&entry.path(), &to.join(entry.file_name()));
    }
}
