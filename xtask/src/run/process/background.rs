//! Programs that run beside this one, such as daemons; their output goes to a file.

use std::{path::Path, time::Duration};

use crate::run::files;

use super::{Change, Permit, running::Running};

/// A program that runs until [`Background::stop`].
#[derive(Debug)]
pub(crate) struct Background {
    child: Running,
}

/// Starts `cmd` out of reach of a Ctrl-C in the terminal, and writes its output to `log`.
pub(crate) fn background(permit: Permit, cmd: &Change, log: &Path) -> anyhow::Result<Background> {
    let file = files::open_empty(permit, log)?;
    Ok(Background { child: Running::daemon(&cmd.permitted(permit), file)? })
}

impl Background {
    /// Returns the status of a program that ended by itself.
    pub(crate) fn ended(&mut self) -> anyhow::Result<Option<u8>> {
        self.child.ended()
    }

    /// Asks the program to end, and kills it after `limit`.
    pub(crate) fn stop(&mut self, limit: Duration) {
        self.child.stop(limit);
    }
}
