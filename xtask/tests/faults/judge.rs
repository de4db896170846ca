//! Effects that no fault may have.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::PathBuf,
};

use crate::{case::Ran, images::is_named, plan::Fault, tasks::Task, world::Snapshot};

pub(crate) const KINDS: [&str; 10] = [
    "false successes",
    "lost files",
    "tags moved",
    "false receipts",
    "leftovers unnamed",
    "wrong statuses",
    "never ended",
    "without a heartbeat",
    "processes left",
    "calls that never came",
];

/// A violation.
#[derive(Debug)]
pub(crate) struct Violation {
    /// A kind from [`KINDS`].
    pub(crate) kind: &'static str,
    what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.what)
    }
}

/// State before a run, state after the recorded run, and the effects of this run.
pub(crate) struct Seen<'a> {
    pub(crate) task: &'a Task,
    pub(crate) fault: Fault,
    pub(crate) before: &'a Snapshot,
    pub(crate) recorded: (&'a Snapshot, &'a str),
    pub(crate) after: Snapshot,
    pub(crate) ran: Ran,
}

pub(crate) fn violations(seen: &Seen<'_>) -> Vec<Violation> {
    let ran = &seen.ran;
    let mut res = Vec::new();
    let mut add = |kind, what: String| {
        assert!(KINDS.contains(&kind));
        res.push(Violation { kind, what });
    };
    if !ran.came {
        add("calls that never came", format!("{:?}", ran.status));
        return res;
    }
    if !ran.ended {
        add("never ended", String::new());
    }
    if let Some(what) = wrong_status(seen) {
        add("wrong statuses", what);
    }
    if ran.ended
        && ran.status == Some(0)
        && let Some(what) = difference(seen)
    {
        add("false successes", what);
    }
    for what in lost_files(seen) {
        add("lost files", what);
    }
    for (tag, (digest, wrong)) in &seen.after.human_tags {
        let is_new = seen.before.human_tags.get(tag).is_none_or(|it| it.0 != *digest);
        if let Some(wrong) = wrong.as_ref().filter(|_| is_new) {
            add("tags moved", format!("{tag} {wrong}"));
        }
    }
    for it in &seen.after.false_receipts {
        add("false receipts", it.clone());
    }
    let old = &seen.before.leftovers;
    for it in seen.after.leftovers.iter().filter(|it| !old.contains(it)) {
        if !is_named(it, &ran.stderr) {
            add("leftovers unnamed", it.clone());
        }
    }
    if !ran.alive.is_empty() {
        add("processes left", format!("{:?}", ran.alive));
    }
    if seen.fault == Fault::Interrupted && !ran.heartbeat {
        add("without a heartbeat", String::new());
    }
    res
}

/// Checks the statuses of DESIGN 5, of which 130 is for interruptions alone.
fn wrong_status(seen: &Seen<'_>) -> Option<String> {
    let status = seen.ran.status;
    let is_right = match status {
        Some(130) => seen.fault == Fault::Interrupted,
        Some(0..=3) => seen.fault != Fault::Interrupted,
        // The command's own status.
        Some(_) => {
            let is_own = ["image-exec", "image-sh"].contains(&seen.task.name);
            is_own && seen.fault != Fault::Interrupted
        }
        None => !seen.ran.ended,
    };
    (!is_right && seen.ran.ended).then(|| format!("{status:?}"))
}

/// Checks that a successful run has done the same as the recorded run, and printed the same.
fn difference(seen: &Seen<'_>) -> Option<String> {
    let (_, stdout) = seen.recorded;
    if let Some(what) = first_difference(seen) {
        return Some(what);
    }
    let said = [&seen.ran.stdout, &seen.ran.stderr];
    if seen.task.honest.iter().any(|it| said.iter().any(|said| said.contains(it))) {
        return None;
    }
    let printed = plain(&seen.ran.stdout);
    (printed != plain(stdout)).then(|| format!("printed\n{printed}instead of\n{}", plain(stdout)))
}

/// Returns a name whose content differs. A tag that names inputs may be as it was before the run.
fn first_difference(seen: &Seen<'_>) -> Option<String> {
    let (before, expected, found) =
        (&seen.before.outcome, &seen.recorded.0.outcome, &seen.after.outcome);
    let told = |it: &str| found.get(it) == before.get(it) && is_hint_told_of(it, &seen.ran.stderr);
    let mut names = expected.keys().chain(found.keys());
    let name = names.find(|it| expected.get(*it) != found.get(*it) && !told(it))?;
    Some(format!("{name}: {:?} instead of {:?}", found.get(name), expected.get(name)))
}

/// Returns whether `name` is a tag that names inputs, and a warning says that the tag was not moved: such
/// a tag is a hint for other machines, and a push succeeds without it.
fn is_hint_told_of(name: &str, stderr: &str) -> bool {
    let Some((repository, _)) = name.split_once(":inputs-") else { return false };
    let image = repository.rsplit('/').next().unwrap_or_default();
    let warnings = stderr.lines().filter(|it| it.starts_with("warning: "));
    let of_tag = |it: &&str| it.contains(&format!("/{image}:inputs-"));
    warnings.filter(of_tag).any(|it| it.contains(" was not moved, so that other machines build"))
}

/// Removes text that differs from run to run: times and sizes.
fn plain(text: &str) -> String {
    let digits = regex_lite::Regex::new(r"[0-9]+(\.[0-9]+)?").unwrap();
    digits.replace_all(text, "#").replace("  ", " ")
}

/// Returns files that only one of both has, or that differ.
pub(crate) fn differing(
    before: &BTreeMap<PathBuf, Vec<u8>>,
    after: &BTreeMap<PathBuf, Vec<u8>>,
) -> Vec<PathBuf> {
    let names: BTreeSet<&PathBuf> = before.keys().chain(after.keys()).collect();
    names.into_iter().filter(|it| before.get(*it) != after.get(*it)).cloned().collect()
}

/// Returns files that are neither in the old nor in the new state.
fn lost_files(seen: &Seen<'_>) -> Vec<String> {
    let (before, wanted, now) = (&seen.before.files, &seen.recorded.0.files, &seen.after.files);
    let mut names: Vec<_> = before.keys().chain(wanted.keys()).chain(now.keys()).collect();
    names.sort();
    names.dedup();
    let is_lost = |it: &&&std::path::PathBuf| {
        let now = now.get(**it);
        now != before.get(**it) && now != wanted.get(**it)
    };
    names.iter().filter(is_lost).map(|it| it.display().to_string()).collect()
}
