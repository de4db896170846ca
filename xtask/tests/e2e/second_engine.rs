//! A second, empty docker engine beside the registry of a test, like that of another machine. Its step of `ci`
//! says so where a machine cannot start one.

mod reuse;
mod shards;

use std::{
    env,
    fs::{self, File},
    path::Path,
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{
    checkout::{Checkout, run, text},
    containers::{Registry, docker},
};

/// Starts dockerd as a child of the first process of a process namespace: with that process, or with the test,
/// everything ends. A containerd of this machine is hidden, since dockerd would use it.
const START: &str = "
[[ ! -d /run/containerd ]] || mount -t tmpfs tmpfs /run/containerd
exec 3<&0
dockerd \"$@\" &
cat <&3 &
wait -n
";

/// Address of the engine in the network of the registry's container.
pub(crate) const ADDRESS: &str = "tcp://127.0.0.1:2375";

/// The engine, in the network of the registry's container, whose port of this machine leads to the registry there,
/// too. It is removed when this is dropped.
pub(crate) struct SecondEngine {
    daemon: Child,
    /// File of the network namespace.
    network: String,
    /// Sockets, in a short path.
    sockets: tempfile::TempDir,
    _data: tempfile::TempDir,
}

impl SecondEngine {
    pub(crate) fn start(registry: &Registry) -> SecondEngine {
        let inspect = ["inspect", "--format", "{{.State.Pid}}", registry.id()];
        let pid = text(&run(&mut docker(&inspect))).trim().to_owned();
        // A process of another machine's engine has the number of another program here, or of none.
        let command = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        assert!(command.contains("registry"), "the first engine is not on this machine: {command}");
        let network = format!("/proc/{pid}/ns/net");
        let port = registry.host.rsplit(':').next().unwrap();
        let redirect = ["-w", "-t", "nat", "-A", "OUTPUT", "-d", "127.0.0.1", "-p", "tcp"];
        let ports = ["--dport", port, "-j", "REDIRECT", "--to-ports", "5000"];
        run(within(&network, "iptables").args(redirect).args(ports));
        let sockets = tempfile::tempdir().unwrap();
        let data = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let daemon = dockerd(&network, sockets.path(), data.path()).spawn().unwrap();
        let engine = SecondEngine { daemon, network, sockets, _data: data };
        let deadline = Instant::now() + Duration::from_secs(600);
        while !engine.docker(&["version"]).status.success() {
            let log = || fs::read_to_string(engine.sockets.path().join("log")).unwrap();
            assert!(Instant::now() < deadline, "dockerd does not answer: {}", log());
            thread::sleep(Duration::from_millis(200));
        }
        engine
    }

    /// Returns the address of the engine's socket.
    pub(crate) fn socket(&self) -> String {
        format!("unix://{}", self.sockets.path().join("docker.sock").display())
    }

    /// Runs the docker CLI with the engine, whatever its status.
    pub(crate) fn docker(&self, args: &[&str]) -> Output {
        docker(args).env("DOCKER_HOST", self.socket()).output().unwrap()
    }

    /// Returns lines that the docker CLI prints about the engine.
    #[track_caller]
    pub(crate) fn lines(&self, args: &[&str]) -> Vec<String> {
        let output = run(docker(args).env("DOCKER_HOST", self.socket()));
        text(&output).lines().map(str::to_owned).collect()
    }

    /// Copies images of the other engine that no registry has.
    pub(crate) fn load(&self, references: &[&str]) {
        let format = "{{.Repository}}:{{.Tag}}";
        let filters =
            references.iter().flat_map(|it| ["--filter".into(), format!("reference={it}")]);
        let names = text(&run(docker(&["image", "ls", "--format", format]).args(filters)));
        let save = docker(&["save"]).args(names.lines()).stdout(Stdio::piped()).spawn();
        let mut save = save.unwrap();
        let images = save.stdout.take().unwrap();
        run(docker(&["load", "--quiet"]).env("DOCKER_HOST", self.socket()).stdin(images));
        assert!(save.wait().unwrap().success());
    }
}

impl Drop for SecondEngine {
    fn drop(&mut self) {
        // The end of its stdin ends the first process, and all others before it.
        drop(self.daemon.stdin.take());
        let _ = self.daemon.wait();
        if thread::panicking() {
            let log = fs::read_to_string(self.sockets.path().join("log")).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("{}", lines[lines.len().saturating_sub(20)..].join("\n"));
        }
    }
}

impl Checkout {
    /// Makes this a checkout on a machine with the second engine, at `host`.
    pub(crate) fn on(&mut self, engine: &SecondEngine, host: &str) {
        self.launcher = Some(["nsenter".to_owned(), format!("--net={}", engine.network)]);
        self.set("DOCKER_HOST", host);
    }
}

/// Returns a command in a network.
fn within(network: &str, program: &str) -> Command {
    let mut res = Command::new("nsenter");
    let path = env::var("PATH").unwrap();
    res.env("PATH", format!("{path}:/usr/sbin:/sbin")).arg(format!("--net={network}")).arg(program);
    res
}

fn dockerd(network: &str, sockets: &Path, data: &Path) -> Command {
    let log = File::create(sockets.join("log")).unwrap();
    let config = sockets.join("daemon.json");
    // Not this machine's own configuration.
    fs::write(&config, "{}\n").unwrap();
    let own = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
    let folders = [
        format!("--config-file={}", config.display()),
        format!("--data-root={}", data.display()),
        format!("--exec-root={}", sockets.join("exec").display()),
        format!("--pidfile={}", sockets.join("pid").display()),
        format!("--host=unix://{}", sockets.join("docker.sock").display()),
        format!("--host={ADDRESS}"),
        format!("--mtu={}", mtu()),
    ];
    let networks = ["--bip=172.31.240.1/24", "--default-address-pool=base=172.31.248.0/21,size=24"];
    let mut res = within(network, "unshare");
    res.args(own)
        .args(["bash", "-c", START, "bash"])
        .args(folders)
        .args(networks)
        .arg("--tls=false");
    res.stdin(Stdio::piped()).stdout(log.try_clone().unwrap()).stderr(log);
    res
}

/// Returns the largest packet of the other engine's default network.
fn mtu() -> String {
    let option = "{{index .Options \"com.docker.network.driver.mtu\"}}";
    let inspect = ["network", "inspect", "bridge", "--format", option];
    text(&run(&mut docker(&inspect))).trim().to_owned()
}
