//! Cases that are known to fail. The list has to become empty: one that passes fails the test.

use crate::{case::Case, plan::Fault};

/// Cases of a task (all, when empty) with a call and one of these faults.
#[derive(Debug)]
pub(crate) struct Known {
    task: &'static str,
    /// A part of its command line.
    call: &'static str,
    faults: &'static [Fault],
}

/// That nothing was done.
const NOT_DONE: &[Fault] = &[
    Fault::Fails,
    Fault::Hangs,
    Fault::Interrupted,
    Fault::PrintsGarbage,
    Fault::IsKilled,
    Fault::DoesNothing,
    Fault::OnlySaysSo,
];

pub(crate) const KNOWN: &[Known] = &[
    // What could not be removed is not named.
    Known { task: "", call: "docker rm --force", faults: NOT_DONE },
    Known { task: "", call: "docker volume rm --force", faults: NOT_DONE },
    // The registry is not asked for a receipt that was pushed.
    Known {
        task: "",
        call: "docker image push 127.0.0.1:<port>/hello:sha256-",
        faults: &[Fault::PrintsGarbage, Fault::DoesNothing, Fault::OnlySaysSo],
    },
    Known {
        task: "",
        call: "docker image push quay.io/us/hello:sha256-",
        faults: &[Fault::PrintsGarbage, Fault::DoesNothing, Fault::OnlySaysSo],
    },
    // Nothing keeps a second registry from being made.
    Known {
        task: "image-all again",
        call: "docker container ls",
        faults: &[Fault::DoesNothing, Fault::DoesHalf],
    },
];

impl Known {
    pub(crate) fn is_of(&self, case: &Case<'_>) -> bool {
        let line = format!("{} {}", case.call.program, case.call.line);
        case.task.name.starts_with(self.task)
            && line.starts_with(self.call)
            && self.faults.contains(&case.fault)
    }
}
