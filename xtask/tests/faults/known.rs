//! Cases that are known to fail. The list must become empty: a case that passes fails the test.

use crate::{case::Case, plan::Fault};

/// Cases of a task (all, when empty) with a call and one of these faults.
#[derive(Debug)]
pub(crate) struct Known {
    task: &'static str,
    /// Part of the command line of the call.
    call: &'static str,
    faults: &'static [Fault],
}

pub(crate) const KNOWN: &[Known] = &[];

impl Known {
    pub(crate) fn is_of(&self, case: &Case<'_>) -> bool {
        let line = format!("{} {}", case.call.program, case.call.line);
        case.task.name.starts_with(self.task)
            && line.starts_with(self.call)
            && self.faults.contains(&case.fault)
    }
}
