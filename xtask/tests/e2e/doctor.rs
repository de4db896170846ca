//! `doctor` on bare machines: containers of two distributions, and of one without apt. Each has a
//! network of its own, so that a dockerd there could not cause damage; it cannot start there.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command, thread};

use crate::{
    checkout::{Checkout, Run, run, text},
    containers::{Container, docker},
};

const DEBIAN: &str = "science-platform/rootfs:latest";
const UBUNTU: &str = "science-platform-tests/ubuntu:noble";

/// Findings on such a machine.
const ALL: [&str; 3] = ["tools", "engine", "rootfs"];

/// Ubuntu's keys, as Debian packages them.
const FETCH_KEYS: &str = "
set -euo pipefail
cd /out
apt-get update --quiet
apt-get download --quiet ubuntu-keyring
dpkg-deb --extract ubuntu-keyring_*.deb .
";

/// Ctrl-C in a terminal, when the question is asked.
const CTRL_C: &str = r#"
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execvp("xtask", ["xtask", "doctor", "--offline", "--fix"])
said = b""
while b"[y/N]" not in said:
    said += os.read(terminal, 1024)
os.write(terminal, b"\x03")
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"#;

#[test]
fn on_fresh_machines() {
    let checkout = Checkout::copied();
    make_ubuntu();
    thread::scope(|scope| {
        scope.spawn(|| fresh(&Machine::start(&checkout, DEBIAN)));
        scope.spawn(|| fresh(&Machine::start(&checkout, UBUNTU)));
    });
}

/// Missing tools are reported to everybody, and installed for root alone.
fn fresh(machine: &Machine) {
    let told = machine.doctor("root", &[], &[]).lacks(&ALL);
    told.says("doctor --fix, which runs").says("apt-get install");

    let user = machine.doctor("1000", &[], &["--fix", "--yes"]).lacks(&ALL);
    user.says("run as root").says(" docker.io").never_says("running apt-get");

    let asked = machine.doctor("root", &[], &["--fix"]);
    asked.says("service docker start").says("pass `--yes`").never_says("running");
    assert_eq!(asked.0.status, Some(3));
    let interrupted = machine.exec("root", &[], &["timeout", "600", "python3", "-c", CTRL_C]);
    assert_eq!(interrupted.status, Some(130));

    let elsewhere = ["DOCKER_HOST=tcp://127.0.0.1:1"];
    let named = machine.doctor("root", &elsewhere, &["--fix"]);
    named.says("mmdebstrap").never_says("docker.io").never_says("service docker");
    machine.script("touch /usr/local/bin/podman");
    let podman = machine.doctor("root", &[], &["--fix"]);
    podman.says("mmdebstrap").never_says("docker.io").never_says("service docker");
    machine.script("rm /usr/local/bin/podman");

    // All but an engine, which cannot run in a container.
    let fixed = machine.doctor("root", &[], &["--fix", "--yes"]).lacks(&["engine"]);
    fixed.says("running apt-get update").never_says("nothing is missing");
    fixed.says("docker was told to start, and no engine answers");
    machine.script("git --version; mmdebstrap --version; docker --version; docker buildx version");
    machine.script("test -e /usr/share/keyrings/debian-archive-keyring.gpg");
    let again = machine.doctor("root", &[], &[]).lacks(&["engine"]);
    again.says("no docker engine answers").never_says("apt-get");
}

#[test]
fn without_apt_it_says_what_to_do() {
    let checkout = Checkout::copied();
    let machine = Machine::start(&checkout, DEBIAN);
    machine.script("rm /usr/bin/apt-get; echo ID=fedora > /etc/os-release");
    for user in ["root", "1000"] {
        let told = machine.doctor(user, &[], &["--fix", "--yes"]);
        let told = told.lacks(&ALL);
        told.never_says("running");
        told.says("https://docs.docker.com/engine/install/").says("install mmdebstrap, or set");
    }
}

/// A container with the tool and a read-only checkout.
pub(crate) struct Machine(Container);

impl Machine {
    pub(crate) fn start(checkout: &Checkout, image: &str) -> Machine {
        let name = image.replace(['/', ':'], "-");
        // Packages are fetched once for all runs in this target folder.
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("apt").join(name);
        fs::create_dir_all(cache.join("partial")).unwrap();
        let mount = |from: &Path, to: &str| format!("{}:{to}", from.display());
        let tool = mount(Path::new(env!("CARGO_BIN_EXE_xtask")), "/usr/local/bin/xtask:ro");
        let checkout = mount(&checkout.path(""), "/checkout:ro");
        let cache = mount(&cache, "/var/cache/apt/archives");
        let volumes = ["--volume", &tool, "--volume", &checkout, "--volume", &cache];
        let small = ["--tmpfs", "/small:size=32m"];
        let rest = ["--workdir", "/checkout", image, "sleep", "1d"];
        Machine(Container::start(&[&volumes[..], &small, &rest].concat()))
    }

    /// Runs a command, whatever its status.
    pub(crate) fn exec(&self, user: &str, env: &[&str], command: &[&str]) -> Run {
        let mut exec = docker(&["exec", "--user", user]);
        env.iter().for_each(|it| _ = exec.args(["--env", it]));
        let output = exec.arg(&self.0.id).args(command).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let run = Run { status: output.status.code(), stdout: text(&output), stderr };
        eprintln!("$ {}\n{}{}", command.join(" "), run.stdout, run.stderr);
        run
    }

    #[track_caller]
    pub(crate) fn script(&self, script: &str) {
        let run = self.exec("root", &[], &["bash", "-ec", script]);
        assert_eq!(run.status, Some(0), "{script}");
    }

    fn doctor(&self, user: &str, env: &[&str], flags: &[&str]) -> Told {
        Told(self.exec(user, env, &[&["xtask", "doctor", "--offline"], flags].concat()))
    }
}

/// Output of `doctor`.
struct Told(Run);

impl Told {
    /// Checks that it ended with a report of exactly these findings.
    #[track_caller]
    fn lacks(self, expected: &[&str]) -> Told {
        assert_eq!(self.0.status, Some(3));
        let lines: Vec<&str> = self.0.stderr.lines().collect();
        let is_fix = |it: &&[&str]| it[1].starts_with("    fix: ");
        let report = lines.windows(2).filter(is_fix);
        let found: Vec<&str> = report.filter_map(|it| Some(it[0].split_once(':')?.0)).collect();
        assert_eq!(found, expected);
        self
    }

    #[track_caller]
    fn says(&self, part: &str) -> &Told {
        assert!(self.0.stderr.contains(part), "it does not say {part}");
        self
    }

    #[track_caller]
    fn never_says(&self, part: &str) -> &Told {
        assert!(!self.0.stderr.contains(part), "it says {part}");
        self
    }
}

/// Makes the image, once for all runs on this engine.
fn make_ubuntu() {
    if docker(&["image", "inspect", UBUNTU]).output().unwrap().status.success() {
        return;
    }
    let keys = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ubuntu-keys");
    fs::create_dir_all(&keys).unwrap();
    let volume = format!("{}:/out", keys.display());
    run(&mut docker(&["run", "--rm", "--volume", &volume, DEBIAN, "bash", "-c", FETCH_KEYS]));
    // In a place that apt's own user can read, wherever this checkout is.
    let readable = fs::Permissions::from_mode(0o644);
    let keyring = tempfile::Builder::new().permissions(readable).tempfile_in("/tmp").unwrap();
    fs::copy(keys.join("usr/share/keyrings/ubuntu-archive-keyring.gpg"), &keyring).unwrap();
    let tar = keys.join("ubuntu.tar");
    run(Command::new("mmdebstrap")
        .args(["--variant=apt", "--include=python3,ca-certificates"])
        .arg(format!("--keyring={}", keyring.path().display()))
        .arg("noble")
        .arg(&tar)
        .arg("deb http://archive.ubuntu.com/ubuntu noble main universe"));
    run(&mut docker(&["import", tar.to_str().unwrap(), UBUNTU]));
    fs::remove_file(tar).unwrap();
}
