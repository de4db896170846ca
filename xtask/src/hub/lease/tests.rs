use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::UNIX_EPOCH,
};

use serde_json::json;

use super::*;
use crate::tools::kubectl::Refusal;

/// Longer than these tests take on any machine.
const LONG: Duration = Duration::from_secs(600);

const QUICK: Times = Times {
    renewal: Duration::from_millis(2),
    retry: Duration::from_millis(2),
    duration: LONG,
    observation: Duration::from_millis(50),
};

/// A cluster in memory, with the API's rules about versions.
#[derive(Clone, Default)]
struct Memory(Arc<Inner>);

#[derive(Default)]
struct Inner {
    lease: Mutex<Option<Value>>,
    writes: AtomicUsize,
    /// Number of requests that will not be answered.
    unanswered: AtomicUsize,
    /// Whether those that are not answered are carried out.
    arrives: bool,
    /// Time with which the other run renews its lock before each read.
    renewed: Option<SystemTime>,
}

impl Memory {
    fn with(lease: Value) -> Memory {
        let res = Memory::default();
        res.put(lease);
        res
    }

    fn lock(&self) -> MutexGuard<'_, Option<Value>> {
        self.0.lease.lock().unwrap()
    }

    fn lease(&self) -> Value {
        self.lock().clone().unwrap_or_default()
    }

    fn writes(&self) -> usize {
        self.0.writes.load(Ordering::SeqCst)
    }

    fn put(&self, lease: Value) -> Value {
        self.stored(&mut self.lock(), lease)
    }

    fn stored(&self, stored: &mut Option<Value>, mut lease: Value) -> Value {
        let version = self.0.writes.fetch_add(1, Ordering::SeqCst) + 1;
        lease["metadata"]["resourceVersion"] = version.to_string().into();
        if lease["metadata"]["uid"].is_null() {
            lease["metadata"]["uid"] = format!("uid-{version}").into();
        }
        *stored = Some(lease.clone());
        lease
    }

    fn answers(&self) -> bool {
        let used = |it: usize| it.checked_sub(1);
        self.0.unanswered.fetch_update(Ordering::SeqCst, Ordering::SeqCst, used).is_err()
    }

    fn replace_now(&self, lease: &Value) -> anyhow::Result<Value> {
        let mut stored = self.lock();
        let is_same = |key: &str| {
            stored.as_ref().is_some_and(|it| it["metadata"][key] == lease["metadata"][key])
        };
        if !is_same("uid") || !is_same("resourceVersion") {
            return refused(Kind::Conflict);
        }
        Ok(self.stored(&mut stored, lease.clone()))
    }
}

fn refused<T>(kind: Kind) -> anyhow::Result<T> {
    Err(Refusal::of_test(kind).into())
}

impl Store for Memory {
    fn get(&self) -> anyhow::Result<Option<Value>> {
        if let Some(at) = self.0.renewed {
            self.put(object::renewed(self.lease(), at));
        }
        Ok(self.lock().clone())
    }

    fn create(&self, lease: &Value) -> anyhow::Result<Value> {
        let mut stored = self.lock();
        if stored.is_some() {
            return refused(Kind::AlreadyExists);
        }
        Ok(self.stored(&mut stored, lease.clone()))
    }

    fn replace(&self, lease: &Value) -> anyhow::Result<Value> {
        if self.answers() {
            return self.replace_now(lease);
        }
        if self.0.arrives {
            self.replace_now(lease)?;
        }
        refused(Kind::TimedOut)
    }
}

fn holder(name: &str) -> Holder {
    Holder { name: name.to_owned(), commit: "1234abcd".to_owned(), action: "deploy".to_owned() }
}

fn mine(name: &str) -> Mine {
    Mine::new(&holder(name), "hello-prod-xtask", "hub").unwrap()
}

fn taken_in(memory: &Memory, times: Times) -> anyhow::Result<Lease> {
    take_from(Box::new(memory.clone()), "hello-prod", mine("Ann"), times)
}

/// Returns the Lease of another run, which was last renewed at `at`.
fn of_other(at: SystemTime) -> Value {
    object::new(&mine("Bob"), at, Duration::from_secs(60))
}

fn long_ago() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_700_000_000)
}

fn message<T>(res: anyhow::Result<T>) -> String {
    res.err().map(|it| format!("{it:#}")).unwrap_or_default()
}

fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_lock_is_renewed_until_it_is_released() {
    let memory = Memory::default();
    let lease = taken_in(&memory, QUICK).unwrap();
    let stored = memory.lease();
    assert_eq!(stored["metadata"]["name"], "hello-prod-xtask");
    assert_eq!(stored["metadata"]["namespace"], "hub");
    until(|| memory.writes() > 3);
    lease.check().unwrap();
    assert!(memory.lease()["spec"]["holderIdentity"].is_string());
    drop(lease);
    let (stored, writes) = (memory.lease(), memory.writes());
    assert_eq!(stored["spec"]["holderIdentity"], Value::Null);
    assert_eq!(object::state(&stored, SystemTime::now()), State::Free);
    thread::sleep(Duration::from_millis(20));
    assert_eq!(memory.writes(), writes);
    drop(taken_in(&memory, QUICK).unwrap());
    assert_eq!(memory.lease()["spec"]["leaseTransitions"], 1);
}

#[test]
fn a_held_lock_names_its_holder_and_the_way_out() {
    let memory = Memory::with(of_other(SystemTime::now() + Duration::from_secs(30)));
    let said = message(taken_in(&memory, QUICK));
    assert!(said.starts_with("held by a deploy of Bob on host "), "{said}");
    assert!(
        said.contains(&format!(", process {}, from commit 1234abcd, since ", std::process::id()))
    );
    let fix = "    fix: wait until that run has ended; if it was killed, run the task again in ";
    let seconds = said.split_once(fix).unwrap().1.strip_suffix(" s").unwrap().parse::<u64>();
    assert!((1..=90).contains(&seconds.unwrap()), "{said}");
    assert_eq!(memory.writes(), 1);
}

#[test]
fn of_runs_that_start_at_once_one_gets_the_lock() {
    for stored in [None, Some(object::released(of_other(long_ago()), long_ago()))] {
        let memory = stored.map_or_else(Memory::default, Memory::with);
        let start = std::sync::Barrier::new(8);
        let one = || {
            start.wait();
            taken_in(&memory, QUICK)
        };
        let (held, refused): (Vec<_>, Vec<_>) = thread::scope(|scope| {
            let runs: Vec<_> = (0..8).map(|_| scope.spawn(one)).collect();
            runs.into_iter().map(|it| it.join().unwrap()).partition(Result::is_ok)
        });
        assert_eq!(held.len(), 1);
        for it in refused {
            let said = message(it);
            assert!(said.starts_with("held by a deploy of Ann "), "{said}");
        }
    }
}

#[test]
fn an_expired_lock_is_taken_over_if_nobody_renews_it() {
    let memory = Memory::with(of_other(long_ago()));
    let lease = taken_in(&memory, QUICK).unwrap();
    lease.check().unwrap();
    assert_eq!(memory.lease()["metadata"]["annotations"]["xtask/name"], "Ann");
}

#[test]
fn the_lock_of_a_killed_run_is_waited_for() {
    let held_for = |time: Duration| SystemTime::now() - Duration::from_secs(60) + time;
    let memory = Memory::with(of_other(held_for(Duration::from_millis(50))));
    until_expired(&memory, QUICK).unwrap();
    assert!(matches!(object::state(&memory.lease(), SystemTime::now()), State::Expired(_)));
    until_expired(&Memory::default(), QUICK).unwrap();
    let inner = Inner { renewed: Some(SystemTime::now()), ..Inner::default() };
    let memory = Memory(Arc::new(inner));
    memory.put(of_other(SystemTime::now()));
    let said = message(until_expired(&memory, QUICK));
    assert!(said.starts_with("held by a deploy of Bob "), "{said}");
}

/// The holder's clock is an hour behind: its lock looks expired, and is not.
#[test]
fn an_expired_lock_that_is_renewed_is_held() {
    let inner = Inner { renewed: Some(long_ago()), ..Inner::default() };
    let memory = Memory(Arc::new(inner));
    memory.put(of_other(long_ago()));
    let said = message(taken_in(&memory, QUICK));
    assert!(said.starts_with("held by a deploy of Bob "), "{said}");
    assert!(said.ends_with("run the task again in 600 s"), "{said}");
}

#[test]
fn a_lock_that_another_run_took_is_lost() {
    let memory = Memory::default();
    let lease = taken_in(&memory, QUICK).unwrap();
    memory.put(of_other(SystemTime::now()));
    until(|| lease.check().is_err());
    let said = message(lease.check());
    assert!(
        said.starts_with("the lock of `hello-prod` is lost: held by a deploy of Bob "),
        "{said}"
    );
    let stored = memory.lease();
    drop(lease);
    assert_eq!(memory.lease(), stored);
}

#[test]
fn a_lock_that_was_removed_is_lost() {
    let memory = Memory::default();
    let lease = taken_in(&memory, QUICK).unwrap();
    *memory.lock() = None;
    until(|| lease.check().is_err());
    assert_eq!(message(lease.check()), "the lock of `hello-prod` is lost: removed by someone else");
    drop(lease);
    assert_eq!(memory.lease(), Value::Null);
}

#[test]
fn a_cluster_that_does_not_answer_loses_the_lock_after_its_duration() {
    let inner = Inner { unanswered: usize::MAX.into(), ..Inner::default() };
    let memory = Memory(Arc::new(inner));
    let lease = taken_in(&memory, Times { duration: Duration::from_millis(200), ..QUICK }).unwrap();
    until(|| lease.check().is_err());
    let said = message(lease.check());
    assert_eq!(
        said,
        "the lock of `hello-prod` was not renewed for 0 s: `kubectl`: no answer in time"
    );
    memory.0.unanswered.store(0, Ordering::SeqCst);
    until(|| lease.check().is_ok());
}

#[test]
fn a_renewal_without_an_answer_loses_no_lock() {
    let inner = Inner { unanswered: 5.into(), arrives: true, ..Inner::default() };
    let memory = Memory(Arc::new(inner));
    memory.put(object::released(of_other(long_ago()), long_ago()));
    // The first answer that is lost is that about taking the lock.
    let lease = taken_in(&memory, QUICK).unwrap();
    until(|| memory.writes() > 12);
    lease.check().unwrap();
    drop(lease);
    assert_eq!(memory.lease()["spec"]["holderIdentity"], Value::Null);
}

#[test]
fn times_are_those_of_the_api() {
    let at = UNIX_EPOCH + Duration::from_micros(1_764_219_845_000_120);
    let lease = object::new(&mine(""), at, Duration::from_secs(60));
    let spec = &lease["spec"];
    assert_eq!(spec["renewTime"], "2025-11-27T05:04:05.000120Z");
    assert_eq!(
        (&spec["acquireTime"], &spec["leaseDurationSeconds"]),
        (&spec["renewTime"], &json!(60))
    );
    let State::Held(by) = object::state(&lease, at + Duration::from_secs(20)) else { panic!() };
    assert_eq!(by.remaining.as_millis(), 39_999);
    let said = by.to_string();
    assert!(
        said.starts_with("a deploy on host ") && said.ends_with(", since 2025-11-27T05:04:05Z"),
        "{said}"
    );
    let is_expired = |seconds| {
        matches!(object::state(&lease, at + Duration::from_secs(seconds)), State::Expired(_))
    };
    assert!(is_expired(60) && !is_expired(59));
}

/// Whoever may write to the namespace may write these.
#[test]
fn leases_of_others() {
    let state =
        |spec: Value| object::state(&json!({"metadata": {}, "spec": spec}), SystemTime::now());
    assert_eq!(state(Value::Null), State::Free);
    assert_eq!(state(json!({"holderIdentity": ""})), State::Free);
    assert!(matches!(state(json!({"holderIdentity": "a"})), State::Expired(_)));
    let spec = json!({"holderIdentity": "a", "renewTime": "x", "leaseDurationSeconds": "y"});
    assert!(matches!(state(spec), State::Expired(_)));
    let spec = json!({"holderIdentity": "a", "renewTime": "9999-12-31T23:59:59.999999Z", "leaseDurationSeconds": u64::MAX});
    assert!(matches!(state(spec), State::Expired(_) | State::Held(_)));
    let spec = json!({
        "holderIdentity": "a\u{1b}[31m\nfix: x", "renewTime": "2999-01-01T00:00:00.000000Z",
        "acquireTime": "\u{202e}", "leaseDurationSeconds": 60,
    });
    let State::Held(by) = state(spec) else { panic!() };
    assert_eq!(by.to_string(), "`a\u{fffd}fix: x`, since \u{fffd}");
}

/// Reads a mutated Lease.
pub(crate) fn read(text: &str) {
    let Ok(lease) = serde_json::from_str(text) else { return };
    if let State::Held(by) | State::Expired(by) = object::state(&lease, SystemTime::now()) {
        let _ = by.to_string();
    }
}
