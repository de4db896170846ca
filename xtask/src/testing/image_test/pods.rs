//! Pods of a cluster in place of containers: a part of the tests runs in the pods of its Jobs, whose results
//! are as untrusted as those of containers. Whatever a run made is removed with it.

mod live_jobs;

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use anyhow::{anyhow, ensure};
use flate2::{Compression, write::GzEncoder};

use super::{
    Run, TestRequest,
    containers::{ContainerRun, LIMITS, tests_in},
    part,
    tester::{RESULTS, SCRIPTS},
};
use crate::{
    image::{
        build::BuiltImage,
        mission_images::MissionImages,
        runner::{Log, Runner},
    },
    run::{
        failure, files,
        process::{self, Cmd, Permit},
        random::random_hex,
        unpack::unpack,
    },
    settings::config::Network,
    testing::{
        jobs::{IMAGE_RESULTS, LARGEST, Pod, Setup, limit, state::Trouble},
        receipt::{OpenNetwork, PartReceipt, Receipt, merge},
        results::{self, Runs},
        shard::{Division, Part},
    },
    tools::{
        kubectl::{Cluster, Refusal},
        system::{self, Owned},
    },
};

use live_jobs::{Jobs, check_access, now, remove_left_overs};

/// Status of a tester that was killed, which happens when memory runs out.
const KILLED: u8 = 137;

/// Attempts to read results.
const ATTEMPTS: u32 = 3;

const UNREAD: &str = "run the tests again; results have at most 2 GB and 100000 files";

/// Where an image is tested in a cluster.
pub(crate) struct Place {
    pub(crate) cluster: Cluster,
    /// Image by digest, as nodes name it.
    pub(crate) image: String,
    pub(crate) pull_secrets: Vec<String>,
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
    check_access(&place.cluster)?;
    remove_left_overs(runner, &place.cluster)?;
    if let Some(permit) = runner.permit {
        files::remove_tree(permit, &folder(runner, &chosen.mission.name))?;
    }
    let jobs = Jobs::new(runner, &place.cluster, setup(chosen, asked, parts, place)?);
    jobs.change(&jobs.setup.shared(&scripts(runner)?))?;
    let test = |index| {
        let part = Part { index, of: parts };
        let pods = Pods { jobs: &jobs, part, is_open: AtomicBool::new(false) };
        let asked = TestRequest { part: Some(part), ..asked.clone() };
        let receipt = part::test(runner, chosen, built, &asked, part, Some(&pods))?;
        anyhow::Ok(receipt.map(|receipt| PartReceipt { file: format!("part {part}"), receipt }))
    };
    let mut tested: Vec<_> = match runner.permit {
        None => (1..=parts).map(test).collect(),
        Some(_) => thread::scope(|scope| {
            let threads: Vec<_> = (1..=parts).map(|it| scope.spawn(move || test(it))).collect();
            let joined = threads.into_iter().map(|it| it.join());
            joined.map(|it| it.unwrap_or_else(|_| Err(anyhow!("a thread panicked")))).collect()
        }),
    };
    drop(jobs);
    // The error that stopped the other parts comes first.
    let is_stopped = |it: &anyhow::Error| failure::status(it) == failure::INTERRUPTED;
    tested.sort_by_key(|it| it.as_ref().is_err_and(is_stopped));
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
    let limit = limit::of_pod(&chosen.mission, &division, asked.timeout, testing.patience);
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
    ) -> Result<(), Trouble> {
        let [container, folder] = from;
        let cluster = self.jobs.cluster;
        let pack = cluster.pack(name, container, folder);
        let mut failed = String::new();
        for _ in 0..ATTEMPTS {
            match process::last_stream(&pack, |stream| unpack(permit, stream, to, LIMITS)) {
                Ok((0, left_out)) => {
                    left_out
                        .iter()
                        .for_each(|it| log.line(&format!("left out of the results: {it}")));
                    return Ok(());
                }
                Ok((status, _)) => failed = format!("`{}`: status {status}", pack.in_short()),
                Err(err) => failed = format!("`{}`: {err:#}", pack.in_short()),
            }
            if process::check_interrupted().is_err() {
                break;
            }
        }
        // A stream of bytes leaves no room for a message: another command finds out what is wrong.
        let said = cluster.read_in(name, container, &["true"]).err();
        let said = said.and_then(|it| it.downcast_ref().map(|it: &Refusal| it.said.clone()));
        let what = format!("the results cannot be read: {}", said.unwrap_or(failed));
        Err(Trouble { what, fix: UNREAD, patience: Duration::ZERO, is_of_room: false })
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
    /// its log, or why it has no results; `None` in a dry run. An error ends the other pods of the run.
    fn in_pod(
        &self,
        pods: &Pods<'_>,
        pod: Pod,
        folders: &[(&str, &Path)],
        log: &mut Log,
    ) -> anyhow::Result<Option<Result<Cmd, String>>> {
        let jobs = pods.jobs;
        let plan = self.plan(Vec::new())?;
        jobs.change(&jobs.setup.of_pod(pod, &plan)).inspect_err(|_| jobs.stop.request())?;
        let Some(permit) = self.runner.permit else { return Ok(None) };
        let followed = jobs.follow(pod, log).inspect_err(|_| jobs.stop.request())?;
        let read = followed.and_then(|name| {
            let mut folders = folders.iter();
            let read = folders.try_for_each(|(from, to)| {
                pods.read(permit, &name, [pod.container(), from], to, log)
            });
            read.map(|()| name)
        });
        process::check_interrupted()?;
        jobs.remove_pod(permit, pod);
        Ok(Some(match read {
            Ok(name) => Ok(jobs.cluster.follow(&name, pod.container(), false)),
            Err(Trouble { what, fix, .. }) => {
                let path = self.runner.checkout.relative(&log.path);
                Err(format!("{what}\nfix: {fix}\nlog: {}", path.to_string_lossy()))
            }
        }))
    }
}

/// Returns the result of a pod without results.
fn failed(said: String) -> ContainerRun {
    ContainerRun { status: Some(1), said, ..ContainerRun::default() }
}
