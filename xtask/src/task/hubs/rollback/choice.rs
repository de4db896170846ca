//! Which revision comes back. Pure.

use std::collections::BTreeSet;

use anyhow::{Context as _, bail, ensure};

use crate::{
    hub::{
        history::Entry,
        record::{Action, Outcome},
    },
    tools::helm::Status,
};

/// Returns mission and revision of the words of a command line: a number is the revision.
pub(super) fn words(words: &[String]) -> anyhow::Result<(Option<&str>, Option<u32>)> {
    let revision = |it: &String| it.parse::<u32>().ok().filter(|it| *it > 0);
    match words {
        [] => Ok((None, None)),
        [one] => Ok(match revision(one) {
            Some(it) => (None, Some(it)),
            None => (Some(one), None),
        }),
        [one, other] => match (revision(one), revision(other)) {
            (_, Some(it)) => Ok((Some(one), Some(it))),
            (Some(it), None) => Ok((Some(other), Some(it))),
            (None, None) => bail!("expected a mission and a revision, found `{one}` and `{other}`"),
        },
        _ => bail!("expected a mission and a revision"),
    }
}

/// Returns the newest revision before the current one that worked. One that a rollback left does not
/// count, nor one with the content of the current revision.
pub(super) fn default(entries: &[Entry]) -> anyhow::Result<u32> {
    let mut made = entries.iter().filter(|it| it.status.is_some());
    let current = made.next().context("no revision was made yet")?;
    let left = left_behind(entries);
    let same = content(entries, current.revision);
    let is_other = |it: &&Entry| content(entries, it.revision) != same;
    let worked = made.filter(|it| has_worked(it) && !left.contains(&it.revision));
    // A failed revision has changed the cluster: what was live before is not the current content.
    let found = match current.status {
        Some(Status::Deployed) => worked.filter(is_other).map(|it| it.revision).next(),
        _ => worked.map(|it| it.revision).next(),
    };
    found.with_context(|| {
        format!("no earlier revision than {} is known to have worked", current.revision)
    })
}

/// Returns `wanted` if it can come back.
pub(super) fn checked(entries: &[Entry], wanted: u32) -> anyhow::Result<u32> {
    let entry = entries.iter().find(|it| it.revision == wanted && it.status.is_some());
    let entry = entry.with_context(|| format!("revision {wanted} not found"))?;
    let newest = entries.iter().find(|it| it.status.is_some()).map(|it| it.revision);
    match entry.status {
        Some(Status::Deployed) if newest == Some(wanted) => {
            bail!("revision {wanted} is live already")
        }
        Some(Status::Deployed | Status::Superseded) => Ok(wanted),
        status => {
            let status = status.map(|it| it.to_string()).unwrap_or_default();
            bail!("revision {wanted} is {status}; expected one that was deployed")
        }
    }
}

/// Returns whether the revision was deployed, and its record, if it has one, has no objection.
fn has_worked(entry: &Entry) -> bool {
    let was_deployed = matches!(entry.status, Some(Status::Deployed | Status::Superseded));
    was_deployed && entry.record.as_ref().is_none_or(|it| it.result == Outcome::Deployed)
}

/// Returns the revisions that a person rolled back from.
fn left_behind(entries: &[Entry]) -> BTreeSet<u32> {
    let records = entries.iter().filter_map(|it| it.record.as_ref());
    let rollbacks = records.filter(|it| it.action == Action::Rollback);
    rollbacks.filter(|it| it.result == Outcome::Deployed).filter_map(|it| it.previous).collect()
}

/// Returns the revision whose manifests `revision` has: a rollback copies those of an earlier one.
fn content(entries: &[Entry], revision: u32) -> u32 {
    let entry = entries.iter().find(|it| it.revision == revision);
    let description = entry.and_then(|it| it.description.as_deref()).unwrap_or_default();
    let origin = description.strip_prefix("Rollback to ").and_then(|it| it.parse::<u32>().ok());
    match origin.filter(|it| *it < revision) {
        Some(it) => content(entries, it),
        None => revision,
    }
}

/// Fails unless the newest revision can be unlocked.
pub(super) fn is_locked(newest: u32, status: Status) -> anyhow::Result<bool> {
    ensure!(
        status != Status::Uninstalling,
        "revision {newest} is uninstalling; `helm uninstall` completes that"
    );
    Ok(status.is_pending())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::record::{Record, tests::record};

    fn entry(revision: u32, status: Status, description: &str, outcome: Option<Outcome>) -> Entry {
        let record = outcome.map(|result| Record { result, ..record(revision) });
        Entry {
            revision,
            status: Some(status),
            updated: String::new(),
            chart: None,
            app_version: None,
            description: Some(description.to_owned()),
            outside: record.is_none(),
            record,
            unreadable: None,
        }
    }

    fn good(revision: u32) -> Entry {
        entry(revision, Status::Superseded, "Upgrade complete", Some(Outcome::Deployed))
    }

    #[test]
    fn words_in_any_order() {
        let of = |it: &[&str]| {
            let words_: Vec<String> = it.iter().map(|&it| it.to_owned()).collect();
            words(&words_).map(|(mission, revision)| (mission.map(str::to_owned), revision)).ok()
        };
        let hello = || Some("hello".to_owned());
        assert_eq!(of(&[]), Some((None, None)));
        assert_eq!(of(&["7"]), Some((None, Some(7))));
        assert_eq!(of(&["hello"]), Some((hello(), None)));
        assert_eq!(of(&["hello", "7"]), Some((hello(), Some(7))));
        assert_eq!(of(&["7", "hello"]), Some((hello(), Some(7))));
        assert_eq!(of(&["2026", "7"]), Some((Some("2026".to_owned()), Some(7))));
        assert_eq!(of(&["hello", "roman"]), None);
    }

    #[test]
    fn the_last_revision_that_worked_comes_back() {
        let live = |n: u32| Entry { status: Some(Status::Deployed), ..good(n) };
        let smoke = entry(3, Status::Superseded, "Upgrade complete", Some(Outcome::SmokeFailed));
        let failed = entry(2, Status::Failed, "context deadline", Some(Outcome::Failed));
        assert_eq!(default(&[live(4), smoke, failed, good(1)]).unwrap(), 1);
        // After a failed upgrade, the revision that is still deployed comes back.
        let failed = entry(5, Status::Failed, "context deadline", Some(Outcome::Failed));
        assert_eq!(default(&[failed, live(4), good(3)]).unwrap(), 4);
        // Without records, Helm decides.
        let plain = entry(1, Status::Superseded, "Install complete", None);
        assert_eq!(default(&[live(2), plain]).unwrap(), 1);
        assert!(default(&[live(1)]).is_err() && default(&[]).is_err());
    }

    #[test]
    fn a_second_rollback_goes_further_back() {
        let rolled = |n: u32, to: u32, from: u32| {
            let mut it =
                entry(n, Status::Deployed, &format!("Rollback to {to}"), Some(Outcome::Deployed));
            if let Some(record) = &mut it.record {
                (record.action, record.previous) = (Action::Rollback, Some(from));
            }
            it
        };
        let entries = [rolled(4, 2, 3), good(3), good(2), good(1)];
        assert_eq!(default(&entries).unwrap(), 1);
        let entries = [good(5), rolled(4, 2, 3), good(3), good(2), good(1)];
        let live = Entry { status: Some(Status::Deployed), ..entries[0].clone() };
        let entries = [&[live], &entries[1..]].concat();
        assert_eq!(default(&entries).unwrap(), 4);
    }

    #[test]
    fn a_revision_that_was_named_is_checked() {
        let live = Entry { status: Some(Status::Deployed), ..good(3) };
        let failed = entry(2, Status::Failed, "x", None);
        let entries = [live, failed, good(1)];
        assert_eq!(checked(&entries, 1).unwrap(), 1);
        for (wanted, says) in [(3, "is live already"), (2, "is failed"), (9, "not found")] {
            let err = checked(&entries, wanted).unwrap_err().to_string();
            assert!(err.contains(says), "{err}");
        }
    }
}
