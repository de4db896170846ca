//! Creates a plan's network, and removes it.

use anyhow::bail;

use super::plan::{self, Step};
use crate::{
    image::runner::Log,
    run::process::{self, Change, Permit},
};

/// Runs the steps in order. After a failure all steps that began are undone.
pub(super) fn set_up(permit: Permit, steps: &[Step], log: &mut Log) -> anyhow::Result<()> {
    for (done, step) in steps.iter().enumerate() {
        if let Err(err) = run(permit, &step.run, log) {
            // The failed step, too: an interruption may have come late.
            take_down(permit, &steps[..=done]);
            return Err(err);
        }
    }
    Ok(())
}

pub(super) fn run(permit: Permit, cmd: &Change, log: &mut Log) -> anyhow::Result<()> {
    log.line(&format!("$ {cmd}"));
    let output = process::output(&cmd.permitted(permit))?;
    if output.status != 0 {
        let said = process::last_lines(&output.stderr, 1);
        bail!("`{cmd}` failed with status {}: {said}", output.status);
    }
    Ok(())
}

/// Undoes the steps, last first, and returns the failures.
pub(super) fn take_down(permit: Permit, steps: &[Step]) -> Vec<String> {
    plan::undo(steps).iter().filter_map(|it| undo(permit, it)).collect()
}

/// Runs a command that undoes something, even after an interruption, and returns its failure.
pub(super) fn undo(permit: Permit, cmd: &Change) -> Option<String> {
    match process::last_words(&cmd.permitted(permit)) {
        Ok(0) => None,
        Ok(status) => Some(format!("`{cmd}` failed with status {status}")),
        Err(err) => Some(format!("{err:#}")),
    }
}
