//! The containers of a test: made, given the plan, started, and asked for what they left. Nothing of
//! this machine is mounted, so the engine may be anywhere.

use std::path::{Path, PathBuf};

use crate::{
    container::{Container, Volume},
    engine::Log,
    failure, files,
    process::{self, cmd},
    receipt::{self, Outcome, Test},
    task::image_test::Run,
    terminal,
    unpack::Limits,
};

/// Where in a container the plan and the results are.
const PLAN: &str = "/tmp/test-plan.json";
const RESULTS: &str = "/tmp/test-results";

/// Where a hub mounts a user's volume, and where it is while it is prepared.
const HOME: &str = "/home/jovyan";
const PREPARED_HOME: &str = "/mnt/home";

/// The ids of a hub's user: any, but with the group that all users have.
const HUB_USER: &str = "4321:100";

/// What a container did.
pub(super) struct Ran {
    pub(super) tests: Vec<Test>,
    /// `None` when it was interrupted.
    pub(super) status: Option<u8>,
    /// Whether it left results.
    pub(super) left: bool,
    /// Its last words.
    pub(super) said: String,
    /// The folder with what it left.
    pub(super) results: PathBuf,
}

impl Ran {
    /// Whether it ended as after a failure, but no test of it failed: it was killed, or lies.
    pub(super) fn failed_beside_its_tests(&self) -> bool {
        self.status != Some(0) && self.tests.iter().all(|it| it.outcome == Outcome::Passed)
    }
}

impl Run<'_> {
    /// A file of this run beside the results.
    pub(super) fn file(&self, extension: &str) -> PathBuf {
        let name = format!("{}.{extension}", self.built.name);
        self.engine.target().join("test").join(name)
    }

    /// Results of a selection are not where those of all tests are.
    pub(super) fn results(&self) -> PathBuf {
        let dir = if self.asked.is_complete() { "test" } else { "test-selection" };
        self.engine.target().join(dir).join(&self.built.name)
    }

    /// Each container has a folder of its own: none can name another one's results.
    fn beside_results(&self, part: &str) -> PathBuf {
        self.results().with_file_name(format!("{}.{part}", self.built.name))
    }

    pub(super) fn in_the_mission_s_container(
        &self,
        command: &str,
        log: &mut Log,
    ) -> anyhow::Result<Ran> {
        let mut args = Vec::new();
        if self.asked.dev {
            let environments = self.chosen.mission.environments.iter();
            let tests = environments.map(|it| format!("/opt/environments/{}/tests", it.name));
            args.extend(tests.flat_map(|it| volume("", &it)));
        }
        args.extend(self.chosen.config.run_pars.clone());
        self.run("test", &args, &[command.to_owned()], self.results(), log)
    }

    /// First a container that tests the image's files and prepares a home, then the image as it is
    /// started on a hub, with that home.
    pub(super) fn as_a_hub_does(&self, script: &str, log: &mut Log) -> anyhow::Result<(Ran, Ran)> {
        let home = Volume::new(self.engine, "test", self.file("volume"))?;
        let mut args = vec!["--user", "root", "--network", "none", "--entrypoint", script];
        let mount = volume(&home.name, PREPARED_HOME);
        args.extend(mount.iter().map(String::as_str));
        let command = ["--prepare".to_owned(), PREPARED_HOME.to_owned()];
        let prepared =
            self.run("test-prepare", &owned(&args), &command, self.beside_results("image"), log)?;

        let mut args = vec!["--user", HUB_USER, "--network", "none"];
        let mount = volume(&home.name, HOME);
        args.extend(mount.iter().map(String::as_str));
        let mut command = vec![script.to_owned()];
        if let Some(health) = self.built.image.health() {
            command.extend(["--health".to_owned(), shell_words::join(health)]);
        }
        command.extend(self.built.image.config.cmd.clone().unwrap_or_default());
        let ran = self.run("test-hub", &owned(&args), &command, self.beside_results("hub"), log)?;
        Ok((prepared, ran))
    }

    /// Runs `command` in a container; `args` are flags of `docker create`.
    ///
    /// # Errors
    /// It cannot be made. That it does not start is told by what it gives.
    fn run(
        &self,
        role: &str,
        args: &[String],
        command: &[String],
        results: PathBuf,
        log: &mut Log,
    ) -> anyhow::Result<Ran> {
        let container = Container::new(self.engine, self.file(&format!("{role}.cid")))?;
        let memory = &self.chosen.config.test_memory;
        let (told, plan) = (format!("TEST_RESULTS={RESULTS}"), format!("TEST_PLAN={PLAN}"));
        let mut create = container.create(role).args([
            "--no-healthcheck",
            "--memory",
            memory,
            "--env",
            &told,
            "--env",
            &plan,
        ]);
        if self.asked.dev {
            create = create.args(volume("", "/opt/common-scripts"));
        }
        let create = create.args(args).args([&self.built.reference]).args(command);
        self.engine.run(&create, log)?;
        self.engine.run(&container.send(&self.file("plan"), PLAN)?, log)?;
        self.send_working_tree(role, &container, log)?;
        let start = container.start()?;
        let status = match self.engine.status(&start, log) {
            Err(err) if failure::status(&err) == 130 => None,
            status => Some(status?),
        };
        let said = log.failure(&start, status.unwrap_or(130));
        let (tests, left) = match self.engine.dry_run {
            true => (Vec::new(), true),
            false => collect(&container, &results, log)?,
        };
        let said = if left { said } else { format!("it left no results; {said}") };
        Ok(Ran { tests, status, left, said, results })
    }

    /// For `--dev`: the tests and scripts as they are here, in place of the image's. They are sent,
    /// not mounted, so that the engine may be elsewhere, tests can write beside themselves as they
    /// can in the image, and nothing here changes.
    fn send_working_tree(
        &self,
        role: &str,
        container: &Container<'_>,
        log: &mut Log,
    ) -> anyhow::Result<()> {
        if !self.asked.dev {
            return Ok(());
        }
        let image = self.engine.repo.root.join("common/image");
        self.send_folders(&image, &["common-scripts".to_owned()], "/opt", container, log)?;
        if role != "test" {
            return Ok(());
        }
        let mission = &self.chosen.mission;
        let environments = mission.dir.join("environments");
        let names = mission.environments.iter().map(|it| format!("{}/tests", it.name));
        let names = names.chain(["test".to_owned()]).filter(|it| environments.join(it).exists());
        let names: Vec<String> = names.collect();
        self.send_folders(&environments, &names, "/opt/environments", container, log)
    }

    fn send_folders(
        &self,
        dir: &Path,
        names: &[String],
        to: &str,
        container: &Container<'_>,
        log: &mut Log,
    ) -> anyhow::Result<()> {
        // As the image has them: jovyan's, open to the group.
        let mode = "ug+rwX,o+rX";
        let from = cmd!(
            dir,
            "tar --create --owner=1000 --group=100 --mode={mode} --exclude=__pycache__ {names...}"
        );
        let to = container.unpack(to)?;
        if self.engine.dry_run {
            terminal::print(format_args!("{from} | {to}"));
            return Ok(());
        }
        log.line(&format!("$ {from} | {to}"));
        process::pipe(&from, &to, &mut |line| log.line(line))?;
        Ok(())
    }
}

/// The flags that mount a volume, an empty one without a name, which goes with the container.
fn volume(name: &str, to: &str) -> [String; 2] {
    let source = if name.is_empty() { String::new() } else { format!("source={name},") };
    ["--mount".to_owned(), format!("type=volume,{source}target={to},volume-nocopy")]
}

fn owned(args: &[&str]) -> Vec<String> {
    args.iter().map(|&it| it.to_owned()).collect()
}

/// What the results of one container may take: executed notebooks hold figures.
const LIMITS: Limits = Limits { bytes: 2_000_000_000, entries: 100_000 };

/// Takes what the container left into the new folder `results`, also after an interruption. Returns
/// the tests, and whether there was anything. Results that cannot be taken whole are a failure.
fn collect(
    container: &Container<'_>,
    results: &Path,
    log: &mut Log,
) -> anyhow::Result<(Vec<Test>, bool)> {
    let left_out = match container.copy(&format!("{RESULTS}/."), results, LIMITS) {
        Ok((0, left_out)) => left_out,
        Ok(_) => return Ok((Vec::new(), false)),
        Err(err) => return Ok((vec![not_taken(&err)], true)),
    };
    left_out.iter().for_each(|it| log.line(&format!("left out of the results: {it}")));
    let path = results.join("results.jsonl");
    if !path.is_file() {
        return Ok((Vec::new(), true));
    }
    let tests = files::read_foreign_text(&path, receipt::LARGEST_RESULTS)
        .and_then(|text| receipt::parse_results(&text));
    Ok((tests.unwrap_or_else(|err| vec![not_taken(&err)]), true))
}

/// The failure of results that are not as the scripts write them.
fn not_taken(err: &anyhow::Error) -> Test {
    Test::of_mission(RESULTS, format!("the test results cannot be read: {err:#}"))
}
