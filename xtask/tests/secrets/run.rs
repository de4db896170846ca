//! A run of `cargo xtask`, and its end.

use std::{io::Read as _, process::Child};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::scratch::{CANARY, EDITED};

/// A run that has not ended.
pub(crate) struct Running {
    pub(crate) child: Child,
    /// Start of stderr, as far as a test has waited for it.
    heard: Vec<u8>,
}

impl Running {
    pub(crate) fn new(child: Child) -> Running {
        Running { child, heard: Vec::new() }
    }

    /// Waits until stderr contains `part`.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, part: &str) {
        let stderr = self.child.stderr.as_mut().unwrap();
        let mut byte = [0];
        while !self.heard.ends_with(part.as_bytes()) {
            assert_eq!(stderr.read(&mut byte).unwrap(), 1, "never said {part}");
            self.heard.extend(byte);
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn finish(self) -> Done {
        let output = self.child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let done = Done {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text([self.heard, output.stderr].concat()),
        };
        assert!(!done.stderr.contains(CANARY), "it said a value:\n{}", done.stderr);
        assert!(!done.stderr.contains(EDITED), "it said a value:\n{}", done.stderr);
        done
    }
}

/// Result of a run.
#[derive(Debug)]
pub(crate) struct Done {
    /// Exit status; `None` when a signal ended the run.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Done {
    #[track_caller]
    pub(crate) fn status(self, status: i32) -> Done {
        let Done { stdout, stderr, .. } = &self;
        assert_eq!(self.code, Some(status), "--- stdout\n{stdout}--- stderr\n{stderr}");
        self
    }

    /// Checks that stderr contains `part`.
    #[track_caller]
    pub(crate) fn says(self, part: &str) -> Done {
        assert!(self.stderr.contains(part), "no `{part}` in:\n{}", self.stderr);
        self
    }
}
