//! `image-prune`: removes old images of this tool from the engine, or from the registry.

mod engine;
mod registry;

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

use serde::Serialize;

use crate::{
    image::retention::{Policy, Verdict},
    run::{
        failure,
        process::{self, Permit},
        terminal, ui,
    },
    task::{
        Session,
        args::{ImagePrune, Missions},
    },
};

/// Days that images stay by default. In a registry others may count on them.
const DAYS_IN_REGISTRY: u32 = 30;
const DAYS_ON_ENGINE: u32 = 1;

/// An image, and what happens to it.
#[derive(Debug, Clone, Serialize)]
struct Row {
    /// Name on the engine, or in the registry.
    image: String,
    created: String,
    stays: bool,
    why: String,
    /// Reason why it could not be removed; empty if it was.
    problem: String,
}

/// A set of images of which old ones go.
trait Place {
    /// A removal, and everything that goes with it.
    type Removal: Ord + Clone;

    /// Returns all images as they are now, with the removal of those that go.
    fn plan(&self, policy: Policy) -> anyhow::Result<Vec<(Row, Option<Self::Removal>)>>;

    /// Prints the commands of a removal.
    fn print(&self, removal: &Self::Removal);

    /// Returns what else frees the disk.
    fn note(&self) -> Option<&'static str>;

    /// Removes images, and returns for each why it could not be removed; empty for none.
    fn remove(&self, permit: Permit, removals: &[Self::Removal]) -> anyhow::Result<Vec<String>>;
}

pub(crate) fn run(session: &Session, args: &ImagePrune) -> anyhow::Result<u8> {
    let missions = Missions { missions: args.missions.clone(), all: args.missions.is_empty() };
    let named = session.named(&missions).map_err(failure::request)?;
    let runner = match named.first() {
        Some(it) => session.runner(&it.config)?,
        None => return Err(failure::request(anyhow::anyhow!("no missions in missions/"))),
    };
    let _locks = session.lock_missions(named.iter().map(|it| &it.mission.name))?;
    let default = if args.registry { DAYS_IN_REGISTRY } else { DAYS_ON_ENGINE };
    let days = args.days.unwrap_or(default);
    let policy = Policy {
        keep: args.keep,
        young: Duration::from_secs(u64::from(days) * 24 * 60 * 60),
        now: SystemTime::now(),
    };
    let is_all = args.missions.is_empty();
    if args.registry {
        let _lock = session.lock_registry()?;
        prune(session, &registry::Registries::new(&runner, &named, is_all)?, policy, args.yes)
    } else {
        prune(session, &engine::Engine::new(session, &runner, &named, is_all)?, policy, args.yes)
    }
}

fn prune<P: Place>(
    session: &Session,
    place: &P,
    policy: Policy,
    agreed: bool,
) -> anyhow::Result<u8> {
    let plan = place.plan(policy)?;
    list(session, &plan);
    let removals: BTreeSet<P::Removal> = plan.iter().filter_map(|it| it.1.clone()).collect();
    let Some(permit) = session.permit else {
        removals.iter().for_each(|it| place.print(it));
        return Ok(0);
    };
    let mut rows: Vec<Row> = plan.into_iter().map(|it| it.0).collect();
    if !removals.is_empty() {
        if !agreed && !session.agrees("remove", "remove these images")? {
            session.ui.say("nothing was removed");
            return Ok(1);
        }
        // The answer may have taken long: a tag that was moved meanwhile keeps its image.
        let now = place.plan(policy)?;
        let (gone, removals): (Vec<Row>, Vec<P::Removal>) = now
            .into_iter()
            .filter_map(|(row, removal)| Some((row, removal?)))
            .filter(|(_, it)| removals.contains(it))
            .unzip();
        let problems = place.remove(permit, &removals)?;
        for (row, problem) in gone.iter().zip(&problems).filter(|it| !it.1.is_empty()) {
            session.ui.say(format!("{}: not removed: {problem}", row.image));
        }
        let failed = problems.iter().filter(|it| !it.is_empty()).count();
        session.ui.say(format!("removed {} of {}", gone.len() - failed, removals.len()));
        place.note().into_iter().for_each(|it| session.ui.say(it));
        for row in &mut rows {
            let of_row = gone.iter().position(|it| it.image == row.image);
            row.problem = of_row.map(|at| problems[at].clone()).unwrap_or_default();
        }
    }
    if session.flags.json {
        terminal::json(&rows)?;
    }
    process::check_interrupted()?;
    Ok(u8::from(rows.iter().any(|it| !it.problem.is_empty())))
}

/// Lists the images that go, each with the reason, and counts those that stay.
fn list<R>(session: &Session, plan: &[(Row, Option<R>)]) {
    let cells =
        |it: &Row| vec![it.image.clone(), it.created.chars().take(16).collect(), it.why.clone()];
    let rows: Vec<Vec<String>> =
        plan.iter().filter(|it| it.1.is_some()).map(|it| cells(&it.0)).collect();
    let stay = plan.len() - rows.len();
    if rows.is_empty() {
        return session.ui.say(format!("nothing is old enough to remove; {stay} stay"));
    }
    session.ui.say(ui::table(&["IMAGE TO REMOVE", "CREATED", "WHY"], &rows).trim_end());
    session.ui.say(format!("{stay} stay"));
}

impl Row {
    fn new(image: String, created: &str, verdict: &Verdict) -> Row {
        let (stays, why) = match verdict {
            Verdict::Stays(why) => (true, why.clone()),
            Verdict::Goes(why) => (false, why.clone()),
        };
        Row { image, created: created.to_owned(), stays, why, problem: String::new() }
    }
}
