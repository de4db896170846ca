//! The conda base image, and servers of the packages of its missions, which run until this is
//! dropped.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use serde::Deserialize;

/// Output of `conda_base_served.py`.
#[derive(Debug, Deserialize)]
pub(super) struct Served {
    pub(super) image: String,
    pub(super) channels: String,
    pub(super) address: String,
    pub(super) alias: String,
    pub(super) index: String,
    pub(super) packages: String,
    pub(super) credentials: String,
}

/// The script, which ends when its stdin does.
pub(super) struct Servers(Child);

impl Servers {
    pub(super) fn start() -> (Servers, Served) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/conda_base_served.py");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("conda-base");
        let mut command = Command::new("python3");
        command.arg(script).arg(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let servers = Servers(child);
        (servers, serde_json::from_str(&line).expect("the base and its servers are there"))
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
