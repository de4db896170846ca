//! Start and end of a private engine: everything created is removed, also after a partial start.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use fs_err as fs;

use super::{
    daemons::Daemons,
    leftovers, loopback, machine, network, overlay,
    plan::{self, Plan, Programs, Step},
};
use crate::{
    image::runner::{Log, Runner},
    run::{files, printable::Shown as _, process::Permit},
    tools::{ip, retries::patience, system},
};

pub(super) const OVERLAY2: &str = "overlay2";

/// Folders of an engine.
pub(super) struct Place {
    run: PathBuf,
    root: PathBuf,
    /// File that shows whether this machine forwards packets: `1`.
    forwarding: PathBuf,
    /// Whether the data are kept for the next run, and those of the last one are used.
    keep: bool,
}

/// An engine that answers.
pub(super) struct Started {
    pub(super) plan: Plan,
    /// Storage driver of the engine.
    pub(super) driver: String,
    made: Made,
}

/// Objects that must be removed.
struct Made {
    plan: Plan,
    network: Vec<Step>,
    daemons: Daemons,
    keep: bool,
    permit: Permit,
    all: PathBuf,
    /// Locked while this run lives.
    _own: File,
}

impl Place {
    /// Returns the place; `run` is for sockets, `root` is the checkout.
    pub(super) fn new(run: &Path, root: &Path, keep: bool) -> Place {
        let (run, root) = (run.to_owned(), root.to_owned());
        Place { run, root, forwarding: PathBuf::from(plan::FORWARDING), keep }
    }

    /// Returns the same place with another file that shows whether this machine forwards packets.
    #[cfg(test)]
    pub(super) fn forwarding(self, forwarding: PathBuf) -> Place {
        Place { forwarding, ..self }
    }

    fn data(&self) -> PathBuf {
        self.root.join("target/xtask/engine/data")
    }

    pub(super) fn plan(&self, programs: &Programs) -> anyhow::Result<Plan> {
        let ip = &programs.ip;
        let link = ip::default_link(ip)?.context("no IPv4 default route")?;
        let mtu = ip::mtu(ip, &link)?;
        let routes = ip::routes(ip)?;
        let resolv_conf = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
        let taken = format!("{routes}\n{}", loopback::servers(&resolv_conf).join("\n"));
        let forward = fs::read_to_string(&self.forwarding).unwrap_or_default();
        let id = plan::id(&self.root);
        Ok(Plan {
            run: self.run.join(&id),
            data: self.data(),
            block: plan::free_block(&id, &taken).context("no free network in 10.0.0.0/8")?,
            mtu: mtu.with_context(|| format!("no MTU of {link}"))?,
            must_forward: forward.trim() == "0",
            outside: machine::own_namespace(),
            id,
        })
    }
}

/// Starts an engine; after a failure nothing of it is left.
pub(super) fn start(
    permit: Permit,
    place: &Place,
    programs: &Programs,
    runner: &Runner,
) -> anyhow::Result<Started> {
    let mut log = runner.log("ci-engine")?;
    log.step("looking for what killed runs left");
    let dir = place.run.join(plan::id(&place.root));
    let own = leftovers::claim(permit, &place.run, &dir, programs, runner.ui)?;
    let network = make(permit, place, programs, runner, &mut log);
    let (plan, network) = network.inspect_err(|_| _ = files::remove_tree(permit, &dir))?;
    let (keep, all, daemons) = (place.keep, place.run.clone(), Daemons::default());
    let mut made = Made { plan, network, daemons, keep, permit, all, _own: own };
    match run(&mut made, programs, runner, &mut log) {
        Ok(driver) => Ok(Started { plan: made.plan.clone(), driver, made }),
        Err(err) => {
            made.remove(runner);
            Err(err)
        }
    }
}

/// Creates the network.
fn make(
    permit: Permit,
    place: &Place,
    programs: &Programs,
    runner: &Runner,
    log: &mut Log,
) -> anyhow::Result<(Plan, Vec<Step>)> {
    if !place.keep && place.data().exists() {
        log.step("removing the last run's images");
        machine::unmount(permit, &place.data())?;
        network::run(permit, &system::remove_tree(&place.data()), log)?;
    }
    log.step("making a network");
    // Locked, so that no other run looks for a free network meanwhile.
    let _all = leftovers::lock_all(permit, &place.run)?;
    let plan = place.plan(programs)?;
    leftovers::record(permit, &plan)?;
    let network = plan.network(programs);
    network::set_up(permit, &network, log)?;
    if plan.must_forward {
        runner.ui.say("net.ipv4.ip_forward: set to 1, and left so");
    }
    Ok((plan, network))
}

/// Starts the daemons. Returns their storage driver.
fn run(
    made: &mut Made,
    programs: &Programs,
    runner: &Runner,
    log: &mut Log,
) -> anyhow::Result<String> {
    let (plan, permit) = (&made.plan, made.permit);
    let driver = overlay::probe(permit, &plan.data).map(|()| OVERLAY2);
    if let Err(err) = &driver {
        log.line(&format!("no {OVERLAY2}: {err:#}"));
    }
    for (path, text) in plan.files() {
        files::write(permit, &path, text.as_bytes())?;
    }
    log.step("starting dockerd");
    made.daemons.start(permit, plan, programs, driver.ok(), &runner.target().join("logs"))?;
    let docker = runner.docker.with_host(plan.host());
    made.daemons.wait(&docker, patience())?;
    let driver = docker.storage_driver()?;
    if driver == "vfs" {
        bail!(
            "{}: dockerd's only storage driver there is vfs, which copies whole images",
            plan.data.shown()
        );
    }
    Ok(driver)
}

impl Started {
    /// Removes the engine.
    pub(super) fn stop(mut self, runner: &Runner) -> anyhow::Result<()> {
        let survived = self.made.daemons.survived();
        self.made.remove(runner);
        survived
    }
}

impl Made {
    /// Removes the whole engine, and reports objects that cannot be removed.
    fn remove(&mut self, runner: &Runner) {
        let progress = runner.ui.progress("ci-engine");
        progress.step("stopping dockerd");
        let permit = self.permit;
        self.daemons.stop();
        let mut left: Vec<String> = leftovers::end(permit, &self.plan)
            .err()
            .map(|it| format!("{it:#}"))
            .into_iter()
            .collect();
        let is_bare = left.is_empty();
        left.extend(network::take_down(permit, &self.network));
        // No file system is mounted below it.
        if is_bare && !self.keep {
            progress.step("removing its images");
            left.extend(network::undo(permit, &system::remove_tree(&self.plan.data)));
        }
        // The record leads to the remaining objects.
        if left.is_empty() {
            left.extend(self.remove_dir().err().map(|it| format!("{it:#}")));
        }
        drop(progress);
        let say = |it| runner.ui.say(format!("warning: the engine is not removed: {it}"));
        left.iter().for_each(say);
    }

    /// Removes the folder; the record of this engine goes last.
    fn remove_dir(&self) -> anyhow::Result<()> {
        let _all = leftovers::lock_all(self.permit, &self.all)?;
        files::remove_tree(self.permit, &self.plan.run)
    }
}
