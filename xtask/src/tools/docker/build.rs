//! Builds: the CLI that can, and its command line.

use std::path::Path;

use super::{Docker, on_path};
use crate::{
    run::{
        failure,
        printable::Shown as _,
        process::{self, Change},
    },
    tools::{image_name::ImageRef, platform::Platform},
};

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

impl Docker {
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
            let context = Some(self.context()?).filter(|it| !it.is_empty());
            let builder = context.unwrap_or_else(|| "default".to_owned());
            return Ok(Some(BuilderKind::Buildx { builder }));
        }
        let version = process::read(&self.query(["--version"]))?;
        Ok(has_built_in_buildkit(&version).then_some(BuilderKind::BuiltIn))
    }
}

impl Builder {
    /// Returns `docker build` without its arguments, which are the same for both kinds.
    pub(crate) fn build(&self) -> Build {
        Build(match &self.kind {
            // An attestation would give each cached build another id.
            BuilderKind::Buildx { builder } => self.docker.change(["buildx", "build"]).args([
                "--builder",
                builder,
                "--load",
                "--provenance=false",
                "--sbom=false",
            ]),
            BuilderKind::BuiltIn => self.docker.change(["build"]).env("DOCKER_BUILDKIT", "1"),
        })
    }
}

/// The command line of a build, up to its context.
pub(crate) struct Build(Change);

impl Build {
    fn with<const N: usize>(self, args: [&str; N]) -> Build {
        Build(self.0.args(args))
    }

    /// Prints each step, in lines.
    pub(crate) fn plain_progress(self) -> Build {
        self.with(["--progress", "plain"])
    }

    /// Prints the image's id alone.
    pub(crate) fn quiet(self) -> Build {
        self.with(["--quiet"])
    }

    pub(crate) fn platform(self, platform: &Platform) -> Build {
        self.with(["--platform", &platform.to_string()])
    }

    pub(crate) fn label(self, label: &str) -> Build {
        self.with(["--label", label])
    }

    pub(crate) fn tag(self, name: &ImageRef) -> Build {
        self.with(["--tag", &name.to_string()])
    }

    pub(crate) fn arg(self, name: &str, value: &str) -> Build {
        self.with(["--build-arg", &format!("{name}={value}")])
    }

    /// Runs all steps again.
    pub(crate) fn without_cache(self) -> Build {
        self.with(["--no-cache"])
    }

    /// Takes the layers of a published image that the same steps made; one that is gone is not missed.
    pub(crate) fn cache_from(self, image: &ImageRef) -> Build {
        self.with(["--cache-from", &image.to_string()])
    }

    /// Adds to the image which step made which layer, for [`Build::cache_from`]:
    /// <https://docs.docker.com/build/cache/backends/inline/>.
    pub(crate) fn inline_cache(self) -> Build {
        self.arg("BUILDKIT_INLINE_CACHE", "1")
    }

    pub(crate) fn network(self, network: &str) -> Build {
        self.with(["--network", network])
    }

    /// Shows a file to the steps that mount the secret `id`.
    pub(crate) fn secret_file(self, id: &str, file: &Path) -> Build {
        self.with(["--secret", &format!("id={id},src={}", file.to_string_lossy())])
    }

    /// Shows a text to the steps that mount the secret `id`; it travels in the environment of the CLI,
    /// as `variable`.
    pub(crate) fn secret(self, id: &str, variable: &'static str, text: &str) -> Build {
        let res = self.with(["--secret", &format!("id={id},env={variable}")]);
        Build(res.0.secret_env(variable, text))
    }

    /// Passes a proxy as predefined arguments, whose values are in no layer and no history:
    /// <https://docs.docker.com/reference/dockerfile/#predefined-args>.
    pub(crate) fn proxy(self, name: &'static str, lower: &'static str, value: &str) -> Build {
        let res = self.with(["--build-arg", name, "--build-arg", lower]);
        Build(res.0.secret_env(name, value).secret_env(lower, value))
    }

    /// Returns the command that builds the folder `context`, with `dockerfile` if it is elsewhere, and
    /// writes the image's id to `id`.
    pub(crate) fn context(self, id: &Path, dockerfile: Option<&Path>, context: &Path) -> Change {
        let cmd = self.0.args(["--iidfile".as_ref(), id.as_os_str()]);
        let file = dockerfile.map(|it| ["--file".as_ref(), it.as_os_str()]);
        cmd.args(file.into_iter().flatten()).args([context])
    }
}

/// Parses `Docker version 20.10.24+dfsg1, build 297e128`: from 23 on the CLI leaves BuildKit to the
/// plugin.
pub(super) fn has_built_in_buildkit(version: &str) -> bool {
    let number = version.strip_prefix("Docker version ").unwrap_or_default();
    let mut parts = number.split(['.', ',', '+']).map(|it| it.parse::<u32>().ok());
    let (major, minor) = (parts.next().flatten(), parts.next().flatten());
    matches!((major, minor), (Some(18), Some(9)) | (Some(19..23), _))
}
