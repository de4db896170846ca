//! Computations on untrusted input: an interruption does not wait for them.

use std::{panic, sync::mpsc, thread, time::Duration};

use anyhow::Context as _;

use super::check_interrupted;

/// Stack size of a main thread.
const STACK: usize = 8 << 20;

/// Runs `work` in a thread of its own. After an interruption that thread is left alone, because the
/// process is about to end.
pub(crate) fn interruptible<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> anyhow::Result<T> {
    unless(check_interrupted, work)
}

fn unless<T: Send + 'static>(
    interrupted: impl Fn() -> anyhow::Result<()>,
    work: impl FnOnce() -> T + Send + 'static,
) -> anyhow::Result<T> {
    let (sender, receiver) = mpsc::channel();
    let worker = thread::Builder::new().stack_size(STACK).spawn(move || sender.send(work()))?;
    loop {
        match receiver.recv_timeout(Duration::from_millis(50)) {
            Ok(done) => return Ok(done),
            Err(mpsc::RecvTimeoutError::Timeout) => interrupted()?,
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                let panic = worker.join().err().context("the work ended without a result")?;
                panic::resume_unwind(panic);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::failure::{self, Failure};

    #[test]
    fn an_interruption_does_not_wait_for_a_computation() {
        let (_never, forever) = mpsc::channel::<()>();
        let interrupted = || Err(Failure::Interrupted.into());
        let err = unless(interrupted, move || forever.recv()).unwrap_err();
        assert_eq!(failure::status(&err), 130);
        assert_eq!(interruptible(|| 1).unwrap(), 1);
    }
}
