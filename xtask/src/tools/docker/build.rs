//! Builds: the CLI that can, and its command line.

use std::{env, fmt, path::Path};

use super::{Docker, on_path};
use crate::{
    run::{
        failure::{self, Failure},
        mask,
        printable::Shown as _,
        process::{self, Change},
    },
    tools::{
        image_name::{Digest, ImageRef},
        platform::Platform,
    },
};

/// Fix for a CLI without buildx.
pub(crate) const INSTALL_BUILDX: &str =
    "install the buildx plugin: https://docs.docker.com/build/install-buildx/";

/// Name of the image below in builds that get it as an OCI image layout. No stage of a Dockerfile can have
/// it.
pub(crate) const PARENT: &str = "science-platform/parent";

/// How a CLI runs BuildKit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BuilderKind {
    /// `docker buildx build`, with the builder that shares the engine's images.
    Own { builder: String },
    /// `docker buildx build`, with one that has none of them, and can store layers elsewhere.
    Separate { builder: String },
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
    /// can. `named` is the builder that a setting names.
    pub(crate) fn builder(
        &self,
        setting: Option<&Path>,
        named: Option<&str>,
    ) -> anyhow::Result<Builder> {
        let programs = setting.map_or_else(on_path, |it| vec![it.to_owned()]);
        let mut passed_over = Vec::new();
        for program in programs {
            let docker = Docker { program, ..self.clone() };
            let kind = match named {
                Some(name) => docker.named_builder(name)?,
                None => docker.builder_kind()?,
            };
            match kind {
                Some(kind) => return Ok(Builder { docker, kind }),
                None => passed_over.push(docker.program.shown()),
            }
        }
        let passed_over = passed_over.join(", ");
        Err(match named {
            None => {
                let lacks = "has neither the buildx plugin nor a built-in BuildKit";
                failure::machine("buildkit", format!("{passed_over} {lacks}"))
            }
            Some(name) => {
                let text = format!("BUILDER={name}: {passed_over} does not have the buildx plugin");
                Failure::Machine { text, fix: INSTALL_BUILDX.to_owned() }.into()
            }
        })
    }

    fn builder_kind(&self) -> anyhow::Result<Option<BuilderKind>> {
        if self.has_buildx()? {
            return Ok(Some(BuilderKind::Own { builder: self.own_builder()? }));
        }
        let version = process::read(&self.query(["--version"]))?;
        Ok(has_built_in_buildkit(&version).then_some(BuilderKind::BuiltIn))
    }

    pub(super) fn has_buildx(&self) -> anyhow::Result<bool> {
        Ok(process::output(&self.query(["buildx", "version"]))?.status == 0)
    }

    /// Returns the builder that has the engine's images: only the one with the context's own name.
    pub(super) fn own_builder(&self) -> anyhow::Result<String> {
        let context = Some(self.context()?).filter(|it| !it.is_empty());
        Ok(context.unwrap_or_else(|| "default".to_owned()))
    }
}

impl Builder {
    /// Returns whether the builder lacks the engine's images, and can store layers elsewhere.
    pub(crate) fn is_separate(&self) -> bool {
        matches!(self.kind, BuilderKind::Separate { .. })
    }

    /// Returns `docker build` without its arguments, which are the same for all kinds.
    pub(crate) fn build(&self) -> Build {
        Build(match &self.kind {
            // An attestation would give each cached build another id.
            BuilderKind::Own { builder } | BuilderKind::Separate { builder } => self
                .docker
                .change(["buildx", "build"])
                .args(["--builder", builder, "--load", "--provenance=false", "--sbom=false"]),
            BuilderKind::BuiltIn => self.docker.change(["build"]).env("DOCKER_BUILDKIT", "1"),
        })
    }
}

/// Place for layers outside of the builder: <https://docs.docker.com/build/cache/backends/>.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LayerStore {
    /// A tag of a registry.
    Registry(ImageRef),
    /// The cache of GitHub Actions, whose address and token the CLI reads from its environment.
    GitHub { scope: String },
}

impl fmt::Display for LayerStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LayerStore::Registry(name) => write!(f, "type=registry,ref={name}"),
            LayerStore::GitHub { scope } => write!(f, "type=gha,scope={scope}"),
        }
    }
}

/// Variables of which the CLI needs one of each row to reach the cache of GitHub Actions; without them it
/// leaves the cache out, and says nothing.
const GITHUB: [&[&str]; 2] =
    [&["ACTIONS_RUNTIME_TOKEN"], &["ACTIONS_RESULTS_URL", "ACTIONS_CACHE_URL"]];

/// Returns the first variable that the cache of GitHub Actions needs and this environment lacks. The token
/// is hidden in all that is printed from now on.
pub(crate) fn lacking_for_github() -> Option<&'static str> {
    let value = |name: &&str| env::var(name).ok().filter(|it| !it.is_empty());
    GITHUB[0].iter().filter_map(value).for_each(|it| mask::hide(&it));
    GITHUB.iter().find(|names| names.iter().all(|it| value(it).is_none())).map(|it| it[0])
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

    /// Takes layers from a store; one that does not exist is not missed.
    pub(crate) fn layers_from(self, store: &LayerStore) -> Build {
        self.with(["--cache-from", &store.to_string()])
    }

    /// Stores the layers of all stages. A store that refuses does not fail the build. A registry may know
    /// manifests of images alone.
    pub(crate) fn layers_to(self, store: &LayerStore) -> Build {
        let how = match store {
            LayerStore::Registry(_) => "mode=max,image-manifest=true,ignore-error=true",
            LayerStore::GitHub { .. } => "mode=max,ignore-error=true",
        };
        self.with(["--cache-to", &format!("{store},{how}")])
    }

    /// Makes `manifest` of an OCI image layout the image that the Dockerfile calls [`PARENT`].
    /// `layout` is relative to the working directory, since a colon or `@` would end the path.
    pub(crate) fn parent(self, layout: &Path, manifest: &Digest) -> Build {
        let layout = layout.to_string_lossy();
        self.with(["--build-context", &format!("{PARENT}=oci-layout://{layout}@{manifest}")])
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
