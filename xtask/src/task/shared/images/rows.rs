//! The table at the end of a run: a row for each image, in one order whatever was done first.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    time::Duration,
};

use serde::Serialize;

use crate::{
    image::{build::BuiltImage, recipe::Reason},
    registry::publish::Published,
    run::{
        process, terminal,
        ui::{self, Colour},
    },
    task::{Session, shared::reuse::Reused},
    testing::{
        image_test::{self, Rerun},
        receipt::{Origin, Outcome, Receipt},
    },
};

/// Output of `--json`.
#[derive(Debug, Serialize)]
struct Summary<'a> {
    images: &'a [Row],
    seconds: f64,
    /// Part of the time that was not spent waiting for other programs.
    own_seconds: f64,
    /// Part of the time in which other programs ran, and none of them changed anything.
    asking_seconds: f64,
}

/// Work on an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Built,
    /// It came from the registry.
    Pulled,
    /// It stays in the registry.
    Reused,
    Tested,
    Pushed,
    AlreadyPublished,
    /// Its human tag was moved.
    Moved,
    Failed,
    /// Left out or ended early, because something else failed.
    Stopped,
}

impl Action {
    fn of(reason: Reason) -> Action {
        if reason == Reason::Published { Action::Pulled } else { Action::Built }
    }

    fn text(self) -> &'static str {
        match self {
            Action::Built => "built",
            Action::Pulled => "pulled",
            Action::Reused => "reused",
            Action::Tested => "tested",
            Action::Pushed => "pushed",
            Action::AlreadyPublished => "already published",
            Action::Moved => "moved",
            Action::Failed => "failed",
            Action::Stopped => "stopped",
        }
    }
}

fn text(actions: &[Action]) -> String {
    match actions {
        [] => "unchanged".to_owned(),
        _ => actions.iter().map(|it| it.text()).collect::<Vec<_>>().join(", "),
    }
}

fn joined<S: serde::Serializer>(actions: &[Action], to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&text(actions))
}

/// A row of the table at the end.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    image: String,
    /// What was done to the image, in order; empty when it is as it was.
    #[serde(serialize_with = "joined")]
    action: Vec<Action>,
    seconds: f64,
    /// Size in bytes, of an image on the engine.
    size: Option<u64>,
    /// Lasting name: in the registry after a push, else on the engine.
    tag: String,
    passed: Option<usize>,
    failed: Option<usize>,
    /// Environments whose results carried over, and where the tests ran.
    carried: BTreeMap<String, Origin>,
    /// Failure, shown under the table.
    error: Option<String>,
}

impl Row {
    pub(super) fn of_image(built: &BuiltImage) -> Row {
        Row {
            image: built.name.clone(),
            action: built.reason.map(Action::of).into_iter().collect(),
            seconds: built.time.as_secs_f64(),
            size: Some(built.image.size),
            tag: built.reference.to_string(),
            passed: None,
            failed: None,
            carried: BTreeMap::new(),
            error: None,
        }
    }

    /// Returns the row of an image that stays in the registry.
    pub(super) fn reused(it: &Reused) -> Row {
        let offer = &it.offer;
        let tag = offer.reference.repository.tagged(&offer.tag).to_string();
        let passed = offer.tested.as_ref().map(|(receipt, _)| receipt.tests.len());
        let (action, failed) = (vec![Action::Reused], passed.map(|_| 0));
        Row { action, tag, passed, failed, ..Row::not_built(&it.chosen.mission.name) }
    }

    /// Returns the row of an image in a registry.
    pub(super) fn in_registry(name: &str, tag: String) -> Row {
        Row { tag, ..Row::not_built(name) }
    }

    /// Returns the row of an image that is not built.
    pub(super) fn not_built(name: &str) -> Row {
        Row {
            image: name.to_owned(),
            action: Vec::new(),
            seconds: 0.0,
            size: None,
            tag: String::new(),
            passed: None,
            failed: None,
            carried: BTreeMap::new(),
            error: None,
        }
    }

    pub(super) fn is_of(&self, name: &str) -> bool {
        self.image == name
    }

    pub(super) fn has_failed(&self) -> bool {
        self.error.is_some()
    }

    pub(super) fn was_tested(&self) -> bool {
        self.passed.is_some()
    }

    pub(super) fn spent(&mut self, time: Duration) {
        self.seconds += time.as_secs_f64();
    }

    /// Records that an image below it failed, which another row tells.
    pub(super) fn blocked_by(&mut self, image: &str) {
        self.action.push(Action::Failed);
        self.error = Some(format!("not built: image {image} failed, see above"));
    }

    /// Records that the work on it was left out, or ended early.
    pub(super) fn stop(&mut self) {
        if !self.action.contains(&Action::Stopped) {
            self.action.push(Action::Stopped);
        }
    }

    /// Records a failure of the work.
    pub(super) fn fail(&mut self, err: &anyhow::Error) {
        self.action.push(Action::Failed);
        self.error = Some(format!("{err:#}"));
    }

    pub(super) fn add_published(&mut self, published: &Published) {
        let action = if published.is_new { Action::Pushed } else { Action::AlreadyPublished };
        // The common image comes with each mission.
        if !self.action.contains(&Action::Pushed) && !self.action.contains(&action) {
            self.action.push(action);
        }
        if published.moved && !self.action.contains(&Action::Moved) {
            self.action.push(Action::Moved);
        }
        self.tag = published.reference.to_string();
    }

    /// Records that the image's human tag is among those that moved.
    pub(super) fn add_moved(&mut self, images: &BTreeSet<String>) {
        if images.contains(&self.image) && !self.action.contains(&Action::Moved) {
            self.action.push(Action::Moved);
        }
    }

    pub(super) fn add_tests(&mut self, receipt: &Receipt, is_new: bool, rerun: Rerun) {
        let passed = receipt.tests.iter().filter(|it| it.outcome == Outcome::Passed).count();
        let failed = receipt.tests.len() - passed;
        (self.passed, self.failed) = (Some(passed), Some(failed));
        let carried = receipt.carried_over();
        self.carried = carried.map(|(it, of)| (it.to_string(), of.clone())).collect();
        if is_new {
            self.seconds += receipt.seconds;
            self.action.push(Action::Tested);
        }
        if failed > 0 {
            self.action.push(Action::Failed);
            self.error = Some(image_test::failures(receipt, rerun));
        }
    }
}

/// Returns rows in the order of `missions`, each after those of new images below it.
pub(super) fn in_order(rows: Vec<Row>, missions: &[String]) -> Vec<Row> {
    let places: BTreeMap<&str, usize> =
        missions.iter().enumerate().map(|(place, name)| (&**name, place)).collect();
    let mut groups: BTreeMap<usize, Vec<Row>> = BTreeMap::new();
    let mut group = Vec::new();
    for row in rows {
        let place = places.get(&*row.image).copied();
        group.push(row);
        if let Some(place) = place {
            groups.insert(place, mem::take(&mut group));
        }
    }
    groups.into_values().flatten().chain(group).collect()
}

/// Prints the table of `built` alone.
pub(crate) fn summary_of_images(session: &Session, built: &[BuiltImage]) -> anyhow::Result<u8> {
    summary(session, built.iter().map(Row::of_image).collect(), 1)
}

/// Prints the failures and the table, and returns the exit status. Without a table when the only
/// mission failed before its tests: the table would show nothing more.
pub(super) fn summary(session: &Session, rows: Vec<Row>, missions: usize) -> anyhow::Result<u8> {
    let ok = rows.iter().all(|it| it.error.is_none());
    if session.flags.json {
        let seconds = session.started.elapsed();
        let in_children = process::time_in_children();
        let own = seconds.saturating_sub(in_children);
        let asking = in_children.saturating_sub(process::time_in_changes());
        let summary = Summary {
            images: &rows,
            seconds: seconds.as_secs_f64(),
            own_seconds: own.as_secs_f64(),
            asking_seconds: asking.as_secs_f64(),
        };
        terminal::json(&summary)?;
    }
    for row in &rows {
        for (environment, origin) in &row.carried {
            session.ui.say(format!("{}: results of {environment} {}", row.image, origin.note()));
        }
        if let Some(error) = &row.error {
            session.ui.say("");
            session.ui.say_in(Colour::Red, &row.image, &format!(": {error}\n"));
        }
    }
    if session.permit.is_none() {
        return Ok(u8::from(!ok));
    }
    let cell = |count: Option<usize>| count.map_or_else(|| "-".to_owned(), |it| it.to_string());
    let cells = |it: &Row| {
        vec![
            it.image.clone(),
            text(&it.action),
            format!("{:.1} s", it.seconds),
            it.size.map_or_else(|| "-".to_owned(), ui::megabytes),
            cell(it.passed),
            cell(it.failed),
            it.tag.clone(),
        ]
    };
    let table: Vec<Vec<String>> = rows.iter().map(cells).collect();
    let heads = ["IMAGE", "ACTION", "TIME", "SIZE", "PASSED", "FAILED", "TAG"];
    let has_counts = rows.iter().any(|it| it.failed.is_some_and(|it| it > 0));
    if ok || missions > 1 || has_counts {
        session.ui.say(ui::table(&heads, &table).trim_end());
    }
    let verdict = match (process::check_interrupted(), ok) {
        (Err(_), _) => (Colour::Red, "not all was tested"),
        (_, true) => (Colour::Green, "done"),
        (_, false) => (Colour::Red, "failed"),
    };
    session.ui.say_in(verdict.0, verdict.1, "");
    Ok(u8::from(!ok))
}

#[test]
fn rows_follow_the_missions() {
    let rows = ["base", "common", "b", "c", "a"].map(Row::not_built).into();
    let missions = ["a", "b", "c"].map(String::from);
    let names: Vec<String> = in_order(rows, &missions).into_iter().map(|it| it.image).collect();
    assert_eq!(names, ["a", "base", "common", "b", "c"]);
}
