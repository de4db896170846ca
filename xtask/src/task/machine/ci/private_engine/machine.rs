//! Processes and mounts of an engine, from the kernel, and how to end them.

use std::{
    collections::BTreeSet,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::bail;
use fs_err as fs;
use nix::{
    mount::{MntFlags, umount2},
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::run::{files, printable::Shown as _, process::Permit};

/// A process, in the terms of `/proc`: proc(5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) id: i32,
    pub(super) parent: i32,
    /// Network namespace; 0 for a process that has ended.
    pub(super) namespace: u64,
    /// Start time, in ticks since the boot: a later process may have the same id.
    pub(super) start: u64,
    /// Whether the process has ended, but its parent has not read its status yet.
    pub(super) is_zombie: bool,
}

/// Time the kernel may take to end killed processes.
const KILLED: Duration = Duration::from_secs(20);

/// Returns the number of a network namespace, from a file such as `/proc/self/ns/net`.
pub(super) fn namespace(file: &Path) -> Option<u64> {
    fs::metadata(file).ok().map(|it| it.ino())
}

/// Returns the number of this process's network namespace.
pub(super) fn own_namespace() -> u64 {
    namespace(Path::new("/proc/self/ns/net")).unwrap_or_default()
}

pub(super) fn processes() -> anyhow::Result<Vec<Process>> {
    let entries = fs::read_dir("/proc")?.filter_map(Result::ok);
    Ok(entries.filter_map(|it| process(&it.path())).collect())
}

/// Returns `None` for a folder that is not a process, or whose process ended meanwhile.
fn process(dir: &Path) -> Option<Process> {
    let id = dir.file_name()?.to_str()?.parse().ok()?;
    let stat = fs::read_to_string(dir.join("stat")).ok()?;
    // After the name in brackets, which may contain anything, come the state, the parent, and so
    // on.
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    Some(Process {
        id,
        parent: fields.get(1)?.parse().ok()?,
        namespace: namespace(&dir.join("ns/net")).unwrap_or_default(),
        start: fields.get(19)?.parse().ok()?,
        is_zombie: *fields.first()? == "Z",
    })
}

/// Returns the processes in a network namespace and all that they started: containers have other
/// namespaces.
pub(super) fn members(processes: &[Process], namespace: u64) -> BTreeSet<i32> {
    let inside = processes.iter().filter(|it| it.namespace == namespace);
    let mut res: BTreeSet<i32> = inside.map(|it| it.id).collect();
    loop {
        let children = processes.iter().filter(|it| res.contains(&it.parent)).map(|it| it.id);
        let found: BTreeSet<i32> = children.filter(|it| !res.contains(it)).collect();
        if found.is_empty() {
            return res;
        }
        res.extend(found);
    }
}

/// Kills the processes in a network namespace and all that they started, and returns after the last
/// of them has ended, even if its parent ended first and `/proc` no longer shows its owner.
pub(super) fn kill_members(_: Permit, namespace: u64) -> anyhow::Result<()> {
    let deadline = Instant::now() + KILLED;
    let mut found = BTreeSet::new();
    loop {
        let processes = processes()?;
        let alive = || processes.iter().filter(|it| !it.is_zombie).map(|it| (it.id, it.start));
        let members = members(&processes, namespace);
        found.extend(alive().filter(|(id, _)| members.contains(id)));
        found = alive().filter(|it| found.contains(it)).collect();
        if found.is_empty() {
            return Ok(());
        }
        if members.contains(&std::process::id().cast_signed()) {
            bail!("this run is in the network namespace that it was to remove");
        }
        if Instant::now() > deadline {
            bail!("processes that were killed do not end: {found:?}");
        }
        found.iter().for_each(|(id, _)| _ = kill(Pid::from_raw(*id), Signal::SIGKILL));
        thread::sleep(Duration::from_millis(50));
    }
}

/// Removes a control group after it has killed the processes in it: a container that was just
/// starting has no parent any more when the process that started it was killed. cgroups(7).
pub(super) fn end_group(permit: Permit, dir: &Path) {
    let deadline = Instant::now() + KILLED;
    while dir.exists() && Instant::now() < deadline {
        let ids = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
        for id in ids.lines().filter_map(|it| it.parse().ok()).filter(|it| *it > 1) {
            let _ = kill(Pid::from_raw(id), Signal::SIGKILL);
        }
        files::remove_empty(permit, dir);
        if dir.exists() {
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Unmounts all file systems at or below `dir`.
pub(super) fn unmount(_: Permit, dir: &Path) -> anyhow::Result<()> {
    for it in mounts(dir)? {
        let _ = umount2(&it, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW);
    }
    match mounts(dir)?.as_slice() {
        [] => Ok(()),
        [first, ..] => bail!("{}: still mounted", first.shown()),
    }
}

fn mounts(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    Ok(mounts_in(&fs::read_to_string("/proc/self/mountinfo")?, dir))
}

/// Returns mount points at or below `dir`, last first, from the text of proc_pid_mountinfo(5).
fn mounts_in(mountinfo: &str, dir: &Path) -> Vec<PathBuf> {
    let points = mountinfo.lines().filter_map(|it| it.split(' ').nth(4)).map(unescaped);
    let mut res: Vec<PathBuf> =
        points.map(PathBuf::from).filter(|it| it.starts_with(dir)).collect();
    res.reverse();
    res
}

/// Decodes white space and backslashes, which are written as octal numbers.
fn unescaped(text: &str) -> String {
    let codes = [(r"\040", " "), (r"\011", "\t"), (r"\012", "\n"), (r"\134", r"\")];
    codes.iter().fold(text.to_owned(), |text, (code, c)| text.replace(code, c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_those_inside_and_what_they_started() {
        // A dockerd, its runc outside of the namespace, a container's process, and others.
        let table = [(1, 0, 9), (20, 1, 5), (21, 20, 9), (22, 21, 7), (30, 1, 9), (31, 30, 0)];
        let process =
            |(id, parent, namespace)| Process { id, parent, namespace, start: 0, is_zombie: false };
        let table: Vec<Process> = table.map(process).to_vec();
        assert_eq!(members(&table, 5).into_iter().collect::<Vec<_>>(), [20, 21, 22]);
        assert!(members(&table, 6).is_empty());
    }

    #[test]
    fn this_process_is_in_the_table() {
        let id = std::process::id().cast_signed();
        let table = processes().unwrap();
        let own = table.iter().find(|it| it.id == id).expect("it runs");
        assert_eq!(own.parent, nix::unistd::getppid().as_raw());
        assert!(
            kill_members(Permit::of_test(), own_namespace())
                .unwrap_err()
                .to_string()
                .contains("this run is in")
        );
    }

    #[test]
    fn mounts_below_a_folder() {
        let text = "\
22 1 254:0 / / rw - ext4 /dev/vda rw
40 22 254:0 /d /a/b\\040c rw,relatime shared:1 - ext4 /dev/vda rw
41 40 0:35 / /a/b\\040c/merged rw - overlay overlay rw
42 22 0:35 / /a/b\\040cd rw - overlay overlay rw
";
        let found = mounts_in(text, Path::new("/a/b c"));
        assert_eq!(found, [Path::new("/a/b c/merged"), Path::new("/a/b c")]);
        assert_eq!(mounts_in(text, Path::new("/x")), Vec::<PathBuf>::new());
    }
}
