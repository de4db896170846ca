//! What is checked before a rollback, a row each. Pure.

use crate::hub::{
    database::Kind,
    history::{self, Entry},
    preflight::{Row, major},
    record::{Outcome, Record},
};

/// Returns the row about the revision that comes back.
pub(super) fn revision(entry: &Entry) -> Row {
    const WHAT: &str = "revision";
    let Some(record) = &entry.record else {
        let chart = entry.chart.clone().unwrap_or_default();
        return Row::note(
            WHAT,
            format!(
                "{}, {chart}, made without this tool: not known whether it worked",
                entry.revision
            ),
        );
    };
    let tests = match history::tests(record) {
        it if it.is_empty() => String::new(),
        it => format!(", tests {it}"),
    };
    let detail = format!("{}, commit {}{tests}", entry.revision, history::commit(record));
    match record.result {
        Outcome::Deployed => Row::ok(WHAT, detail),
        Outcome::SmokeFailed => Row::note(WHAT, format!("{detail}: its smoke test failed")),
        _ => Row::note(WHAT, format!("{detail}: {}", entry.what())),
    }
}

/// Facts about the hub's database.
#[derive(Debug, Clone, Copy)]
pub(super) struct Database<'a> {
    pub(super) kind: Kind,
    /// JupyterHub that opened the database last, where it is known.
    pub(super) live: Option<&'a str>,
    /// JupyterHub of the revision that comes back, where it is known.
    pub(super) target: Option<&'a str>,
    /// Name of the backup that is restored.
    pub(super) restore: Option<&'a str>,
    /// JupyterHub whose database that backup is, where a record tells.
    pub(super) of_backup: Option<&'a str>,
    /// Newest backup of a hub like the one that comes back, where a record tells.
    pub(super) fitting: Option<&'a str>,
}

/// Checks that the hub which comes back can open the database that it finds.
pub(super) fn database(facts: &Database<'_>) -> Row {
    const WHAT: &str = "database";
    let Database { kind, live, target, restore, of_backup, fitting } = *facts;
    if kind == Kind::Memory {
        return Row::ok(WHAT, "in memory: empty after each restart");
    }
    if let (Some(_), Kind::External) = (restore, kind) {
        return Row::refused(
            WHAT,
            "this tool does not reach the hub's database, and cannot restore a backup",
            "restore it by its own means, and leave `--restore-db` out",
        );
    }
    let opened = if restore.is_some() { of_backup } else { live };
    let (Some(from), Some(to)) = (opened.and_then(major), target.and_then(major)) else {
        return Row::note(
            WHAT,
            "the major versions of JupyterHub are not both known: a hub cannot open the database of a newer major version",
        );
    };
    let step = format!("JupyterHub {from} -> {to}");
    match (from.cmp(&to), restore) {
        (std::cmp::Ordering::Greater, Some(name)) => Row::refused(
            WHAT,
            format!("{step}: the backup {name} is of a newer hub than the revision"),
            "choose a backup of before the upgrade",
        ),
        (std::cmp::Ordering::Greater, None) => Row::refused(
            WHAT,
            format!("{step}: an older hub cannot open the database"),
            match kind {
                Kind::Volume => format!(
                    "pass `--restore-db {}`, a backup of before the upgrade",
                    fitting.unwrap_or("NAME")
                ),
                _ => "restore the database of before the upgrade by its own means, then run `helm rollback`".to_owned(),
            },
        ),
        (_, Some(name)) => Row::note(WHAT, format!("the backup {name} replaces it")),
        (std::cmp::Ordering::Less, None) => {
            Row::note(WHAT, format!("{step}: the newer hub changes the database for good"))
        }
        (std::cmp::Ordering::Equal, None) => Row::ok(WHAT, format!("JupyterHub {to}")),
    }
}

/// Returns the JupyterHub that had made the database of a backup: that of before the deployment which
/// made the backup.
pub(super) fn of_backup<'a>(
    records: impl Iterator<Item = &'a Record>,
    name: &str,
) -> Option<&'a str> {
    let mut made = records.filter(|it| it.backup.as_deref() == Some(name));
    made.next()?.jupyterhub.previous.as_deref()
}

/// Returns the newest backup, by records from new to old, that a hub of the version `target` can open.
pub(super) fn fitting<'a>(
    records: impl Iterator<Item = &'a Record>,
    target: Option<&str>,
) -> Option<&'a str> {
    let wanted = target.and_then(major)?;
    let fits = |it: &&Record| it.jupyterhub.previous.as_deref().and_then(major) == Some(wanted);
    let mut backups = records.filter(|it| it.backup.is_some()).filter(fits);
    backups.next()?.backup.as_deref()
}

/// Checks that a backup exists; `None` if the hub's pod does not run, which could tell.
pub(super) fn backup(name: &str, known: Option<&[String]>) -> Row {
    const WHAT: &str = "backup";
    match known {
        None => Row::note(WHAT, format!("{name}: not looked up, since the hub does not run")),
        Some(known) if known.iter().any(|it| it == name) => Row::ok(WHAT, name),
        Some([]) => Row::refused(
            WHAT,
            format!("{name} not found; the volume has no backup"),
            "leave `--restore-db` out",
        ),
        Some(known) => Row::refused(
            WHAT,
            format!("{name} not found; expected one of: {}", known.join(", ")),
            "choose one of these",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::{preflight::State, record::tests::record};

    fn row(
        live: &'static str,
        target: &'static str,
        kind: Kind,
        restore: Option<(&'static str, Option<&'static str>)>,
    ) -> Row {
        let known = |it: &'static str| Some(it).filter(|it| !it.is_empty());
        database(&Database {
            kind,
            live: known(live),
            target: known(target),
            restore: restore.map(|it| it.0),
            of_backup: restore.and_then(|it| it.1),
            fitting: None,
        })
    }

    #[test]
    fn an_older_hub_needs_an_older_database() {
        assert_eq!(row("6.1.1", "6.0.0", Kind::Volume, None).state, State::Ok);
        assert_eq!(row("5.5.0", "6.1.1", Kind::Volume, None).state, State::Note);
        let older = row("6.1.1", "5.5.0", Kind::Volume, None);
        assert_eq!(older.state, State::Refused);
        assert!(older.fix.contains("`--restore-db NAME`"), "{}", older.fix);
        assert!(row("6.1.1", "5.5.0", Kind::External, None).fix.contains("helm rollback"));
        assert_eq!(row("", "5.5.0", Kind::Volume, None).state, State::Note);
        let with =
            |of: &'static str| row("6.1.1", "5.5.0", Kind::Volume, Some(("b", Some(of)))).state;
        assert_eq!((with("5.5.0"), with("6.1.1")), (State::Note, State::Refused));
        assert_eq!(row("6.1.1", "5.5.0", Kind::Volume, Some(("b", None))).state, State::Note);
        assert_eq!(row("6", "6", Kind::External, Some(("b", None))).state, State::Refused);
        assert_eq!(row("6", "5", Kind::Memory, None).state, State::Ok);
    }

    #[test]
    fn backups_are_known_by_their_records() {
        let mut with = record(3);
        with.backup = Some("b".to_owned());
        let records = [record(2), with];
        assert_eq!(of_backup(records.iter(), "b"), Some("6.0.0"));
        assert_eq!(of_backup(records.iter(), "c"), None);
        assert_eq!(fitting(records.iter(), Some("6.1.1")), Some("b"));
        assert_eq!(fitting(records.iter(), Some("5.5.0")), None);
        let known = ["b".to_owned()];
        assert_eq!(backup("b", Some(&known)).state, State::Ok);
        assert_eq!(backup("c", Some(&known)).state, State::Refused);
        assert_eq!(backup("b", Some(&[])).state, State::Refused);
        assert_eq!(backup("b", None).state, State::Note);
    }
}
