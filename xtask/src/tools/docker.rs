//! The docker CLI: its command lines, its exit statuses, and its output.
//! Reference: <https://docs.docker.com/reference/cli/docker/>.

pub(crate) mod build_log;
pub(crate) mod credentials;

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fmt,
    path::{Path, PathBuf},
    time::SystemTime,
};

use anyhow::{Context as _, anyhow, bail};
use serde::Deserialize;

use crate::{
    run::{
        failure::{self, Failure},
        printable::Shown as _,
        process::{self, Change, Cmd, Output, Patience, cmd},
    },
    tools::{
        image_name::{Digest, ImageId, ImageRef},
        platform::Platform,
        retries::{self, FailedAttempt, patience},
    },
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
#[derive(Debug, Clone)]
pub(crate) struct Docker {
    pub(crate) program: PathBuf,
    /// Working directory of commands.
    pub(crate) root: PathBuf,
    /// Folder with the CLI's configuration, instead of the user's.
    config: Option<PathBuf>,
}

/// How a CLI runs BuildKit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BuilderKind {
    /// `docker buildx build`, with the builder that shares the engine's images.
    Buildx { builder: String },
    /// `DOCKER_BUILDKIT=1 docker build`, as up to docker 20.10.
    BuiltIn,
}

/// A CLI that can build.
#[derive(Debug, Clone)]
pub(crate) struct Builder {
    pub(crate) docker: Docker,
    pub(crate) kind: BuilderKind,
}

/// An image on the engine, as `docker image inspect` describes it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Image {
    pub(crate) id: ImageId,
    #[serde(default)]
    pub(crate) repo_tags: Option<Vec<String>>,
    /// Repositories and digests of the image in registries.
    #[serde(default)]
    pub(crate) repo_digests: Option<Vec<String>>,
    /// Size in bytes.
    pub(crate) size: u64,
    /// Time in RFC 3339.
    pub(crate) created: String,
    #[serde(default)]
    pub(crate) os: String,
    #[serde(default)]
    pub(crate) architecture: String,
    pub(crate) config: ImageConfig,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ImageConfig {
    pub(crate) labels: Option<BTreeMap<String, String>>,
    /// Default command of a container.
    #[serde(default)]
    pub(crate) cmd: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) entrypoint: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) healthcheck: Option<Healthcheck>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Healthcheck {
    /// `CMD` and arguments, `CMD-SHELL` and a shell line, or `NONE`.
    #[serde(default)]
    test: Option<Vec<String>>,
}

impl Image {
    /// Returns the platform, like `linux/amd64`.
    pub(crate) fn platform(&self) -> String {
        format!("{}/{}", self.os, self.architecture)
    }

    pub(crate) fn label(&self, name: &str) -> Option<&str> {
        self.config.labels.as_ref()?.get(name).map(String::as_str)
    }

    /// Returns the digest of the image in the registry of `reference`.
    pub(crate) fn repo_digest(&self, reference: &ImageRef) -> Option<Digest> {
        let parse = |it: &String| it.parse::<ImageRef>().ok();
        let known: Vec<ImageRef> = self.repo_digests.iter().flatten().filter_map(parse).collect();
        let same = known.iter().find(|it| it.repository.is_same(&reference.repository));
        same.or(known.first())?.digest.clone()
    }

    /// Returns the image's health check as an argument array; `None` without one.
    pub(crate) fn health(&self) -> Option<Vec<String>> {
        let test = self.config.healthcheck.as_ref()?.test.as_ref()?;
        match test.split_first()? {
            (kind, args) if kind == "CMD" => Some(args.to_vec()),
            (kind, args) if kind == "CMD-SHELL" => {
                Some([&["sh".to_owned(), "-c".to_owned()], args].concat())
            }
            _ => None,
        }
    }
}

/// A manifest in a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RemoteImage {
    pub(crate) digest: Digest,
    /// Digest of the config: the image's id on most engines.
    pub(crate) config: ImageId,
    /// Platform from the config, like `linux/amd64`.
    pub(crate) platform: String,
}

impl Docker {
    /// Returns the CLI `program` with the user's configuration.
    pub(crate) fn new(program: PathBuf, root: &Path) -> Docker {
        Docker { program, root: root.to_owned(), config: None }
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

    /// Returns a docker command that only reads; more arguments may follow.
    pub(crate) fn query<const N: usize>(&self, args: [&str; N]) -> Cmd {
        debug_assert!(is_query(&args), "`docker {}` changes something", args.join(" "));
        self.cmd(&args).only_reads()
    }

    /// Returns a docker command that changes something; more arguments may follow.
    pub(crate) fn change<const N: usize>(&self, args: [&str; N]) -> Change {
        self.cmd(&args)
    }

    /// Returns the command that adds a name to the engine's image `image`.
    pub(crate) fn tag(&self, image: &dyn fmt::Display, name: &ImageRef) -> Change {
        self.change(["image", "tag", &image.to_string(), &name.to_string()])
    }

    /// Returns the command that removes the name `name` from an image of the engine.
    pub(crate) fn remove_name(&self, name: &ImageRef) -> Change {
        self.change(["image", "rm", &name.to_string()])
    }

    fn cmd(&self, args: &[&str]) -> Change {
        let program = &self.program;
        let cmd = cmd!(self.root, "{program}").args(args).patience(patience_with(args));
        match &self.config {
            Some(dir) => cmd.secret_env("DOCKER_CONFIG", &dir.to_string_lossy()),
            None => cmd,
        }
    }

    /// Returns the engine's platform, which also proves that the engine answers.
    pub(crate) fn engine_platform(&self) -> anyhow::Result<Platform> {
        let cmd = self.query(["version", "--format", "{{.Server.Os}}/{{.Server.Arch}}"]);
        let output = process::output(&cmd)?;
        if output.status != 0 {
            let said = process::last_lines(&output.stderr, 3);
            return Err(failure::machine("engine", format!("no docker engine answers: {said}")));
        }
        output.stdout.trim().parse().context("the docker engine's platform")
    }

    /// Returns the name of the CLI's context.
    pub(crate) fn context(&self) -> anyhow::Result<String> {
        Ok(process::output(&self.query(["context", "show"]))?.stdout.trim().to_owned())
    }

    /// Returns where the engine keeps its data, which may be another machine's folder.
    pub(crate) fn data_root(&self) -> anyhow::Result<PathBuf> {
        let root = process::read(&self.query(["info", "--format", "{{.DockerRootDir}}"]))?;
        Ok(PathBuf::from(root.trim()))
    }

    /// Returns the time on the engine's clock.
    pub(crate) fn system_time(&self) -> anyhow::Result<SystemTime> {
        let output = process::output(&self.query(["info", "--format", "{{.SystemTime}}"]))?;
        Ok(humantime::parse_rfc3339_weak(output.stdout.trim())?)
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

    /// Returns the last lines that a container printed.
    pub(crate) fn last_lines(&self, id: &str) -> String {
        let logs = process::output(&self.query(["logs", "--tail", "25", id]));
        logs.map(|it| it.stdout + &it.stderr).unwrap_or_default()
    }

    /// Returns the engine's storage driver: `overlay2`, `fuse-overlayfs`, …
    pub(crate) fn storage_driver(&self) -> anyhow::Result<String> {
        let driver = process::read(&self.query(["info", "--format", "{{.Driver}}"]))?;
        Ok(driver.trim().to_owned())
    }

    /// Returns this tool's images on the engine.
    pub(crate) fn images(&self) -> anyhow::Result<Vec<Image>> {
        let reference = format!("reference={NAMESPACE}/*");
        let list = ["image", "ls", "--quiet", "--no-trunc", "--filter", &reference];
        let output = process::output(&self.query(list))?;
        if output.status != 0 {
            let said = process::last_lines(&output.stderr, 3);
            return Err(failure::machine("engine", format!("no docker engine answers: {said}")));
        }
        // A list may be empty, or cut off: it is believed when it is printed twice. docker prints images
        // of the same second in any order.
        let ids = listed(&output.stdout);
        if listed(&process::read(&self.query(list))?) != ids {
            bail!("`docker image ls` did not print the same list twice; run it again");
        }
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let text = process::read(&self.query(["image", "inspect"]).args(ids))?;
        serde_json::from_str(&text).context("`docker image inspect` printed something unexpected")
    }

    /// Returns an image by any of its names, or `None` when the engine does not have it.
    pub(crate) fn image(&self, name: &dyn fmt::Display) -> anyhow::Result<Option<Image>> {
        let output = process::output(&self.query(["image", "inspect", &name.to_string()]))?;
        if output.status != 0 {
            return Ok(None);
        }
        let images: Vec<Image> = serde_json::from_str(&output.stdout)
            .context("`docker image inspect` printed something unexpected")?;
        Ok(images.into_iter().next())
    }

    /// Returns the manifest that a registry has under `reference`, or `None` when the tag or digest
    /// does not exist. `plain_http` is for a registry on this machine.
    ///
    /// The CLI itself digests the bytes of the manifest, refuses bytes that do not match the
    /// requested digest, and refuses a config that does not match the manifest's: the end-to-end
    /// tests check this for 20.10 to 28.
    ///
    /// # Errors
    /// The registry does not answer, refuses, or sends other bytes than requested.
    pub(crate) fn remote(
        &self,
        reference: &ImageRef,
        plain_http: bool,
    ) -> anyhow::Result<Option<RemoteImage>> {
        let mut cmd = self.query(["manifest", "inspect", "--verbose"]);
        if plain_http {
            cmd = cmd.args(["--insecure"]);
        }
        // Up to 20.10 the command counts as experimental.
        let cmd = cmd.args([reference.to_string()]).env("DOCKER_CLI_EXPERIMENTAL", "enabled");
        let answer = retries::attempts(|| {
            Ok(match process::output_within(&cmd, patience())? {
                Some(output) => read_remote(reference, output)
                    .map_err(|err| FailedAttempt::Said(format!("{err:#}"))),
                None => Err(FailedAttempt::Hangs),
            })
        })?;
        answer.map_err(|failed| match failed {
            FailedAttempt::Said(text) => anyhow!(text),
            FailedAttempt::Hangs => {
                anyhow!("cannot ask for {reference}: no answer for {} s", patience().as_secs())
            }
        })
    }

    /// Returns a CLI that can build: this one, or, if no setting named it, the first on `PATH` that
    /// can.
    pub(crate) fn builder(&self, setting: Option<&Path>) -> anyhow::Result<Builder> {
        let programs = setting.map_or_else(on_path, |it| vec![it.to_owned()]);
        let mut passed_over = Vec::new();
        for program in programs {
            let docker = Docker { program, ..self.clone() };
            match docker.builder_kind()? {
                Some(kind) => return Ok(Builder { docker, kind }),
                None => passed_over.push(docker.program.shown()),
            }
        }
        let text = format!(
            "{} has neither the buildx plugin nor a built-in BuildKit",
            passed_over.join(", ")
        );
        Err(failure::machine("buildkit", text))
    }

    fn builder_kind(&self) -> anyhow::Result<Option<BuilderKind>> {
        if process::output(&self.query(["buildx", "version"]))?.status == 0 {
            // Only the builder with the context's own name sees the engine's images.
            let context = process::output(&self.query(["context", "show"]))?;
            let context = Some(context.stdout.trim()).filter(|it| !it.is_empty());
            let builder = context.unwrap_or("default").to_owned();
            return Ok(Some(BuilderKind::Buildx { builder }));
        }
        let version = process::read(&self.query(["--version"]))?;
        Ok(has_built_in_buildkit(&version).then_some(BuilderKind::BuiltIn))
    }
}

impl Builder {
    /// Returns `docker build` without its arguments, which are the same for both kinds.
    pub(crate) fn build(&self) -> Change {
        match &self.kind {
            // An attestation would give each cached build another id.
            BuilderKind::Buildx { builder } => self.docker.change(["buildx", "build"]).args([
                "--builder",
                builder,
                "--load",
                "--provenance=false",
                "--sbom=false",
            ]),
            BuilderKind::BuiltIn => self.docker.change(["build"]).env("DOCKER_BUILDKIT", "1"),
        }
    }
}

/// Returns the folder of the user's configuration.
pub(crate) fn user_s_config() -> Option<PathBuf> {
    let named = env::var_os("DOCKER_CONFIG").filter(|it| !it.is_empty()).map(PathBuf::from);
    named.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".docker")))
}

/// Returns the lines of a list, each once, in a fixed order.
fn listed(text: &str) -> BTreeSet<&str> {
    text.lines().collect()
}

/// Returns whether a docker command only reads.
fn is_query(args: &[&str]) -> bool {
    matches!(
        args,
        ["version" | "--version" | "info" | "port" | "logs" | "inspect" | "wait", ..]
            | ["context", "show"]
            | ["manifest", "inspect", ..]
            | ["image" | "container" | "volume" | "network", "inspect" | "ls", ..]
            | ["buildx", "version"]
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

/// Parses `Docker version 20.10.24+dfsg1, build 297e128`: from 23 on the CLI leaves BuildKit to the
/// plugin.
fn has_built_in_buildkit(version: &str) -> bool {
    let number = version.strip_prefix("Docker version ").unwrap_or_default();
    let mut parts = number.split(['.', ',', '+']).map(|it| it.parse::<u32>().ok());
    let (major, minor) = (parts.next().flatten(), parts.next().flatten());
    matches!((major, minor), (Some(18), Some(9)) | (Some(19..23), _))
}

fn read_remote(reference: &ImageRef, output: Output) -> anyhow::Result<Option<RemoteImage>> {
    if output.status != 0 {
        let absent = ["no such manifest", "manifest unknown", "name unknown"];
        if absent.iter().any(|it| output.stderr.contains(it)) {
            return Ok(None);
        }
        // The CLI prints this first when the bytes do not match their digest; the bytes follow.
        if output.stderr.starts_with("unsupported manifest format") {
            bail!(
                "{reference}: the registry's bytes are no image's manifest, or not of this digest"
            );
        }
        bail!("cannot ask for {reference}: {}", process::last_lines(&output.stderr, 3));
    }
    let value: serde_json::Value = serde_json::from_str(&output.stdout)
        .context("`docker manifest inspect` printed something unexpected")?;
    let text = |pointer: &str| value.pointer(pointer).and_then(|it| it.as_str()).map(str::to_owned);
    let config =
        text("/SchemaV2Manifest/config/digest").or_else(|| text("/OCIManifest/config/digest"));
    let part = |name: &str| text(&format!("/Descriptor/platform/{name}")).unwrap_or_default();
    let platform = format!("{}/{}", part("os"), part("architecture"));
    let digest = text("/Descriptor/digest").and_then(|it| it.parse().ok());
    match digest.zip(config.and_then(|it| it.parse().ok())) {
        Some((digest, config)) => Ok(Some(RemoteImage { digest, config, platform })),
        None => {
            bail!("{reference} is not the manifest of one image, and was not pushed by this tool")
        }
    }
}

#[cfg(test)]
mod tests;
