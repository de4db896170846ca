//! Containers, their volumes and networks: command lines, and what docker prints about them.

use std::{collections::BTreeMap, ffi::OsString, fmt, path::Path};

use anyhow::{Context as _, ensure};
use nix::unistd;
use serde::Deserialize;

use super::Docker;
use crate::run::process::{self, Change, Cmd, Patience};

/// A container, as `docker container inspect` describes it.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct FoundContainer {
    pub(crate) id: String,
    state: State,
    config: Config,
    network_settings: Network,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    running: bool,
    #[serde(default)]
    paused: bool,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    env: Option<Vec<String>>,
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Network {
    ports: Option<BTreeMap<String, Option<Vec<Address>>>>,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Address {
    host_ip: String,
    host_port: String,
}

impl FoundContainer {
    /// Parses the output of `docker container inspect`.
    pub(crate) fn parse(text: &str) -> anyhow::Result<FoundContainer> {
        let read: Vec<FoundContainer> = serde_json::from_str(text)
            .context("`docker container inspect` printed something unexpected")?;
        read.into_iter().next().context("`docker container inspect` printed nothing")
    }

    pub(crate) fn is_running(&self) -> bool {
        self.state.running && !self.state.paused
    }

    pub(crate) fn label(&self, name: &str) -> Option<&str> {
        self.config.labels.as_ref()?.get(name).map(String::as_str)
    }

    /// Returns the value of a variable of its first process.
    pub(crate) fn env(&self, name: &str) -> Option<&str> {
        self.config.env.iter().flatten().find_map(|it| it.strip_prefix(name)?.strip_prefix('='))
    }

    /// Returns where this machine reaches the container's port, like `127.0.0.1:5000`.
    pub(crate) fn address(&self, port: &str) -> Option<String> {
        let ports = self.network_settings.ports.as_ref()?.get(port)?.as_ref()?;
        ports.first().map(|it| format!("{}:{}", it.host_ip, it.host_port))
    }
}

impl Docker {
    /// Returns a container by its name, if it exists.
    pub(crate) fn container(&self, name: &str) -> anyhow::Result<Option<FoundContainer>> {
        let output = process::output(&self.query(["container", "inspect", name]))?;
        if output.status != 0 && output.stderr.to_lowercase().contains("no such container") {
            return Ok(None);
        }
        ensure!(
            output.status == 0,
            "cannot inspect the container {name}: {}",
            process::last_lines(&output.stderr, 3)
        );
        FoundContainer::parse(&output.stdout).map(Some)
    }

    /// Returns the ids and names of the containers with a label.
    pub(crate) fn containers_with(&self, label: &str) -> anyhow::Result<Vec<(String, String)>> {
        let (filter, format) = (format!("label={label}"), "{{.ID}}\t{{.Names}}");
        let ls = ["container", "ls", "--all", "--no-trunc", "--filter", &filter];
        let text = process::read(&self.query(ls).args(["--format", format]))?;
        let lines = text.lines().filter_map(|it| it.split_once('\t'));
        Ok(lines.map(|(id, name)| (id.to_owned(), name.to_owned())).collect())
    }

    /// Returns whether the container `id` exists.
    pub(crate) fn has_container(&self, id: &str) -> anyhow::Result<bool> {
        let filter = format!("id={id}");
        let ls = ["container", "ls", "--all", "--quiet", "--no-trunc", "--filter", &filter];
        Ok(!process::read(&self.query(ls))?.trim().is_empty())
    }

    /// Returns the command that removes a container, running or not.
    pub(crate) fn remove_container(&self, id: &str) -> Change {
        self.change(["container", "rm", "--force", id])
    }

    /// Returns the command that starts a container in the background.
    pub(crate) fn start(&self, id: &str) -> Change {
        self.change(["container", "start", id])
    }

    /// Returns the command that starts a container; its output and status are those of the command
    /// inside.
    pub(crate) fn start_attached(&self, id: &str) -> Change {
        self.change(["start", "--attach", id])
    }

    /// Returns the command that runs a program in a running container.
    pub(crate) fn exec(&self, id: &str, argv: &[&str]) -> Change {
        self.change(["exec", id]).args(argv)
    }

    /// Returns the command that copies a file into a container.
    pub(crate) fn send(&self, file: &Path, id: &str, to: &str) -> Change {
        self.change(["cp"]).args([file]).args([format!("{id}:{to}")])
    }

    /// Returns the command that unpacks the tar archive on its stdin in a container.
    pub(crate) fn unpack(&self, id: &str, to: &str) -> Change {
        self.change(["cp", "-", &format!("{id}:{to}")])
    }

    /// Returns the command that prints a path of a container as a tar archive.
    pub(crate) fn pack(&self, id: &str, path: &str) -> Cmd {
        self.query(["cp", &format!("{id}:{path}"), "-"])
    }

    /// Returns the command that makes a volume.
    pub(crate) fn make_volume(&self, name: &str, labels: &[&str]) -> Change {
        let labels = labels.iter().flat_map(|it| ["--label", it]);
        self.change(["volume", "create"]).args(labels).args([name])
    }

    /// Returns the smallest id of the networks with a label.
    pub(crate) fn network_with(&self, label: &str) -> anyhow::Result<Option<String>> {
        let filter = format!("label={label}");
        let ls = self.query(["network", "ls", "--quiet", "--no-trunc", "--filter", &filter]);
        Ok(process::read(&ls)?.lines().min().map(str::to_owned))
    }

    /// Returns the command that makes a network.
    pub(crate) fn make_network(&self, name: &str, labels: &[&str]) -> Change {
        let labels = labels.iter().flat_map(|it| ["--label", it]);
        self.change(["network", "create"]).args(labels).args([name])
    }

    /// Waits until a container ends, and returns its exit status.
    pub(crate) fn wait(&self, id: &str) -> anyhow::Result<String> {
        Ok(process::read(&self.query(["wait", id]))?.trim().to_owned())
    }

    /// Returns whether a container runs.
    pub(crate) fn is_running(&self, id: &str) -> anyhow::Result<bool> {
        let running = process::read(&self.query(["inspect", "--format", "{{.State.Running}}", id]));
        Ok(running?.trim() == "true")
    }

    /// Returns where this machine reaches a container's port: `127.0.0.1:<port>`.
    pub(crate) fn published(&self, id: &str, port: &str) -> anyhow::Result<String> {
        let published = process::read(&self.query(["port", id, port]))?;
        let first = published.lines().next().context("docker published no port")?;
        Ok(first.trim().to_owned())
    }

    /// Returns the command that ends containers, with the seconds that each may take.
    pub(crate) fn stop(&self, ids: &[String], seconds: u16) -> Change {
        self.change(["stop", "--time", &seconds.to_string()]).args(ids)
    }

    /// Returns the command that prints what a container has printed, and with `follow` goes on.
    pub(crate) fn logs(&self, id: &str, follow: bool) -> Cmd {
        let logs = self.query(["logs"]);
        match follow {
            true => logs.args(["--follow", id]).patience(Patience::Endless),
            false => logs.args([id]),
        }
    }

    /// Returns the last lines that a container printed.
    pub(crate) fn last_lines(&self, id: &str) -> String {
        let logs = process::output(&self.query(["logs", "--tail", "25", id]));
        logs.map(|it| it.stdout + &it.stderr).unwrap_or_default()
    }

    /// Returns `docker run`: the container starts at once.
    pub(crate) fn run(&self) -> NewContainer {
        NewContainer(self.change(["run"]))
    }

    /// Returns `docker create`: files can be copied to and from the container before it starts.
    pub(crate) fn create(&self) -> NewContainer {
        NewContainer(self.change(["create"]))
    }
}

/// The arguments of a container that runs its image's command.
pub(crate) const NO_ARGS: [&str; 0] = [];

/// The command line that makes a container, up to its image.
pub(crate) struct NewContainer(Change);

impl NewContainer {
    fn with<const N: usize>(self, args: [&str; N]) -> NewContainer {
        NewContainer(self.0.args(args))
    }

    /// Returns the command that makes the container from `image`, with arguments for its entry point.
    pub(crate) fn image(
        self,
        image: &dyn fmt::Display,
        args: impl IntoIterator<Item = impl Into<OsString>>,
    ) -> Change {
        self.0.args([image.to_string()]).args(args)
    }

    pub(crate) fn label(self, label: &str) -> NewContainer {
        self.with(["--label", label])
    }

    /// Lets docker write the container's id to `file`, for which an interruption waits.
    pub(crate) fn cidfile(self, file: &Path) -> NewContainer {
        NewContainer(self.0.args(["--cidfile".as_ref(), file.as_os_str()]).makes(file))
    }

    /// Removes the container when it ends.
    pub(crate) fn once(self) -> NewContainer {
        self.with(["--rm"])
    }

    /// Starts the container in the background.
    pub(crate) fn detached(self) -> NewContainer {
        self.with(["--detach"])
    }

    /// Keeps the container running, also after the engine starts again.
    pub(crate) fn kept(self, name: &str) -> NewContainer {
        self.with(["--name", name, "--restart", "unless-stopped"])
    }

    /// Starts the container again when its program fails, a few times.
    pub(crate) fn restarted(self, name: &str) -> NewContainer {
        self.with(["--name", name, "--restart", "on-failure:3"])
    }

    /// Gives the container a first process that ends others', and one name on all networks.
    pub(crate) fn init(self, name: &str) -> NewContainer {
        self.with(["--init", "--hostname", name, "--network-alias", name])
    }

    /// Adds a group, by its number, to those of the user.
    pub(crate) fn group(self, id: u32) -> NewContainer {
        self.with(["--group-add", &id.to_string()])
    }

    pub(crate) fn interactive(self) -> NewContainer {
        self.with(["--interactive"])
    }

    pub(crate) fn terminal(self) -> NewContainer {
        self.with(["--tty"])
    }

    /// Keeps the CLI from passing signals on: it ends even if the program ignores them.
    pub(crate) fn without_signals(self) -> NewContainer {
        self.with(["--sig-proxy=false"])
    }

    pub(crate) fn without_health_check(self) -> NewContainer {
        self.with(["--no-healthcheck"])
    }

    pub(crate) fn entry_point(self, program: &str) -> NewContainer {
        self.with(["--entrypoint", program])
    }

    pub(crate) fn user(self, user: &str) -> NewContainer {
        self.with(["--user", user])
    }

    /// Makes the caller the owner of files that are written to the caller's folders. For root the
    /// image's user is kept, who may not become root.
    pub(crate) fn owned_by_caller(self) -> NewContainer {
        let uid = unistd::geteuid();
        if uid.is_root() { self } else { self.user(&format!("{uid}:100")) }
    }

    pub(crate) fn env(self, name: &str, value: &str) -> NewContainer {
        self.with(["--env", &format!("{name}={value}")])
    }

    /// Sets a variable whose value is in no process list.
    pub(crate) fn secret_env(self, name: &'static str, value: &str) -> NewContainer {
        NewContainer(self.0.args(["--env", name]).secret_env(name, value))
    }

    pub(crate) fn network(self, name: &str) -> NewContainer {
        self.with(["--network", name])
    }

    /// Publishes a port: `127.0.0.1:<port>:5000`, or `127.0.0.1::8888` on any free port.
    pub(crate) fn publish(self, ports: &str) -> NewContainer {
        self.with(["--publish", ports])
    }

    /// Limits memory, and processes with their threads.
    pub(crate) fn limits(self, memory: &str, processes: &str) -> NewContainer {
        self.with(["--memory", memory, "--pids-limit", processes])
    }

    /// Takes all capabilities from root but `kept`, and all means to get others.
    pub(crate) fn capabilities(self, kept: &[&str]) -> NewContainer {
        let none = self.with(["--security-opt", "no-new-privileges", "--cap-drop", "ALL"]);
        kept.iter().fold(none, |res, it| res.with(["--cap-add", it]))
    }

    pub(crate) fn read_only(self) -> NewContainer {
        self.with(["--read-only"])
    }

    /// Mounts a folder in memory that everybody may write to.
    pub(crate) fn memory_folder(self, to: &str) -> NewContainer {
        self.with(["--tmpfs", &format!("{to}:rw,exec,nosuid,nodev,mode=1777,size=1g")])
    }

    /// Mounts the volume `name`, which gets the image's files the first time.
    pub(crate) fn volume(self, name: &str, to: &str) -> NewContainer {
        self.with(["--volume", &format!("{name}:{to}")])
    }

    /// Mounts a new volume with the image's files, removed with the container.
    pub(crate) fn copied_volume(self, to: &str) -> NewContainer {
        self.with(["--mount", &format!("type=volume,target={to}")])
    }

    /// Mounts a volume without the image's files: `name`, or a new one, removed with the container.
    pub(crate) fn empty_volume(self, name: Option<&str>, to: &str) -> NewContainer {
        let source = name.map_or(String::new(), |it| format!("source={it},"));
        self.with(["--mount", &format!("type=volume,{source}target={to},volume-nocopy")])
    }

    /// Mounts a folder of the engine's machine.
    pub(crate) fn folder(self, from: &Path, to: &str) -> NewContainer {
        let from = from.to_string_lossy();
        self.with(["--mount", &format!("type=bind,source={from},target={to}")])
    }

    /// Mounts a folder of the engine's machine, or a volume, which the container cannot change.
    pub(crate) fn data(self, from: &str, to: &str) -> NewContainer {
        let kind = if from.starts_with('/') { "bind" } else { "volume" };
        self.with(["--mount", &format!("type={kind},source={from},target={to},readonly")])
    }

    /// Adds flags that the user chose.
    pub(crate) fn flags(self, flags: &[String]) -> NewContainer {
        NewContainer(self.0.args(flags))
    }
}
