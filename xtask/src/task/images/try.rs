//! `try`: installs the lists of environments, as they are now, in a copy of the mission's image, and
//! runs the tests of these environments. Nothing is pushed, and no receipt is written.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context as _, anyhow, bail};
use serde::Serialize;

use crate::{
    image::{
        build::{BuildPolicy, Builds, BuiltImage},
        build_context::BuildContext,
        mission_images::MissionImages,
        recipe,
        runner::{Log, Runner},
    },
    mission::{
        checkout::Mission,
        dockerfile::{
            Model,
            calls::ENVIRONMENTS,
            lists::Lists,
            trial::{self, Trial},
        },
        frozen_environments,
        test_kind::TestKind,
    },
    run::{
        failure, files,
        finding::{self, Finding},
        printable::Shown as _,
        process,
        suggest::nearest,
        terminal,
        ui::Colour,
    },
    specs::{
        self,
        frozen::{self, RULE, satisfies},
        requirement,
    },
    task::{Session, args, args::Missions},
    testing::{
        image_test::{self, Rerun, TestRequest},
        receipt::{Outcome, Receipt},
        results::{self, Runs},
        selection::{Selection, TestKey},
    },
};

/// Kinds of tests that an environment's packages decide, without a hub's start of the image.
const KINDS: [TestKind; 6] = [
    TestKind::Command,
    TestKind::Consistency,
    TestKind::Import,
    TestKind::Notebook,
    TestKind::Script,
    TestKind::Tests,
];

pub(crate) fn run(session: &Session, args: &args::Try) -> anyhow::Result<u8> {
    let missions = args.mission.iter().cloned().collect();
    let named = session.named(&Missions { missions, ..Missions::default() });
    let named = named.map_err(failure::request)?;
    // Before lists are read: another run may add lines to them.
    let _locks = session.lock_missions(named.iter().map(|it| &it.mission.name))?;
    let edit = Edit::new(session, &named[0].mission, args).map_err(failure::request)?;
    let runner = session.runner(&named[0].config)?;
    let chosen = session.choose(&runner, named)?.pop().context("one mission is chosen")?;
    let builds = Builds::new(&runner, BuildPolicy::TakeNewest)?;
    let newest = builds.chain(&chosen.config, &chosen.chain)?;
    let newest = newest.last().context("a chain has an image")?;
    let mut log = runner.log(&format!("try-{}", chosen.mission.name))?;
    let image = {
        log.step(&format!("installing the lists of {} in a copy of the image", edit.names()));
        let recipe = edit.recipe(&chosen)?;
        builds
            .temporary(&chosen.config, &recipe, newest, &mut log)
            .map_err(|err| edit.in_checkout(err))?
    };
    let Some(receipt) = test(&runner, &chosen, &image.built, newest, &edit)? else { return Ok(0) };
    process::check_interrupted()?;
    let added = edit.keep_added(session, &receipt)?;
    let skipped = results::skipped(&results::folder(&runner, Runs::Selection, &edit.mission.name))?;
    print(session, &edit, &receipt, &packages(&log), (added, skipped))
}

/// Lists to try.
struct Edit {
    mission: Mission,
    environments: Vec<String>,
    lists: Lists,
    model: Model,
    /// List with added lines, relative to `environments/`, and its text without them.
    added_to: Option<(PathBuf, String)>,
    started: Instant,
}

impl Edit {
    /// # Errors
    /// The request is not valid, or the lists cannot be read.
    fn new(session: &Session, mission: &Mission, args: &args::Try) -> anyhow::Result<Edit> {
        let started = Instant::now();
        let checkout = &session.checkout;
        let mut lists = readable(Lists::read(checkout, mission)?)?;
        let environments = environments(mission, &lists, args)?;
        let mut added_to = None;
        if let [environment] = environments.as_slice()
            && !args.add.is_empty()
        {
            let before = lists.sources.files.clone();
            let list = add(&mut lists, environment, &args.add)?;
            lists = readable(Lists::of(checkout, mission, lists.sources)?)?;
            let text = before.get(&list).cloned().unwrap_or_default();
            added_to = Some((list, text));
        }
        let model = lists.sources.model().map_err(refused)?;
        if let Some(it) = environments.iter().find(|it| !trial::has_lists(&model, it)) {
            bail!("{it}: no step of Dockerfile.custom installs a list; nothing to try");
        }
        let mission = mission.clone();
        Ok(Edit { mission, environments, lists, model, added_to, started })
    }

    fn names(&self) -> String {
        self.environments.join(", ")
    }

    fn recipe(&self, chosen: &MissionImages) -> anyhow::Result<recipe::Recipe> {
        let Trial { dockerfile, files } =
            Trial::new(&self.lists.sources, &self.model, &self.environments);
        let context = BuildContext::of_texts(files);
        // No mission has such a name, so no other build uses the same folder.
        let name = format!("{}@try", self.mission.name);
        let config = &chosen.config;
        Ok(recipe::on_mission(&name, dockerfile, context, chosen.platform, config.mode))
    }

    /// Returns a failure of the work with paths of the checkout in place of those in the image.
    fn in_checkout(&self, err: anyhow::Error) -> anyhow::Error {
        if failure::status(&err) != 1 {
            return err;
        }
        let own = self.lists.sources.path_of(Path::new(""));
        anyhow!(format!("{err:#}").replace(&format!("{ENVIRONMENTS}/"), &own.shown().to_string()))
    }

    /// Writes the added lines if all tests passed. Returns the list's path.
    ///
    /// # Errors
    /// Somebody has edited the list meanwhile.
    fn keep_added(&self, session: &Session, receipt: &Receipt) -> anyhow::Result<Option<PathBuf>> {
        let Some((list, before)) = &self.added_to else { return Ok(None) };
        let path = self.lists.sources.path_of(list);
        if let (Some(permit), None) = (session.permit, receipt.failures().next()) {
            let file = session.checkout.root.join(&path);
            let now = Lists::read(&session.checkout, &self.mission)?.sources;
            if now.files.get(list) != Some(before) {
                bail!("{}: edited meanwhile; nothing is added; run it again", path.shown());
            }
            files::write(permit, &file, self.lists.sources.files[list].as_bytes())?;
        }
        Ok(Some(path))
    }
}

fn refused(findings: Vec<Finding>) -> anyhow::Error {
    anyhow!("the lists cannot be tried\n{}", finding::text(findings))
}

fn readable(lists: Lists) -> anyhow::Result<Lists> {
    if lists.findings.is_empty() { Ok(lists) } else { Err(refused(lists.findings)) }
}

/// Returns the environments to try: the named ones, the only one, or the edited ones.
fn environments(mission: &Mission, lists: &Lists, args: &args::Try) -> anyhow::Result<Vec<String>> {
    let all = frozen_environments::of(mission).into_iter().map(|it| it.name.clone());
    let all: Vec<String> = all.collect();
    let there = all.join(", ");
    if let Some(name) = args.env.iter().find(|it| !all.contains(it)) {
        match nearest(name, all.iter().map(String::as_str)) {
            Some(nearest) => bail!("--env {name}: unknown environment; did you mean `{nearest}`?"),
            None => bail!("--env {name}: unknown environment; expected one of: {there}"),
        }
    }
    let named: BTreeSet<&String> = args.env.iter().collect();
    let named: Vec<String> = named.into_iter().cloned().collect();
    match (named.len(), args.add.is_empty()) {
        (1, _) | (2.., true) => Ok(named),
        (0, false) if all.len() == 1 => Ok(all),
        (_, false) => bail!("--add needs one environment; pass `--env` with one of: {there}"),
        (0, true) => {
            let edited: Vec<String> = all.into_iter().filter(|it| is_edited(lists, it)).collect();
            if edited.is_empty() {
                bail!(
                    "{}: no list differs from its frozen spec; edit a list, or pass `--add PACKAGE` or `--env` with one of: {there}",
                    mission.name
                );
            }
            Ok(edited)
        }
    }
}

/// Returns whether the frozen spec of an environment does not match its lists.
fn is_edited(lists: &Lists, environment: &str) -> bool {
    let name = specs::frozen(environment);
    let text = lists.sources.files.get(&name);
    let frozen = text.and_then(|it| frozen::canonical(&name, it, environment).ok());
    let Some(frozen) = frozen else { return true };
    let none = specs::read::Spec::default();
    let asked = lists.asked.get(environment).unwrap_or(&none);
    !satisfies::findings(RULE, (&name, environment), &frozen, asked).is_empty()
}

/// Adds lines to the last `.pip` list of `environment`, and returns the list.
fn add(lists: &mut Lists, environment: &str, lines: &[String]) -> anyhow::Result<PathBuf> {
    let model = lists.sources.model().map_err(refused)?;
    let list = trial::last_pip_list(&model, environment).with_context(|| {
        format!(
            "{environment} has no .pip list; write {} and a step `RUN /opt/common-scripts/env-update {environment} {environment}.pip`",
            lists.sources.path_of(&Path::new(environment).join(format!("{environment}.pip"))).shown()
        )
    })?;
    for line in lines {
        let wanted = requirement::parse(line.trim()).map_err(|(what, fix)| {
            anyhow!("--add {}: {what}; {fix}", crate::run::redact::redact(line))
        })?;
        let known = lists.asked.get(environment).into_iter().flat_map(|it| &it.pip);
        if let Some(known) = known.into_iter().find(|it| it.what.name == wanted.name) {
            bail!(
                "{}: already in the list; change this line, and run without --add",
                known.shown()
            );
        }
        let text = lists.sources.files.get_mut(&list).context("a step's list was read")?;
        let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        *text += &format!("{end}{}\n", line.trim());
    }
    Ok(list)
}

/// Runs the tests of the tried environments, with the tests of the working tree. `None` in a dry
/// run.
fn test(
    runner: &Runner,
    chosen: &MissionImages,
    image: &BuiltImage,
    below: &BuiltImage,
    edit: &Edit,
) -> anyhow::Result<Option<Receipt>> {
    let selection = Selection::new(&edit.environments, &[], KINDS.to_vec())?;
    let passed = passed(runner, below, edit)?;
    let request = TestRequest { selection, dev: true, passed, ..TestRequest::default() };
    let tested = image_test::test(runner, chosen, image, &request, None)?;
    Ok(tested.map(|(receipt, _)| receipt))
}

/// Returns the imports and notebooks of the tried environments that passed in `below`, by its receipt.
fn passed(runner: &Runner, below: &BuiltImage, edit: &Edit) -> anyhow::Result<BTreeSet<TestKey>> {
    let receipt = Receipt::read(&runner.checkout, &edit.mission.name, &below.image)?;
    let tests = receipt.into_iter().filter(|it| it.complete).flat_map(|it| it.tests);
    let passed = tests.filter(|it| {
        matches!(it.kind, TestKind::Import | TestKind::Notebook)
            && it.outcome == Outcome::Passed
            && edit.environments.contains(&it.environment)
    });
    Ok(passed.map(|it| (it.environment, it.kind, it.name)).collect())
}

/// Returns the changed packages as uv prints them: `+ name==version`. Empty when the engine knew the
/// result from an earlier try.
fn packages(log: &Log) -> Vec<String> {
    let lines = log.of_steps().into_iter().map(str::trim);
    let is_package = |it: &&str| it.starts_with(['+', '-', '~']) && it[1..].starts_with(' ');
    lines.filter(is_package).map(str::to_owned).collect()
}

/// Output of `--json`.
#[derive(Debug, Serialize)]
struct Tried<'a> {
    mission: &'a str,
    environments: &'a [String],
    /// Changed packages.
    packages: &'a [String],
    passed: usize,
    failed: usize,
    seconds: f64,
    not_tested: Vec<String>,
    /// List with the added lines; `null` if there are none, or if a test failed.
    list: Option<String>,
}

fn print(
    session: &Session,
    edit: &Edit,
    receipt: &Receipt,
    packages: &[String],
    (added, skipped): (Option<PathBuf>, BTreeSet<TestKey>),
) -> anyhow::Result<u8> {
    let failed = receipt.tests.iter().filter(|it| it.outcome != Outcome::Passed).count();
    let list = added.as_ref().map(|it| it.shown().to_string());
    let tried = Tried {
        mission: &edit.mission.name,
        environments: &edit.environments,
        packages,
        passed: receipt.tests.len() - failed,
        failed,
        seconds: edit.started.elapsed().as_secs_f64(),
        not_tested: not_tested(edit, &skipped),
        list: list.clone().filter(|_| failed == 0),
    };
    if session.flags.json {
        terminal::json(&tried)?;
    }
    let ui = session.ui;
    let names = edit.names();
    packages.iter().for_each(|it| ui.say(format!("{names}: {it}")));
    if failed > 0 {
        let failures = image_test::failures(receipt, Rerun::Whole);
        ui.say_in(Colour::Red, &names, &format!(": {failures}"));
    }
    let Tried { passed, seconds, not_tested, .. } = tried;
    ui.say(format!("{names}: {passed} tests passed, {failed} failed, {seconds:.1} s"));
    ui.say(format!("not tested: {}", not_tested.join("; ")));
    match (list, failed) {
        (Some(list), 0) => ui.say(format!("added to {list}")),
        (Some(list), _) => ui.say(format!("not added to {list}")),
        _ => (),
    }
    if failed == 0 {
        let mission = &edit.mission.name;
        ui.say(format!(
            "next: `cargo xtask image-all {mission} --floating` builds, freezes, tests all and pushes"
        ));
    }
    Ok(u8::from(failed > 0))
}

/// Returns parts of the image whose tests did not run.
fn not_tested(edit: &Edit, skipped: &BTreeSet<TestKey>) -> Vec<String> {
    let others = edit.mission.environments.iter().map(|it| it.name.clone());
    let others = others.filter(|it| !edit.environments.contains(it));
    let unseen = edit.environments.iter().filter_map(|environment| {
        let names = skipped.iter().filter(|it| it.0 == *environment).map(|it| it.2.as_str());
        let names = names.collect::<Vec<_>>().join(", ");
        let title = "tests that cannot see the change, and passed in the image";
        (!names.is_empty()).then(|| format!("{environment}: {title}: {names}"))
    });
    others
        .chain(unseen)
        .chain([
            "kernels, servers and files of the image, as a hub starts it".to_owned(),
            "Debian packages and other steps than those that install lists: these are the image's"
                .to_owned(),
        ])
        .collect()
}
