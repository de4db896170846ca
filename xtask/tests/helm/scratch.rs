//! A checkout with one mission in a temporary folder, and the programs of the tests.

use std::{
    env, fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// Removed when dropped.
pub(crate) struct Scratch {
    dir: tempfile::TempDir,
}

impl Scratch {
    pub(crate) fn new() -> Scratch {
        let dir = tempfile::Builder::new().prefix("xtask-helm-").tempdir().unwrap();
        let res = Scratch { dir };
        let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("../setup-env.template");
        res.write("setup-env.template", &fs::read_to_string(template).unwrap());
        res
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
    }

    /// Runs `cargo xtask`.
    pub(crate) fn xtask(&self, args: &[&str]) -> Output {
        run(Command::new(env!("CARGO_BIN_EXE_xtask")).args(args).current_dir(self.dir.path()), "")
    }
}

/// Returns the programs of Helm 3 and Helm 4.
pub(crate) fn helms() -> [PathBuf; 2] {
    let dir = env::var_os("HELMS").map(PathBuf::from);
    let dir = dir.expect("HELMS is not set; `cargo xtask ci --only 'hubs with helm'` sets it");
    let helms = ["helm3", "helm4"].map(|it| dir.join(it));
    helms.iter().for_each(|it| assert!(it.is_file(), "{} not found", it.to_string_lossy()));
    helms
}

pub(crate) fn run(command: &mut Command, stdin: &str) -> Output {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// Returns the standard output of a command that succeeds.
#[track_caller]
pub(crate) fn stdout(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}
