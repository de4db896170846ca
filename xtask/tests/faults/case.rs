//! A recorded run, and the same run with a fault in one of its calls.

use std::{
    collections::BTreeSet,
    fmt,
    fs::{self, File},
    io::Read as _,
    path::Path,
    process::{Child, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use nix::{
    pty::openpty,
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};

use crate::{
    judge::{self, Seen, Violation},
    plan::{Call, Fault, Plan, Recorded},
    tasks::Task,
    world::{Snapshot, World, calls, faults},
};

pub(crate) const FAULTS: [Fault; 10] = [
    Fault::Fails,
    Fault::FailsAfterwards,
    Fault::Hangs,
    Fault::HangsAfterwards,
    Fault::Interrupted,
    Fault::PrintsGarbage,
    Fault::IsKilled,
    Fault::DoesNothing,
    Fault::OnlySaysSo,
    Fault::DoesHalf,
];

impl Fault {
    /// Returns whether the user who watches and waits for a program would see the fault.
    fn is_a_person_s(self) -> bool {
        !matches!(self, Fault::Fails | Fault::FailsAfterwards | Fault::IsKilled)
    }

    /// Returns whether the fault is selected: `FAULTS_OF=Fails,Hangs` selects a part of all.
    fn is_asked_for(self) -> bool {
        let asked = std::env::var("FAULTS_OF").unwrap_or_default();
        asked.is_empty() || asked.split(',').any(|it| it == format!("{self:?}"))
    }
}

/// Time after which a run counts as hanging: more than any machine takes.
const LIMIT: Duration = Duration::from_secs(120);

/// A run without a fault.
pub(crate) struct Recording<'a> {
    task: &'a Task,
    world: Box<dyn World>,
    before: Snapshot,
    after: Snapshot,
    stdout: String,
    calls: Vec<(Call, Vec<u8>)>,
    /// Folder of the run.
    dir: String,
}

/// A call of a task, and its fault.
pub(crate) struct Case<'a> {
    pub(crate) task: &'a Task,
    pub(crate) call: &'a Call,
    pub(crate) fault: Fault,
    stdout: &'a [u8],
    recording: &'a Recording<'a>,
}

/// Result of a case.
pub(crate) struct Verdict<'a> {
    pub(crate) case: &'a Case<'a>,
    pub(crate) violations: Vec<Violation>,
    /// End of the tool's output.
    pub(crate) said: String,
}

/// Effects of a run.
#[derive(Debug)]
pub(crate) struct Ran {
    /// Whether the call with the fault came.
    pub(crate) came: bool,
    pub(crate) ended: bool,
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// Whether the terminal moved while a call hung.
    pub(crate) heartbeat: bool,
    /// Programs that outlived the run.
    pub(crate) alive: Vec<String>,
}

impl fmt::Display for Case<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Call { program, line, nth } = self.call;
        let line: String = line.chars().take(200).collect();
        write!(f, "{}: {:?}: {program} {line} ({nth})", self.task.name, self.fault)
    }
}

impl fmt::Display for Verdict<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.case)?;
        self.violations.iter().try_for_each(|it| write!(f, "\n    {it}"))?;
        write!(f, "\n    {}", self.said)
    }
}

impl<'a> Recording<'a> {
    pub(crate) fn of(task: &'a Task) -> Recording<'a> {
        let world = (task.prepare)();
        // Calls of the preparation do not count.
        let _ = fs::remove_file(faults(&*world).join("calls"));
        let copy = world.copy();
        let before = copy.look();
        let ran = run(&*copy, task, task.args, &Plan::Record);
        assert_eq!(ran.status, Some(task.status), "{}: {}\n{}", task.name, ran.stdout, ran.stderr);
        let after = copy.look();
        let old = &before.leftovers;
        let left: Vec<_> = after.leftovers.iter().filter(|it| !old.contains(it)).collect();
        assert!(left.is_empty(), "{}: {left:?}", task.name);
        let read = |it: Recorded| {
            let stdout = fs::read(faults(&*copy).join("out").join(it.number.to_string()));
            (it.call, stdout.unwrap_or_default())
        };
        let calls = calls(&*copy).into_iter().map(read).collect();
        let dir = copy.dir().display().to_string();
        Recording { task, before, after, stdout: ran.stdout, calls, dir, world }
    }
}

impl<'a> Case<'a> {
    /// Returns every call with every fault; calls whose program and line are in `seen`, since an
    /// earlier task has them too or an earlier call is equal, get two faults each.
    pub(crate) fn of(
        recording: &'a Recording<'a>,
        seen: &mut BTreeSet<(&'a str, &'a str)>,
    ) -> Vec<Case<'a>> {
        let mut res = Vec::new();
        for (idx, (call, stdout)) in recording.calls.iter().enumerate() {
            let task = recording.task;
            let is_attended = task.attended.is_some_and(|start| call.line.starts_with(start));
            let is_new = seen.insert((&call.program, &call.line));
            for (place, fault) in FAULTS.into_iter().enumerate() {
                let is_chosen = is_new || (idx + place).is_multiple_of(FAULTS.len() / 2);
                if is_chosen && fault.is_asked_for() && !(is_attended && fault.is_a_person_s()) {
                    res.push(Case { task, call, fault, stdout, recording });
                }
            }
        }
        res
    }

    pub(crate) fn judge(&self) -> Verdict<'_> {
        let world = self.recording.world.copy();
        let from = self.recording.dir.as_bytes();
        let replay = replaced(self.stdout, from, world.dir().display().to_string().as_bytes());
        fs::write(faults(&*world).join("replay"), replay).unwrap();
        let ran =
            run(&*world, self.task, self.task.args, &Plan::Fault(self.call.clone(), self.fault));
        let Recording { before, after, stdout, .. } = self.recording;
        let seen = Seen {
            task: self.task,
            fault: self.fault,
            before,
            recorded: (after, stdout),
            after: world.look(),
            ran,
        };
        let said = format!("status {:?}: {}", seen.ran.status, last_lines(&seen.ran.stderr));
        Verdict { case: self, violations: judge::violations(&seen), said }
    }
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(5)..].join("\n        ")
}

/// Returns `bytes` with `to` in each place of `from`.
fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut res = Vec::new();
    let mut start = 0;
    for at in memchr::memmem::find_iter(bytes, from) {
        res.extend(&bytes[start..at]);
        res.extend(to);
        start = at + from.len();
    }
    res.extend(&bytes[start..]);
    res
}

/// Runs the tool in `world` with `args`, and with the stdin of `task`.
pub(crate) fn run(world: &dyn World, task: &Task, args: &[&str], plan: &Plan) -> Ran {
    let dir = faults(world);
    fs::write(dir.join("plan.json"), serde_json::to_string(plan).unwrap()).unwrap();
    fs::write(dir.join("stdin"), task.stdin).unwrap();
    let stdin = File::open(dir.join("stdin")).unwrap();
    fs::remove_file(dir.join("stdin")).unwrap();
    let stdout = File::create(dir.join("stdout")).unwrap();
    let mut command = world.command(args);
    command.stdin(stdin).stdout(stdout).env("XTASK_PAUSE", "0");
    let interrupts = matches!(plan, Plan::Fault(_, Fault::Interrupted));
    // A hanging call is stopped at once, or after the interruption.
    command.env("XTASK_GIVE_UP", dir.join(if interrupts { "interrupted" } else { "hung" }));
    let said = Said::default();
    let terminal = interrupts.then(|| openpty(None, None).unwrap());
    match &terminal {
        Some(it) => command.env("TERM", "xterm").stderr(Stdio::from(it.slave.try_clone().unwrap())),
        None => command.stderr(Stdio::from(File::create(dir.join("stderr")).unwrap())),
    };
    let mut child = command.spawn().unwrap();
    drop(command);
    let heartbeat = terminal.is_some_and(|it| {
        drop(it.slave);
        said.listen(File::from(it.master));
        interrupt(&mut child, &dir, &said)
    });
    let ended = wait(&mut child, &|| false);
    if !ended {
        let _ = killpg(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL);
    }
    let status = child.wait().unwrap().code();
    let alive = alive(world);
    let read =
        |name: &str| String::from_utf8_lossy(&fs::read(dir.join(name)).unwrap()).into_owned();
    Ran {
        came: dir.join("came").exists() || matches!(plan, Plan::Record),
        ended,
        status,
        stdout: read("stdout"),
        stderr: if interrupts { said.text() } else { read("stderr") },
        heartbeat,
        alive,
    }
}

/// Waits until a call hangs and the terminal shows that, and sends SIGINT to the tool alone.
/// Returns whether the terminal showed it.
fn interrupt(child: &mut Child, dir: &Path, said: &Said) -> bool {
    wait(child, &|| dir.join("hung").exists());
    let heard = said.len();
    let hung = Instant::now();
    let tells = || said.len() > heard || hung.elapsed() > Duration::from_secs(20);
    wait(child, &tells);
    let res = said.len() > heard;
    let _ = kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT);
    let _ = fs::copy(dir.join("hung"), dir.join("interrupted.new"));
    let _ = fs::rename(dir.join("interrupted.new"), dir.join("interrupted"));
    res
}

/// Waits for the end of the run, or for `other`; returns `false` when neither came.
fn wait(child: &mut Child, other: &dyn Fn() -> bool) -> bool {
    let deadline = Instant::now() + LIMIT;
    while child.try_wait().unwrap().is_none() && !other() {
        if Instant::now() > deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(3));
    }
    true
}

/// Output on the other end of a terminal.
#[derive(Default, Clone)]
struct Said(Arc<Mutex<Vec<u8>>>);

impl Said {
    fn listen(&self, mut terminal: File) {
        let said = Arc::clone(&self.0);
        thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(n @ 1..) = terminal.read(&mut chunk) {
                said.lock().unwrap().extend(&chunk[..n]);
            }
        });
    }

    fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

/// Returns the recorded programs and their children that still run; ends them.
fn alive(world: &dyn World) -> Vec<String> {
    let dir = faults(world);
    let child = fs::read_to_string(dir.join("child")).ok();
    let pids = calls(world).into_iter().map(|it| it.pid.to_string()).chain(child);
    let is_ours = |pid: &String| {
        let read = |name: &str| fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
        let stat = String::from_utf8_lossy(&read("stat")).into_owned();
        let is_dead = stat.rsplit_once(") ").is_none_or(|(_, it)| it.starts_with('Z'));
        let state = world.dir().display().to_string();
        !is_dead && memchr::memmem::find(&read("environ"), state.as_bytes()).is_some()
    };
    let alive: Vec<String> = pids.filter(is_ours).collect();
    for pid in &alive {
        let _ = kill(Pid::from_raw(pid.parse().unwrap()), Signal::SIGKILL);
    }
    alive
}
