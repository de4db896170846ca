//! Calls of programs, their possible faults, and the identity of a call across runs.

use std::{path::Path, sync::LazyLock};

use regex_lite::Regex;
use serde::{Deserialize, Serialize};

/// The folder of calls and faults, in the folder named by `STAND_IN`.
pub(crate) const FOLDER: &str = "faults";

/// One call of a run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Call {
    pub(crate) program: String,
    /// Arguments, without the parts that differ from run to run.
    pub(crate) line: String,
    /// Index among equal calls, from 0.
    pub(crate) nth: usize,
}

/// A fault of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Fault {
    /// Fails, and does nothing.
    Fails,
    /// Does its work, and fails then.
    FailsAfterwards,
    /// Does nothing, and never ends; nor does a child of it that holds its streams.
    Hangs,
    /// Does its work, and never ends.
    HangsAfterwards,
    /// As [`Fault::Hangs`]; the test interrupts the tool.
    Interrupted,
    /// Does nothing, prints garbage, and succeeds.
    PrintsGarbage,
    /// Is killed before it does anything.
    IsKilled,
    /// Does and prints nothing, and succeeds.
    DoesNothing,
    /// Does nothing, prints its output of the recorded run, and succeeds.
    OnlySaysSo,
    /// Reads, writes and prints only half, and succeeds.
    DoesHalf,
}

/// The planned fault, in the file `plan.json`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Plan {
    Record,
    Fault(Call, Fault),
}

/// A line of the file `calls`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Recorded {
    pub(crate) call: Call,
    pub(crate) pid: u32,
    /// Number of the file `out/<n>` with its standard output, when it is recorded.
    pub(crate) number: usize,
}

/// Returns `arg` without the scratch folder `dir`, ids, ports and random names.
pub(crate) fn masked(arg: &str, dir: &Path) -> String {
    static VOLATILE: LazyLock<[(Regex, &str); 4]> = LazyLock::new(|| {
        [
            (r"\b[0-9a-f]{7,}\b", "<id>"),
            (r"(\.tmp|xtask-secrets-|\.clone-|receipt-)[A-Za-z0-9]{6}", "<temporary>"),
            (r"127\.0\.0\.1:[0-9]+", "127.0.0.1:<port>"),
            (r"-[0-9]+\.cid\b", "-<pid>.cid"),
        ]
        .map(|(pattern, name)| (Regex::new(pattern).unwrap(), name))
    });
    let text = arg.replace(&*dir.to_string_lossy(), "<dir>");
    VOLATILE.iter().fold(text, |text, (regex, name)| regex.replace_all(&text, *name).into_owned())
}
