//! Containers, volumes, networks and trial images that outlive their run: removal, which the end of the run verifies,
//! a record of each run that makes any, and the sweep of what earlier runs left.
//!
//! A run labels its objects with an id of its own. `target/xtask/runs/<id>` records the id: locked
//! while the run lives, removed at its end unless an object could not be removed.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    fs::File,
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    thread,
};

use anyhow::Context as _;
use fs_err as fs;

use crate::{
    run::{
        files,
        printable::Shown as _,
        process::{self, Permit},
        random::random_hex,
        terminal,
    },
    tools::docker::{Docker, LABEL_RUN, leftover::Kind},
};

/// The record of one run.
struct Run {
    id: String,
    path: PathBuf,
    /// Locked while this process lives.
    _file: File,
    /// Removed objects, each with the CLI that removed it, until they were looked for.
    removed: Vec<(Docker, Kind, String)>,
    /// Whether an object was left, or the run may have made one that it does not know of.
    left: bool,
    permit: Permit,
}

/// A record of objects that may outlive this process, such as those of a hub: until [`Record::keep`] they are
/// removed when this is dropped, or by the next run if this process is killed.
pub(crate) struct Record {
    run: Run,
    docker: Docker,
    is_kept: bool,
}

impl Record {
    pub(crate) fn new(permit: Permit, docker: &Docker, target: &Path) -> anyhow::Result<Record> {
        Ok(Record { run: Run::begin(permit, target)?, docker: docker.clone(), is_kept: false })
    }

    /// Returns the label for the objects.
    pub(crate) fn label(&self) -> String {
        format!("{LABEL_RUN}={}", self.run.id)
    }

    /// Leaves the objects to later runs.
    pub(crate) fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let permit = self.run.permit;
        let is_clean =
            self.is_kept || remove_labelled(permit, &self.docker, &[self.label()], &mut |_, _| ());
        if is_clean {
            let _ = files::remove(permit, &self.run.path);
        }
    }
}

/// Record of this process, from its first object on.
static RUN: Mutex<Option<Run>> = Mutex::new(None);

/// Returns the label for objects of this run, and records the run. `target` is this checkout's
/// folder for such records.
pub(crate) fn label(permit: Option<Permit>, target: &Path) -> anyhow::Result<String> {
    let Some(permit) = permit else { return Ok(format!("{LABEL_RUN}=<run>")) };
    let mut run = RUN.lock().unwrap_or_else(PoisonError::into_inner);
    if run.is_none() {
        *run = Some(Run::begin(permit, target)?);
    }
    Ok(format!("{LABEL_RUN}={}", run.as_ref().map_or("", |it| &it.id)))
}

/// Looks whether the objects that this process removed are gone; one that still exists is reported, and the
/// record stays.
pub(crate) fn check() {
    if let Some(run) = RUN.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
        run.check();
    }
}

/// Checks like [`check`], and ends this process's record if no object was left.
pub(crate) fn end() {
    let Some(mut run) = RUN.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
    run.check();
    if !run.left {
        let _ = files::remove(run.permit, &run.path);
    }
}

impl Run {
    fn check(&mut self) {
        let mut removed: BTreeMap<(Kind, Docker), BTreeSet<String>> = BTreeMap::new();
        for (docker, kind, name) in self.removed.drain(..) {
            removed.entry((kind, docker)).or_default().insert(name);
        }
        let id = &self.id;
        let lists: Vec<Option<_>> = thread::scope(|scope| {
            let kinds = removed.keys();
            let asked = kinds.map(|(kind, docker)| scope.spawn(|| list(docker, *kind, id)));
            let asked: Vec<_> = asked.collect();
            asked.into_iter().map(|it| it.join().unwrap_or_default()).collect()
        });
        for (((kind, _), names), there) in removed.into_iter().zip(lists) {
            self.left |= there.is_none();
            if there.is_none() {
                say_unknown(kind, names.len());
            }
            for name in there.iter().flatten().filter(|it| names.contains(*it)) {
                self.left = true;
                say_left(kind, name);
            }
        }
    }

    fn begin(permit: Permit, target: &Path) -> anyhow::Result<Run> {
        let dir = target.join("runs");
        files::make_dirs(permit, &dir)?;
        loop {
            let id = random_hex()?;
            let path = dir.join(&id);
            let mut file = files::open_new(permit, &path)?;
            // The sweep of another run may have removed it meanwhile.
            if file.try_lock().is_ok() && path.exists() {
                file.write_all(engine_asked_for().as_bytes())
                    .with_context(|| format!("cannot write {}", path.shown()))?;
                let removed = Vec::new();
                return Ok(Run { id, path, _file: file, removed, left: false, permit });
            }
        }
    }
}

/// Returns the choice of docker's engine: a record about another engine is kept.
fn engine_asked_for() -> String {
    let names = ["DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG"];
    let line = |name| format!("{name}={}\n", env::var(name).unwrap_or_default());
    names.into_iter().map(line).collect()
}

/// Removes an object of this run, even after an interruption. [`check`] and [`end`] look whether it is gone.
pub(crate) fn remove(permit: Permit, docker: &Docker, kind: Kind, name: &str) {
    try_to_remove(permit, docker, kind, name);
    if let Some(run) = RUN.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
        run.removed.push((docker.clone(), kind, name.to_owned()));
    }
}

/// Removes all objects of this run like [`remove`].
pub(crate) fn remove_all(permit: Permit, docker: &Docker, kind: Kind) {
    let run = RUN.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|it| it.id.clone());
    match run.map(|id| list(docker, kind, &id)) {
        Some(Some(names)) => names.iter().for_each(|it| remove(permit, docker, kind, it)),
        Some(None) => keep_record(),
        None => (),
    }
}

/// Keeps this run's record: it may have made an object that it does not know of.
pub(crate) fn keep_record() {
    if let Some(run) = RUN.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
        run.left = true;
    }
}

/// Removes the objects that ended runs of this checkout left on this engine. Objects that cannot be
/// removed are named, and tried again by the next run.
pub(crate) fn sweep(permit: Permit, docker: &Docker, target: &Path) -> anyhow::Result<()> {
    let Ok(entries) = fs::read_dir(target.join("runs")) else { return Ok(()) };
    for entry in entries {
        let path = entry?.path();
        // Another run may have removed the record.
        let Ok(mut file) = File::open(&path) else { continue };
        let mut engine = String::new();
        if file.try_lock().is_err() || file.read_to_string(&mut engine).is_err() {
            continue;
        }
        let id = path.file_name().unwrap_or_default().to_string_lossy();
        let is_other = !engine.is_empty() && engine != engine_asked_for();
        if !is_other && sweep_run(permit, docker, &id) {
            files::remove(permit, &path)?;
        }
    }
    Ok(())
}

/// Returns whether nothing is left of the run `id`.
fn sweep_run(permit: Permit, docker: &Docker, id: &str) -> bool {
    remove_labelled(permit, docker, &[format!("{LABEL_RUN}={id}")], &mut |kind, name| {
        let kind = kind.name();
        terminal::say(format!("removed a {kind} that an earlier run left: {name}"));
    })
}

/// Removes all objects with these labels, even after an interruption, and calls `removed` for each that
/// is gone. Reports those that could not be removed, and returns whether there are none.
fn remove_labelled(
    permit: Permit,
    docker: &Docker,
    labels: &[String],
    removed: &mut dyn FnMut(Kind, &str),
) -> bool {
    let mut is_clean = true;
    // Volumes, networks and images cannot be removed before their containers.
    for kind in [Kind::Container, Kind::Volume, Kind::Network, Kind::Image] {
        is_clean &= remove_kind(permit, docker, kind, labels, removed);
    }
    is_clean
}

/// Removes like [`remove_labelled`], objects of one kind.
pub(crate) fn remove_kind(
    permit: Permit,
    docker: &Docker,
    kind: Kind,
    labels: &[String],
    removed: &mut dyn FnMut(Kind, &str),
) -> bool {
    let Some(before) = docker.labelled(kind, labels) else { return false };
    before.iter().for_each(|it| try_to_remove(permit, docker, kind, it));
    let after = if before.is_empty() { Some(Vec::new()) } else { docker.labelled(kind, labels) };
    let mut is_clean = true;
    for name in &before {
        if after.as_ref().is_none_or(|it| it.contains(name)) {
            is_clean = false;
            say_left(kind, name);
        } else {
            removed(kind, name);
        }
    }
    is_clean
}

/// Removes an object, ignoring docker's answer: it may be gone already.
fn try_to_remove(permit: Permit, docker: &Docker, kind: Kind, name: &str) {
    let _ = process::last_words(&docker.remove(kind, name).permitted(permit));
}

/// Returns the names of the run's objects on the engine; `None` when the engine does not answer.
fn list(docker: &Docker, kind: Kind, id: &str) -> Option<Vec<String>> {
    docker.labelled(kind, &[format!("{LABEL_RUN}={id}")])
}

fn say_unknown(kind: Kind, count: usize) {
    let kind = kind.name();
    terminal::say(format!(
        "warning: docker did not say whether the {kind}s of this run are gone ({count}); the next run of `cargo xtask` in this checkout looks"
    ));
}

fn say_left(kind: Kind, name: &str) {
    terminal::say(format!(
        "warning: {} {name} could not be removed; the next run of `cargo xtask` in this checkout tries again\n\
         fix: {}",
        kind.name(),
        kind.fix(name)
    ));
}
