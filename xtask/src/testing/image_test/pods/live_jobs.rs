//! The Jobs of a run as they are in the cluster: created, looked at, followed by their logs, and removed.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::ensure;
use serde_json::Value;

use crate::{
    image::runner::{Log, Runner},
    run::{
        process::{self, Beside, Change, Permit, Stop},
        terminal,
    },
    testing::{
        image_test::{containers::still_running, tester::Part as Container},
        jobs::{
            DEADLINE, JOB, KINDS, Pod, RUN, Setup,
            state::{self, State, Trouble},
        },
    },
    tools::kubectl::{Access, Cluster},
};

/// Age of a look at the cluster after which it is looked at again.
const PAUSE: Duration = Duration::from_secs(2);

/// Time that the cluster may not answer.
const SILENCE: Duration = Duration::from_secs(60);

/// Time that kubectl has to end once the results can be read.
const GRACE: Duration = Duration::from_secs(5);

/// Groups, resources and verbs of the permissions that a run needs.
const NEEDED: [(&str, &str, &[&str]); 6] = [
    ("batch", "jobs", &["create", "list", "delete"]),
    ("", "configmaps", &["create", "list", "delete"]),
    ("networking.k8s.io", "networkpolicies", &["create", "list", "delete"]),
    // kubectl reads a pod before its logs and before a command in it.
    ("", "pods", &["get", "list"]),
    ("", "pods/log", &["get"]),
    ("", "pods/exec", &["create"]),
];

/// The Jobs of a run, removed when this is dropped.
pub(super) struct Jobs<'a> {
    runner: &'a Runner,
    pub(super) cluster: &'a Cluster,
    pub(super) setup: Setup,
    looked: Mutex<Looked>,
    /// Ends the work of all threads of the run.
    pub(super) stop: Stop,
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

/// Fails if the user lacks a permission that a run needs: a run without it fails only after its tests.
pub(super) fn check_access(cluster: &Cluster) -> anyhow::Result<()> {
    let wanted: Vec<Access> = NEEDED.into_iter().flat_map(Access::in_namespace).collect();
    let answers = cluster.can(&wanted)?;
    let denied = wanted.iter().zip(answers).filter(|it| !it.1);
    let denied: Vec<String> = denied.map(|it| it.0.to_string()).collect();
    ensure!(
        denied.is_empty(),
        "namespace {}: missing permissions: {}\n    fix: ask the cluster's administrators for them",
        cluster.namespace,
        denied.join(", ")
    );
    Ok(())
}

/// Removes the objects of earlier runs whose time is over.
pub(super) fn remove_left_overs(runner: &Runner, cluster: &Cluster) -> anyhow::Result<()> {
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

pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

impl<'a> Jobs<'a> {
    /// Returns the Jobs of a run that has created none yet.
    pub(super) fn new(runner: &'a Runner, cluster: &'a Cluster, setup: Setup) -> Jobs<'a> {
        Jobs { runner, cluster, setup, looked: Mutex::default(), stop: Stop }
    }

    /// Creates objects; a dry run prints them.
    pub(super) fn change(&self, objects: &[Value]) -> anyhow::Result<()> {
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

    /// Removes the Job of a pod, whose room others may need.
    pub(super) fn remove_pod(&self, permit: Permit, pod: Pod) {
        let done = format!("{JOB}={}", self.setup.job(pod));
        self.remove(permit, &self.cluster.delete_all_cmd("jobs,configmaps", &done));
    }

    /// Removes objects with a label, also after an interruption.
    fn remove(&self, permit: Permit, cmd: &Change) {
        if let Err(err) = process::finishing(|| self.cluster.change(permit, cmd)) {
            let run = &self.setup.run;
            self.runner.ui.say(format!("warning: objects of the test run {run} stay in the cluster until a later run removes them: {err:#}"));
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
    pub(super) fn follow(
        &self,
        pod: Pod,
        log: &mut Log,
    ) -> anyhow::Result<Result<String, Trouble>> {
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

/// A connection to a node that is lost need not end by itself.
impl Drop for Lines {
    fn drop(&mut self) {
        if let Some(kubectl) = &mut self.kubectl {
            kubectl.stop(GRACE);
        }
    }
}
