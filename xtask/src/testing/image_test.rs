//! Runs a mission's tests in a container, and beside it the image as a hub starts it; writes the
//! receipt.

mod carrying;
mod containers;
mod part;
mod pods;
mod summary;
pub(in crate::testing) mod tester;

use std::{
    collections::{BTreeMap, BTreeSet},
    thread,
    time::{Instant, SystemTime},
};

use anyhow::{Context as _, anyhow};

use crate::{
    image::{build::BuiltImage, mission_images::MissionImages, runner::Runner},
    mission::{checkout::Mission, expected_tests},
    run::{failure, files, process},
    settings::config::Config,
    specs,
    testing::{
        image_test::{
            carrying::{Ahead, Carrying},
            containers::{ContainerRun, Prepared},
            pods::Pods,
        },
        receipt::{self, Contents, Name, Receipt, Test},
        results,
        selection::{ContainerInputs, Selection, TestKey},
        shard::Part,
    },
    tools::docker::{LABEL_COMMIT, LABEL_INPUTS},
};

pub(crate) use pods::{Place, on_cluster};
pub(crate) use summary::{Rerun, failures};

/// Name of a failure of the tester itself, outside of any test.
const TESTER: &str = "tester";

/// Selected tests, and how to run them.
#[derive(Debug, Clone, Default)]
pub(crate) struct TestRequest {
    /// Also test images that have a passing receipt.
    pub(crate) again: bool,
    pub(crate) selection: Selection,
    /// Only tests that failed in the last receipt.
    pub(crate) failed: bool,
    pub(crate) jobs: Option<u16>,
    pub(crate) timeout: Option<u32>,
    /// Use the tests and scripts of the working tree.
    pub(crate) dev: bool,
    /// Only this part of the tests, for a receipt of that part.
    pub(crate) part: Option<Part>,
    /// Tests that passed in the image which this one was made from: they are left out if they cannot
    /// see what changed since.
    pub(crate) passed: BTreeSet<TestKey>,
}

impl TestRequest {
    /// Returns a request for all tests; images with a passing receipt are tested only if `again`.
    pub(crate) fn all(again: bool) -> TestRequest {
        TestRequest { again, ..TestRequest::default() }
    }

    /// Returns whether its results are a complete test of the image.
    pub(crate) fn is_complete(&self) -> bool {
        self.selection.is_all() && !self.failed && !self.dev && self.part.is_none()
    }

    /// Returns whether an image with a passing receipt can be skipped.
    pub(crate) fn takes_receipts(&self) -> bool {
        self.is_complete() && !self.again
    }

    /// Returns the selected environments.
    pub(crate) fn environments(&self) -> &[String] {
        &self.selection.environments
    }

    /// Returns whether some of the selected tests may be `mission`'s.
    pub(crate) fn concerns(&self, mission: &Mission) -> bool {
        let named = self.environments();
        let own = mission.environments.iter().map(|it| it.name.as_str());
        named.is_empty() || own.chain([specs::BASE]).any(|it| named.iter().any(|name| name == it))
    }

    /// Returns the selection; `None` when no test has to be run again.
    fn selection(
        &self,
        mission: &str,
        last: Option<&Receipt>,
    ) -> anyhow::Result<Option<Selection>> {
        if !self.failed {
            return Ok(Some(self.selection.clone()));
        }
        let receipt = last.with_context(|| {
            format!(
                "{mission} has no receipt that says what failed; run image-test without --failed"
            )
        });
        let receipt = receipt.map_err(failure::request)?;
        let failed = receipt.failures().next().is_some();
        Ok(failed.then(|| self.selection.among(receipt.failures())))
    }
}

/// Returns the bytes of memory that the containers of an image's tests may use: two run side by side.
pub(crate) fn memory(config: &Config) -> u64 {
    2 * config.testing.memory_bytes()
}

/// A mission's image and the request for it.
struct Run<'a> {
    runner: &'a Runner,
    chosen: &'a MissionImages,
    built: &'a BuiltImage,
    asked: &'a TestRequest,
    selection: Selection,
    /// Receipt with the times of tests.
    last: Option<&'a Receipt>,
    ahead: Ahead,
    /// Pods of a cluster that take the place of containers.
    pods: Option<&'a Pods<'a>>,
}

/// Results of a run.
struct Ran {
    tests: Vec<Test>,
    contents: Contents,
    carrying: Carrying,
}

/// Tests `built`, unless `old`, its receipt so far, is passing and sufficient. Returns the receipt,
/// and whether it was made just now. A complete receipt is written. `None` in a dry run, and when
/// no test is selected. After an interruption the receipt has the results so far, and is not
/// complete.
///
/// # Errors
/// A container cannot be created. Failed tests are not an error, but recorded in the receipt.
pub(crate) fn test(
    runner: &Runner,
    chosen: &MissionImages,
    built: &BuiltImage,
    asked: &TestRequest,
    old: Option<Receipt>,
) -> anyhow::Result<Option<(Receipt, bool)>> {
    if let Some(part) = asked.part {
        return Ok(part::test(runner, chosen, built, asked, part, None)?.map(|it| (it, true)));
    }
    let mission = &chosen.mission.name;
    let suffices = asked.takes_receipts();
    if let Some(receipt) = old.as_ref().filter(|_| suffices)
        && receipt::shortcoming(&chosen.mission, Some(receipt))?.is_none()
    {
        return Ok(Some((receipt.clone(), false)));
    }
    let known: Vec<Receipt> = Receipt::all(&runner.checkout, mission).collect();
    let last = Receipt::last(&known);
    let Some(selection) = asked.selection(mission, last)? else {
        runner.ui.say(format!("{mission}: nothing failed last time"));
        return Ok(None);
    };
    let started = SystemTime::now();
    let clock = Instant::now();
    let ahead = Ahead::new(runner, chosen, built, asked, &known)?;
    let run = Run { runner, chosen, built, asked, selection, last, ahead, pods: None };
    run.make_ready()?;
    let Ran { mut tests, contents, carrying } = run.all()?;
    let Some(permit) = runner.permit else { return Ok(None) };
    let interrupted = process::check_interrupted().is_err();
    if tests.is_empty() && !interrupted {
        let message = "no test is selected".to_owned();
        tests.push(Test::of_mission(TESTER, message));
    }
    let mut receipt = Receipt {
        started: humantime::format_rfc3339_seconds(started).to_string(),
        seconds: clock.elapsed().as_secs_f64(),
        complete: asked.is_complete() && !interrupted,
        contents,
        tests,
        dependencies: carrying.dependencies,
        refrozen: old.map(|it| it.refrozen).unwrap_or_default(),
        ..untested(chosen, built)?
    };
    if receipt.complete {
        receipt.tests.extend(receipt::untold(&chosen.mission, &receipt));
    }
    results::record(permit, &run.results(), &receipt)?;
    if receipt.complete {
        receipt.write(permit, &runner.checkout)?;
    }
    Ok(Some((receipt, true)))
}

/// Returns the receipt of an image that was not tested yet; it passes nothing.
pub(crate) fn untested(chosen: &MissionImages, built: &BuiltImage) -> anyhow::Result<Receipt> {
    Ok(Receipt {
        receipt: 1,
        mission: Name::try_from(chosen.mission.name.as_str())?,
        image: built.image.id.clone(),
        platform: chosen.platform.to_string(),
        inputs: built.image.label(LABEL_INPUTS).unwrap_or_default().to_owned(),
        commit: built.image.label(LABEL_COMMIT).unwrap_or_default().to_owned(),
        frozen_specs: receipt::frozen_specs(&built.image),
        started: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        seconds: 0.0,
        complete: false,
        data: chosen.config.testing.data.iter().map(ToString::to_string).collect(),
        contents: Contents::default(),
        tests: Vec::new(),
        dependencies: BTreeMap::new(),
        refrozen: BTreeMap::new(),
        published: Vec::new(),
        network: None,
        shard: None,
    })
}

impl Run<'_> {
    /// Removes old results, and writes the plan for the containers.
    fn make_ready(&self) -> anyhow::Result<()> {
        if let Some(permit) = self.runner.permit {
            files::remove_tree(permit, &self.results())?;
        }
        if self.pods.is_some() { Ok(()) } else { self.write_plan(Vec::new()) }
    }

    /// Writes the plan for the containers, without environments whose results carry over.
    fn write_plan(&self, carried: Vec<String>) -> anyhow::Result<()> {
        let plan = self.plan(carried)?;
        let Some(permit) = self.runner.permit else { return Ok(()) };
        files::write(permit, &self.file("plan"), plan.as_bytes())?;
        Ok(())
    }

    fn plan(&self, carried: Vec<String>) -> anyhow::Result<String> {
        let Run { asked, last, .. } = *self;
        let given = tester::given(self.chosen, &self.built.image);
        let given = ContainerInputs { dependencies: self.ahead.basis.is_some(), carried, ..given };
        self.selection.plan(asked.jobs, asked.timeout, last, &asked.passed, &given)
    }

    /// Runs all tests, those of the mission and those of the image side by side. If results may carry
    /// over, it is known first which.
    fn all(&self) -> anyhow::Result<Ran> {
        let ahead = (!self.ahead.former.is_empty()).then(|| self.prepare()).transpose()?;
        let mut carrying = ahead.as_ref().map(|it| self.carrying(&it.ran)).transpose()?;
        carrying.iter().try_for_each(|it| self.leave_out(it))?;
        let decided = carrying.as_ref();
        let (own, hub) = if self.runner.permit.is_none() {
            (self.of_the_mission(decided), self.of_the_image(ahead))
        } else {
            thread::scope(|scope| {
                let hub = scope.spawn(|| self.of_the_image(ahead));
                let own = self.of_the_mission(decided);
                (own, hub.join().unwrap_or_else(|_| Err(anyhow!("a thread panicked"))))
            })
        };
        let mut tests = unless_interrupted(own)?;
        let (more, contents, prepared) = unless_interrupted(hub)?;
        tests.extend(more);
        if carrying.is_none() {
            carrying = Some(self.carrying(&prepared)?);
        }
        Ok(Ran { tests, contents, carrying: carrying.unwrap_or_default() })
    }

    /// Runs the mission's own tests, and adds the results that carry over, and a failure for each
    /// missing result.
    fn of_the_mission(&self, carrying: Option<&Carrying>) -> anyhow::Result<Vec<Test>> {
        let mut expected = self.selection.of(expected_tests::expected(&self.chosen.mission)?);
        // The first part also has what only the image knows.
        if expected.is_empty() && self.asked.part.is_some_and(|it| it.index > 1) {
            return Ok(Vec::new());
        }
        let mut log = self.runner.log(&self.log_name(""))?;
        log.step("running the mission's tests");
        let ran = self.in_the_mission_s_container(&mut log)?;
        let mut tests = ran.tests.clone();
        if ran.status.is_none() {
            return Ok(tests);
        }
        if let Some(carrying) = carrying {
            tests = carrying.beside(tests);
        }
        let skipped = results::skipped(&self.results())?;
        expected.retain(|it| {
            let key = (it.environment.clone(), it.kind, it.name.clone());
            !(skipped.contains(&key) && self.asked.passed.contains(&key))
        });
        let missing = receipt::missing(&expected, &tests, "the tester ended before it");
        let nothing_left = !ran.left && self.selection.is_all();
        if ran.failed_beside_its_tests() || nothing_left || !missing.is_empty() && tests.is_empty()
        {
            tests.push(Test::of_mission(TESTER, ran.said));
        }
        tests.extend(missing);
        Ok(tests)
    }

    /// Runs the tests of every image, as a hub starts it.
    fn of_the_image(
        &self,
        ahead: Option<Prepared<'_>>,
    ) -> anyhow::Result<(Vec<Test>, Contents, ContainerRun)> {
        let expected = self.selection.of(expected_tests::of_the_image(&self.chosen.mission));
        if expected.is_empty() {
            return Ok(<(Vec<Test>, Contents, ContainerRun)>::default());
        }
        let (prepared, ran) = match self.pods {
            Some(pods) => self.in_the_hub_s_pod(pods)?,
            None => self.as_a_hub_does(ahead.map_or_else(|| self.prepare(), Ok)?)?,
        };
        let mut tests = prepared.tests.clone();
        tests.extend(ran.tests.clone());
        if prepared.status.is_none() || ran.status.is_none() {
            return Ok((tests, Contents::default(), prepared));
        }
        let missing = receipt::missing(&expected, &tests, "the tester ended before it");
        let unexplained = [&prepared, &ran].into_iter().find(|it| it.failed_beside_its_tests());
        let lacking = if prepared.left { &ran } else { &prepared };
        if let Some(it) = unexplained.or((!missing.is_empty()).then_some(lacking)) {
            tests.push(Test::of_mission(TESTER, it.said.clone()));
        }
        tests.extend(missing);
        let contents = ran.results.join("image.json");
        if !contents.is_file() {
            return Ok((tests, Contents::default(), prepared));
        }
        let text = files::read_foreign_text(&contents, receipt::LARGEST_RESULTS)?;
        let contents = serde_json::from_str(&text).context("image.json of the test results")?;
        Ok((tests, contents, prepared))
    }
}

/// Returns a default result after an interruption, so that the results of the other container are
/// kept.
fn unless_interrupted<T: Default>(res: anyhow::Result<T>) -> anyhow::Result<T> {
    match res {
        Err(err) if failure::status(&err) == 130 => Ok(T::default()),
        res => res,
    }
}
