//! Building, testing and publishing images, all selected missions at once. After any failure
//! nothing is pushed.

mod on_cluster;
mod plan;
mod rows;

use std::{
    collections::BTreeSet,
    panic::resume_unwind,
    thread::{self, ScopedJoinHandle},
};

use anyhow::Context as _;

use self::{
    plan::{MissionPlan, Plan, Work},
    rows::Row,
};
use crate::{
    image::{
        build::{BuildPolicy, Builds, BuiltImage},
        export,
        mission_images::MissionImages,
        recipe::Reason,
        runner::Runner,
    },
    mission::{checkout::Mission, dockerfile::update},
    registry::{
        self, earlier,
        publish::{self, DueImage, Unpublished},
        receipts,
    },
    run::{
        failure::{self, Failure, INTERRUPTED},
        graph::{self, End, Limits},
        printable::Shown as _,
        process,
    },
    settings::config::{Mode, Registry},
    task::{
        MissionConfig, Session,
        args::{Missions, Parallel},
        shared::reuse::{self, Found, Place},
    },
    testing::{
        image_test::{self, Rerun, TestRequest},
        receipt::Receipt,
    },
};

pub(crate) use on_cluster::test_on_cluster;
pub(crate) use rows::summary_of_images;

/// Images that a run pushes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Push {
    No,
    /// Images that a receipt certifies.
    Tested,
    /// Images that need no receipt, to be tested on other machines.
    Candidates,
}

/// Work of a run besides building missing images.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) missing: BuildPolicy,
    pub(crate) test: Option<TestRequest>,
    pub(crate) push: Push,
    pub(crate) parallel: Parallel,
}

impl Request {
    /// Returns where published images are wanted: tests start them, and a push of new tests needs the images
    /// below, too.
    fn place(&self) -> Place {
        let builds = self.missing != BuildPolicy::Refuse;
        match (&self.test, self.push) {
            (Some(_), Push::No) if builds => Place::Engine,
            (Some(_), Push::No) => Place::Tests,
            (Some(test), _) if !test.takes_receipts() => Place::WholeEngine,
            (None, Push::Tested) => Place::Push,
            _ => Place::Registry,
        }
    }
}

/// Builds missing images, then tests and publishes them as requested, and returns the exit status.
pub(crate) fn run(session: &Session, missions: &Missions, request: &Request) -> anyhow::Result<u8> {
    let named = session.named(missions).map_err(failure::request)?;
    let _locks = session.lock_missions(named.iter().map(|it| &it.mission.name))?;
    run_locked(session, named, request)
}

/// Does the same as [`run`] for a caller that has the locks on the missions.
pub(crate) fn run_locked(
    session: &Session,
    named: Vec<MissionConfig>,
    request: &Request,
) -> anyhow::Result<u8> {
    let runner = session.runner(&named[0].config)?;
    let builds = matches!(request.missing, BuildPolicy::Build | BuildPolicy::Refresh);
    if builds {
        session.require_digests(&runner, &named)?;
    }
    if let Some(permit) = session.permit.filter(|_| builds) {
        let missions: Vec<&Mission> = named.iter().map(|it| &it.mission).collect();
        update::write(permit, &session.checkout, &update::updates(&session.checkout, &missions)?)?;
    }
    let is_local = named.iter().any(|it| it.config.registry == Registry::Local);
    let retires = is_local && session.permit.is_some();
    // The engine takes as long to list its images as the inputs take to be digested.
    let (chosen, listed, earlier) = thread::scope(|scope| {
        let listed = scope.spawn(|| reuse::listed(&runner, request.missing));
        let earlier = retires.then(|| scope.spawn(|| registry::of_earlier_versions(&runner)));
        (session.choose(&runner, named), joined(listed), earlier.map(joined))
    });
    let (chosen, images) = (chosen?, listed?);
    if builds {
        session.require_pinned(&chosen)?;
    }
    registry::retire(&runner, &earlier.transpose()?.unwrap_or_default())?;
    let missions: Vec<String> = chosen.iter().map(|it| it.mission.name.clone()).collect();
    let place = request.place();
    let is_part = request.test.as_ref().is_some_and(|it| it.part.is_some());
    let state = reuse::builds(&runner, request.missing, images.as_ref())?.for_parts(is_part);
    let config = chosen[0].config.clone();
    // Not with a builder that may be on another machine.
    let prepare = || {
        if builds && config.builder.is_none() {
            state.prepare(&config);
        }
    };
    let images = images.as_deref();
    let published = reuse::look_beside(&runner, chosen, request.missing, place, images, &prepare)?;
    published.keep_receipts(&runner)?;
    let reused = published.reused.iter().map(|it| &it.chosen);
    for it in reused.filter(|it| it.config.mode == Mode::Floating) {
        let name = &it.mission.name;
        runner.ui.say(format!(
            "note: {name} is reused; `cargo xtask freeze {name}` writes its frozen specs"
        ));
    }
    let plan = plan::plan(&published.chosen, request.missing, request.test.as_ref());
    let ends = work(&runner, &state, &plan, request);
    let (built, mut rows) = outcome(&plan, ends, request)?;
    rows.extend(published.reused.iter().map(Row::reused));
    let mut rows = rows::in_order(rows, &missions);
    let missions = missions.len();
    if let Err(interrupted) = process::check_interrupted() {
        rows::summary(session, rows, missions)?;
        return Err(interrupted);
    }
    if request.push != Push::No && rows.iter().all(|it| !it.has_failed()) {
        let _lock = session.lock_registry()?;
        push_all(&runner, &state, &built, request.push, &mut rows)?;
        if request.push == Push::Tested {
            move_tags(&runner, &published, &mut rows)?;
        }
    }
    rows::summary(session, rows, missions)
}

/// Returns what a thread came to.
fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

/// Images of one mission's chain, all built.
struct Images<'a> {
    chosen: &'a MissionImages,
    chain: Vec<BuiltImage>,
}

/// What a node of the plan came to.
#[derive(Debug)]
enum Done {
    Built(Box<BuiltImage>),
    /// The receipt, and whether it is new; `None` without a test.
    Tested(Option<(Box<Receipt>, bool)>),
}

impl Done {
    fn has_failed(&self) -> bool {
        matches!(self, Done::Tested(Some((it, _))) if it.failures().next().is_some())
    }
}

/// Does the work of all nodes of `plan`; a dry run prints it in their order.
fn work(
    runner: &Runner,
    builds: &Builds<'_>,
    plan: &Plan<'_>,
    request: &Request,
) -> Vec<End<Done>> {
    let memory = || plan.memory.or_else(|| runner.docker.memory().ok()).unwrap_or(0);
    let cores = || thread::available_parallelism().map_or(1, usize::from);
    let jobs = request.parallel.jobs.map_or_else(cores, usize::from);
    let jobs = if runner.permit.is_none() { 1 } else { jobs };
    let limits = Limits { jobs, memory: &memory, fail_fast: request.parallel.fail_fast };
    graph::run(&plan.nodes, &limits, Done::has_failed, |node| match &plan.work[node] {
        Work::Build { of, position } => {
            build(runner, builds, of, *position).map(|it| Done::Built(Box::new(it)))
        }
        Work::Test { of } => {
            let asked = request.test.as_ref().context("a test was planned")?;
            let done = test(runner, builds, of, asked)?;
            if process::is_stopped() && !done.has_failed() {
                return Err(Failure::Interrupted.into());
            }
            Ok(done)
        }
    })
}

/// Builds one image of a mission's chain, and freezes the mission from a new floating one.
fn build(
    runner: &Runner,
    builds: &Builds<'_>,
    of: &MissionImages,
    position: usize,
) -> anyhow::Result<BuiltImage> {
    let built = builds.image(&of.config, &of.chain, position)?;
    if position + 1 == of.chain.len() && of.config.mode == Mode::Floating {
        for it in export::freeze(runner, &of.mission, &built.image)? {
            runner.ui.say(format!("frozen: {}", runner.checkout.relative(&it).shown()));
        }
    }
    Ok(built)
}

fn test(
    runner: &Runner,
    builds: &Builds<'_>,
    of: &MissionImages,
    asked: &TestRequest,
) -> anyhow::Result<Done> {
    let built = builds.image(&of.config, &of.chain, of.chain.len() - 1)?;
    let MissionImages { mission, config, .. } = of;
    // The registry's receipt may save a test; what was just built is hardly ever there.
    let is_known = built.reason.is_none_or(|it| it == Reason::Published);
    let old = match asked.takes_receipts() && is_known {
        true => receipts::of_built(runner, config, &built),
        false => Receipt::read(&runner.checkout, &mission.name, &built.image),
    }?;
    if old.is_none() && asked.takes_receipts() {
        earlier::keep_receipt(runner, config)?;
    }
    let tested = image_test::test(runner, of, &built, asked, old)?;
    Ok(Done::Tested(tested.map(|(receipt, is_new)| (Box::new(receipt), is_new))))
}

/// Returns the images of missions whose chains are built, and the rows of the table in the order of the
/// plan.
///
/// # Errors
/// An error that is more than a failure of the work; an interruption only before any test.
fn outcome<'a>(
    plan: &Plan<'a>,
    ends: Vec<End<Done>>,
    request: &Request,
) -> anyhow::Result<(Vec<Images<'a>>, Vec<Row>)> {
    let mut outcome = Outcome {
        ends: ends.into_iter().map(Some).collect(),
        built: plan.nodes.iter().map(|_| None).collect(),
        shown: BTreeSet::new(),
        rows: Vec::new(),
        error: None,
    };
    let mut images = Vec::new();
    for it in &plan.missions {
        let mut row = match outcome.chain(plan, it) {
            Ok(chain) => {
                let row = chain.last().map(Row::of_image).context("a chain has an image")?;
                images.push(Images { chosen: it.of, chain });
                row
            }
            Err(row) => *row,
        };
        if let Some(test) = it.test.filter(|_| !row.has_failed()) {
            let mode = it.of.config.mode;
            let is_dev = request.test.as_ref().is_some_and(|it| it.dev);
            outcome.test(test, &mut row, if is_dev { Rerun::Dev } else { Rerun::Image(mode) });
        }
        outcome.rows.push(row);
    }
    let Outcome { rows, error, .. } = outcome;
    match error {
        Some(err) if failure::status(&err) == INTERRUPTED && rows.iter().any(Row::was_tested) => (),
        Some(err) => return Err(err),
        None => (),
    }
    Ok((images, rows))
}

/// The nodes' ends, which become rows mission by mission.
struct Outcome {
    /// `None` once taken.
    ends: Vec<Option<End<Done>>>,
    built: Vec<Option<BuiltImage>>,
    /// Nodes whose image or failure is in a row.
    shown: BTreeSet<usize>,
    rows: Vec<Row>,
    /// First error that ends the run.
    error: Option<anyhow::Error>,
}

impl Outcome {
    /// Returns the images of a chain, with rows for the new ones below the mission's; or the row of a mission
    /// whose image is not built.
    fn chain(
        &mut self,
        plan: &Plan<'_>,
        of: &MissionPlan<'_>,
    ) -> Result<Vec<BuiltImage>, Box<Row>> {
        let (mission, nodes) = (&of.of.mission.name, &of.chain);
        let mut res = Vec::new();
        for (position, &node) in nodes.iter().enumerate() {
            let is_last = position + 1 == nodes.len();
            if let Some(End::Done(Done::Built(_))) = &self.ends[node]
                && let Some(End::Done(Done::Built(built))) = self.ends[node].take()
            {
                self.built[node] = Some(*built);
            }
            let Some(built) = &self.built[node] else {
                return Err(Box::new(self.not_built(mission, plan.image(node), node)));
            };
            if !is_last && self.shown.insert(node) {
                self.rows.push(Row::of_image(built));
            }
            res.push(built.clone());
        }
        Ok(res)
    }

    /// Returns the row of a mission whose chain ended at `node`, the image `image`.
    fn not_built(&mut self, mission: &str, image: &str, node: usize) -> Row {
        let mut row = Row::not_built(mission);
        match self.ends[node].take() {
            Some(End::Failed(err, time)) => {
                row.spent(time);
                self.shown.insert(node);
                self.record(&mut row, err);
            }
            None if self.shown.contains(&node) => row.blocked_by(image),
            _ => row.stop(),
        }
        row
    }

    fn test(&mut self, node: usize, row: &mut Row, rerun: Rerun) {
        match self.ends[node].take() {
            Some(End::Done(Done::Tested(Some((receipt, is_new))))) => {
                row.add_tests(&receipt, is_new, rerun);
            }
            Some(End::Failed(err, _)) => self.record(row, err),
            Some(End::Blocked | End::NotStarted) => row.stop(),
            _ => (),
        }
    }

    /// Records a failure of the work in `row`; a wrong request, a machine that lacks something and an
    /// interruption end the run, and the end of other work is just that.
    fn record(&mut self, row: &mut Row, err: anyhow::Error) {
        let err = failure::of_machine(err);
        match failure::status(&err) {
            1 => row.fail(&err),
            INTERRUPTED if process::check_interrupted().is_ok() => row.stop(),
            _ => {
                row.stop();
                self.error.get_or_insert(err);
            }
        }
    }
}

fn push_all(
    runner: &Runner,
    builds: &Builds<'_>,
    images: &[Images<'_>],
    which: Push,
    rows: &mut [Row],
) -> anyhow::Result<()> {
    let due = images.iter().map(|it| {
        let [.., common, mission] = it.chain.as_slice() else { return None };
        Some(DueImage { chosen: it.chosen, common, mission })
    });
    let due: Vec<DueImage<'_>> =
        due.collect::<Option<_>>().context("a mission's image has a parent")?;
    let pushed = match which {
        Push::Candidates => publish::push_candidates(runner, builds, &due),
        _ => publish::push(runner, builds, &due),
    };
    match pushed {
        Ok(published) => {
            for it in published {
                let row = rows.iter_mut().find(|row| row.is_of(&it.name));
                row.into_iter().for_each(|row| row.add_published(&it));
            }
        }
        Err(it) => fail(rows, it)?,
    }
    Ok(())
}

/// Moves the human tags of images that stay in the registry, unless another image failed to be pushed.
fn move_tags(runner: &Runner, published: &Found, rows: &mut [Row]) -> anyhow::Result<()> {
    if rows.iter().any(Row::has_failed) {
        return Ok(());
    }
    match published.publish(runner) {
        Ok(moved) => rows.iter_mut().for_each(|it| it.add_moved(&moved)),
        Err(it) => fail(rows, it)?,
    }
    Ok(())
}

/// Records a failure of the work in the row of the image that failed, or else in the last one; any other
/// error ends the run.
fn fail(rows: &mut [Row], Unpublished { images, err }: Unpublished) -> anyhow::Result<()> {
    let err = failure::of_machine(err);
    if failure::status(&err) != 1 {
        return Err(err);
    }
    let place = images.iter().find_map(|name| rows.iter().position(|it| it.is_of(name)));
    let place = place.or(rows.len().checked_sub(1)).context("a published image has a row")?;
    rows[place].fail(&err);
    Ok(())
}
