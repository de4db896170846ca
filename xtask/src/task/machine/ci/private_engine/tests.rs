//! Starts with stand-ins for all programs, in a folder that replaces `/run` and a checkout.

use std::{
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use fs_err as fs;
use tempfile::TempDir;

use super::{
    daemons::Daemons,
    network, plan,
    plan::{Plan, Programs, Step},
    start::{self, Place, Started},
};
use crate::{
    image::runner::Runner,
    mission::checkout::Checkout,
    run::{files, ui::Ui},
    tools::docker::Docker,
};

/// Removed when dropped, which also ends its daemons.
struct Machine(TempDir);

impl Machine {
    fn new() -> Machine {
        let res = Machine(tempfile::tempdir().unwrap());
        let script = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("src/task/machine/ci/private_engine/stand_in.sh");
        for name in ["ip", "iptables", "nsenter", "containerd", "dockerd", "docker"] {
            symlink(&script, res.path(name)).unwrap();
        }
        res.file("driver", "overlay2\n");
        res.file("fails", "never\n");
        res.file("forwarding", "1\n");
        res
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, text: &str) {
        files::write(crate::run::process::Permit::of_test(), &self.path(name), text.as_bytes())
            .unwrap();
    }

    fn programs(&self) -> Programs {
        Programs {
            ip: self.path("ip"),
            iptables: self.path("iptables"),
            nsenter: self.path("nsenter"),
            containerd: self.path("containerd"),
            dockerd: self.path("dockerd"),
        }
    }

    fn runner(&self, root: &str) -> Runner {
        let root = self.path(root);
        let docker = Docker::new(self.path("docker"), &self.path(""));
        let checkout = Checkout { root, missions: Vec::new(), refused: Vec::new() };
        Runner {
            checkout,
            docker,
            ui: Ui::new(false),
            permit: Some(crate::run::process::Permit::of_test()),
        }
    }

    fn place(&self, root: &str, keep: bool) -> Place {
        let place = Place::new(&self.path("run"), &self.path(root), keep);
        place.forwarding(self.path("forwarding"))
    }

    /// Starts an engine of the checkout `root`.
    fn start(&self, root: &str, keep: bool) -> anyhow::Result<Started> {
        start::start(
            crate::run::process::Permit::of_test(),
            &self.place(root, keep),
            &self.programs(),
            &self.runner(root),
        )
    }

    /// Does what the end of a run's process does: releases its lock, and nothing else. A program
    /// that another test starts has a copy of the lock until it is loaded.
    fn kill(&self, started: Started) {
        let dir = started.plan.run.clone();
        drop(started);
        while fs::File::open(&dir).unwrap().file().try_lock().is_err() {
            thread::yield_now();
        }
    }

    fn plan(&self) -> Plan {
        self.place("root", false).plan(&self.programs()).unwrap()
    }

    fn steps(&self) -> Vec<Step> {
        self.plan().network(&self.programs())
    }

    /// Returns calls that change something, in the form of plans, and forgets them.
    fn calls(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("calls")).unwrap_or_default();
        let _ = fs::remove_file(self.path("calls"));
        text.lines().map(str::to_owned).collect()
    }

    /// Returns the undo commands in the form of [`Machine::calls`].
    fn undo(&self, steps: &[Step]) -> Vec<String> {
        plan::undo(steps).iter().map(|it| self.line(&it.to_string())).collect()
    }

    fn line(&self, cmd: &str) -> String {
        cmd.replace(&format!("{}/", self.0.path().to_string_lossy()), "").replace("'!'", "!")
    }

    fn engines(&self) -> usize {
        fs::read_dir(self.path("run")).unwrap().count()
    }
}

#[test]
fn a_start_and_its_end() {
    let machine = Machine::new();
    let started = machine.start("root", false).unwrap();
    assert_eq!(started.driver, "overlay2");
    let steps = machine.steps();
    let run: Vec<String> = steps.iter().map(|it| machine.line(&it.run.to_string())).collect();
    assert_eq!(machine.calls(), run);
    machine.file("root/target/xtask/engine/data/docker/image", "layers");
    started.stop(&machine.runner("root")).unwrap();
    assert_eq!(machine.calls(), machine.undo(&steps));
    assert_eq!(machine.engines(), 0);
    assert!(!machine.path("root/target/xtask/engine/data").exists());
}

#[test]
fn a_failed_step_undoes_all_before_it() {
    let machine = Machine::new();
    let steps = machine.steps();
    let mut log = machine.runner("root").log("ci-engine").unwrap();
    for failed in 0..steps.len() {
        machine.file("fails", &(failed + 1).to_string());
        let err = network::set_up(crate::run::process::Permit::of_test(), &steps, &mut log)
            .unwrap_err()
            .to_string();
        assert!(err.ends_with("failed with status 2: Operation not permitted"), "{err}");
        let undone = machine.calls().split_off(failed + 1);
        assert_eq!(undone, machine.undo(&steps[..=failed]));
    }
    assert_eq!(steps.len(), 11);
}

#[test]
fn a_failed_network_leaves_nothing() {
    let machine = Machine::new();
    machine.file("fails", "3");
    let err = machine.start("root", false).err().unwrap();
    assert!(err.to_string().contains("ip addr add"), "{err:#}");
    assert_eq!(machine.engines(), 0);
    machine.calls();
    machine.file("fails", "never");
    machine.start("root", false).unwrap().stop(&machine.runner("root")).unwrap();
}

#[test]
fn a_dockerd_that_ends_is_quoted_and_all_is_undone() {
    let machine = Machine::new();
    machine.file("dies", "failed to start daemon: no iptables\n");
    let err = machine.start("root", false).err().unwrap().to_string();
    let what = "dockerd ended with status 4\nfailed to start daemon: no iptables\nlog: ";
    assert!(err.starts_with(what), "{err}");
    assert_eq!(machine.engines(), 0);
    let steps = machine.steps();
    assert_eq!(machine.calls().split_off(steps.len()), machine.undo(&steps));
}

#[test]
fn a_dockerd_that_is_silent() {
    let machine = Machine::new();
    machine.file("silent", "");
    let mut daemons = Daemons::default();
    daemons
        .start(
            crate::run::process::Permit::of_test(),
            &machine.plan(),
            &machine.programs(),
            None,
            &machine.path("logs"),
        )
        .unwrap();
    let docker = machine.runner("root").docker;
    let err = daemons.wait(&docker, Duration::from_millis(300)).unwrap_err();
    assert!(err.to_string().starts_with("dockerd does not answer"), "{err}");
    daemons.stop();
}

#[test]
fn whole_copies_of_images_are_refused() {
    let machine = Machine::new();
    machine.file("driver", "vfs\n");
    let err = machine.start("root", false).err().unwrap().to_string();
    assert!(err.contains("only storage driver there is vfs"), "{err}");
    assert_eq!(machine.engines(), 0);
}

#[test]
fn a_run_that_lives_is_left_alone() {
    let machine = Machine::new();
    let one = machine.start("one", false).unwrap();
    machine.calls();
    let two = machine.start("two", false).unwrap();
    assert_eq!(machine.engines(), 2);
    let undone = machine.calls().into_iter().filter(|it| it.contains(" del "));
    assert_eq!(undone.count(), 0);
    two.stop(&machine.runner("two")).unwrap();
    assert_eq!(machine.engines(), 1);
    one.stop(&machine.runner("one")).unwrap();
}

#[test]
fn what_a_killed_run_left_is_swept() {
    let machine = Machine::new();
    for root in ["one", "two"] {
        machine.kill(machine.start(root, false).unwrap());
        machine.file(&format!("{root}/target/xtask/engine/data/docker/image"), "layers");
    }
    assert_eq!(machine.engines(), 1, "the second start swept the first engine");
    machine.calls();
    let one = machine.start("one", false).unwrap();
    let undone = machine.calls().into_iter().filter(|it| it.contains("netns del"));
    assert_eq!(undone.count(), 1);
    assert_eq!(machine.engines(), 1);
    assert!(!machine.path("one/target/xtask/engine/data/docker/image").exists());
    assert!(machine.path("two/target/xtask/engine/data/docker/image").exists(), "not its own");
    one.stop(&machine.runner("one")).unwrap();
}

#[test]
fn data_that_are_kept() {
    let machine = Machine::new();
    let image = "root/target/xtask/engine/data/docker/image";
    for _ in 0..2 {
        let started = machine.start("root", true).unwrap();
        machine.file(image, "layers");
        started.stop(&machine.runner("root")).unwrap();
        assert!(machine.path(image).exists());
    }
    let started = machine.start("root", false).unwrap();
    assert!(!machine.path(image).exists(), "a run without --keep begins with nothing");
    started.stop(&machine.runner("root")).unwrap();
}
