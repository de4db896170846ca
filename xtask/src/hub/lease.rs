//! The lock of a release: a Lease in the hub's namespace, which a run holds from its first look at the
//! release until the record is complete. Helm's own lock ends with Helm; evidence, smoke test, rollback
//! and record come after that. Reference:
//! <https://kubernetes.io/docs/concepts/architecture/leases/>.

mod object;
#[cfg(test)]
pub(crate) mod tests;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context as _, anyhow, bail};
use serde_json::Value;

use crate::{
    run::{
        printable,
        process::{self, Change, Permit},
        terminal,
        ui::Ui,
    },
    tools::kubectl::{Cluster, Kind},
};

use object::{By, Mine, State};

/// A kind with its group, so that no other kind is meant.
const KIND: &str = "leases.coordination.k8s.io";

/// Time that the cluster has for one renewal: several fit into the duration of the lock.
const ANSWER: Duration = Duration::from_secs(15);

const TIMES: Times = Times {
    renewal: Duration::from_secs(10),
    retry: Duration::from_secs(2),
    duration: Duration::from_secs(60),
    observation: Duration::from_secs(14),
};

/// Who takes a lock, and for what; host and process are added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holder {
    /// Name of the user; may be empty.
    pub(crate) name: String,
    /// Commit that is deployed.
    pub(crate) commit: String,
    /// Such as `deploy` or `rollback`.
    pub(crate) action: String,
}

/// Time limits of a lock.
#[derive(Debug, Clone, Copy)]
struct Times {
    /// Interval between renewals.
    renewal: Duration,
    /// Pause after a renewal that failed.
    retry: Duration,
    /// Time after which a lock that is not renewed has expired.
    duration: Duration,
    /// Time for which an expired lock must not change before it is taken over: more than one renewal
    /// of a holder whose clock is wrong.
    observation: Duration,
}

/// The lock of a release; renewed in the background, and released when this is dropped.
pub(crate) struct Lease {
    held: Arc<Held>,
    /// Ends the renewals when it is dropped.
    stop: Option<mpsc::Sender<()>>,
    renewals: Option<JoinHandle<()>>,
}

/// Where the Lease is stored.
trait Store: Send + Sync {
    fn get(&self) -> anyhow::Result<Option<Value>>;
    fn create(&self, lease: &Value) -> anyhow::Result<Value>;
    /// Stores `lease`, unless the stored one has another version or is another object.
    fn replace(&self, lease: &Value) -> anyhow::Result<Value>;
}

struct InCluster {
    permit: Permit,
    cluster: Cluster,
    name: String,
}

impl Store for InCluster {
    fn get(&self) -> anyhow::Result<Option<Value>> {
        self.cluster.get(KIND, &self.name)
    }

    fn create(&self, lease: &Value) -> anyhow::Result<Value> {
        self.cluster.store(self.permit, &self.cluster.create_cmd(lease))
    }

    fn replace(&self, lease: &Value) -> anyhow::Result<Value> {
        self.cluster.store_within(self.permit, &replace_cmd(&self.cluster, lease), ANSWER)
    }
}

fn replace_cmd(cluster: &Cluster, lease: &Value) -> Change {
    // The object comes from the cluster: its schema need not be loaded for each renewal.
    cluster.replace_cmd(lease).args(["--validate=false"])
}

/// Prints, for a dry run, the command that takes the lock of `release`.
pub(crate) fn print(
    ui: Ui,
    cluster: &Cluster,
    release: &str,
    holder: &Holder,
) -> anyhow::Result<()> {
    let name = format!("{release}-xtask");
    let mine = Mine::new(holder, &name, &cluster.namespace)?;
    let now = SystemTime::now();
    let cmd = match cluster.get(KIND, &name)? {
        None => cluster.create_cmd(&object::new(&mine, now, TIMES.duration)),
        Some(it) => replace_cmd(cluster, &object::taken(it, &mine, now, TIMES.duration)),
    };
    ui.say(format!(
        "take the lock, the Lease `{name}`; `kubectl replace` renews and releases the lock"
    ));
    terminal::print(cmd);
    Ok(())
}

/// Takes the lock of `release`.
///
/// # Errors
/// Another run holds it.
pub(crate) fn take(
    permit: Permit,
    cluster: &Cluster,
    release: &str,
    holder: &Holder,
) -> anyhow::Result<Lease> {
    let name = format!("{release}-xtask");
    let mine = Mine::new(holder, &name, &cluster.namespace)?;
    let store = InCluster { permit, cluster: cluster.clone(), name };
    take_from(Box::new(store), release, mine, TIMES)
        .with_context(|| format!("the lock of `{release}` cannot be taken"))
}

/// Takes the lock of `release` from a run that was killed: waits until the lock has expired.
///
/// # Errors
/// The lock is renewed: its run is alive.
pub(crate) fn take_abandoned(
    permit: Permit,
    cluster: &Cluster,
    release: &str,
    holder: &Holder,
) -> anyhow::Result<Lease> {
    let name = format!("{release}-xtask");
    let store = InCluster { permit, cluster: cluster.clone(), name };
    until_expired(&store, TIMES)
        .with_context(|| format!("the lock of `{release}` cannot be taken"))?;
    take(permit, cluster, release, holder)
}

fn until_expired(store: &dyn Store, times: Times) -> anyhow::Result<()> {
    let Some(found) = store.get()? else { return Ok(()) };
    while let State::Held(_) = object::state(&found, SystemTime::now()) {
        pause(times.retry)?;
        let now = store.get()?.unwrap_or_default();
        if !object::is_unchanged(&found, &now) {
            return match object::state(&now, SystemTime::now()) {
                State::Held(by) => Err(refusal(&by, by.remaining)),
                State::Free | State::Expired(_) => Ok(()),
            };
        }
    }
    Ok(())
}

fn take_from(
    store: Box<dyn Store>,
    release: &str,
    mine: Mine,
    times: Times,
) -> anyhow::Result<Lease> {
    let found = unless_held(store.as_ref(), times)?;
    process::check_interrupted()?;
    let at = Moment::now();
    let written = process::finishing(|| {
        let written = match found {
            None => store.create(&object::new(&mine, at.wall, times.duration)),
            Some(it) => store.replace(&object::taken(it, &mine, at.wall, times.duration)),
        };
        written.or_else(|err| settled(store.as_ref(), &mine.identity, err))
    });
    let current = Current { lease: written?, renewed: at, failure: None, loss: None };
    let (identity, release) = (mine.identity, release.to_owned());
    let held = Arc::new(Held { store, identity, release, times, current: Mutex::new(current) });
    Ok(Lease::renewed(held))
}

/// Returns the Lease that may be taken, if there is one.
///
/// # Errors
/// Another run holds it.
fn unless_held(store: &dyn Store, times: Times) -> anyhow::Result<Option<Value>> {
    let Some(found) = store.get()? else { return Ok(None) };
    match object::state(&found, SystemTime::now()) {
        State::Free => return Ok(Some(found)),
        State::Held(by) => bail!(refusal(&by, by.remaining)),
        State::Expired(_) => pause(times.observation)?,
    }
    match store.get()? {
        Some(it) if object::is_unchanged(&found, &it) => Ok(Some(it)),
        Some(it) => match object::state(&it, SystemTime::now()) {
            State::Free => Ok(Some(it)),
            State::Held(by) => bail!(refusal(&by, by.remaining)),
            // Renewed by a holder whose clock is behind.
            State::Expired(by) => bail!(refusal(&by, times.duration)),
        },
        None => Ok(None),
    }
}

/// Returns the stored Lease if it is ours after all: a request may have arrived whose answer did not.
fn settled(store: &dyn Store, identity: &str, err: anyhow::Error) -> anyhow::Result<Value> {
    match store.get() {
        Ok(Some(it)) if object::is_of(&it, identity) => Ok(it),
        Ok(Some(it)) if is_overtaken(&err) => match object::state(&it, SystemTime::now()) {
            State::Held(by) => Err(refusal(&by, by.remaining)),
            State::Free | State::Expired(_) => Err(err),
        },
        _ => Err(err),
    }
}

/// Returns whether another run was faster.
fn is_overtaken(err: &anyhow::Error) -> bool {
    let kind = Kind::of_error(err);
    matches!(kind, Some(Kind::AlreadyExists | Kind::Conflict | Kind::NotFound))
}

fn refusal(by: &By, remaining: Duration) -> anyhow::Error {
    let seconds = remaining.as_secs().max(1);
    anyhow!(
        "held by {by}\n    fix: wait until that run has ended; if it was killed, run the task again in {seconds} s"
    )
}

fn pause(time: Duration) -> anyhow::Result<()> {
    let end = Instant::now() + time;
    while Instant::now() < end {
        process::check_interrupted()?;
        thread::sleep(Duration::from_millis(20).min(time));
    }
    Ok(())
}

/// A time on two clocks: one stands still while the machine sleeps, the other one may be set.
#[derive(Debug, Clone, Copy)]
struct Moment {
    steady: Instant,
    wall: SystemTime,
}

impl Moment {
    fn now() -> Moment {
        Moment { steady: Instant::now(), wall: SystemTime::now() }
    }

    fn is_past(&self, limit: Duration) -> bool {
        self.steady.elapsed() >= limit
    }

    /// Returns whether the machine slept, or its clock was set.
    fn has_jumped(&self, limit: Duration) -> bool {
        !self.is_past(limit) && self.wall.elapsed().is_ok_and(|it| it >= limit)
    }
}

/// A lock that is held, for the run and for its renewals.
struct Held {
    store: Box<dyn Store>,
    identity: String,
    release: String,
    times: Times,
    current: Mutex<Current>,
}

struct Current {
    /// As it is stored.
    lease: Value,
    renewed: Moment,
    /// Why the last renewal failed.
    failure: Option<String>,
    /// Why the lock is lost.
    loss: Option<String>,
}

impl Held {
    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Renews the lock, and returns whether that worked.
    fn renew(&self) -> bool {
        let at = Moment::now();
        let res = self.replace(&|it| object::renewed(it, at.wall));
        let mut current = self.current();
        match res {
            Ok(Ok(lease)) => {
                current.renewed = at;
                current.lease = lease;
                current.failure = None;
            }
            Ok(Err(loss)) => current.loss = Some(loss),
            Err(err) => current.failure = Some(first_line(&err)),
        }
        current.failure.is_none()
    }

    /// Stores `change` of the Lease; returns why the lock is lost if it is.
    fn replace(&self, change: &dyn Fn(Value) -> Value) -> anyhow::Result<Result<Value, String>> {
        let lease = self.current().lease.clone();
        match self.store.replace(&change(lease)) {
            Err(err) if is_overtaken(&err) => (),
            res => return res.map(Ok),
        }
        // The answer to an earlier request may have been lost.
        match self.store.get()? {
            None => Ok(Err("removed by someone else".to_owned())),
            Some(it) if object::is_of(&it, &self.identity) => {
                self.store.replace(&change(it)).map(Ok)
            }
            Some(it) => match object::state(&it, SystemTime::now()) {
                State::Free => Ok(Err("taken by another run, which has ended".to_owned())),
                State::Held(by) | State::Expired(by) => Ok(Err(format!("held by {by}"))),
            },
        }
    }

    fn check(&self) -> anyhow::Result<()> {
        let Held { times: Times { duration, .. }, release, .. } = self;
        if self.current().renewed.has_jumped(*duration) {
            process::finishing(|| self.renew());
        }
        let current = self.current();
        if let Some(it) = &current.loss {
            bail!("the lock of `{release}` is lost: {it}");
        }
        if current.renewed.is_past(*duration) {
            let why = current.failure.as_deref().unwrap_or("no answer");
            bail!("the lock of `{release}` was not renewed for {} s: {why}", duration.as_secs());
        }
        Ok(())
    }

    fn release(&self) {
        if self.current().loss.is_some() {
            return;
        }
        let Held { times: Times { duration, .. }, release, .. } = self;
        if let Err(err) = self.replace(&|it| object::released(it, SystemTime::now())) {
            terminal::say(format_args!(
                "warning: the lock of `{release}` cannot be released, and expires in {} s: {}",
                duration.as_secs(),
                first_line(&err)
            ));
        }
    }
}

fn first_line(err: &anyhow::Error) -> String {
    printable::line(format!("{err:#}").lines().next().unwrap_or_default())
}

impl Lease {
    /// Starts the renewals.
    fn renewed(held: Arc<Held>) -> Lease {
        let (stop, stopped) = mpsc::channel();
        let own = Arc::clone(&held);
        // After an interruption of the run, its lock is held until it is released.
        let renew = move || process::finishing(|| renew_until(&own, &stopped));
        Lease { held, stop: Some(stop), renewals: Some(thread::spawn(renew)) }
    }

    /// Fails if the lock is lost: another run holds it, or it was not renewed in time.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        self.held.check()
    }
}

/// Renews until the other end of `stopped` is dropped, or the lock is lost.
fn renew_until(held: &Held, stopped: &mpsc::Receiver<()>) {
    let mut pause = held.times.renewal;
    while stopped.recv_timeout(pause) == Err(mpsc::RecvTimeoutError::Timeout) {
        let Times { renewal, retry, .. } = held.times;
        pause = if held.renew() { renewal } else { retry };
        if held.current().loss.is_some() {
            return;
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(it) = self.renewals.take() {
            let _ = it.join();
        }
        process::finishing(|| self.held.release());
    }
}
