//! The real `pre-commit`, with the hooks of this repository and with those for others: commits that
//! pass and commits that are blocked. Its program is `$PRE_COMMIT`, or found on `PATH`.

#![expect(clippy::disallowed_methods, reason = "tests start programs and write files")]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{Mutex, PoisonError},
};

/// Returns the folder of this repository's copy: always the same, so that cargo finds its earlier
/// build.
fn home() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("pre-commit")
}

fn program() -> String {
    env::var("PRE_COMMIT").unwrap_or_else(|_| "pre-commit".to_owned())
}

/// A git repository in a folder of its own.
struct Checkout {
    root: PathBuf,
}

impl Checkout {
    /// Copies the files of this repository that `wanted` selects, and `config`; commits them.
    fn new(name: &str, config: Option<&str>, wanted: fn(&str) -> bool) -> Checkout {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let root = home().join(name);
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(&root).unwrap();
        let res = Checkout { root };
        let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
        let list = run(Command::new("git").args(list).current_dir(source));
        for name in text(&list).split_terminator('\0').filter(|it| wanted(it)) {
            let (from, to) = (source.join(name), res.root.join(name));
            if from.exists() {
                fs::create_dir_all(to.parent().unwrap()).unwrap();
                fs::copy(from, to).unwrap();
            }
        }
        if let Some(config) = config {
            res.write(".pre-commit-config.yaml", config);
        }
        res.git(&["init", "--quiet"]);
        assert!(res.commit("all").status.success());
        res
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.root.join(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.root.join(name)).unwrap()
    }

    fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(args)
            .current_dir(&self.root)
            .env("PRE_COMMIT_HOME", home().join("cache"))
            .env("CARGO_TARGET_DIR", home().join("target"))
            // Set by the run of cargo that this test is a part of.
            .env_remove("CARGO_MANIFEST_DIR");
        command
    }

    fn git(&self, args: &[&str]) -> Output {
        let author = ["-c", "user.name=test", "-c", "user.email=test@example.org"];
        self.command("git", &[&author[..], args].concat()).output().unwrap()
    }

    /// Commits all files; hooks may block it.
    fn commit(&self, message: &str) -> Output {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", message])
    }

    fn head(&self) -> String {
        text(&self.git(&["rev-parse", "HEAD"])).trim().to_owned()
    }

    fn pre_commit(&self, args: &[&str]) -> Output {
        let output = self.command(&program(), args).output();
        output.unwrap_or_else(|err| panic!("{}: {err}; `cargo xtask ci` installs it", program()))
    }

    #[track_caller]
    fn passes(&self, args: &[&str]) {
        let output = self.pre_commit(args);
        assert!(output.status.success(), "{}", text(&output));
    }

    #[track_caller]
    fn blocks(&self, args: &[&str], because: &str) {
        let output = self.pre_commit(args);
        assert!(!output.status.success() && text(&output).contains(because), "{}", text(&output));
    }
}

/// Returns the output of a program on both streams.
fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    output
}

const NOTEBOOK: &str = "missions/hello/environments/hello/tests/cmb.ipynb";

/// Returns a notebook as a run leaves it.
fn with_output(checkout: &Checkout) -> String {
    checkout.read(NOTEBOOK).replacen("\"execution_count\": null", "\"execution_count\": 1", 1)
}

/// Runs of cargo in one target folder wait for each other.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn commits_to_this_repository() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let checkout = Checkout::new("this", None, |_| true);
    checkout.passes(&["run", "--all-files"]);

    checkout.passes(&["install"]);
    let (head, good) = (checkout.head(), checkout.read(NOTEBOOK));
    checkout.write(NOTEBOOK, &with_output(&checkout));
    let output = checkout.commit("a notebook with an output");
    assert!(!output.status.success());
    assert!(text(&output).contains("cmb.ipynb:18: notebook-outputs"), "{}", text(&output));
    assert_eq!(checkout.head(), head);

    run(&mut checkout.command("cargo", &["xtask", "check", "--fix"]));
    assert_eq!(checkout.read(NOTEBOOK), good);
    checkout.write("docs/a.md", "More.\n");
    let output = checkout.commit("a page");
    assert!(output.status.success(), "{}", text(&output));
    assert_ne!(checkout.head(), head);

    checkout.write("xtask/tests/it/main.rs", "fn  a() {}\n");
    checkout.blocks(&["run", "rustfmt", "--all-files"], "rustfmt");
}

/// Another deployment repository has missions, and no automation of its own.
#[test]
fn commits_to_another_repository() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let hooks = Checkout::new("hooks", None, |_| true);
    let config = |args: &str| {
        format!(
            "repos:\n- repo: {}\n  rev: {}\n  hooks:\n  - id: check\n    args: [{args}]\n",
            hooks.root.display(),
            hooks.head()
        )
    };
    let is_wanted = |it: &str| !it.starts_with("xtask/") && !it.starts_with("Cargo.");
    let other = Checkout::new("other", Some(&config("")), is_wanted);
    other.passes(&["run", "--all-files"]);

    let good = other.read(NOTEBOOK);
    other.write(NOTEBOOK, &with_output(&other));
    other.write("missions/hello/environments/hello/cvt.pip", "astropy\n");
    other.git(&["add", "--all"]);
    other.blocks(&["run"], "cmb.ipynb:18: notebook-outputs");
    other.blocks(&["run"], "cvt.pip: spec-never-installed");

    fs::remove_file(other.root.join("missions/hello/environments/hello/cvt.pip")).unwrap();
    other.write(".pre-commit-config.yaml", &config("--fix"));
    other.git(&["add", "--all"]);
    other.blocks(&["run"], "files were modified by this hook");
    assert_eq!(other.read(NOTEBOOK), good);
    other.git(&["add", "--all"]);
    other.passes(&["run"]);
}
