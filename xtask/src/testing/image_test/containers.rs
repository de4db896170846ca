//! Containers of a test: created, filled with the tester and its plan, started, and emptied of
//! their results. Nothing of this machine is mounted but `TEST_DATA`, so the engine may be
//! anywhere.

use std::path::{Path, PathBuf};

use crate::{
    image::{
        container::{Container, Volume},
        runner::Log,
    },
    run::{
        failure, files,
        process::{self, Permit},
        terminal,
        unpack::Limits,
    },
    testing::{
        image_test::{
            Run, pods,
            tester::{PLAN, Part, RESULTS, SCRIPTS, TESTER},
        },
        receipt::{self, Outcome, Test},
        results::{self, Runs},
    },
    tools::{
        docker::container::NewContainer,
        system::{self, Owned},
    },
};

/// Result of a container.
#[derive(Default)]
pub(super) struct ContainerRun {
    pub(super) tests: Vec<Test>,
    /// Exit status; `None` when it was interrupted, and in a dry run.
    pub(super) status: Option<u8>,
    /// Whether it left results.
    pub(super) left: bool,
    /// Last lines of its output.
    pub(super) said: String,
    /// Folder of its results.
    pub(super) results: PathBuf,
}

/// The image's files after their tests, and a home for the image as a hub starts it.
pub(super) struct Prepared<'a> {
    home: Volume<'a>,
    pub(super) ran: ContainerRun,
    log: Log,
}

impl ContainerRun {
    /// Returns whether the container failed although no test of it failed: it was killed, or its
    /// results are wrong.
    pub(super) fn failed_beside_its_tests(&self) -> bool {
        self.status != Some(0) && self.tests.iter().all(|it| it.outcome == Outcome::Passed)
    }
}

/// Returns a line of the tester that names the tests which run, once a minute without a result.
pub(super) fn still_running(line: &str) -> Option<&str> {
    line.starts_with("still running: ").then_some(line)
}

impl Run<'_> {
    /// Returns the name of a log of this run; `more` tells it from others.
    pub(super) fn log_name(&self, more: &str) -> String {
        let part = self.pods.map_or(String::new(), |it| format!(".{}", it.part.in_names()));
        format!("image-test-{}{more}{part}", self.built.name)
    }

    /// Returns a file of this run beside the results.
    pub(super) fn file(&self, extension: &str) -> PathBuf {
        let name = format!("{}.{extension}", self.built.name);
        self.runner.target().join("test").join(name)
    }

    /// Returns the folder of results; a selection has another one than all tests.
    pub(super) fn results(&self) -> PathBuf {
        if let Some(pods) = self.pods {
            return pods::folder(self.runner, &self.built.name).join(pods.part.in_names());
        }
        let of = if self.asked.is_complete() { Runs::All } else { Runs::Selection };
        results::folder(self.runner, of, &self.built.name)
    }

    /// Returns a path beside the results. Each container has a separate folder: none can write
    /// another one's results.
    pub(super) fn beside_results(&self, part: &str) -> PathBuf {
        self.results().with_file_name(format!("{}.{part}", self.built.name))
    }

    pub(super) fn in_the_mission_s_container(&self, log: &mut Log) -> anyhow::Result<ContainerRun> {
        if let Some(pods) = self.pods {
            return self.in_the_mission_s_pod(pods, log);
        }
        self.run(Part::Mission, "", self.results(), log)
    }

    /// Runs a container that tests the image's files, digests them, and prepares a home.
    pub(super) fn prepare(&self) -> anyhow::Result<Prepared<'_>> {
        let mut log = self.runner.log(&self.log_name("-hub"))?;
        log.step("looking at the image's files");
        let home = Volume::new(self.runner, "test", self.file("volume"))?;
        let results = self.beside_results("image");
        let ran = self.run(Part::Prepare, &home.name, results, &mut log)?;
        Ok(Prepared { home, ran, log })
    }

    /// Runs the image as it is started on a hub, with a prepared home. Returns both containers' results.
    pub(super) fn as_a_hub_does(
        &self,
        prepared: Prepared<'_>,
    ) -> anyhow::Result<(ContainerRun, ContainerRun)> {
        let Prepared { home, ran: prepared, mut log } = prepared;
        log.step("starting the image as a hub does");
        let ran = match self.run(Part::Hub, &home.name, self.beside_results("hub"), &mut log) {
            // Results of earlier containers are kept.
            Err(err) if failure::status(&err) == 130 => ContainerRun::default(),
            ran => ran?,
        };
        Ok((prepared, ran))
    }

    /// Runs a part of the tests in a container.
    ///
    /// # Errors
    /// The container cannot be created. A failed start is part of the result.
    fn run(
        &self,
        part: Part,
        home: &str,
        results: PathBuf,
        log: &mut Log,
    ) -> anyhow::Result<ContainerRun> {
        let role = part.role();
        let container = Container::new(self.runner, self.file(&format!("{role}.cid")))?;
        let create = part.set_up(container.create(role), &self.chosen.config.testing, home);
        let create = self.over_the_tests(part, create).image(&self.built.reference, part.argv(&[]));
        self.runner.run(&create, log)?;
        self.send_tester(&container, log)?;
        self.send_tests(part, &container, log)?;
        let start = container.start()?;
        let status = match self.runner.status_of_tests(&start, log, still_running) {
            Err(err) if failure::status(&err) == 130 => None,
            status => status?,
        };
        let said = log.failure(&start, status.unwrap_or(130));
        let (tests, left) = match self.runner.permit {
            None => (Vec::new(), true),
            Some(permit) => collect(permit, &container, &results, log)?,
        };
        let said = if left { said } else { format!("no results; {said}") };
        Ok(ContainerRun { tests, status, left, said, results })
    }

    /// Sends the tester of this checkout, owned by root and read-only for everybody in the
    /// container, and its plan.
    fn send_tester(&self, container: &Container<'_>, log: &mut Log) -> anyhow::Result<()> {
        let image = self.runner.checkout.root.join("common/image");
        let scripts = [SCRIPTS.to_owned()];
        let owned = Owned { owner: "0", group: "0", mode: "u=rwX,go=rX" };
        self.send_folders(&image, &scripts, &owned, TESTER, container, log)?;
        let plan = container.send(&self.file("plan"), &format!("{TESTER}/{PLAN}"))?;
        self.runner.run(&plan, log)
    }

    /// Mounts volumes over the tests for `--dev`, which [`Run::send_tests`] fills.
    fn over_the_tests(&self, part: Part, container: NewContainer) -> NewContainer {
        if !self.asked.dev || part != Part::Mission {
            return container;
        }
        let environments = self.chosen.mission.environments.iter();
        let tests = environments.map(|it| format!("/opt/environments/{}/tests", it.name));
        tests.fold(container, |res, it| res.empty_volume(None, &it))
    }

    /// Sends the working tree's tests over those of the image, for `--dev`. They are sent, not
    /// mounted, so that the engine may be elsewhere and nothing here changes.
    fn send_tests(
        &self,
        part: Part,
        container: &Container<'_>,
        log: &mut Log,
    ) -> anyhow::Result<()> {
        if !self.asked.dev || part != Part::Mission {
            return Ok(());
        }
        let mission = &self.chosen.mission;
        let environments = mission.dir.join("environments");
        let names = mission.environments.iter().map(|it| format!("{}/tests", it.name));
        let names = names.chain(["test".to_owned()]).filter(|it| environments.join(it).exists());
        let names: Vec<String> = names.collect();
        let owned = Owned { owner: "1000", group: "100", mode: "ug+rwX,o+rX" };
        self.send_folders(&environments, &names, &owned, "/opt/environments", container, log)
    }

    fn send_folders(
        &self,
        dir: &Path,
        names: &[String],
        owned: &Owned<'_>,
        to: &str,
        container: &Container<'_>,
        log: &mut Log,
    ) -> anyhow::Result<()> {
        let from = system::pack(dir, names, owned);
        let to = container.unpack(to)?;
        let Some(permit) = self.runner.permit else {
            terminal::print(format_args!("{from} | {to}"));
            return Ok(());
        };
        log.line(&format!("$ {from} | {to}"));
        process::pipe(&from, &to.permitted(permit), &mut |line| log.line(line))?;
        Ok(())
    }
}

/// Limits for the results of one container: executed notebooks contain figures.
pub(super) const LIMITS: Limits = Limits { bytes: 2_000_000_000, entries: 100_000 };

/// Moves the container's results into the new folder `results`, also after an interruption. Returns
/// the tests, and whether there were results. Incomplete results are a failure.
fn collect(
    permit: Permit,
    container: &Container<'_>,
    results: &Path,
    log: &mut Log,
) -> anyhow::Result<(Vec<Test>, bool)> {
    let left_out = match container.copy(permit, &format!("{RESULTS}/."), results, LIMITS) {
        Ok((0, left_out)) => left_out,
        Ok(_) => return Ok((Vec::new(), false)),
        Err(err) => return Ok((vec![not_taken(&err)], true)),
    };
    left_out.iter().for_each(|it| log.line(&format!("left out of the results: {it}")));
    Ok((tests_in(results), true))
}

/// Returns the tests that a container's results tell of.
pub(super) fn tests_in(results: &Path) -> Vec<Test> {
    let path = results.join("results.jsonl");
    if !path.is_file() {
        return Vec::new();
    }
    let tests = files::read_foreign_text(&path, receipt::LARGEST_RESULTS)
        .and_then(|text| receipt::parse_results(&text));
    tests.unwrap_or_else(|err| vec![not_taken(&err)])
}

/// Returns the failure of results that are not in the scripts' format.
fn not_taken(err: &anyhow::Error) -> Test {
    Test::of_mission(RESULTS, format!("the test results cannot be read: {err:#}"))
}
