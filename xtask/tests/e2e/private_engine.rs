//! The private engine of `ci`: started, entered, interrupted, killed; nothing of it is left. Where
//! the tests run on such an engine, one runs inside of the other.

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::{Command, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::geteuid,
};

use crate::{
    checkout::{Checkout, Run, text},
    running::{Recipient, Running},
};

/// Step whose script the tests replace.
const STEP: &[&str] = &["--verbose", "ci", "--engine", "private", "--only", "script tests"];
const SCRIPT: &str = "common/image/tests/run";

/// Lists the engine's content, and checks this machine's loopback.
const LOOK: &str = r#"#!/bin/bash
set -euo pipefail
echo "$DOCKER_HOST" > host
docker info --format '{{.Driver}}' > driver
docker image ls --quiet | wc -l > images
docker network create --label test test-network > /dev/null
(exec 3<> "/dev/tcp/127.0.0.1/$(cat port)") 2> /dev/null && echo reached > loopback || echo apart > loopback
"#;

/// Starts a container from this machine's `sleep` and its libraries; then waits.
const HOLD: &str = r#"#!/bin/bash
set -euo pipefail
sleep=$(realpath "$(command -v sleep)")
libraries=$(ldd "$sleep" | grep --only-matching '/[^ ]*')
tar --create --dereference --directory / $sleep $libraries 2> /dev/null | docker import - sleep > /dev/null
id=$(docker run --detach --restart always --stop-signal KILL sleep "$sleep" 1000)
docker inspect --format 'container {{.State.Pid}} {{.Id}}' "$id"
exec sleep 1000
"#;

#[test]
fn an_engine_for_one_run() {
    let checkout = Checkout::copied();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    checkout.write("port", &listener.local_addr().unwrap().port().to_string());
    checkout.script(SCRIPT, LOOK);
    let run = checkout.run(STEP);
    if !is_able() {
        assert_says_why_not(&checkout, &run);
        return;
    }
    assert_eq!(run.status, Some(0));
    assert!(run.stdout.contains("a part only: "), "{}", run.stdout);
    assert!(checkout.read("host").starts_with("unix:///run/xtask/"));
    assert_eq!(checkout.read("images").trim(), "0");
    assert_eq!(checkout.read("loopback").trim(), "apart");
    let log = checkout.read("target/xtask/logs/ci-engine.log");
    let has_overlay2 = checkout.read("driver").trim() == "overlay2";
    assert!(has_overlay2 || log.contains("no overlay2: "), "{log}");
    assert!(!checkout.read("target/xtask/logs/dockerd.log").is_empty());
    assert_nothing_is_left(&checkout);
}

#[test]
fn an_engine_of_a_run_that_is_interrupted_or_killed() {
    if !is_able() {
        return an_engine_for_one_run();
    }
    let checkout = Checkout::copied();
    checkout.script(SCRIPT, HOLD);
    for receiver in [Recipient::Tool, Recipient::Group] {
        let running = Running::start(&checkout, STEP);
        let container = Container::wait_for(&running);
        running.interrupt(receiver);
        assert_eq!(running.finish(), Some(130));
        assert!(container.is_gone());
        assert_nothing_is_left(&checkout);
    }

    let running = Running::start(&checkout, STEP);
    let container = Container::wait_for(&running);
    kill(running.group(), Signal::SIGKILL).unwrap();
    assert_eq!(running.finish(), None);
    assert!(!container.is_gone(), "a killed run removes nothing");
    checkout.script(SCRIPT, "#!/bin/bash\nset -euo pipefail\n");
    let run = checkout.run(STEP);
    assert_eq!(run.status, Some(0));
    assert!(run.stderr.contains("removing the engine of a run that was killed"));
    assert!(container.is_gone());
    assert_nothing_is_left(&checkout);
}

/// The container that the script has started.
struct Container {
    pid: i32,
    id: String,
}

impl Container {
    #[track_caller]
    fn wait_for(running: &Running) -> Container {
        let started = running.wait_for("container ").expect("it starts a container");
        let (pid, id) = started["container ".len()..].split_once(' ').unwrap();
        let res = Container { pid: pid.parse().unwrap(), id: id.to_owned() };
        assert!(!res.is_gone());
        res
    }

    /// Returns whether its process and its control groups are gone.
    fn is_gone(&self) -> bool {
        let group = Path::new("docker").join(&self.id);
        let root = Path::new("/sys/fs/cgroup");
        let trees = fs::read_dir(root).unwrap().map(|it| it.unwrap().path());
        let mut groups = trees.chain([root.to_owned()]).map(|it| it.join(&group));
        // One that has ended may wait for this machine's init to take notice.
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
        let has_ended = stat.rsplit_once(") ").is_none_or(|(_, it)| it.starts_with('Z'));
        has_ended && !groups.any(|it| it.exists())
    }
}

/// Returns whether this machine can run private engines, found out in another way than `ci` does.
fn is_able() -> bool {
    let programs = ["ip", "iptables", "nsenter", "containerd", "dockerd"];
    let has_all = programs.iter().all(|it| succeeds("which", &[it]));
    let resolv_conf = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let has_name_server =
        resolv_conf.contains("nameserver") && !resolv_conf.contains("nameserver 127.");
    geteuid().is_root() && has_all && has_name_server && succeeds("unshare", &["--net", "true"])
}

fn succeeds(program: &str, args: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(args).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|it| it.success())
}

#[track_caller]
fn assert_says_why_not(checkout: &Checkout, run: &Run) {
    assert_eq!(run.status, Some(3));
    assert!(run.stderr.contains("no private engine: "), "{}", run.stderr);
    assert!(!checkout.path("target/xtask/engine").exists());
}

/// Checks names that no other engine has: those of the checkout's own.
#[track_caller]
fn assert_nothing_is_left(checkout: &Checkout) {
    let log = checkout.read("target/xtask/logs/ci-engine.log");
    let id = log.split("netns add xtask-").nth(1).expect("it has a name").lines().next().unwrap();
    assert!(!Path::new("/run/xtask").join(id).exists());
    assert!(!checkout.path("target/xtask/engine/data").exists());
    let printed = |program: &str, args: &[&str]| {
        let output = Command::new(program).args(args).output().unwrap();
        assert!(output.status.success(), "{program} {args:?}");
        text(&output)
    };
    let places = [
        printed("ip", &["netns"]),
        printed("ip", &["-o", "link"]),
        printed("iptables", &["-S"]),
        printed("iptables", &["-t", "nat", "-S"]),
        fs::read_to_string("/proc/mounts").unwrap(),
        command_lines(),
    ];
    for place in places {
        let left: Vec<&str> = place.lines().filter(|it| it.contains(id)).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

/// Returns the command lines of all processes.
fn command_lines() -> String {
    let processes = fs::read_dir("/proc").unwrap().map(|it| it.unwrap().path());
    let lines = processes.filter_map(|it| fs::read(it.join("cmdline")).ok());
    lines.map(|it| String::from_utf8_lossy(&it).replace('\0', " ") + "\n").collect()
}
