//! SIGINT at many moments of `image-all`: status 130, nothing of the run is left, no tracked file
//! is changed, and the next run succeeds.

use std::{
    cell::RefCell,
    collections::BTreeSet,
    fs::{self, File},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant, SystemTime},
};

use nix::sys::signal::killpg;

use crate::{
    checkout::{Checkout, run, text},
    containers::{Registry, docker},
    running::{Recipient, Running},
};

/// Output of a run at the start of each part.
const STAGES: [&str; 4] = ["image-build-", "freeze-", "image-test-", "image-push: "];

/// Parts of a round in which it is interrupted; tests take longest, so they are listed twice.
const ROUND: [usize; 5] = [0, 1, 2, 2, 3];
const ROUNDS: usize = 2;

/// Variable that marks programs of a run, whatever started them.
const MARK: &str = "XTASK_TEST_MARK";

#[test]
fn interrupted_at_any_moment() {
    let mut checkout = Checkout::for_own_missions();
    let mark = checkout.mark();
    checkout.set(MARK, &mark);
    // A run is also interrupted while it looks for results that carry over.
    checkout.set("TEST_MAX_AGE", "1d");
    let _registry = Registry::start(&mut checkout);
    let mission = Mission::new(&checkout);
    let stages = mission.measure();
    let mut count = [0; STAGES.len()];
    for _ in 0..ROUNDS {
        mission.change();
        for stage in ROUND {
            let parts = ROUNDS * ROUND.iter().filter(|it| **it == stage).count();
            let parts = u32::try_from(parts).unwrap();
            let delay = stages[stage] * (2 * count[stage] + 1) / (2 * parts);
            count[stage] += 1;
            let receiver = if count[stage] % 2 == 0 { Recipient::Group } else { Recipient::Tool };
            // A run continues where the last one was interrupted; one that was faster than expected
            // leaves nothing to continue with.
            let caught = (0..8).any(|it| {
                if it > 0 {
                    mission.change();
                }
                mission.interrupt(STAGES[stage], delay / (1 << it), receiver)
            });
            assert!(caught, "no run was interrupted in {}", STAGES[stage]);
        }
        assert_eq!(checkout.run(&mission.args()).status, Some(0), "the next run does not succeed");
    }
    mission.assert_nothing_is_left();
    assert!(!mission.runs.borrow().is_empty());
    // Docker may remove them after the end of a run.
    wait_until(Duration::from_secs(600), "volumes are left", || mission.volumes().is_empty());
}

/// mmdebstrap and its children end, too, and remove the root that they made.
#[test]
fn an_interrupted_root_file_system() {
    let mut checkout = Checkout::copied();
    let tmp = tempfile::tempdir().unwrap();
    // Readable for apt's own user, too.
    fs::set_permissions(tmp.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let mark = checkout.mark();
    checkout.set(MARK, &mark);
    checkout.set("TMPDIR", tmp.path().to_str().unwrap());
    let packages = "common/base/rootfs-packages.txt";
    checkout.write(packages, &format!("{}# {mark}\n", checkout.read(packages)));
    for (seconds, receiver) in
        [Recipient::Tool, Recipient::Group, Recipient::Tool, Recipient::Group]
            .into_iter()
            .enumerate()
    {
        let mut running = Running::start(&checkout, &["image-base"]);
        while is_empty(tmp.path()) {
            assert!(!running.has_ended(), "no root file system was made");
            thread::sleep(Duration::from_millis(50));
        }
        thread::sleep(Duration::from_secs(seconds as u64));
        running.interrupt(receiver);
        assert_eq!(running.finish(), Some(130));
        assert_eq!(programs(&mark), [""; 0], "programs that it started still run");
        assert!(is_empty(tmp.path()), "temporary folders are left");
    }
}

fn is_empty(dir: &Path) -> bool {
    fs::read_dir(dir).unwrap().next().is_none()
}

/// Returns the programs with `mark` in their environment.
fn programs(mark: &str) -> Vec<String> {
    let mark = format!("{MARK}={mark}");
    let has_mark = |dir: &Path| {
        let environment = fs::read(dir.join("environ")).unwrap_or_default();
        environment.split(|it| *it == 0).any(|it| it == mark.as_bytes())
    };
    let dirs = fs::read_dir("/proc").unwrap().map(|it| it.unwrap().path());
    let name = |it: PathBuf| fs::read_to_string(it.join("comm")).unwrap_or_default();
    dirs.filter(|it| has_mark(it)).map(name).collect()
}

/// A small mission with a name that no other run has.
struct Mission<'a> {
    checkout: &'a Checkout,
    name: String,
    /// Ids of interrupted runs, which label their volumes.
    runs: RefCell<BTreeSet<String>>,
}

impl<'a> Mission<'a> {
    fn new(checkout: &'a Checkout) -> Mission<'a> {
        let name = format!("interrupted-{}", std::process::id());
        assert_eq!(checkout.run(&["mission-new", &name]).status, Some(0));
        let environment = format!("missions/{name}/environments/{name}");
        checkout.write(&format!("{environment}/{name}.pip"), "humanize==4.15.0\n");
        checkout.write(&format!("{environment}/tests/imports"), "humanize\n");
        for it in ["tests/notebooks", "tests/spectrum.ipynb"] {
            fs::remove_file(checkout.path(&format!("{environment}/{it}"))).unwrap();
        }
        Mission { checkout, name, runs: RefCell::default() }
    }

    /// Returns the arguments of a run with all parts: solve, test and push.
    fn args(&self) -> [&str; 3] {
        ["image-all", &self.name, "--floating"]
    }

    /// Changes the last step of the image, with a layer that takes some time to push.
    fn change(&self) {
        let file = format!("missions/{}/Dockerfile.custom", self.name);
        let text = self.checkout.read(&file);
        let kept = text.lines().filter(|it| !it.contains("urandom"));
        let kept: String = kept.map(|it| format!("{it}\n")).collect();
        let now = humantime::format_rfc3339_nanos(SystemTime::now());
        let step = format!("RUN : {now} && head -c 20M /dev/urandom > /tmp/random\n");
        self.checkout.write(&file, &(kept + &step));
        assert_eq!(self.checkout.run(&["image-update", &self.name]).status, Some(0));
        self.checkout.commit();
    }

    /// Measures the duration of each stage.
    fn measure(&self) -> [Duration; STAGES.len()] {
        // Creates objects that are made only once, such as the layers of the common image in the
        // registry.
        assert_eq!(self.checkout.run(&self.args()).status, Some(0));
        self.change();
        let running = Running::start(self.checkout, &self.args());
        let begin = |it: &&str| {
            running.wait_for(it).unwrap();
            Instant::now()
        };
        let mut begins: Vec<Instant> = STAGES.iter().map(begin).collect();
        assert_eq!(running.finish(), Some(0));
        begins.push(Instant::now());
        let res = std::array::from_fn(|idx| begins[idx + 1] - begins[idx]);
        eprintln!("{STAGES:?} take {res:?}");
        res
    }

    /// Interrupts a run, and checks what is left. Returns whether it was still running.
    fn interrupt(&self, stage: &str, delay: Duration, receiver: Recipient) -> bool {
        let running = Running::start(self.checkout, &self.args());
        let begins = running.wait_for(stage).is_some();
        thread::sleep(if begins { delay } else { Duration::ZERO });
        eprintln!("SIGINT to the {receiver:?}, {delay:?} after {stage}");
        let records = fs::read_dir(self.checkout.path("target/xtask/runs")).into_iter().flatten();
        let ids = records.map(|it| it.unwrap().file_name().to_string_lossy().into_owned());
        self.runs.borrow_mut().extend(ids);
        running.interrupt(receiver);
        let (started, group) = (Instant::now(), running.group());
        let status = running.finish();
        eprintln!("it took {:?} to end, with {status:?}", started.elapsed());
        assert!([Some(0), Some(130)].contains(&status), "{status:?}");
        assert!(killpg(group, None).is_err(), "it still runs");
        assert_eq!(programs(&self.checkout.mark()), [""; 0], "programs that it started still run");
        self.assert_nothing_is_left();
        status == Some(130)
    }

    fn assert_nothing_is_left(&self) {
        assert_eq!(self.containers(), Vec::<String>::new());
        assert_eq!(self.checkout.git(&["status", "--porcelain"]), "");
        let target = self.checkout.path("target/xtask");
        for it in files(&target.join("locks")) {
            let lock = File::options().append(true).open(it).unwrap();
            lock.try_lock().expect("the lock is free");
        }
        files(&target).iter().for_each(|it| assert_whole(it));
    }

    /// Returns the volumes of interrupted runs.
    fn volumes(&self) -> Vec<String> {
        let list = ["volume", "ls", "--format", "{{.Labels}}"];
        let labels = text(&run(&mut docker(&list)));
        let is_own = |it: &&str| self.runs.borrow().iter().any(|id| it.contains(id));
        labels.lines().filter(is_own).map(str::to_owned).collect()
    }

    /// Returns the containers of any image of the mission.
    fn containers(&self) -> Vec<String> {
        let reference = format!("reference=*/{}", self.name);
        let list = ["image", "ls", "--quiet", "--no-trunc", "--filter", &reference];
        let images = text(&run(&mut docker(&list)));
        assert!(!images.is_empty(), "the mission has no image");
        let filters =
            images.lines().flat_map(|it| ["--filter".to_owned(), format!("ancestor={it}")]);
        let list = docker(&["ps", "--all", "--format", "{{.ID}} {{.Image}} {{.Command}}"])
            .args(filters.collect::<Vec<_>>())
            .output();
        text(&list.unwrap()).lines().map(str::to_owned).collect()
    }
}

impl Drop for Mission<'_> {
    fn drop(&mut self) {
        let reference = format!("reference=science-platform/{}", self.name);
        let format = "{{.Repository}}:{{.Tag}}";
        let list = docker(&["image", "ls", "--filter", &reference, "--format", format]).output();
        for name in list.iter().map(text).collect::<String>().lines() {
            let _ = docker(&["image", "rm", name]).output();
        }
    }
}

/// Returns all files below `dir`, except build contexts, which are rewritten each time.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut res = Vec::new();
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap().is_dir() {
            true if entry.file_name() == "build" => (),
            true => res.extend(files(&entry.path())),
            false => res.push(entry.path()),
        }
    }
    res
}

/// Checks that a file matches its name, and is not one that must be removed.
#[track_caller]
fn assert_whole(path: &Path) {
    let extension = path.extension().unwrap_or_default().to_str().unwrap();
    assert!(!["cid", "volume", "new"].contains(&extension), "{} is left", path.display());
    let is_json = |it: &str| serde_json::from_str::<serde_json::Value>(it).is_ok();
    let whole = match extension {
        "json" | "ipynb" => is_json(&fs::read_to_string(path).unwrap()),
        "jsonl" => fs::read_to_string(path).unwrap().lines().all(is_json),
        _ => true,
    };
    assert!(whole, "{} is half written", path.display());
}

#[track_caller]
fn wait_until(limit: Duration, what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + limit;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        thread::sleep(Duration::from_millis(500));
    }
}
