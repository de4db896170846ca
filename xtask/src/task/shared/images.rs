//! Building, testing and publishing images, each for all selected missions. After any failure
//! nothing is pushed.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde::Serialize;

use crate::{
    image::{
        build::{BuildPolicy, Builds, BuiltImage},
        export,
        mission_images::MissionImages,
        runner::Runner,
    },
    mission::{checkout::Mission, dockerfile::update},
    registry::{
        self,
        publish::{self, Published, TestedImage},
        receipts,
    },
    run::{
        failure,
        printable::Shown as _,
        process, terminal,
        ui::{self, Colour},
    },
    settings::config::Mode,
    task::{Session, args::Missions},
    testing::{
        image_test::{self, Rerun, TestRequest},
        receipt::{Outcome, Receipt},
    },
};

/// Work of a run besides building missing images.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) missing: BuildPolicy,
    pub(crate) test: Option<TestRequest>,
    pub(crate) push: bool,
}

/// Builds missing images, then tests and publishes them as requested, and returns the exit status.
pub(crate) fn run(session: &Session, missions: &Missions, request: &Request) -> anyhow::Result<u8> {
    let named = session.named(missions).map_err(failure::request)?;
    let runner = session.runner(&named[0].config)?;
    let _locks = session.lock_missions(named.iter().map(|it| &it.mission.name))?;
    let builds = matches!(request.missing, BuildPolicy::Build | BuildPolicy::Refresh);
    if builds {
        session.require_digests(&runner, &named)?;
    }
    if let Some(permit) = session.permit.filter(|_| builds) {
        let missions: Vec<&Mission> = named.iter().map(|it| &it.mission).collect();
        update::write(permit, &session.checkout, &update::updates(&session.checkout, &missions)?)?;
    }
    let chosen = session.choose(&runner, named)?;
    if builds {
        session.require_pinned(&chosen)?;
    }
    registry::retire(&runner)?;
    let mut builds = Builds::new(&runner, request.missing)?;
    let mut rows = Vec::new();
    let images = build_all(&runner, &mut builds, &chosen, &mut rows)?;
    if let Some(asked) = &request.test {
        test_all(&runner, &images, asked, &mut rows)?;
    }
    if let Err(interrupted) = process::check_interrupted() {
        summary(session, rows, chosen.len())?;
        return Err(interrupted);
    }
    if request.push && rows.iter().all(|it| it.error.is_none()) {
        let _lock = session.lock_registry()?;
        push_all(&runner, &mut builds, &images, &mut rows)?;
    }
    summary(session, rows, chosen.len())
}

/// Images of one mission's chain, all built.
struct Images<'a> {
    chosen: &'a MissionImages,
    chain: Vec<BuiltImage>,
}

impl Images<'_> {
    fn mission(&self) -> &BuiltImage {
        &self.chain[self.chain.len() - 1]
    }
}

/// Builds every chain; a failure becomes a row of the table, and the other chains are built.
fn build_all<'a>(
    runner: &Runner,
    builds: &mut Builds<'_>,
    chosen: &'a [MissionImages],
    rows: &mut Vec<Row>,
) -> anyhow::Result<Vec<Images<'a>>> {
    let mut res = Vec::new();
    for it in chosen {
        let clock = Instant::now();
        let built = builds.chain(&it.config, &it.chain).and_then(|chain| {
            let images = Images { chosen: it, chain };
            let floating = it.config.mode == Mode::Floating;
            let frozen = match floating {
                true => export::freeze(runner, &it.mission, &images.mission().image)?,
                false => Vec::new(),
            };
            frozen.iter().for_each(|it| {
                runner.ui.say(format!("frozen: {}", runner.checkout.relative(it).shown()))
            });
            Ok(images)
        });
        match built {
            Ok(images) => {
                let known: Vec<String> = rows.iter().map(|it| it.image.clone()).collect();
                let new = images.chain.iter().filter(|it| !known.contains(&it.name));
                rows.extend(new.map(Row::of_image));
                res.push(images);
            }
            Err(err) => rows.push(Row::failed(&it.mission.name, clock.elapsed(), err)?),
        }
    }
    Ok(res)
}

fn test_all(
    runner: &Runner,
    images: &[Images<'_>],
    asked: &TestRequest,
    rows: &mut [Row],
) -> anyhow::Result<()> {
    for it in images {
        if process::check_interrupted().is_err() {
            break; // what was tested so far is shown
        }
        let environments = it.chosen.mission.environments.iter().map(|it| &it.name);
        let named = asked.environments();
        if !named.is_empty()
            && !environments.chain([&"base".to_owned()]).any(|it| named.contains(it))
        {
            continue;
        }
        let name = &it.chosen.mission.name;
        let Some(row) = rows.iter_mut().find(|row| row.image == *name) else { continue };
        let res = known_receipt(runner, it, asked)
            .and_then(|old| image_test::test(runner, it.chosen, it.mission(), asked, old));
        match res {
            Ok(Some((receipt, is_new))) => {
                let mode = it.chosen.config.mode;
                let rerun = if asked.dev { Rerun::Dev } else { Rerun::Image(mode) };
                row.add_tests(&receipt, is_new, rerun);
            }
            Ok(None) => (),
            Err(err) => row.fail(err)?,
        }
    }
    Ok(())
}

/// Returns the image's receipt, including the registry's where that may save a test.
fn known_receipt(
    runner: &Runner,
    images: &Images<'_>,
    asked: &TestRequest,
) -> anyhow::Result<Option<Receipt>> {
    let MissionImages { mission, config, .. } = images.chosen;
    match asked.takes_receipts() {
        true => receipts::of_built(runner, config, images.mission()),
        false => Receipt::read(&runner.checkout, &mission.name, &images.mission().image),
    }
}

fn push_all(
    runner: &Runner,
    builds: &mut Builds<'_>,
    images: &[Images<'_>],
    rows: &mut [Row],
) -> anyhow::Result<()> {
    let tested: Vec<TestedImage<'_>> = images
        .iter()
        .map(|it| TestedImage {
            chosen: it.chosen,
            common: &it.chain[it.chain.len() - 2],
            mission: it.mission(),
        })
        .collect();
    match publish::push(runner, builds, &tested) {
        Ok(published) => {
            for it in published {
                let row = rows.iter_mut().find(|row| row.image == it.name);
                row.into_iter().for_each(|row| row.add_published(&it));
            }
        }
        Err(err) => rows.last_mut().context("a pushed image has a row")?.fail(err)?,
    }
    Ok(())
}

/// Output of `--json`.
#[derive(Debug, Serialize)]
struct Summary<'a> {
    images: &'a [Row],
    seconds: f64,
    /// Part of the time that was not spent waiting for other programs.
    own_seconds: f64,
}

/// Work on an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Built,
    Tested,
    Pushed,
    AlreadyPublished,
    /// Its human tag was moved.
    Moved,
    Failed,
}

impl Action {
    fn text(self) -> &'static str {
        match self {
            Action::Built => "built",
            Action::Tested => "tested",
            Action::Pushed => "pushed",
            Action::AlreadyPublished => "already published",
            Action::Moved => "moved",
            Action::Failed => "failed",
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
pub(crate) struct Row {
    image: String,
    /// What was done to the image, in order; empty when it is as it was.
    #[serde(serialize_with = "joined")]
    action: Vec<Action>,
    seconds: f64,
    /// Size in bytes.
    size: u64,
    /// Lasting name: in the registry after a push, else on the engine.
    tag: String,
    passed: Option<usize>,
    failed: Option<usize>,
    /// Failure, shown under the table.
    error: Option<String>,
}

impl Row {
    pub(crate) fn of_image(built: &BuiltImage) -> Row {
        Row {
            image: built.name.clone(),
            action: built.reason.map(|_| Action::Built).into_iter().collect(),
            seconds: built.time.as_secs_f64(),
            size: built.image.size,
            tag: built.reference.to_string(),
            passed: None,
            failed: None,
            error: None,
        }
    }

    fn failed(name: &str, time: Duration, err: anyhow::Error) -> anyhow::Result<Row> {
        let mut row = Row {
            image: name.to_owned(),
            action: Vec::new(),
            seconds: time.as_secs_f64(),
            size: 0,
            tag: String::new(),
            passed: None,
            failed: None,
            error: None,
        };
        row.fail(err)?;
        Ok(row)
    }

    /// Records a failure of the work; a wrong request, a machine that lacks something and an
    /// interruption end the run.
    fn fail(&mut self, err: anyhow::Error) -> anyhow::Result<()> {
        let err = failure::of_machine(err);
        if failure::status(&err) != 1 {
            return Err(err);
        }
        self.action.push(Action::Failed);
        self.error = Some(format!("{err:#}"));
        Ok(())
    }

    fn add_published(&mut self, published: &Published) {
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

    fn add_tests(&mut self, receipt: &Receipt, is_new: bool, rerun: Rerun) {
        let passed = receipt.tests.iter().filter(|it| it.outcome == Outcome::Passed).count();
        let failed = receipt.tests.len() - passed;
        (self.passed, self.failed) = (Some(passed), Some(failed));
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

/// Prints the failures and the table, and returns the exit status. Without a table when the only
/// mission failed before its tests: the table would show nothing more.
pub(crate) fn summary(session: &Session, rows: Vec<Row>, missions: usize) -> anyhow::Result<u8> {
    let ok = rows.iter().all(|it| it.error.is_none());
    if session.flags.json {
        let seconds = session.started.elapsed();
        let own = seconds.saturating_sub(process::time_in_children());
        let (seconds, own_seconds) = (seconds.as_secs_f64(), own.as_secs_f64());
        let summary = Summary { images: &rows, seconds, own_seconds };
        terminal::json(&summary)?;
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
            ui::megabytes(it.size),
            cell(it.passed),
            cell(it.failed),
            it.tag.clone(),
        ]
    };
    let table: Vec<Vec<String>> = rows.iter().map(cells).collect();
    let heads = ["IMAGE", "ACTION", "TIME", "SIZE", "PASSED", "FAILED", "TAG"];
    for row in &rows {
        if let Some(error) = &row.error {
            session.ui.say("");
            session.ui.say_in(Colour::Red, &row.image, &format!(": {error}\n"));
        }
    }
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
