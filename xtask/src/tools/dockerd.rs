//! dockerd and containerd: an engine's daemons in a network namespace.
//! References: <https://docs.docker.com/reference/cli/dockerd/>,
//! <https://github.com/containerd/containerd/blob/main/docs/man/containerd-config.toml.5.md>.

use std::path::{Path, PathBuf};

use crate::run::process::{Change, cmd};

/// Folders and addresses of an engine.
#[derive(Debug)]
pub(crate) struct Engine<'a> {
    /// Folder of sockets, pid files and state.
    pub(crate) run: &'a Path,
    /// Folder of images and the builder's cache.
    pub(crate) data: &'a Path,
    pub(crate) mtu: u32,
    /// Address of the default bridge: dockerd would see only the namespace's routes.
    pub(crate) bridge: String,
    /// Addresses of other networks.
    pub(crate) pool: String,
}

impl Engine<'_> {
    /// Returns dockerd's socket in the form of `DOCKER_HOST`.
    pub(crate) fn host(run: &Path) -> String {
        format!("unix://{}", run.join("docker.sock").to_string_lossy())
    }

    /// Returns configuration files: this machine's own are ignored, since they configure its own
    /// engine.
    pub(crate) fn files(&self) -> Vec<(PathBuf, String)> {
        let containerd = format!(
            r#"version = 2
root = {root:?}
state = {state:?}
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = {socket:?}
[plugins."io.containerd.internal.v1.opt"]
path = {opt:?}
"#,
            root = self.data.join("containerd"),
            state = self.run.join("containerd"),
            socket = self.run.join("containerd.sock"),
            opt = self.run.join("opt"),
        );
        vec![
            (self.run.join("containerd.toml"), containerd),
            (self.run.join("daemon.json"), "{}\n".to_owned()),
        ]
    }

    /// Returns the command for a separate containerd: dockerd would use this machine's running one,
    /// and its containers.
    pub(crate) fn containerd(&self, program: &Path) -> Change {
        let config = self.run.join("containerd.toml");
        cmd!("/", "{program} --config {config}")
    }

    /// Returns the command for dockerd; `driver` is its storage driver, if not its own choice.
    pub(crate) fn dockerd(&self, program: &Path, driver: Option<&str>) -> Change {
        let place = |name: &str| self.run.join(name);
        let (config, containerd, exec) =
            (place("daemon.json"), place("containerd.sock"), place("exec"));
        let (pid, host, data) =
            (place("dockerd.pid"), Engine::host(self.run), self.data.join("docker"));
        let (mtu, Engine { bridge, pool, .. }) = (self.mtu.to_string(), self);
        let dockerd = cmd!(
            "/",
            "{program} --config-file {config} --containerd {containerd} --data-root {data} --exec-root {exec} --pidfile {pid} --host {host} --mtu {mtu} --bip {bridge} --default-address-pool {pool} --shutdown-timeout 5"
        );
        dockerd.args(driver.map(|it| ["--storage-driver", it]).into_iter().flatten())
    }
}
