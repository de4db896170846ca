//! Images on the engine: their command lines, and what docker prints about them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    panic::resume_unwind,
    thread,
    time::Duration,
};

use anyhow::{Context as _, bail};
use serde::Deserialize;
use serde_json::Value;

use super::{Docker, NAMESPACE, of_engine};
use crate::{
    run::process::{self, Change},
    tools::{
        image_name::{Digest, ImageId, ImageRef},
        platform::Platform,
    },
};

/// Number of times that a list is printed before its changes are an error.
const MAX_LISTS: u32 = 5;

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
    /// The rest, by docker's names.
    #[serde(flatten)]
    pub(crate) rest: BTreeMap<String, Value>,
}

impl ImageConfig {
    /// Returns what tests of environments may depend on: all but labels, which no container sees, the
    /// health check, which test containers leave out, and the id that the classic builder notes. What
    /// is not set is left out, since versions of docker differ in that.
    pub(crate) fn seen_by_tests(&self) -> BTreeMap<&str, Value> {
        let is_set = |it: &Value| match it {
            Value::Null => false,
            Value::Bool(it) => *it,
            Value::String(it) => !it.is_empty(),
            Value::Array(it) => !it.is_empty(),
            Value::Object(it) => !it.is_empty(),
            Value::Number(_) => true,
        };
        let rest = self.rest.iter().filter(|(name, it)| *name != "Image" && is_set(it));
        let mut res: BTreeMap<&str, Value> =
            rest.map(|(name, it)| (name.as_str(), it.clone())).collect();
        for (name, words) in [("Cmd", &self.cmd), ("Entrypoint", &self.entrypoint)] {
            res.extend(words.as_ref().map(|it| (name, Value::from(it.clone()))));
        }
        res
    }
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

impl Docker {
    /// Returns the command that adds a name to the engine's image `image`.
    pub(crate) fn tag(&self, image: &dyn fmt::Display, name: &ImageRef) -> Change {
        self.change(["image", "tag", &image.to_string(), &name.to_string()])
    }

    /// Returns the command that removes the name `name` from an image of the engine.
    pub(crate) fn remove_name(&self, name: &ImageRef) -> Change {
        self.change(["image", "rm", &name.to_string()])
    }

    /// Returns this tool's images on the engine.
    pub(crate) fn images(&self) -> anyhow::Result<Vec<Image>> {
        let ids = self.image_ids()?;
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let text = process::read(&self.query(["image", "inspect"]).args(ids))?;
        inspected(&text)
    }

    /// Returns the ids of this tool's images on the engine. A list may be empty, or cut off: it is believed
    /// when two commands at once print it, or two in a row after that, which an image that another run adds in
    /// between delays.
    fn image_ids(&self) -> anyhow::Result<BTreeSet<String>> {
        let reference = format!("reference={NAMESPACE}/*");
        let list = ["image", "ls", "--quiet", "--no-trunc", "--filter", &reference];
        let output = || process::output(&self.query(list));
        let (first, mut next) = thread::scope(|scope| {
            let next = scope.spawn(output);
            (output(), Some(next.join().unwrap_or_else(|panic| resume_unwind(panic))))
        });
        let mut ids = listed(&of_engine(first?)?);
        for _ in 1..MAX_LISTS {
            let again = listed(&of_engine(next.take().unwrap_or_else(output)?)?);
            if again == ids {
                return Ok(ids);
            }
            ids = again;
        }
        bail!("`docker image ls` did not print the same list twice; run it again");
    }

    /// Returns an image by any of its names, or `None` when the engine does not have it.
    pub(crate) fn image(&self, name: &dyn fmt::Display) -> anyhow::Result<Option<Image>> {
        let output = process::output(&self.query(["image", "inspect", &name.to_string()]))?;
        match output.status {
            0 => Ok(inspected(&output.stdout)?.into_iter().next()),
            _ => Ok(None),
        }
    }

    /// Returns the image like [`Docker::image`], unless the engine does not answer within `limit`.
    pub(crate) fn image_within(&self, name: &ImageRef, limit: Duration) -> Option<Image> {
        let cmd = self.query(["image", "inspect", &name.to_string()]);
        let output = process::output_within(&cmd, limit).ok().flatten()?;
        inspected(&output.stdout).ok()?.into_iter().next()
    }

    /// Returns the command that pulls the image of a platform.
    pub(crate) fn pull_for(&self, platform: &Platform, name: &ImageRef) -> Change {
        self.change(["pull", "--platform", &platform.to_string(), &name.to_string()])
    }

    /// Returns the command that pulls an image. Not quietly: a large image shows progress for longer
    /// than the patience with registries.
    pub(crate) fn pull(&self, name: &ImageRef) -> Change {
        self.change(["pull", &name.to_string()])
    }

    /// Returns the command that pushes an image.
    pub(crate) fn push(&self, name: &ImageRef) -> Change {
        self.change(["image", "push", &name.to_string()])
    }

    /// Returns the command that prints an image as a tar archive: its config, its layers, and `manifest.json`.
    pub(crate) fn save(&self, image: &ImageId) -> Change {
        self.change(["image", "save", &image.to_string()])
    }

    /// Returns the command that makes an image from a root file system, a tar on its stdin, and
    /// prints its id.
    pub(crate) fn import(&self, platform: &Platform, labels: &[(&str, String)]) -> Change {
        let labels = labels.iter().map(|(name, value)| format!("LABEL {name}={value}"));
        self.change(["import", "--platform", &platform.to_string()])
            .args(labels.flat_map(|it| ["--change".to_owned(), it]))
            .args(["-"])
    }

    /// Returns the commands that remove this tool's images and the builder's cache.
    pub(crate) fn forget(&self) -> anyhow::Result<Vec<Change>> {
        self.forget_but("")
    }

    /// Returns the commands of [`Docker::forget`] for all images but those called `name`.
    pub(crate) fn forget_but(&self, name: &str) -> anyhow::Result<Vec<Change>> {
        let start = format!("{NAMESPACE}/{name}:");
        let is_kept = |it: &Image| it.repo_tags.iter().flatten().any(|it| it.starts_with(&start));
        let images = self.images()?.into_iter().filter(|it| !is_kept(it));
        let ids: Vec<String> = images.map(|it| it.id.to_string()).collect();
        let images = self.change(["image", "rm", "--force", "--no-prune"]).args(&ids);
        let cache = self.change(["builder", "prune", "--all", "--force"]);
        // `image rm` without an image is an error.
        Ok(if ids.is_empty() { vec![cache] } else { vec![images, cache] })
    }
}

/// Parses the output of `docker image inspect`.
fn inspected(text: &str) -> anyhow::Result<Vec<Image>> {
    serde_json::from_str(text).context("`docker image inspect` printed something unexpected")
}

/// Returns the lines of a list. docker prints images of the same second in any order.
fn listed(text: &str) -> BTreeSet<String> {
    text.lines().map(str::to_owned).collect()
}
