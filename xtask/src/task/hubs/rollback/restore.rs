//! A backup takes the place of the hub's database, while the hub does not run. Each failure says what
//! state things are in.

use std::{
    cell::Cell,
    path::Path,
    thread,
    time::{Duration, Instant, SystemTime},
};

use anyhow::{anyhow, ensure};
use serde_json::Value;

use crate::{
    hub::database::{self, POD},
    run::{
        process::{self, Change, Permit},
        terminal, text_file,
    },
    task::{Session, shared::hub_target::Hub},
    tools::kubectl::Cluster,
};

/// Workload that has the database's volume.
const HUB: &str = "deploy/hub";

/// Time that the hub's pod has to end.
const END: Duration = Duration::from_secs(180);

/// A backup that replaces the database.
pub(super) struct Restore {
    /// The Deployment `hub` as it is now.
    deployment: Value,
    script: String,
    pub(super) name: String,
    /// Backup that is made of the present database.
    pub(super) kept: String,
}

impl Restore {
    pub(super) fn new(
        session: &Session,
        hub: &Hub,
        deployment: Value,
        name: &str,
    ) -> anyhow::Result<Restore> {
        // Fails for a hub without a volume.
        database::pod(&deployment).map_err(|err| anyhow!("{}: {err:#}", hub.name()))?;
        Ok(Restore {
            deployment,
            script: text_file::read_text(&session.checkout.root, Path::new(database::SCRIPT))?,
            name: name.to_owned(),
            kept: database::name(SystemTime::now()),
        })
    }

    /// Returns the backups in the hub's volume; `None` if the hub's pod cannot tell.
    pub(super) fn known(&self, hub: &Hub) -> Option<Vec<String>> {
        database::names(&hub.cluster, &self.deployment, &self.script).ok()
    }

    fn replicas(&self) -> u32 {
        let wanted = self.deployment["spec"]["replicas"].as_u64();
        wanted.and_then(|it| it.try_into().ok()).filter(|it| *it > 0).unwrap_or(1)
    }

    fn pod_cmd(&self, cluster: &Cluster) -> anyhow::Result<Change> {
        Ok(cluster.create_cmd(&database::pod(&self.deployment)?))
    }

    fn restore_cmd(&self, cluster: &Cluster) -> anyhow::Result<Change> {
        database::restore_cmd(cluster, &self.deployment, &self.script, &self.name, &self.kept)
    }

    /// Prints the commands.
    pub(super) fn print(&self, hub: &Hub) -> anyhow::Result<()> {
        let cluster = &hub.cluster;
        terminal::print(cluster.scale_cmd(HUB, 0));
        terminal::print(cluster.delete_cmd("pod", POD));
        terminal::print(self.pod_cmd(cluster)?);
        terminal::print(self.restore_cmd(cluster)?);
        terminal::print(cluster.delete_cmd("pod", POD));
        Ok(())
    }

    /// Stops the hub and puts the backup in the database's place. The hub stays stopped: Helm starts the
    /// one of the revision that comes back.
    ///
    /// # Errors
    /// The message says what state the database and the hub are in.
    pub(super) fn run(&self, session: &Session, permit: Permit, hub: &Hub) -> anyhow::Result<()> {
        let progress = session.ui.progress(&format!("database {}", hub.name()));
        let cluster = &hub.cluster;
        progress.step("stopping the hub");
        let stopped =
            cluster.change(permit, &cluster.scale_cmd(HUB, 0)).and_then(|()| gone(cluster));
        stopped.map_err(|err| self.start_again(permit, hub, &err))?;
        progress.step("starting a pod with the hub's volume");
        let pod = Pod { cluster, permit, is_made: Cell::new(false) };
        pod.make(self).map_err(|err| {
            pod.remove();
            self.start_again(permit, hub, &err)
        })?;
        progress.step("restoring");
        let restored =
            process::finishing(|| database::restore(permit, cluster, &self.restore_cmd(cluster)?));
        pod.remove();
        match restored {
            Ok(it) => {
                let (name, kept) = (&self.name, it.replaced);
                session.ui.say(format!(
                    "{}: the database is that of {name}; the one before is the backup {kept}",
                    hub.name()
                ));
                Ok(())
            }
            Err(err) if database::is_unchanged(&err) => Err(self.start_again(permit, hub, &err)),
            Err(err) => Err(self.unknown(hub, &err)),
        }
    }

    /// Starts the hub as it was, and returns the error with what state things are in.
    fn start_again(&self, permit: Permit, hub: &Hub, err: &anyhow::Error) -> anyhow::Error {
        let cluster = &hub.cluster;
        let cmd = cluster.scale_cmd(HUB, self.replicas());
        match process::finishing(|| cluster.change(permit, &cmd)) {
            Ok(()) => anyhow!(
                "the database was not restored, and the hub starts again as it was: {err:#}"
            ),
            Err(other) => anyhow!(
                "the database was not restored, and the hub may be stopped: {err:#}\n    fix: `{cmd}` starts it ({other:#})"
            ),
        }
    }

    fn unknown(&self, hub: &Hub, err: &anyhow::Error) -> anyhow::Error {
        let cluster = &hub.cluster;
        let start = cluster.scale_cmd(HUB, self.replicas());
        anyhow!(
            "not known whether the database was restored; the hub is stopped: {err:#}\n    fix: run the same command again; or `{start}` starts the hub as it was, with what it finds: the database of before is the backup {}",
            self.kept
        )
    }
}

/// Waits until no pod of the hub is left.
fn gone(cluster: &Cluster) -> anyhow::Result<()> {
    let deadline = Instant::now() + END;
    while !cluster.list("pods", Some("component=hub"))?.is_empty() {
        ensure!(Instant::now() < deadline, "the hub's pod has not ended after {} s", END.as_secs());
        process::check_interrupted()?;
        thread::sleep(Duration::from_secs(1));
    }
    Ok(())
}

/// The pod with the hub's volume; removed on all ways out.
struct Pod<'a> {
    cluster: &'a Cluster,
    permit: Permit,
    is_made: Cell<bool>,
}

impl Pod<'_> {
    fn make(&self, restore: &Restore) -> anyhow::Result<()> {
        // A run that was killed may have left one.
        self.cluster.change(self.permit, &self.cluster.delete_cmd("pod", POD))?;
        self.is_made.set(true);
        self.cluster.change(self.permit, &restore.pod_cmd(self.cluster)?)?;
        database::wait_for_pod(self.cluster)
    }

    fn remove(&self) {
        if !self.is_made.replace(false) {
            return;
        }
        let cmd = self.cluster.delete_cmd("pod", POD);
        if let Err(err) = process::finishing(|| self.cluster.change(self.permit, &cmd)) {
            terminal::say(format_args!(
                "warning: the pod `{POD}` ends by itself, and could not be removed: {err:#}"
            ));
        }
    }
}

impl Drop for Pod<'_> {
    fn drop(&mut self) {
        self.remove();
    }
}
