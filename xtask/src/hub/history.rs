//! The history of a release: revisions of Helm, each with the record of the run that made it.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use serde::Serialize;

use crate::{
    hub::record::{Action, Outcome, Record},
    run::printable,
    tools::helm::{Revision, Status},
};

/// Longest difference between the clocks of two machines that is taken for one time.
const SKEW: Duration = Duration::from_secs(120);

/// A revision, and the record of it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Entry {
    pub(crate) revision: u32,
    /// Status in Helm; `None` for a run that ended before Helm made its revision.
    pub(crate) status: Option<Status>,
    /// Time of the last change, as Helm prints it; for a run without a revision, its start.
    pub(crate) updated: String,
    pub(crate) chart: Option<String>,
    pub(crate) app_version: Option<String>,
    pub(crate) description: Option<String>,
    /// Whether no run of this tool made the revision.
    pub(crate) outside: bool,
    pub(crate) record: Option<Record>,
    /// Why the record cannot be read.
    pub(crate) unreadable: Option<String>,
}

/// Joins Helm's history with the records, newest first.
pub(crate) fn joined(
    history: &[Revision],
    records: BTreeMap<u32, anyhow::Result<Record>>,
) -> Vec<Entry> {
    let mut res: BTreeMap<u32, Entry> = history.iter().map(|it| (it.revision, of(it))).collect();
    let newest = res.keys().last().copied().unwrap_or_default();
    let oldest = res.keys().next().copied().unwrap_or_default();
    for (revision, record) in records {
        let is_known = res.contains_key(&revision);
        // Helm keeps fewer revisions than there are records, or a run failed before Helm.
        if !is_known && (revision < oldest || revision > newest + 1) {
            continue;
        }
        // A release that was removed leaves its records.
        if !is_known && record.as_ref().is_ok_and(|it| it.result == Outcome::Deployed) {
            continue;
        }
        let entry = res.entry(revision).or_insert_with(|| unmade(revision));
        match record {
            Err(err) => entry.unreadable = Some(format!("{err:#}")),
            Ok(record) if is_known && !is_about(&record, &entry.updated) => (),
            Ok(record) => {
                if !is_known {
                    entry.updated.clone_from(&record.started);
                }
                entry.outside = false;
                entry.record = Some(record);
            }
        }
    }
    res.into_values().rev().collect()
}

fn of(it: &Revision) -> Entry {
    Entry {
        revision: it.revision,
        status: Some(it.status),
        updated: it.updated.clone(),
        chart: Some(it.chart.clone()),
        app_version: Some(it.app_version.clone()),
        description: Some(printable::line(&it.description)),
        outside: true,
        record: None,
        unreadable: None,
    }
}

fn unmade(revision: u32) -> Entry {
    Entry {
        revision,
        status: None,
        updated: String::new(),
        chart: None,
        app_version: None,
        description: None,
        outside: false,
        record: None,
        unreadable: None,
    }
}

/// Returns whether the revision that Helm changed at `updated` is that of `record`: the record of a run
/// that failed before Helm has the number that another program's revision has later.
pub(crate) fn is_about(record: &Record, updated: &str) -> bool {
    let Some(updated) = time(updated) else { return true };
    let started = time(&record.started).is_none_or(|it| updated + SKEW >= it);
    let ended = match record.finished.as_deref().and_then(time) {
        // A revision that is superseded keeps the time at which it was made.
        Some(finished) => updated <= finished + SKEW,
        None => true,
    };
    started && ended
}

/// Returns the time of RFC 3339, in any zone.
pub(crate) fn time(text: &str) -> Option<SystemTime> {
    let (head, zone) = text.split_at_checked(19)?;
    let plain = humantime::parse_rfc3339_weak(&format!("{head}Z")).ok()?;
    let zone = zone.trim_start_matches(|it: char| it == '.' || it.is_ascii_digit());
    if zone == "Z" {
        return Some(plain);
    }
    let (sign, rest) = zone.split_at_checked(1)?;
    let (hours, minutes) = rest.split_once(':')?;
    let seconds = hours.parse::<u64>().ok()? * 3600 + minutes.parse::<u64>().ok()? * 60;
    let offset = Duration::from_secs(seconds);
    match sign {
        "+" => plain.checked_sub(offset),
        "-" => plain.checked_add(offset),
        _ => None,
    }
}

impl Entry {
    /// Returns the time in UTC, or what Helm printed.
    pub(crate) fn when(&self) -> String {
        match time(&self.updated) {
            Some(it) => humantime::format_rfc3339_seconds(it).to_string(),
            None => printable::line(&self.updated),
        }
    }

    /// Returns what was done, in a few words for a table.
    pub(crate) fn what(&self) -> String {
        let Some(record) = &self.record else {
            return match (&self.unreadable, self.outside) {
                (Some(_), _) => "record cannot be read".to_owned(),
                (None, true) => "outside xtask".to_owned(),
                (None, false) => String::new(),
            };
        };
        let action = match (&record.from, record.action) {
            (Some(from), Action::Deploy) => format!("promoted from {}", from.environment),
            (_, Action::Deploy) => "deploy".to_owned(),
            (_, Action::Rollback) => "rollback".to_owned(),
            (_, Action::Heal) => "unlock".to_owned(),
        };
        match record.result {
            Outcome::Deployed => action,
            Outcome::Started => format!("{action}: not finished"),
            Outcome::SmokeFailed => format!("{action}: smoke test failed"),
            Outcome::Failed => format!("{action}: failed"),
            Outcome::RolledBack => format!("{action}: failed, rolled back"),
        }
    }
}

/// Returns `passed/run` of the tests of all images that have a receipt, else `untested`; empty without images.
pub(crate) fn tests(record: &Record) -> String {
    let receipts = || record.images.iter().filter_map(|it| it.receipt.as_ref());
    let untested = record.images.iter().filter(|it| it.receipt.is_none()).count();
    if receipts().next().is_none() {
        return if untested == 0 { String::new() } else { "untested".to_owned() };
    }
    let passed: usize = receipts().map(|it| it.tests_passed).sum();
    let run: usize = receipts().map(|it| it.tests_run).sum();
    match untested {
        0 => format!("{passed}/{run}"),
        n => format!("{passed}/{run}, {n} untested"),
    }
}

/// Returns who made the release.
pub(crate) fn by(record: &Record) -> String {
    let by = &record.by;
    let name = by.git.as_ref().or(by.cluster.as_ref()).cloned().unwrap_or_default();
    match &by.run {
        Some(run) => format!("{name}, {run}"),
        None => name,
    }
}

/// Returns the outcome of the smoke test.
pub(crate) fn smoke(record: &Record) -> &'static str {
    match (&record.smoke, &record.reasons.no_smoke) {
        (Some(it), _) if it.passed => "passed",
        (Some(_), _) => "failed",
        (None, _) if record.result == Outcome::SmokeFailed => "failed",
        (None, Some(_)) if record.result == Outcome::Deployed => "left out",
        (None, _) => "",
    }
}

/// Returns the commit in short, with `-dirty` where files differed.
pub(crate) fn commit(record: &Record) -> String {
    let commit = record.git.commit.clone().unwrap_or_default();
    let short: String = commit.chars().take(12).collect();
    if commit.ends_with("-dirty") { format!("{short}-dirty") } else { short }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;
    use crate::hub::record::tests::record;

    fn made(revision: u32, updated: &str) -> Revision {
        Revision {
            revision,
            updated: updated.to_owned(),
            status: Status::Superseded,
            chart: "jupyterhub-4.4.0".to_owned(),
            app_version: "5.5.0".to_owned(),
            description: "Upgrade complete".to_owned(),
        }
    }

    fn shown(history: &[Revision], records: Vec<(u32, anyhow::Result<Record>)>) -> Vec<String> {
        let entries = joined(history, records.into_iter().collect());
        entries.iter().map(|it| format!("{} {}", it.revision, it.what())).collect()
    }

    /// The records of tests are about 2026-11-22, 11:00 to 11:01.
    #[test]
    fn revisions_of_others_are_marked() {
        let during = "2026-11-22T12:00:30.123456789+01:00";
        let later = "2026-11-22T15:00:00.5Z";
        let history = [made(1, during), made(2, later), made(3, later), made(4, during)];
        let failed = Record { result: Outcome::Failed, ..record(5) };
        let records = vec![
            (1, Ok(record(1))),
            // Another program made the revision after this run had failed.
            (2, Ok(Record { result: Outcome::Failed, ..record(2) })),
            (4, Err(anyhow!("unsupported record version 2"))),
            (5, Ok(failed)),
            (9, Ok(record(9))),
        ];
        assert_eq!(
            shown(&history, records),
            [
                "5 promoted from staging: failed",
                "4 record cannot be read",
                "3 outside xtask",
                "2 outside xtask",
                "1 promoted from staging"
            ]
        );
    }

    #[test]
    fn times_have_zones() {
        let utc = time("2026-11-22T11:00:30Z");
        assert!(utc.is_some());
        assert_eq!(time("2026-11-22T12:00:30.5+01:00"), utc);
        assert_eq!(time("2026-11-22T05:30:30-05:30"), utc);
        for text in [
            "",
            "2026-11-22",
            "2026-11-22T12:00:30",
            "2026-11-22T12:00:30+1",
            "é".repeat(19).as_str(),
        ] {
            assert_eq!(time(text), None, "{text}");
        }
    }

    #[test]
    fn what_a_row_shows_of_a_record() {
        let record = record(7);
        assert_eq!((tests(&record), smoke(&record)), ("12/12".to_owned(), "passed"));
        assert_eq!(commit(&record), "666666666666");
        let mut untested = record.clone();
        untested.images[0].receipt = None;
        (untested.smoke, untested.reasons.no_smoke) = (None, Some("no users".to_owned()));
        assert_eq!(smoke(&untested), "left out");
        untested.git.commit = Some(format!("{}-dirty", "6".repeat(40)));
        assert_eq!(
            (tests(&untested), commit(&untested)),
            ("untested".to_owned(), "666666666666-dirty".to_owned())
        );
    }
}
