//! Looks for secrets in the arguments and variables of all processes of this machine, from a thread.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// A thread that looks until it is asked what it has found.
pub(crate) struct Spy {
    is_over: Arc<AtomicBool>,
    looking: JoinHandle<BTreeSet<String>>,
}

impl Spy {
    pub(crate) fn on(secrets: Vec<String>) -> Spy {
        let is_over = Arc::new(AtomicBool::new(false));
        let over = is_over.clone();
        let looking = thread::spawn(move || {
            let mut found = BTreeSet::new();
            while !over.load(Ordering::Relaxed) {
                look(&secrets, &mut found);
                thread::sleep(Duration::from_millis(2));
            }
            found
        });
        Spy { is_over, looking }
    }

    /// Returns the places in which a secret was seen.
    pub(crate) fn found(self) -> BTreeSet<String> {
        self.is_over.store(true, Ordering::Relaxed);
        self.looking.join().unwrap()
    }
}

fn look(secrets: &[String], found: &mut BTreeSet<String>) {
    for dir in fs::read_dir("/proc").unwrap().map_while(Result::ok).map(|it| it.path()) {
        for name in ["cmdline", "environ"] {
            if fs::read(dir.join(name)).is_ok_and(|it| holds(&it, secrets)) {
                let program = fs::read_to_string(dir.join("comm")).unwrap_or_default();
                found.insert(format!("{name} of {}", program.trim()));
            }
        }
    }
}

fn holds(bytes: &[u8], secrets: &[String]) -> bool {
    secrets.iter().any(|it| memchr::memmem::find(bytes, it.as_bytes()).is_some())
}

/// Returns the files below `dir` that contain a secret.
pub(crate) fn files(dir: &Path, secrets: &[String]) -> Vec<String> {
    let mut folders = vec![dir.to_owned()];
    let mut res = Vec::new();
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()) {
            if path.is_symlink() {
                continue;
            } else if path.is_dir() {
                folders.push(path);
            } else if fs::read(&path).is_ok_and(|it| holds(&it, secrets)) {
                res.push(path.display().to_string());
            }
        }
    }
    res
}
