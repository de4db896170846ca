//! Two programs, where one reads the output of the other.

use std::{fmt, process::Stdio, sync::mpsc};

use anyhow::Context as _;

use super::{
    Cmd, Silent, code,
    running::{Limit, Running, STOP, Stream, follow},
    waiting,
};

/// The side of a pipe that failed.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) cmd: Cmd,
    pub(crate) status: u8,
}

impl std::error::Error for Failed {}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` failed with status {}", self.cmd, self.status)
    }
}

/// Runs `from | to` and returns the standard output of `to`; `on_line` gets all other lines.
///
/// # Errors
/// Either fails: [`Failed`]; both are silent for too long; or the run was interrupted.
pub(crate) fn pipe(from: &Cmd, to: &Cmd, on_line: &mut dyn FnMut(&str)) -> anyhow::Result<String> {
    let mut source = Running::start(from, Stdio::null())?;
    let stdout = source.child.stdout.take().context("a piped child has a standard output")?;
    let sink = Running::start(to, Stdio::from(stdout)).inspect_err(|_| source.stop(STOP))?;
    let mut children = [source, sink];
    let (sender, receiver) = mpsc::channel();
    children.iter_mut().try_for_each(|it| it.listen(&sender))?;
    drop(sender);
    let mut stdout = String::new();
    let limit = from.patience.limit().max(to.patience.limit());
    let ended = waiting(&[from, to], || {
        follow(&mut children, &receiver, Limit::Silence(limit), &mut |stream, line| match stream {
            Stream::Stdout => stdout.push_str(&String::from_utf8_lossy(line)),
            Stream::Stderr => on_line(String::from_utf8_lossy(line).trim_end()),
        })
    })?;
    if !ended {
        return Err(
            Silent { cmd: format!("{} | {}", from.in_short(), to.in_short()), limit }.into()
        );
    }
    for (cmd, child) in [from, to].into_iter().zip(&mut children) {
        let status = code(child.child.wait()?);
        if status != 0 {
            return Err(Failed { cmd: cmd.clone(), status }.into());
        }
    }
    Ok(stdout)
}
