//! A copy of the working tree to break things in, and the tool to run there.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use serde_json::Value;

use crate::{containers::forget, seed};

/// A copy of all files that git tracks or would track, committed to a repository of its own.
pub(crate) struct Checkout {
    dir: tempfile::TempDir,
    /// Variables for the tool, such as settings.
    pub(crate) env: Vec<(String, String)>,
    /// Variables that the tool does not get.
    pub(crate) without: Vec<&'static str>,
    /// Program and argument that start the tool, if not directly.
    pub(crate) launcher: Option<[String; 2]>,
    /// Mission whose images are removed with the checkout.
    copy: Option<String>,
    _alone: Option<MutexGuard<'static, ()>>,
}

/// Result of a run of the tool.
pub(crate) struct Run {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Held by tests that share the images of `hello`, and the registry on this machine.
static SHARED: Mutex<()> = Mutex::new(());

/// Held by tests with missions of their own.
static OWN: Mutex<()> = Mutex::new(());

/// Held by tests with a copy of `hello`.
static COPY: Mutex<()> = Mutex::new(());

impl Checkout {
    pub(crate) fn new() -> Checkout {
        Checkout::alone(&SHARED)
    }

    /// Returns a checkout for a test that builds no mission of this repository, and neither uses the registry on
    /// this machine nor another base: it runs beside one of those that do.
    pub(crate) fn for_own_missions() -> Checkout {
        Checkout::alone(&OWN)
    }

    /// Returns a checkout like [`Checkout::for_own_missions`], with `hello` under another name,
    /// which does not begin with its own: no test of one sees images of the other.
    pub(crate) fn of_copy(name: &str) -> Checkout {
        let mut res = Checkout::alone(&COPY);
        res.copy = Some(name.to_owned());
        res.git(&["mv", "missions/hello", &format!("missions/{name}")]);
        assert_eq!(res.run(&["image-update", name]).status, Some(0));
        res.commit();
        // An address where nothing listens.
        res.set("REGISTRY", "127.0.0.1:1");
        res
    }

    fn alone(lock: &'static Mutex<()>) -> Checkout {
        // Before all of them: it builds the images of `hello`, and other tests need the one below.
        seed::make();
        let alone = lock.lock().unwrap_or_else(PoisonError::into_inner);
        let mut res = Checkout::copied();
        res._alone = Some(alone);
        res
    }

    /// Returns another checkout of the same test, with the same variables and no state, like on
    /// another machine.
    pub(crate) fn beside(&self) -> Checkout {
        let mut res = Checkout::copied();
        res.env = self.env.clone();
        res
    }

    /// Returns a checkout for a test that builds no image, and runs beside all others.
    pub(crate) fn copied() -> Checkout {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let root = dir.path();
        let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
        for name in text(&git(source, &list)).split_terminator('\0') {
            let (from, to) = (source.join(name), root.join(name));
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            // Unchanged, or the images would have other sources than the repository's.
            if let Ok(target) = fs::read_link(&from) {
                symlink(target, to).unwrap();
            } else if from.exists() {
                fs::copy(from, to).unwrap();
            }
        }
        git(root, &["init", "--quiet"]);
        // Whatever job runs the tests, and whatever the registry has of earlier ones. Only tests about
        // results that carry over have the files of their images digested, which takes seconds each.
        let env = [("PULL_REQUEST", ""), ("REUSE", "never"), ("TEST_MAX_AGE", "0")];
        let env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let res =
            Checkout { dir, env, without: Vec::new(), launcher: None, copy: None, _alone: None };
        res.commit();
        res
    }

    /// Commits all files.
    pub(crate) fn commit(&self) {
        self.git(&["add", "--all"]);
        let author = ["-c", "user.name=test", "-c", "user.email=test@example.org"];
        self.git(&[&author[..], &["commit", "--quiet", "--message", "all"]].concat());
    }

    /// Returns the output of git.
    pub(crate) fn git(&self, args: &[&str]) -> String {
        text(&git(self.dir.path(), args))
    }

    /// Returns a text that no other checkout has, for changes that no earlier run's images contain.
    pub(crate) fn mark(&self) -> String {
        self.dir.path().file_name().unwrap().to_string_lossy().into_owned()
    }

    /// Restores all committed files, except those that git ignores.
    pub(crate) fn reset(&self) {
        git(self.dir.path(), &["reset", "--quiet", "--hard"]);
        git(self.dir.path(), &["clean", "--quiet", "--force", "-d"]);
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn script(&self, name: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        self.write(name, text);
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Sets a variable; the last value counts.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.env.push((name.to_owned(), value.to_owned()));
    }

    /// Returns `cargo xtask` with `args`, not started yet.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let tool = env!("CARGO_BIN_EXE_xtask");
        let mut command = match &self.launcher {
            Some([program, arg]) => {
                let mut command = Command::new(program);
                command.args([arg, tool]);
                command
            }
            None => Command::new(tool),
        };
        let env = self.env.iter().map(|(name, value)| (name, value));
        command.args(args).current_dir(self.dir.path()).envs(env);
        self.without.iter().for_each(|it| _ = command.env_remove(it));
        command
    }

    /// Runs `cargo xtask` with `args`, whatever its status.
    pub(crate) fn run(&self, args: &[&str]) -> Run {
        let started = Instant::now();
        let output = self.command(args).output().unwrap();
        let took = started.elapsed().as_secs_f32();
        let run = Run {
            status: output.status.code(),
            stdout: text(&output),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        let args = args.join(" ");
        eprintln!("$ cargo xtask {args}\n{}{}took {took:.1} s", run.stdout, run.stderr);
        run
    }

    /// Runs `cargo xtask` with `args` and `--json`, which must succeed, and returns the rows.
    #[track_caller]
    pub(crate) fn rows(&self, args: &[&str]) -> Rows {
        let run = self.run(&[args, &["--json"]].concat());
        assert_eq!(run.status, Some(0), "cargo xtask {}", args.join(" "));
        let summary: Value = serde_json::from_str(&run.stdout).unwrap();
        Rows(summary["images"].as_array().unwrap().clone())
    }

    /// Returns whether the builder had `step` of a mission's last build in its cache, or in that of
    /// an image in the registry.
    #[track_caller]
    pub(crate) fn was_cached(&self, mission: &str, step: &str) -> bool {
        let log = self.read(&format!("target/xtask/logs/image-build-{mission}.log"));
        let head = log.lines().find(|it| it.contains("] RUN ") && it.contains(step));
        let number = head.and_then(|it| it.split(' ').next()).unwrap_or_else(|| panic!("{log}"));
        log.lines().any(|it| it == format!("{number} CACHED"))
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        self.copy.iter().for_each(|it| forget(it));
    }
}

/// Output of a run about each image.
pub(crate) struct Rows(Vec<Value>);

impl Rows {
    #[track_caller]
    pub(crate) fn text(&self, image: &str, field: &str) -> String {
        let row = self.0.iter().find(|it| it["image"] == image).expect("the image has a row");
        row[field].as_str().expect("a text").to_owned()
    }

    #[track_caller]
    pub(crate) fn number(&self, image: &str, field: &str) -> u64 {
        let row = self.0.iter().find(|it| it["image"] == image).expect("the image has a row");
        row[field].as_u64().expect("a number")
    }

    #[track_caller]
    pub(crate) fn action(&self, image: &str) -> String {
        self.text(image, "action")
    }

    /// Checks that no image was built, tested or pushed, and no tag was moved.
    #[track_caller]
    pub(crate) fn did_nothing(&self) {
        let actions = self.0.iter().map(|it| it["action"].as_str().unwrap());
        let done: Vec<&str> =
            actions.filter(|it| !["unchanged", "already published"].contains(it)).collect();
        assert!(done.is_empty(), "{done:?}");
    }
}

fn git(dir: &Path, args: &[&str]) -> Output {
    run(Command::new("git").args(args).current_dir(dir))
}

/// Runs a command that must succeed.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{stderr}", output.status);
    output
}

pub(crate) fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}
