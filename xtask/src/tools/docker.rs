//! The docker CLI: its command lines, its exit statuses, and what it prints.
//! Reference: <https://docs.docker.com/reference/cli/docker/>.

pub(crate) mod build_log;

use std::{
    collections::BTreeMap,
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

/// All our local images and labels are named below it.
pub(crate) const NAMESPACE: &str = "science-platform";

/// Digest over all that the image was made from, 64 hex digits.
pub(crate) const LABEL_INPUTS: &str = "science-platform.inputs";
/// Of a mission's image: the mission.
pub(crate) const LABEL_MISSION: &str = "science-platform.mission";
/// Of a mission's image: the SHA-256 of each frozen spec it was built from, by environment, as JSON.
pub(crate) const LABEL_FROZEN: &str = "science-platform.frozen-specs";
/// Id of the image it was built on.
pub(crate) const LABEL_PARENT: &str = "science-platform.parent";
/// On containers: what they are for.
pub(crate) const LABEL_ROLE: &str = "science-platform.role";
/// On containers and volumes: the run that made them and has to remove them.
pub(crate) const LABEL_RUN: &str = "science-platform.run";

/// Returns the remedy for a failed command whose output says that the engine lacks something.
pub(crate) fn remedy(output: &[String]) -> Option<String> {
    let lacks = |(said, _): &&(&str, &str)| output.iter().any(|it| it.contains(said));
    ENGINE_LACKS.iter().find(lacks).map(|(_, finding)| failure::see(finding))
}

/// What docker says, and the finding of `doctor` about it.
const ENGINE_LACKS: [(&str, &str); 3] = [
    ("no space left on device", "disk"),
    ("Cannot connect to the Docker daemon", "engine"),
    ("error during connect", "engine"),
];

/// One docker CLI, talking to the engine that its environment names.
#[derive(Debug, Clone)]
pub(crate) struct Docker {
    pub(crate) program: PathBuf,
    /// Where commands run.
    pub(crate) root: PathBuf,
    /// The folder with its configuration, in the place of the user's.
    config: Option<PathBuf>,
}

/// How a CLI gets BuildKit.
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
    /// Under which repositories and digests registries have it.
    #[serde(default)]
    pub(crate) repo_digests: Option<Vec<String>>,
    /// Bytes.
    pub(crate) size: u64,
    /// RFC 3339.
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
    /// What a container runs that is given no command.
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
    /// `linux/amd64`.
    pub(crate) fn platform(&self) -> String {
        format!("{}/{}", self.os, self.architecture)
    }

    pub(crate) fn label(&self, name: &str) -> Option<&str> {
        self.config.labels.as_ref()?.get(name).map(String::as_str)
    }

    /// Returns the digest by which the registry of `reference` has it.
    pub(crate) fn repo_digest(&self, reference: &ImageRef) -> Option<Digest> {
        let parse = |it: &String| it.parse::<ImageRef>().ok();
        let known: Vec<ImageRef> = self.repo_digests.iter().flatten().filter_map(parse).collect();
        let same = known.iter().find(|it| it.repository.is_same(&reference.repository));
        same.or(known.first())?.digest.clone()
    }

    /// The image's health check as an argument array; `None` without one.
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
    /// The digest of its config is the image's id on most engines.
    pub(crate) config: ImageId,
    /// `linux/amd64`, from the config.
    pub(crate) platform: String,
}

impl Docker {
    /// The CLI `program` with the user's configuration.
    pub(crate) fn new(program: PathBuf, root: &Path) -> Docker {
        Docker { program, root: root.to_owned(), config: None }
    }

    /// The CLI that the settings name, or the first one on `PATH`.
    ///
    /// # Errors
    /// There is none, or none where the settings say.
    pub(crate) fn find(setting: Option<&Path>, root: &Path) -> anyhow::Result<Docker> {
        let program = match setting {
            Some(program) if is_absent(program) => {
                let text = format!("DOCKER={}: there is no such program", program.shown());
                return Err(Failure::Request(text).into());
            }
            Some(program) => Some(program.to_owned()),
            None => on_path().into_iter().next(),
        };
        let program = program.ok_or_else(|| failure::machine("engine", "no docker CLI on PATH"))?;
        Ok(Docker::new(program, root))
    }

    /// The same CLI with another configuration than the user's.
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

    /// Returns the command that gives the engine's image `image` another name.
    pub(crate) fn tag(&self, image: &dyn fmt::Display, name: &ImageRef) -> Change {
        self.change(["image", "tag", &image.to_string(), &name.to_string()])
    }

    /// Returns the command that takes the name `name` from an image of the engine.
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

    /// The engine's platform; that it answers is the proof that it is there.
    ///
    /// # Errors
    /// No engine answers, or it is of another kind than we build for.
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
    ///
    /// # Errors
    /// The CLI cannot be started.
    pub(crate) fn context(&self) -> anyhow::Result<String> {
        Ok(process::output(&self.query(["context", "show"]))?.stdout.trim().to_owned())
    }

    /// Returns where the engine keeps its data, which may be another machine's folder.
    ///
    /// # Errors
    /// No engine answers.
    pub(crate) fn data_root(&self) -> anyhow::Result<PathBuf> {
        let root = process::read(&self.query(["info", "--format", "{{.DockerRootDir}}"]))?;
        Ok(PathBuf::from(root.trim()))
    }

    /// Returns the time on the engine's clock.
    ///
    /// # Errors
    /// No engine answers, or its answer is not a time.
    pub(crate) fn system_time(&self) -> anyhow::Result<SystemTime> {
        let output = process::output(&self.query(["info", "--format", "{{.SystemTime}}"]))?;
        Ok(humantime::parse_rfc3339_weak(output.stdout.trim())?)
    }

    /// Waits until a container ends, and returns its exit status.
    ///
    /// # Errors
    /// No engine answers, or the run was interrupted.
    pub(crate) fn wait(&self, id: &str) -> anyhow::Result<String> {
        Ok(process::read(&self.query(["wait", id]))?.trim().to_owned())
    }

    /// Returns whether a container runs.
    ///
    /// # Errors
    /// No engine answers.
    pub(crate) fn is_running(&self, id: &str) -> anyhow::Result<bool> {
        let running = process::read(&self.query(["inspect", "--format", "{{.State.Running}}", id]));
        Ok(running?.trim() == "true")
    }

    /// Returns where this machine reaches a container's port: `127.0.0.1:<port>`.
    ///
    /// # Errors
    /// No engine answers, or the port is not published.
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

    /// How the engine keeps layers: `overlay2`, `fuse-overlayfs`, …
    ///
    /// # Errors
    /// The engine does not answer.
    pub(crate) fn storage_driver(&self) -> anyhow::Result<String> {
        let driver = process::read(&self.query(["info", "--format", "{{.Driver}}"]))?;
        Ok(driver.trim().to_owned())
    }

    /// Our images on the engine.
    ///
    /// # Errors
    /// The engine does not answer.
    pub(crate) fn images(&self) -> anyhow::Result<Vec<Image>> {
        let reference = format!("reference={NAMESPACE}/*");
        let list = ["image", "ls", "--quiet", "--no-trunc", "--filter", &reference];
        let output = process::output(&self.query(list))?;
        if output.status != 0 {
            let said = process::last_lines(&output.stderr, 3);
            return Err(failure::machine("engine", format!("no docker engine answers: {said}")));
        }
        // A list may be empty, or cut off: it is believed when it is said twice.
        if process::read(&self.query(list))? != output.stdout {
            bail!("`docker image ls` did not print the same list twice; run it again");
        }
        let mut ids: Vec<&str> = output.stdout.lines().collect();
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let text = process::read(&self.query(["image", "inspect"]).args(ids))?;
        serde_json::from_str(&text).context("`docker image inspect` printed something unexpected")
    }

    /// One image by any of its names, or `None` when the engine does not have it.
    ///
    /// # Errors
    /// What docker prints cannot be read.
    pub(crate) fn image(&self, name: &dyn fmt::Display) -> anyhow::Result<Option<Image>> {
        let output = process::output(&self.query(["image", "inspect", &name.to_string()]))?;
        if output.status != 0 {
            return Ok(None);
        }
        let images: Vec<Image> = serde_json::from_str(&output.stdout)
            .context("`docker image inspect` printed something unexpected")?;
        Ok(images.into_iter().next())
    }

    /// What a registry has under `reference`, or `None` when there is no such tag or digest.
    /// `plain_http` is for a registry on this machine.
    ///
    /// The CLI itself digests the bytes of the manifest, refuses those that do not give the digest
    /// it was asked for, and those of a config that do not give the manifest's: so it does from
    /// 20.10 to 28, as the end-to-end tests see.
    ///
    /// # Errors
    /// The registry does not answer, refuses, or sends other bytes than it was asked for.
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

    /// A CLI that can build: this one, or, if no setting named it, the first on `PATH` that can.
    ///
    /// # Errors
    /// None can.
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
            // Of a context's builders only the one of its own name sees the engine's images.
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
    /// `docker build` without its arguments, which are the same for both kinds.
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

/// Whether a command of docker only reads.
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

/// How long a command of docker may be silent.
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

/// Every `docker` on `PATH`, in its order.
fn on_path() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut res: Vec<PathBuf> =
        env::split_paths(&path).map(|it| it.join("docker")).filter(|it| it.is_file()).collect();
    res.dedup();
    res
}

/// Whether a path leads nowhere; a plain name is looked for on `PATH` when it is started.
fn is_absent(program: &Path) -> bool {
    program.components().count() > 1 && !program.is_file()
}

/// From `Docker version 20.10.24+dfsg1, build 297e128`: from 23 on the CLI leaves BuildKit to the plugin.
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
        // So the CLI begins when the bytes do not give their digest; what follows is the bytes.
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
            bail!("{reference} is not the manifest of one image; it was not pushed by this tool")
        }
    }
}

#[cfg(test)]
mod tests;
