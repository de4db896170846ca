//! Commands that save or clean up: they run even after an interruption, with a time limit.

use std::{
    io::{self, Read},
    process::Stdio,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;

use crate::run::ui::Heartbeat;

use super::{
    Cmd, Silent, check_interrupted,
    running::{Interruption, POLL, Running, STOP, is_given_up},
    waiting,
};

/// Runs a command that saves or cleans up, even after an interruption, and returns its status.
pub(crate) fn last_words(cmd: &Cmd) -> anyhow::Result<u8> {
    let (status, _) = last_stream(cmd, |it| Ok(io::copy(it, &mut io::sink())?))?;
    Ok(status)
}

/// Runs like [`last_words`], but passes the standard output of `cmd` to `take`. Returns the status
/// and the result of `take`; `cmd` is stopped when `take` fails.
pub(crate) fn last_stream<T>(
    cmd: &Cmd,
    take: impl FnOnce(&mut dyn Read) -> anyhow::Result<T>,
) -> anyhow::Result<(u8, T)> {
    waiting(&[cmd], || stream(cmd, take))
}

fn stream<T>(
    cmd: &Cmd,
    take: impl FnOnce(&mut dyn Read) -> anyhow::Result<T>,
) -> anyhow::Result<(u8, T)> {
    let mut command = cmd.command()?;
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = Running::spawn(cmd, &mut command)?;
    let stdout = child.child.stdout.take().context("a piped child has a standard output")?;
    let (sender, chunks) = mpsc::sync_channel(16);
    thread::spawn(move || send_chunks(stdout, &sender));
    let watch = Watch::new(cmd, child.child.id());
    let mut stream = Chunks { chunks, rest: Vec::new(), watch };
    let res = take(&mut stream).and_then(|taken| {
        loop {
            if let Some(status) = child.ended()? {
                return Ok((status, taken));
            }
            stream.watch.check()?;
            thread::sleep(Duration::from_millis(2));
        }
    });
    res.inspect_err(|_| child.stop(STOP))
}

fn send_chunks(mut stream: impl Read, sender: &mpsc::SyncSender<Vec<u8>>) {
    let mut chunk = vec![0; 1 << 16];
    while let Ok(n @ 1..) = stream.read(&mut chunk) {
        if sender.send(chunk[..n].to_vec()).is_err() {
            return;
        }
    }
}

/// Reader of a child's output, which fails when the child exceeds its time.
struct Chunks<'a> {
    chunks: mpsc::Receiver<Vec<u8>>,
    rest: Vec<u8>,
    watch: Watch<'a>,
}

impl Read for Chunks<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.chunks.recv_timeout(POLL) {
                Ok(chunk) => {
                    self.watch.heard = Instant::now();
                    self.rest = chunk;
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(0),
                Err(RecvTimeoutError::Timeout) => {
                    self.watch.check().map_err(|err| io::Error::other(format!("{err:#}")))?;
                }
            }
        }
        let n = self.rest.len().min(buffer.len());
        buffer[..n].copy_from_slice(&self.rest[..n]);
        self.rest.drain(..n);
        Ok(n)
    }
}

/// Time limit of a command that an interruption does not end at once.
struct Watch<'a> {
    cmd: &'a Cmd,
    pid: u32,
    heard: Instant,
    /// Whether the command began after an interruption, which then does not end it.
    is_on_the_way_out: bool,
    interruption: Interruption,
    heartbeat: Heartbeat,
}

impl<'a> Watch<'a> {
    fn new(cmd: &'a Cmd, pid: u32) -> Watch<'a> {
        let is_on_the_way_out = check_interrupted().is_err();
        let interruption = Interruption::default();
        let heartbeat = Heartbeat::new(cmd.in_short());
        Watch { cmd, pid, heard: Instant::now(), is_on_the_way_out, interruption, heartbeat }
    }

    fn check(&mut self) -> anyhow::Result<()> {
        self.heartbeat.tick();
        let (limit, given_up) = (self.cmd.patience.limit(), is_given_up(self.pid));
        if !self.is_on_the_way_out {
            self.interruption.check_while(!given_up)?;
        }
        if given_up || self.heard.elapsed() > limit {
            return Err(Silent { cmd: self.cmd.in_short(), limit }.into());
        }
        Ok(())
    }
}
