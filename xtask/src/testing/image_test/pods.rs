//! Pods of a cluster in place of containers: Jobs are made, followed by their logs, and emptied of their
//! results, which are as untrusted as those of containers. Whatever a run made is removed with it.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{anyhow, ensure};
use flate2::{Compression, write::GzEncoder};
use serde_json::Value;

use super::{
    Run, TestRequest,
    containers::{ContainerRun, LIMITS, still_running, tests_in},
    part,
    tester::{Part as Container, RESULTS, SCRIPTS},
};
use crate::{
    image::{
        build::BuiltImage,
        mission_images::MissionImages,
        runner::{Log, Runner},
    },
    mission::test_kind::TestKind,
    run::{
        files,
        process::{self, Beside, Change, Cmd, Permit},
        random::random_hex,
        terminal,
        unpack::unpack,
    },
    settings::config::Network,
    testing::{
        jobs::{
            DEADLINE, IMAGE_RESULTS, JOB, KINDS, LARGEST, Pod, RUN, Setup,
            state::{self, State, Trouble},
        },
        receipt::{OpenNetwork, PartReceipt, Receipt, merge},
        results::{self, Runs},
        shard::{Division, Part},
    },
    tools::{
        kubectl::Cluster,
        system::{self, Owned},
    },
};

/// Age of a look at the cluster after which it is looked at again.
const PAUSE: Duration = Duration::from_secs(2);

/// Time that the cluster may not answer.
const SILENCE: Duration = Duration::from_secs(60);

/// Seconds that a pod may take besides its tests: for a node, the image, and what the checkout does not know.
const BESIDES: u64 = 3600;

/// Largest `activeDeadlineSeconds` of a pod that the API accepts.
const LONGEST: u64 = i32::MAX as u64;

/// Status of a tester that was killed, which happens when memory runs out.
const KILLED: u8 = 137;

/// Attempts to read results.
const ATTEMPTS: u32 = 3;

/// Where an image is tested in a cluster.
pub(crate) struct Place {
    pub(crate) cluster: Cluster,
    /// Image by digest, as nodes name it.
    pub(crate) image: String,
    pub(crate) pull_secrets: Vec<String>,
}

/// The Jobs of a run, removed when this is dropped.
struct Jobs<'a> {
    runner: &'a Runner,
    cluster: &'a Cluster,
    setup: Setup,
    looked: Mutex<Looked>,
}

/// What the cluster showed last.
#[derive(Default)]
struct Looked {
    at: Option<Instant>,
    /// When it answered last.
    answered: Option<Instant>,
    found: Arc<Found>,
}

#[derive(Default)]
struct Found {
    /// Jobs and pods of the run.
    objects: Vec<Value>,
    /// Events of the namespace, where they explain something.
    events: Vec<Value>,
}

/// The pods of one part of the tests.
pub(super) struct Pods<'a> {
    jobs: &'a Jobs<'a>,
    pub(super) part: Part,
    is_open: AtomicBool,
}

/// Tests `built`, which a registry has, by Jobs in `parts` parts, and returns the receipt of all parts.
/// `None` in a dry run.
///
/// # Errors
/// The cluster refuses the Jobs, or does not answer. Failures of pods are failures in the receipt.
pub(crate) fn on_cluster(
    runner: &Runner,
    chosen: &MissionImages,
    built: &BuiltImage,
    asked: &TestRequest,
    parts: u16,
    place: &Place,
) -> anyhow::Result<Option<Receipt>> {
    remove_left_overs(runner, &place.cluster)?;
    if let Some(permit) = runner.permit {
        files::remove_tree(permit, &folder(runner, &chosen.mission.name))?;
    }
    let setup = setup(chosen, asked, parts, place)?;
    let jobs = Jobs { runner, cluster: &place.cluster, setup, looked: Mutex::default() };
    jobs.change(&jobs.setup.shared(&scripts(runner)?))?;
    let test = |index| {
        let part = Part { index, of: parts };
        let pods = Pods { jobs: &jobs, part, is_open: AtomicBool::new(false) };
        let asked = TestRequest { part: Some(part), ..asked.clone() };
        let receipt = part::test(runner, chosen, built, &asked, part, Some(&pods))?;
        anyhow::Ok(receipt.map(|receipt| PartReceipt { file: format!("part {part}"), receipt }))
    };
    let tested: Vec<_> = match runner.permit {
        None => (1..=parts).map(test).collect(),
        Some(_) => thread::scope(|scope| {
            let threads: Vec<_> = (1..=parts).map(|it| scope.spawn(move || test(it))).collect();
            let joined = threads.into_iter().map(|it| it.join());
            joined.map(|it| it.unwrap_or_else(|_| Err(anyhow!("a thread panicked")))).collect()
        }),
    };
    drop(jobs);
    let tested = tested.into_iter().collect::<anyhow::Result<Option<Vec<_>>>>()?;
    process::check_interrupted()?;
    let (Some(permit), Some(tested)) = (runner.permit, tested) else { return Ok(None) };
    let receipt = merge(&chosen.mission, &tested)?.replacing(&runner.checkout)?;
    keep(permit, runner, chosen, built, &receipt)?;
    Ok(Some(receipt))
}

/// Returns the folder with the results of each part of a mission's tests.
pub(super) fn folder(runner: &Runner, mission: &str) -> PathBuf {
    runner.target().join("test-jobs").join(mission)
}

/// Writes the receipt of all parts and their results. A receipt that certifies the image is not replaced by
/// one that cannot.
fn keep(
    permit: Permit,
    runner: &Runner,
    chosen: &MissionImages,
    built: &BuiltImage,
    receipt: &Receipt,
) -> anyhow::Result<()> {
    let name = &chosen.mission.name;
    let dir = results::folder(runner, Runs::All, name);
    files::remove_tree(permit, &dir)?;
    results::gather(permit, &folder(runner, name), &dir)?;
    results::record(permit, &dir, receipt)?;
    let old = Receipt::read(&runner.checkout, name, &built.image)?;
    let is_worse = receipt.network.is_some() && receipt.failures().next().is_none();
    if !(is_worse && old.is_some_and(|it| it.passed())) {
        receipt.write(permit, &runner.checkout)?;
    }
    Ok(())
}

fn setup(
    chosen: &MissionImages,
    asked: &TestRequest,
    parts: u16,
    place: &Place,
) -> anyhow::Result<Setup> {
    let testing = &chosen.config.testing;
    let division = Division::new(&chosen.mission, parts)?;
    let seconds = |kind: TestKind| match kind {
        TestKind::Notebook => asked.timeout.unwrap_or(600).into(),
        TestKind::Script | TestKind::Mission => 3600,
        _ => 300,
    };
    let of_part = |it| division.tests(it).map(|it| seconds(it.1)).sum::<u64>();
    let longest = (1..=parts).map(of_part).max().unwrap_or_default();
    let limit = Duration::from_secs(BESIDES + longest).mul_f64(testing.patience);
    let limit = limit.as_secs().min(LONGEST);
    Ok(Setup {
        run: random_hex()?[..8].to_owned(),
        mission: chosen.mission.name.clone(),
        image: place.image.clone(),
        architecture: chosen.platform.to_string().replace("linux/", ""),
        pull_secrets: place.pull_secrets.clone(),
        memory: testing.memory_bytes(),
        disk: testing.disk,
        patience: testing.patience,
        has_network: testing.network == Network::Egress,
        limit,
        pods: u64::from(parts) + 1,
        deadline: now() + limit * (u64::from(parts) + 2),
    })
}

/// Returns the archive of the tester of this checkout, readable for everybody and root's.
fn scripts(runner: &Runner) -> anyhow::Result<Vec<u8>> {
    let owned = Owned { owner: "0", group: "0", mode: "u=rwX,go=rX" };
    let dir = runner.checkout.root.join("common/image");
    let archive = process::bytes(&system::pack(&dir, &[SCRIPTS.to_owned()], &owned))?;
    let mut res = GzEncoder::new(Vec::new(), Compression::default());
    std::io::Write::write_all(&mut res, &archive)?;
    let res = res.finish()?;
    let size = res.len().div_ceil(3) * 4;
    ensure!(
        size < LARGEST,
        "common/image/common-scripts is {size} bytes packed, and a ConfigMap has room for {LARGEST}\n    fix: move what does not test out of that folder"
    );
    Ok(res)
}

/// Removes the objects of earlier runs whose time is over.
fn remove_left_overs(runner: &Runner, cluster: &Cluster) -> anyhow::Result<()> {
    let found = cluster.list(KINDS, Some(&format!("app.kubernetes.io/managed-by=xtask,{RUN}")))?;
    let label = |it: &Value, name: &str| it["metadata"]["labels"][name].as_str().map(str::to_owned);
    let is_over = |it: &&Value| {
        let deadline = label(it, DEADLINE).and_then(|it| it.parse::<u64>().ok());
        deadline.is_none_or(|it| it < now())
    };
    let runs: BTreeSet<String> =
        found.iter().filter(is_over).filter_map(|it| label(it, RUN)).collect();
    for run in runs {
        let remove = cluster.delete_all_cmd(KINDS, &format!("{RUN}={run}"));
        if let Some(cmd) = runner.permit.map(|permit| cluster.change(permit, &remove)) {
            cmd?;
            runner.ui.say(format!("removed what the test run {run} left in the cluster"));
        } else {
            terminal::print(remove);
        }
    }
    Ok(())
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

impl Jobs<'_> {
    /// Creates objects; a dry run prints them.
    fn change(&self, objects: &[Value]) -> anyhow::Result<()> {
        let create = self.cluster.create_all_cmd(objects);
        let Some(permit) = self.runner.permit else {
            terminal::print(&create);
            for mut it in objects.iter().cloned() {
                if let Some(files) = it.get_mut("binaryData").and_then(Value::as_object_mut) {
                    files.values_mut().for_each(|it| *it = "…".into());
                }
                terminal::print(format_args!("{it:#}"));
            }
            return Ok(());
        };
        self.cluster.change(permit, &create)?;
        // An older look lacks the objects.
        self.looked.lock().unwrap_or_else(PoisonError::into_inner).at = None;
        Ok(())
    }

    /// Removes objects with a label, also after an interruption.
    fn remove(&self, permit: Permit, cmd: &Change) {
        if let Err(err) = process::finishing(|| self.cluster.change(permit, cmd)) {
            self.runner.ui.say(format!("warning: objects stay in the cluster: {err:#}"));
        }
    }

    /// Returns what the cluster shows of the run, not older than [`PAUSE`]; `None` if it does not
    /// answer: an older look may lack a new Job.
    fn look(&self) -> anyhow::Result<Option<Arc<Found>>> {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if looked.at.is_some_and(|it| it.elapsed() < PAUSE) {
            return Ok(Some(Arc::clone(&looked.found)));
        }
        let found = self.cluster.list("jobs,pods", Some(&self.setup.selector()));
        looked.at = Some(Instant::now());
        match found {
            Ok(objects) => {
                let lacks = |it: &Value| {
                    let name = it["metadata"]["name"].as_str().unwrap_or_default();
                    it["kind"] == "Job" && state::needs_events(state::pod_of(&objects, name))
                };
                let events = match objects.iter().any(lacks) {
                    true => self.cluster.list("events", None).unwrap_or_default(),
                    false => Vec::new(),
                };
                looked.answered = looked.at;
                looked.found = Arc::new(Found { objects, events });
            }
            Err(err) => {
                let since = *looked.answered.get_or_insert_with(Instant::now);
                if process::check_interrupted().is_err() || since.elapsed() > SILENCE {
                    return Err(err);
                }
                looked.at = None;
                return Ok(None);
            }
        }
        Ok(Some(Arc::clone(&looked.found)))
    }

    /// Follows a Job until its results can be read, and returns the name of its pod, or what keeps it from
    /// that.
    fn follow(&self, pod: Pod, log: &mut Log) -> anyhow::Result<Result<String, Trouble>> {
        let job = self.setup.job(pod);
        let (mut known, mut troubled, mut lines) = (None, None, Lines::default());
        loop {
            process::check_interrupted()?;
            let Some(found) = self.look()? else {
                thread::sleep(PAUSE / 4);
                continue;
            };
            let is_own = |it: &&Value| it["kind"] == "Job" && it["metadata"]["name"] == *job;
            let object = found.objects.iter().find(is_own);
            let own = state::pod_of(&found.objects, &job);
            let seen = state::state(object, own, known.as_ref(), &found.events);
            known = known.or_else(|| own.map(|it| it["metadata"]["uid"].clone()));
            let name = own.and_then(|it| it["metadata"]["name"].as_str()).unwrap_or_default();
            lines.print(self.cluster, name, pod.container(), &seen, log)?;
            match seen {
                State::Ready => return Ok(Ok(name.to_owned())),
                // Pods of this run that have room leave it to the others.
                State::Troubled(it) if it.is_of_room && state::has_others(&found.objects, &job) => {
                    troubled = None;
                    log.step("waiting for room");
                }
                State::Troubled(it) => {
                    let since: &mut Instant = troubled.get_or_insert_with(Instant::now);
                    log.step(&it.what);
                    if since.elapsed() >= it.patience.mul_f64(self.setup.patience) {
                        self.last_words(name, pod, log);
                        return Ok(Err(it));
                    }
                }
                State::Waiting(what) => {
                    troubled = None;
                    log.step(&format!("waiting for {what}"));
                }
                State::Running => troubled = None,
            }
            thread::sleep(PAUSE / 4);
        }
    }

    /// Adds to the log what the containers of a pod that failed have printed.
    fn last_words(&self, name: &str, pod: Pod, log: &mut Log) {
        let prepare = (pod == Pod::Hub).then(|| Container::Prepare.role());
        let containers = ["fill"].into_iter().chain(prepare).chain([pod.container()]);
        for container in containers.filter(|_| !name.is_empty()) {
            let said = self.cluster.logs(name, Some(container), 25, false).unwrap_or_default();
            said.lines().for_each(|it| log.line(it));
        }
    }
}

impl Drop for Jobs<'_> {
    fn drop(&mut self) {
        let remove = self.cluster.delete_all_cmd(KINDS, &self.setup.selector());
        match self.runner.permit {
            Some(permit) => self.remove(permit, &remove),
            None => terminal::print(remove),
        }
    }
}

/// What a container prints, followed by kubectl.
#[derive(Default)]
struct Lines {
    kubectl: Option<Beside>,
    was_followed: bool,
}

impl Lines {
    /// Adds new lines to the log. A connection that broke is replaced.
    fn print(
        &mut self,
        cluster: &Cluster,
        pod: &str,
        container: &str,
        seen: &State,
        log: &mut Log,
    ) -> anyhow::Result<()> {
        if self.kubectl.is_none() && matches!(seen, State::Running | State::Ready) {
            let follow = cluster.follow(pod, container, self.was_followed);
            self.kubectl = Some(process::beside(&follow)?);
            self.was_followed = true;
        }
        let Some(kubectl) = &mut self.kubectl else { return Ok(()) };
        let (lines, runs) = kubectl.new_lines()?;
        for line in lines {
            log.line(&line);
            still_running(&line).into_iter().for_each(|it| log.step(it));
        }
        if !runs {
            self.kubectl = None;
        }
        Ok(())
    }
}

impl Pods<'_> {
    /// Returns the network of tests that must run without one, if it was open.
    pub(super) fn network(&self) -> Option<OpenNetwork> {
        self.is_open.load(Ordering::SeqCst).then_some(OpenNetwork::Cluster)
    }

    /// Moves results from a folder of a pod into the new folder `to`.
    fn read(
        &self,
        permit: Permit,
        name: &str,
        from: [&str; 2],
        to: &Path,
        log: &mut Log,
    ) -> anyhow::Result<()> {
        let [container, folder] = from;
        let pack = self.jobs.cluster.pack(name, container, folder);
        let mut failed = anyhow!("no attempt");
        for _ in 0..ATTEMPTS {
            match process::last_stream(&pack, |stream| unpack(permit, stream, to, LIMITS)) {
                Ok((0, left_out)) => {
                    left_out
                        .iter()
                        .for_each(|it| log.line(&format!("left out of the results: {it}")));
                    return Ok(());
                }
                Ok((status, _)) => failed = anyhow!("status {status}"),
                Err(err) => failed = err,
            }
            process::check_interrupted()?;
        }
        Err(failed.context(format!("`{}`", pack.in_short())))
    }

    /// Returns the results that a container left in `dir`; `follow` is the command that printed its log.
    fn ran(&self, pod: Pod, dir: &Path, follow: &Cmd, log: &Log) -> ContainerRun {
        let told = |name: &str| files::read_foreign_text(&dir.join(name), 16).unwrap_or_default();
        if pod.is_closed(&self.jobs.setup) && told("network") != "none" {
            self.is_open.store(true, Ordering::SeqCst);
        }
        let status = told("ended").parse().unwrap_or(1);
        let fix = if status == KILLED { "\nfix: raise TEST_MEMORY" } else { "" };
        let (tests, said) = (tests_in(dir), log.failure(follow, status) + fix);
        ContainerRun { tests, status: Some(status), left: true, said, results: dir.to_owned() }
    }
}

impl Run<'_> {
    /// Runs the mission's tests in a pod.
    pub(super) fn in_the_mission_s_pod(
        &self,
        pods: &Pods<'_>,
        log: &mut Log,
    ) -> anyhow::Result<ContainerRun> {
        let pod = Pod::Mission(pods.part.index);
        let results = self.results();
        Ok(match self.in_pod(pods, pod, &[(RESULTS, &results)], log)? {
            None => ContainerRun::default(),
            Some(Ok(follow)) => pods.ran(pod, &results, &follow, log),
            Some(Err(said)) => failed(said),
        })
    }

    /// Tests the image's files, and the image as it is started on a hub, in a pod. Returns both containers'
    /// results.
    pub(super) fn in_the_hub_s_pod(
        &self,
        pods: &Pods<'_>,
    ) -> anyhow::Result<(ContainerRun, ContainerRun)> {
        let mut log = self.runner.log(&self.log_name("-hub"))?;
        log.step("starting the image as a hub does");
        let (of_image, of_hub) = (self.beside_results("image"), self.beside_results("hub"));
        let folders = [(IMAGE_RESULTS, &*of_image), (RESULTS, &*of_hub)];
        Ok(match self.in_pod(pods, Pod::Hub, &folders, &mut log)? {
            None => <(ContainerRun, ContainerRun)>::default(),
            Some(Ok(follow)) => {
                let ran = |dir| pods.ran(Pod::Hub, dir, &follow, &log);
                (ran(&*of_image), ran(&*of_hub))
            }
            Some(Err(said)) => (failed(said.clone()), failed(said)),
        })
    }

    /// Runs a pod, and moves its results from folders in it to folders here. Returns the command that printed
    /// its log, or why it has no results; `None` in a dry run.
    fn in_pod(
        &self,
        pods: &Pods<'_>,
        pod: Pod,
        folders: &[(&str, &Path)],
        log: &mut Log,
    ) -> anyhow::Result<Option<Result<Cmd, String>>> {
        let jobs = pods.jobs;
        jobs.change(&jobs.setup.of_pod(pod, &self.plan(Vec::new())?))?;
        let Some(permit) = self.runner.permit else { return Ok(None) };
        let name = match jobs.follow(pod, log)? {
            Ok(name) => name,
            Err(Trouble { what, fix, .. }) => {
                let path = self.runner.checkout.relative(&log.path);
                return Ok(Some(Err(format!(
                    "{what}\nfix: {fix}\nlog: {}",
                    path.to_string_lossy()
                ))));
            }
        };
        for (from, to) in folders {
            if let Err(err) = pods.read(permit, &name, [pod.container(), from], to, log) {
                process::check_interrupted()?;
                return Ok(Some(Err(format!("the results cannot be read: {err:#}"))));
            }
        }
        let done = format!("{JOB}={}", jobs.setup.job(pod));
        jobs.remove(permit, &jobs.cluster.delete_all_cmd("jobs,configmaps", &done));
        Ok(Some(Ok(jobs.cluster.follow(&name, pod.container(), false))))
    }
}

/// Returns the result of a pod without results.
fn failed(said: String) -> ContainerRun {
    ContainerRun { status: Some(1), said, ..ContainerRun::default() }
}
