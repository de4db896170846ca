//! A run of the tool that has not ended.

use std::{
    io::{BufRead as _, BufReader, Read},
    os::unix::process::CommandExt as _,
    process::{Child, Stdio},
    sync::mpsc::{self, Receiver, Sender},
    thread,
};

use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};

use crate::checkout::Checkout;

/// A run in a process group of its own, like a shell starts it.
pub(crate) struct Running {
    tool: Child,
    lines: Receiver<String>,
}

/// Recipient a signal is sent to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Recipient {
    /// The tool alone, like `kill`.
    Tool,
    /// The process group, like Ctrl-C in a terminal.
    Group,
}

impl Running {
    pub(crate) fn start(checkout: &Checkout, args: &[&str]) -> Running {
        eprintln!("$ cargo xtask {}", args.join(" "));
        let mut command = checkout.command(args);
        command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut tool = command.spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        send_lines(tool.stdout.take().unwrap(), sender.clone());
        send_lines(tool.stderr.take().unwrap(), sender);
        Running { tool, lines }
    }

    /// Waits for a line that begins with `start`, and returns it; `None` when the run ends before.
    pub(crate) fn wait_for(&self, start: &str) -> Option<String> {
        self.lines.iter().find(|it| it.starts_with(start))
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.tool.try_wait().unwrap().is_some()
    }

    pub(crate) fn group(&self) -> Pid {
        Pid::from_raw(self.tool.id().cast_signed())
    }

    pub(crate) fn interrupt(&self, receiver: Recipient) {
        let _ = match receiver {
            Recipient::Tool => kill(self.group(), Signal::SIGINT),
            Recipient::Group => killpg(self.group(), Signal::SIGINT),
        };
    }

    pub(crate) fn finish(mut self) -> Option<i32> {
        self.tool.wait().unwrap().code()
    }
}

/// Ends the run, so that a failed test leaves no process.
impl Drop for Running {
    fn drop(&mut self) {
        if !self.has_ended() {
            self.interrupt(Recipient::Group);
            let _ = self.tool.wait();
        }
    }
}

/// Sends the lines of a stream, and shows them, too.
fn send_lines(stream: impl Read + Send + 'static, sender: Sender<String>) {
    thread::spawn(move || {
        BufReader::new(stream).lines().map_while(Result::ok).for_each(|it| {
            eprintln!("{it}");
            let _ = sender.send(it);
        });
    });
}
