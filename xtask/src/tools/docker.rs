//! The docker CLI: its command lines, its exit statuses, and its output.
//! Reference: <https://docs.docker.com/reference/cli/docker/>.

pub(crate) mod build;
pub(crate) mod build_log;
mod builder;
pub(crate) mod container;
pub(crate) mod credentials;
mod image;
pub(crate) mod hub;
pub(crate) mod leftover;
mod manifest;

use std::{
    env,
    net::IpAddr,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use anyhow::Context as _;

pub(crate) use self::{
    image::{Image, ImageConfig},
    manifest::{NotOneImage, RemoteImage},
};
use crate::{
    run::{
        failure::{self, Failure},
        printable::Shown as _,
        process::{self, Change, Cmd, Output, Patience, cmd},
    },
    tools::platform::Platform,
};

/// Prefix of all local images and labels of this tool.
pub(crate) const NAMESPACE: &str = "science-platform";

/// Digest of everything that the image was made from, 64 hex digits.
pub(crate) const LABEL_INPUTS: &str = "science-platform.inputs";
/// On a mission's image: the mission.
pub(crate) const LABEL_MISSION: &str = "science-platform.mission";
/// On a mission's image: the SHA-256 of each frozen spec it was built from, by environment, as
/// JSON.
pub(crate) const LABEL_FROZEN: &str = "science-platform.frozen-specs";
/// On a mission's image: the commit of the checkout that it was built in, as `git::state` returns it.
pub(crate) const LABEL_COMMIT: &str = "science-platform.commit";
/// Id of the parent image.
pub(crate) const LABEL_PARENT: &str = "science-platform.parent";
/// On containers: their purpose.
pub(crate) const LABEL_ROLE: &str = "science-platform.role";
/// On containers, volumes and networks of the hub on this machine: the hub's name.
pub(crate) const LABEL_HUB: &str = "science-platform.hub";
/// On a user's container and volume: the user's name.
pub(crate) const LABEL_HUB_USER: &str = "science-platform.hub-user";
/// On a user's container and volume: the id of the choice on the spawn page.
pub(crate) const LABEL_HUB_CHOICE: &str = "science-platform.hub-choice";
/// On the hub's container: the choices on the spawn page, as JSON.
pub(crate) const LABEL_HUB_CHOICES: &str = "science-platform.hub-choices";
/// On the hub's container: a digest of all that it was made from.
pub(crate) const LABEL_HUB_INPUTS: &str = "science-platform.hub-inputs";
/// On containers and volumes: the run that made them and must remove them.
pub(crate) const LABEL_RUN: &str = "science-platform.run";

/// Returns the fix for a failed command whose output shows that the engine lacks something.
pub(crate) fn remedy(output: &[String]) -> Option<String> {
    let lacks = |(said, _): &&(&str, &str)| output.iter().any(|it| it.contains(said));
    ENGINE_LACKS.iter().find(lacks).map(|(_, finding)| failure::see(finding))
}

/// Messages of docker, and the finding of `doctor` for each.
const ENGINE_LACKS: [(&str, &str); 3] = [
    ("no space left on device", "disk"),
    ("Cannot connect to the Docker daemon", "engine"),
    ("error during connect", "engine"),
];

/// A docker CLI, and the engine that its environment names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Docker {
    pub(crate) program: PathBuf,
    /// Working directory of commands.
    pub(crate) root: PathBuf,
    /// Folder with the CLI's configuration, instead of the user's.
    config: Option<PathBuf>,
    /// Address of the engine, instead of the environment's.
    host: Option<String>,
}

impl Docker {
    /// Returns the CLI `program` with the user's configuration.
    pub(crate) fn new(program: PathBuf, root: &Path) -> Docker {
        Docker { program, root: root.to_owned(), config: None, host: None }
    }

    /// Returns the CLI that the settings name, or the first one on `PATH`.
    pub(crate) fn find(setting: Option<&Path>, root: &Path) -> anyhow::Result<Docker> {
        let program = match setting {
            Some(program) if is_absent(program) => {
                let text = format!("DOCKER={}: the program does not exist", program.shown());
                return Err(Failure::Request(text).into());
            }
            Some(program) => Some(program.to_owned()),
            None => on_path().into_iter().next(),
        };
        let program = program.ok_or_else(|| failure::machine("engine", "no docker CLI on PATH"))?;
        Ok(Docker::new(program, root))
    }

    /// Returns the folder of the CLI's configuration:
    /// <https://docs.docker.com/reference/cli/docker/#environment-variables>.
    pub(crate) fn config_dir(&self) -> Option<PathBuf> {
        self.config.clone().or_else(user_s_config)
    }

    /// Returns the same CLI with another configuration than the user's.
    pub(crate) fn with_config(&self, dir: impl Into<PathBuf>) -> Docker {
        Docker { config: Some(dir.into()), ..self.clone() }
    }

    /// Returns the same CLI for the engine at `host`.
    pub(crate) fn with_host(&self, host: String) -> Docker {
        Docker { host: Some(host), ..self.clone() }
    }

    /// Returns a docker command that only reads; more arguments may follow.
    pub(in crate::tools) fn query<const N: usize>(&self, args: [&str; N]) -> Cmd {
        debug_assert!(is_query(&args), "`docker {}` changes something", args.join(" "));
        self.cmd(&args).only_reads()
    }

    /// Returns a docker command that changes something; more arguments may follow.
    pub(in crate::tools) fn change<const N: usize>(&self, args: [&str; N]) -> Change {
        self.cmd(&args)
    }

    fn cmd(&self, args: &[&str]) -> Change {
        let program = &self.program;
        let mut cmd = cmd!(self.root, "{program}").args(args).patience(patience_with(args));
        if let Some(host) = &self.host {
            cmd = cmd.env("DOCKER_HOST", host);
        }
        match &self.config {
            Some(dir) => cmd.secret_env("DOCKER_CONFIG", &dir.to_string_lossy()),
            None => cmd,
        }
    }

    /// Returns the engine's platform, which also proves that the engine answers.
    pub(crate) fn engine_platform(&self) -> anyhow::Result<Platform> {
        let cmd = self.query(["version", "--format", "{{.Server.Os}}/{{.Server.Arch}}"]);
        let platform = of_engine(process::output(&cmd)?)?;
        platform.trim().parse().context("the docker engine's platform")
    }

    /// Returns whether the engine answers within `limit`.
    pub(crate) fn answers_within(&self, limit: Duration) -> anyhow::Result<bool> {
        let output = process::output_within(&self.query(["version"]), limit)?;
        Ok(output.is_some_and(|it| it.status == 0))
    }

    /// Returns the name of the CLI's context.
    pub(crate) fn context(&self) -> anyhow::Result<String> {
        Ok(process::output(&self.query(["context", "show"]))?.stdout.trim().to_owned())
    }

    /// Returns the engine's address, as `DOCKER_HOST` or the context names it.
    pub(crate) fn host(&self) -> anyhow::Result<String> {
        let format = "{{.Endpoints.docker.Host}}";
        let host = process::read(&self.query(["context", "inspect", "--format", format]))?;
        Ok(host.trim().to_owned())
    }

    /// Returns the engine's address if it names another machine.
    pub(crate) fn elsewhere(&self) -> anyhow::Result<Option<String>> {
        Ok(Some(self.host()?).filter(|it| is_elsewhere(it)))
    }

    /// Returns the engine's id and folder: engines of one machine may share an id.
    pub(crate) fn engine_id(&self) -> anyhow::Result<String> {
        let format = "{{.ID}} {{.DockerRootDir}}";
        Ok(process::read(&self.query(["info", "--format", format]))?.trim().to_owned())
    }

    /// Returns where the engine keeps its data, which may be another machine's folder.
    pub(crate) fn data_root(&self) -> anyhow::Result<PathBuf> {
        let root = process::read(&self.query(["info", "--format", "{{.DockerRootDir}}"]))?;
        Ok(PathBuf::from(root.trim()))
    }

    /// Returns the bytes of memory of the engine's machine.
    pub(crate) fn memory(&self) -> anyhow::Result<u64> {
        let total = process::read(&self.query(["info", "--format", "{{.MemTotal}}"]))?;
        Ok(total.trim().parse()?)
    }

    /// Returns the time on the engine's clock.
    pub(crate) fn system_time(&self) -> anyhow::Result<SystemTime> {
        let output = process::output(&self.query(["info", "--format", "{{.SystemTime}}"]))?;
        Ok(humantime::parse_rfc3339_weak(output.stdout.trim())?)
    }

    /// Returns the engine's storage driver: `overlay2`, `fuse-overlayfs`, …
    pub(crate) fn storage_driver(&self) -> anyhow::Result<String> {
        let driver = process::read(&self.query(["info", "--format", "{{.Driver}}"]))?;
        Ok(driver.trim().to_owned())
    }
}

/// Returns whether an engine's address names another machine.
fn is_elsewhere(host: &str) -> bool {
    let Some(("tcp" | "ssh" | "http" | "https", rest)) = host.split_once("://") else {
        return false;
    };
    let name = rest.rsplit_once('@').map_or(rest, |it| it.1);
    let name = match name.strip_prefix('[') {
        Some(address) => address.split(']').next(),
        None => name.split([':', '/']).next(),
    };
    let name = name.unwrap_or_default();
    name != "localhost" && !name.parse().is_ok_and(|it: IpAddr| it.is_loopback())
}

/// Returns what an engine printed.
///
/// # Errors
/// The machine lacks an engine that answers.
fn of_engine(output: Output) -> anyhow::Result<String> {
    if output.status == 0 {
        return Ok(output.stdout);
    }
    let said = process::last_lines(&output.stderr, 3);
    Err(failure::machine("engine", format!("no docker engine answers: {said}")))
}

/// Returns the folder of the user's configuration.
pub(crate) fn user_s_config() -> Option<PathBuf> {
    let named = env::var_os("DOCKER_CONFIG").filter(|it| !it.is_empty()).map(PathBuf::from);
    named.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".docker")))
}

/// Returns whether a docker command only reads.
fn is_query(args: &[&str]) -> bool {
    matches!(
        args,
        ["version" | "--version" | "info" | "port" | "logs" | "inspect" | "wait", ..]
            | ["context", "show" | "inspect", ..]
            | ["manifest", "inspect", ..]
            | ["image" | "container" | "volume" | "network", "inspect" | "ls", ..]
            | ["buildx", "version" | "ls"]
            | ["buildx", "inspect", _]
            | ["cp", _, "-"]
    )
}

/// Returns how long a docker command may be silent.
fn patience_with(args: &[&str]) -> Patience {
    match args {
        ["wait", ..] => Patience::Endless,
        ["cp", ..] => Patience::Change,
        ["exec", ..] => Patience::Answer,
        _ if is_query(args) => Patience::Answer,
        ["rm" | "create" | "volume" | "container" | "network", ..]
        | ["image", "tag" | "rm", ..] => Patience::Change,
        _ => Patience::Work,
    }
}

/// Returns every `docker` on `PATH`, in its order.
fn on_path() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut res: Vec<PathBuf> =
        env::split_paths(&path).map(|it| it.join("docker")).filter(|it| it.is_file()).collect();
    res.dedup();
    res
}

/// Returns whether a path does not exist; a plain name is looked up on `PATH` when it is started.
fn is_absent(program: &Path) -> bool {
    program.components().count() > 1 && !program.is_file()
}

#[cfg(test)]
mod tests;
