//! Programs that run beside this one, such as daemons: what they print goes to a file.

use std::{fs::File, path::Path, time::Duration};

use anyhow::Context as _;

use crate::printable::Shown as _;

use super::{Cmd, running::Running};

/// A program that runs until [`Background::stop`].
#[derive(Debug)]
pub(crate) struct Background {
    child: Running,
}

/// Starts `cmd`, which a Ctrl-C in the terminal does not reach, and writes its output to `log`.
///
/// # Errors
/// The program is not on `PATH`, or `log` cannot be written.
pub(crate) fn background(cmd: &Cmd, log: &Path) -> anyhow::Result<Background> {
    let file = File::create(log).with_context(|| format!("cannot write {}", log.shown()))?;
    Ok(Background { child: Running::daemon(cmd, file)? })
}

impl Background {
    /// Returns the status of a program that ended by itself.
    ///
    /// # Errors
    /// The system cannot tell.
    pub(crate) fn ended(&mut self) -> anyhow::Result<Option<u8>> {
        self.child.ended()
    }

    /// Asks the program to end, and kills it after `limit`.
    pub(crate) fn stop(&mut self, limit: Duration) {
        self.child.stop(limit);
    }
}
