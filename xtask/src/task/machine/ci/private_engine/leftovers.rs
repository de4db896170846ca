//! Folders of engines below `/run/xtask`: each is locked by its run, and records the objects that a
//! killed run left.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use anyhow::{Context as _, bail};
use fs_err as fs;

use super::{
    machine, network,
    plan::{Plan, Programs},
};
use crate::run::{
    files,
    printable::Shown as _,
    process::{self, Permit},
    ui::Ui,
};

const RECORD: &str = "record.json";

/// Waits for other runs that start or remove an engine. The lock is released with the file.
pub(super) fn lock_all(permit: Permit, run: &Path) -> anyhow::Result<File> {
    files::make_dirs(permit, run)?;
    let file = File::open(run).with_context(|| format!("cannot read {}", run.shown()))?;
    while file.try_lock().is_err() {
        thread::sleep(Duration::from_millis(50));
    }
    Ok(file)
}

/// Creates a folder for an engine and locks it, when no other run of the checkout holds it, after
/// removing the remains of killed runs. The lock is released with the file.
pub(super) fn claim(
    permit: Permit,
    run: &Path,
    dir: &Path,
    programs: &Programs,
    ui: Ui,
) -> anyhow::Result<File> {
    let mut said = false;
    loop {
        let all = lock_all(permit, run)?;
        sweep(permit, run, programs, ui)?;
        files::make_dirs(permit, dir)?;
        let own = File::open(dir)?;
        if own.try_lock().is_ok() {
            return Ok(own);
        }
        drop(all);
        if !said {
            ui.say("waiting for another `cargo xtask ci` in this checkout");
        }
        said = true;
        process::check_interrupted()?;
        thread::sleep(Duration::from_millis(200));
    }
}

/// Records the objects that will be created.
///
/// # Errors
/// The folder already contains a record, of an engine that could not be removed.
pub(super) fn record(permit: Permit, plan: &Plan) -> anyhow::Result<()> {
    let path = plan.run.join(RECORD);
    if path.exists() {
        let path = path.shown();
        bail!("{path}: an engine of another network namespace; run `cargo xtask ci` there first");
    }
    let text = serde_json::to_string_pretty(plan).context("a plan is plain data")?;
    files::write(permit, &path, text.as_bytes())?;
    Ok(())
}

/// Removes the engines whose runs have ended.
fn sweep(permit: Permit, run: &Path, programs: &Programs, ui: Ui) -> anyhow::Result<()> {
    for entry in fs::read_dir(run)? {
        let dir = entry?.path();
        let is_free = File::open(&dir).is_ok_and(|it| it.try_lock().is_ok());
        if is_free {
            ui.say(format!("removing the engine of a run that was killed: {}", dir.shown()));
            remove(permit, &dir, programs).with_context(|| format!("{} is left", dir.shown()))?;
        }
    }
    Ok(())
}

fn remove(permit: Permit, dir: &Path, programs: &Programs) -> anyhow::Result<()> {
    if let Some(plan) = read(dir)? {
        if !is_removable(&plan)? {
            return Ok(());
        }
        end(permit, &plan)?;
        network::take_down(permit, &plan.network(programs));
    }
    files::remove_tree(permit, dir)
}

/// Reads a record. A damaged one counts as missing: it was written before any object was created.
fn read(dir: &Path) -> anyhow::Result<Option<Plan>> {
    match fs::read(dir.join(RECORD)) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(err) => Err(err.into()),
    }
}

/// Returns whether the engine can be removed: not from inside of it, and its packet rules only from
/// the network where they are.
fn is_removable(plan: &Plan) -> anyhow::Result<bool> {
    let processes = machine::processes()?;
    let inside = machine::namespace(&plan.namespace_file());
    let members = inside.map(|it| machine::members(&processes, it)).unwrap_or_default();
    let is_elsewhere = plan.outside != machine::own_namespace()
        && processes.iter().any(|it| it.namespace == plan.outside);
    Ok(!is_elsewhere && !members.contains(&std::process::id().cast_signed()))
}

/// Ends all processes of an engine, and unmounts its file systems.
pub(super) fn end(permit: Permit, plan: &Plan) -> anyhow::Result<()> {
    // Looked for before, too: a containerd that sees its shim end before its own end takes the folder away.
    let mut remains = remains(plan);
    if let Some(namespace) = machine::namespace(&plan.namespace_file()) {
        machine::kill_members(permit, namespace)?;
    }
    remains.extend(self::remains(plan));
    remains.iter().for_each(|it| it.remove(permit));
    machine::unmount(permit, &plan.data)?;
    machine::unmount(permit, &plan.run)
}

/// Files of a killed container or build step outside of the engine's folders.
struct Remains {
    /// Socket of a container's shim.
    socket: Option<PathBuf>,
    /// State folder of runc.
    state: Option<PathBuf>,
    /// Control group below `/sys/fs/cgroup`, and below each of its trees in version 1.
    group: PathBuf,
}

fn remains(plan: &Plan) -> Vec<Remains> {
    let name = |it: &Path| it.file_name().unwrap_or_default().to_owned();
    let container = |task: PathBuf| {
        let address = fs::read_to_string(task.join("address")).unwrap_or_default();
        let socket = address.strip_prefix("unix://").map(PathBuf::from);
        Remains { socket, state: None, group: Path::new("docker").join(name(&task)) }
    };
    let step = |step: PathBuf| Remains {
        socket: None,
        state: Some(Path::new("/run/runc").join(name(&step))),
        group: Path::new("docker/buildkit").join(name(&step)),
    };
    let tasks = folders(&plan.run.join("containerd/io.containerd.runtime.v2.task/moby"));
    let steps = folders(&plan.data.join("docker/buildkit/executor"));
    tasks.into_iter().map(container).chain(steps.into_iter().map(step)).collect()
}

impl Remains {
    fn remove(&self, permit: Permit) {
        if let Some(socket) = &self.socket {
            let _ = files::remove(permit, socket);
        }
        if let Some(state) = &self.state {
            let _ = files::remove_tree(permit, state);
        }
        let root = Path::new("/sys/fs/cgroup");
        for tree in folders(root).into_iter().chain([root.to_owned()]) {
            machine::end_group(permit, &tree.join(&self.group));
        }
    }
}

fn folders(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
    entries.map(|it| it.path()).filter(|it| it.is_dir()).collect()
}
