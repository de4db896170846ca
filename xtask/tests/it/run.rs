//! A run of `cargo xtask`: its output, and its calls of docker.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Child,
    thread,
    time::Duration,
};

use expect_test::Expect;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde::Deserialize;
use serde_json::Value;

use super::checkout::Checkout;

/// A run that has not ended.
pub(crate) struct Running<'a> {
    pub(crate) checkout: &'a Checkout,
    pub(crate) child: Child,
    pub(crate) stderr: tempfile::NamedTempFile,
    pub(crate) old_calls: usize,
}

impl Running<'_> {
    /// Waits until docker has done the work of a call that the stand-in holds.
    #[track_caller]
    pub(crate) fn wait_for_hold(&mut self) {
        self.wait_until("docker holds no call", |it| it.dir().join("state/holds").exists());
    }

    /// Waits until the output contains `part`.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, part: &str) {
        let stderr = self.stderr.path().to_owned();
        let said = |_: &Checkout| fs::read_to_string(&stderr).unwrap().contains(part);
        self.wait_until(&format!("never said {part}"), said);
    }

    /// Waits for something that the run must do before it ends, however slow the machine is.
    #[track_caller]
    pub(crate) fn wait_until(&mut self, what: &str, done: impl Fn(&Checkout) -> bool) {
        while !done(self.checkout) {
            let has_ended = self.child.try_wait().unwrap().is_some();
            assert!(!has_ended || done(self.checkout), "{what}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    /// Sends SIGINT like a terminal's Ctrl-C: to the tool and its children.
    pub(crate) fn ctrl_c(&self) {
        kill(Pid::from_raw(-self.child.id().cast_signed()), Signal::SIGINT).unwrap();
    }

    /// Waits for its end, and checks that docker got no unknown command line.
    #[track_caller]
    pub(crate) fn finish(self) -> Done {
        let Running { checkout, child, stderr, old_calls } = self;
        let output = child.wait_with_output().unwrap();
        let unknown = checkout.stand_in("unknown");
        assert_eq!(unknown, "", "command lines that the stand-in does not know");
        let plain = |text: &str| plain(text, checkout.dir());
        let stdout = String::from_utf8(output.stdout).unwrap();
        let calls = checkout.calls().split_off(old_calls);
        Done {
            code: output.status.code(),
            stderr: plain(&fs::read_to_string(&stderr).unwrap()),
            stdout: plain(&stdout),
            exact: stdout,
            lines: calls.iter().map(|it| plain(&it.line())).collect(),
            calls,
        }
    }
}

/// A call of docker.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Call {
    /// Arguments, with the program first.
    pub(crate) argv: Vec<String>,
    pub(crate) dir: PathBuf,
    /// Names of variables that concern docker.
    pub(crate) env: Vec<String>,
}

impl Call {
    pub(crate) fn line(&self) -> String {
        self.argv[1..].join(" ")
    }

    /// Returns whether the call changes something: an image, a container or a registry.
    pub(crate) fn acts(&self) -> bool {
        let words: Vec<&str> = self.argv[1..].iter().map(String::as_str).collect();
        let asks = [
            "--version",
            "buildx version",
            "buildx inspect",
            "buildx ls",
            "container inspect",
            "container ls",
            "context show",
            "context inspect",
            "image inspect",
            "image ls",
            "info",
            "manifest inspect",
            "network ls",
            "version",
            "volume ls",
        ];
        !asks.iter().any(|it| words.join(" ").starts_with(it))
    }
}

/// Result of a run. Folders and digests are removed from the texts.
pub(crate) struct Done {
    code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// Unchanged stdout.
    exact: String,
    pub(crate) calls: Vec<Call>,
    pub(crate) lines: Vec<String>,
}

impl Done {
    /// Returns the status; `None` when a signal ended the run.
    pub(crate) fn code(&self) -> Option<i32> {
        self.code
    }

    #[track_caller]
    pub(crate) fn status(self, status: i32) -> Done {
        let Done { stdout, stderr, .. } = &self;
        assert_eq!(self.code, Some(status), "--- stdout\n{stdout}--- stderr\n{stderr}");
        self
    }

    /// Checks that a signal that cannot be handled ended the run.
    #[track_caller]
    pub(crate) fn killed(self) {
        assert_eq!(self.code, None, "{}", self.stderr);
    }

    /// Checks that stderr contains `part`.
    #[track_caller]
    pub(crate) fn says(self, part: &str) -> Done {
        assert!(self.stderr.contains(part), "no `{part}` in:\n{}", self.stderr);
        self
    }

    #[track_caller]
    pub(crate) fn never_says(self, part: &str) -> Done {
        assert!(!self.stderr.contains(part), "`{part}` in:\n{}", self.stderr);
        self
    }

    /// Checks that docker was called with `part` in a command line.
    #[track_caller]
    pub(crate) fn called(self, part: &str) -> Done {
        assert!(self.has_call(part), "no call `{part}` in:\n{}", self.lines.join("\n"));
        self
    }

    #[track_caller]
    pub(crate) fn never_called(self, part: &str) -> Done {
        assert!(!self.has_call(part), "`{part}` in:\n{}", self.lines.join("\n"));
        self
    }

    fn has_call(&self, part: &str) -> bool {
        self.lines.iter().any(|it| it.contains(part))
    }

    /// Checks that nothing was built, run, tagged, pushed or removed.
    #[track_caller]
    pub(crate) fn did_nothing(self) -> Done {
        assert_eq!(self.acts(), "");
        self
    }

    /// Returns the command lines that change something.
    #[track_caller]
    pub(crate) fn acted(self, expect: &Expect) -> Done {
        expect.assert_eq(&self.acts());
        self
    }

    fn acts(&self) -> String {
        let acts = self.calls.iter().zip(&self.lines).filter(|(call, _)| call.acts());
        let mut lines: Vec<&str> = acts.map(|(_, line)| line.as_str()).collect();
        // An image's test containers run side by side: sorted, since their order is random.
        let is_of_test = |it: &&str| {
            let words = ["create ", "cp ", "start --attach ", "rm --force ", "volume "];
            words.iter().any(|word| it.starts_with(word))
        };
        for part in lines.chunk_by_mut(|a, b| is_of_test(a) && is_of_test(b)) {
            part.sort_unstable();
        }
        lines.iter().map(|it| format!("{it}\n")).collect()
    }

    #[track_caller]
    pub(crate) fn printed(self, expect: &Expect) -> Done {
        expect.assert_eq(&self.stdout);
        self
    }

    /// Returns stdout, which is one JSON text.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.exact).unwrap_or_else(|err| panic!("{err}:\n{}", self.exact))
    }
}

/// Returns `text` without the parts that differ from run to run: folders, ports and digests.
fn plain(text: &str, dir: &Path) -> String {
    let text = with_port_left_out(&text.replace(dir.to_str().unwrap(), ""));
    let mut res = String::new();
    let mut hex = String::new();
    for c in text.chars().chain(['\n']) {
        if c.is_ascii_hexdigit() && !c.is_ascii_uppercase() {
            hex.push(c);
            continue;
        }
        res += if hex.len() >= 12 { "…" } else { &hex };
        hex.clear();
        res.push(c);
    }
    res.pop();
    res
}

/// Removes the port, since the registry uses the first free one.
fn with_port_left_out(text: &str) -> String {
    let mut parts = text.split("127.0.0.1:");
    let mut res = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|it: char| it.is_ascii_digit());
        res += if rest.len() < part.len() { "127.0.0.1:<port>" } else { "127.0.0.1:" };
        res += rest;
    }
    res
}
