//! Programs that run beside this one, such as daemons: what they print goes to a file.

use std::{
    fs::File,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Stdio},
    time::Duration,
};

use anyhow::Context as _;

use crate::printable::Shown as _;

use super::{Cmd, code, not_started, stop_within};

/// A program that runs until [`Background::stop`].
#[derive(Debug)]
pub(crate) struct Background {
    child: Child,
}

/// Starts `cmd`, which a Ctrl-C in the terminal does not reach, and writes its output to `log`.
///
/// # Errors
/// The program is not on `PATH`, or `log` cannot be written.
pub(crate) fn background(cmd: &Cmd, log: &Path) -> anyhow::Result<Background> {
    let file = File::create(log).with_context(|| format!("cannot write {}", log.shown()))?;
    let mut command = cmd.command()?;
    command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).process_group(0);
    let child = command.spawn().map_err(|err| not_started(cmd, err))?;
    Ok(Background { child })
}

impl Background {
    /// Returns the status of a program that ended by itself.
    ///
    /// # Errors
    /// The system cannot tell.
    pub(crate) fn ended(&mut self) -> anyhow::Result<Option<u8>> {
        Ok(self.child.try_wait()?.map(code))
    }

    /// Asks the program to end, and kills it after `limit`.
    pub(crate) fn stop(&mut self, limit: Duration) {
        stop_within(&mut self.child, limit);
    }
}
