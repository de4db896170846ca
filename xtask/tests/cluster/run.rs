//! Runs of programs, with what they print in one order, for the tests and for people.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, Read, Write as _},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::Instant,
};

use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};

/// Result of a run.
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A run that has not ended, in a process group of its own.
pub(crate) struct Running {
    child: Child,
    readers: [JoinHandle<String>; 2],
    started: Instant,
    transcript: Transcript,
}

/// A file with what was run and printed.
#[derive(Clone)]
pub(crate) struct Transcript(Arc<Mutex<File>>);

impl Transcript {
    pub(crate) fn new(path: &Path) -> Transcript {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        Transcript(Arc::new(Mutex::new(File::create(path).unwrap())))
    }

    pub(crate) fn line(&self, text: &str) {
        eprintln!("{text}");
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(file, "{text}").unwrap();
    }
}

impl Running {
    /// Starts a command with `stdin`, which is shown as `title`.
    pub(crate) fn start(
        command: &mut Command,
        stdin: &str,
        title: &str,
        transcript: &Transcript,
    ) -> Running {
        transcript.line(&format!("\n$ {title}"));
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.process_group(0).spawn().unwrap();
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        let stdout = read(child.stdout.take().unwrap(), transcript);
        let stderr = read(child.stderr.take().unwrap(), transcript);
        Running {
            child,
            readers: [stdout, stderr],
            started: Instant::now(),
            transcript: transcript.clone(),
        }
    }

    /// Signals the program and those that it started.
    pub(crate) fn signal_all(&self, signal: Signal) {
        killpg(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    /// Kills the program and what it started, which is in process groups of its own.
    pub(crate) fn kill_all(&self) {
        let started = children(self.child.id());
        for id in [self.child.id()].into_iter().chain(started) {
            // One may have ended.
            let _ = kill(Pid::from_raw(id.cast_signed()), Signal::SIGKILL);
        }
    }

    pub(crate) fn finish(mut self) -> Done {
        let status = self.child.wait().unwrap();
        let [stdout, stderr] = self.readers.map(|it| it.join().unwrap());
        let seconds = self.started.elapsed().as_secs_f64();
        let code = status.code();
        self.transcript.line(&format!(
            "# status {}, {seconds:.1} s",
            code.map_or("-".to_owned(), |it| it.to_string())
        ));
        for text in [&stdout, &stderr] {
            assert!(!text.contains("canary-"), "a secret in the output above");
        }
        Done { code, stdout, stderr }
    }
}

/// Returns the ids of the processes that `parent` has started: <https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html>
fn children(parent: u32) -> Vec<u32> {
    let ids = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|it| it.unwrap().file_name().to_str()?.parse().ok());
    let is_child = |id: &u32| {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let rest = stat.rsplit_once(") ").map(|it| it.1.to_owned()).unwrap_or_default();
        rest.split(' ').nth(1) == Some(&*parent.to_string())
    };
    ids.filter(is_child).collect()
}

/// Reads a pipe to its end, line by line.
fn read(pipe: impl Read + Send + 'static, transcript: &Transcript) -> JoinHandle<String> {
    let transcript = transcript.clone();
    thread::spawn(move || {
        let mut res = String::new();
        for line in BufReader::new(pipe).split(b'\n') {
            let line = String::from_utf8_lossy(&line.unwrap()).into_owned();
            transcript.line(&line);
            res.push_str(&line);
            res.push('\n');
        }
        res
    })
}

impl Done {
    #[track_caller]
    pub(crate) fn status(self, status: i32) -> Done {
        assert_eq!(self.code, Some(status), "see the output above");
        self
    }

    /// Returns both outputs.
    pub(crate) fn both(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// Checks that one of the outputs contains `part`.
    #[track_caller]
    pub(crate) fn says(self, part: &str) -> Done {
        assert!(self.both().contains(part), "no `{part}` in the output above");
        self
    }
}

/// Runs a command that must succeed, and returns its standard output.
#[track_caller]
pub(crate) fn output(command: &mut Command) -> String {
    output_of(command, "")
}

#[track_caller]
pub(crate) fn output_of(command: &mut Command, stdin: &str) -> String {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{stderr}", output.status);
    String::from_utf8(output.stdout).unwrap()
}
