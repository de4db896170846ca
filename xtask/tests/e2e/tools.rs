//! Python programs that inspect results, with their packages from PyPI.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use crate::checkout::{run, text};

/// Runs `script`, a file below `xtask/tests`, which must find no problem.
#[track_caller]
pub(crate) fn look(script: &str, args: &[&str]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(script);
    let output = Command::new(&*PYTHON).arg(&script).args(args).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {}{stderr}", script.display(), text(&output));
}

/// Interpreter of an environment with all of `test-tools.txt`, made once per version of it.
static PYTHON: LazyLock<PathBuf> = LazyLock::new(|| {
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("test-tools.txt");
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("test-tools");
    let (python, made_from) = (dir.join("bin/python"), dir.join("made-from.txt"));
    let text = fs::read_to_string(&lock).unwrap();
    if fs::read_to_string(&made_from).is_ok_and(|it| it == text) {
        return python;
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&dir));
    // Without the packages that the lock leaves out: playwright brings a browser, of which only axe
    // is used.
    let install = ["-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes"];
    run(Command::new(&python).args(install).arg("--requirement").arg(&lock));
    fs::write(made_from, text).unwrap();
    python
});
