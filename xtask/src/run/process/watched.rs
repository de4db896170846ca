//! Programs that show progress only on a terminal: they get a hidden one, so that a hang can be
//! told from slow work.

use std::{
    fs::File,
    io::Read as _,
    os::fd::OwnedFd,
    process::Stdio,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use nix::{
    fcntl::{FcntlArg, FdFlag, fcntl},
    pty::{Winsize, openpty},
};

use crate::run::{printable, ui::Heartbeat};

use super::{
    Cmd, check_interrupted,
    running::{LAST_WORDS, POLL, Running, STOP, is_given_up},
    waiting,
};

/// Wide enough for a line of progress.
const SIZE: Winsize = Winsize { ws_row: 50, ws_col: 200, ws_xpixel: 0, ws_ypixel: 0 };

/// Runs `cmd` until it ends, and returns its status; `None` when the command showed nothing new for
/// as long as `patience`, and was stopped. `on_line` gets its output without progress bars.
pub(crate) fn watched(
    cmd: &Cmd,
    patience: Duration,
    on_line: &mut dyn FnMut(&str),
) -> anyhow::Result<Option<u8>> {
    check_interrupted()?;
    let pty = openpty(&SIZE, None).context("cannot open a terminal")?;
    // A program that another thread starts would keep the terminal open.
    for end in [&pty.master, &pty.slave] {
        fcntl(end, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).context("cannot open a terminal")?;
    }
    let mut command = cmd.command()?;
    command.stdin(Stdio::null()).stdout(pty.slave.try_clone()?).stderr(pty.slave);
    let mut child = Running::spawn(cmd, &mut command)?;
    // The command holds the other end, whose closing shows that the child has ended.
    drop(command);
    waiting(&[cmd], || watch(&mut child, pty.master, patience, on_line))
}

fn watch(
    child: &mut Running,
    terminal: OwnedFd,
    patience: Duration,
    on_line: &mut dyn FnMut(&str),
) -> anyhow::Result<Option<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || send_chunks(File::from(terminal), &sender));
    let mut lines = Lines::default();
    let mut last = Instant::now();
    let mut ended = None;
    let mut heartbeat = Heartbeat::new(child.cmd.in_short());
    loop {
        heartbeat.tick();
        match receiver.recv_timeout(POLL) {
            Ok(chunk) => {
                heartbeat.rest();
                last = Instant::now();
                lines.add(&chunk, on_line);
            }
            Err(RecvTimeoutError::Disconnected) if ended.is_some() => break,
            Err(RecvTimeoutError::Disconnected) => thread::sleep(Duration::from_millis(2)),
            // A child of the program may hold its terminal for ever.
            Err(RecvTimeoutError::Timeout) if ended.is_some() && last.elapsed() > LAST_WORDS => {
                break;
            }
            Err(RecvTimeoutError::Timeout) => (),
        }
        check_interrupted().inspect_err(|_| child.stop(STOP))?;
        let has_ended = ended.is_some();
        ended = child.ended()?;
        if ended.is_some() != has_ended {
            last = Instant::now();
        }
        if ended.is_none() && last.elapsed() > patience || is_given_up(child.child.id()) {
            child.stop(STOP);
            return Ok(None);
        }
    }
    lines.add(b"\n", on_line);
    check_interrupted()?;
    Ok(ended)
}

/// Sends chunks until the other end is closed, which reads as an error.
fn send_chunks(mut terminal: File, sender: &mpsc::Sender<Vec<u8>>) {
    let mut chunk = vec![0; 4096];
    while let Ok(n) = terminal.read(&mut chunk) {
        if n == 0 || sender.send(chunk[..n].to_vec()).is_err() {
            return;
        }
    }
}

/// Longest line in bytes; a longer one comes in pieces, because each chunk is searched for a line
/// end from the start.
const LONGEST: usize = 1 << 16;

/// Converter of moving terminal output to lines of text.
#[derive(Default)]
struct Lines {
    begun: String,
    last: String,
}

impl Lines {
    fn add(&mut self, chunk: &[u8], on_line: &mut dyn FnMut(&str)) {
        self.begun += &String::from_utf8_lossy(chunk);
        if self.begun.len() > LONGEST {
            self.begun.push('\n');
        }
        while let Some(end) = self.begun.find(['\n', '\r']) {
            let line: String = self.begun.drain(..=end).collect();
            let line = printable::line(line.trim_end());
            let is_bar = line.contains("[=") || line.contains("[>");
            if !line.is_empty() && !is_bar && line != self.last {
                on_line(&line);
                self.last = line;
            }
        }
    }
}

#[test]
fn lines_of_a_terminal() {
    let mut seen = Vec::new();
    let mut lines = Lines::default();
    let shown = "\x1b[1A\x1b[2K\rab12: Pushing [==>  ] 1MB/3MB\r\x1b[1B\x1b[1A\x1b[2K\rab12: Pu";
    lines.add(shown.as_bytes(), &mut |it| seen.push(it.to_owned()));
    lines.add(b"shed \r\x1b[1Blatest: digest: sha256:12\r\n", &mut |it| seen.push(it.to_owned()));
    assert_eq!(seen, ["ab12: Pushed", "latest: digest: sha256:12"]);
}
