//! Manifests in registries, which docker itself asks for.

use std::fmt;

use anyhow::Context as _;

use super::Docker;
use crate::{
    run::process::{self, Output},
    tools::{
        image_name::{Digest, ImageId, ImageRef},
        retries::{self, FailedAttempt, Unanswered, patience},
    },
};

/// A manifest in a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RemoteImage {
    pub(crate) digest: Digest,
    /// Digest of the config: the image's id on most engines.
    pub(crate) config: ImageId,
    /// Platform from the config, like `linux/amd64`.
    pub(crate) platform: String,
}

/// A name in a registry is that of something else than one image.
#[derive(Debug)]
pub(crate) struct NotOneImage(String);

impl std::error::Error for NotOneImage {}

impl fmt::Display for NotOneImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Docker {
    /// Returns the manifest that a registry has under `reference`, or `None` when the tag or digest
    /// does not exist. `plain_http` is for a registry on this machine.
    ///
    /// The CLI itself digests the bytes of the manifest, refuses bytes that do not match the
    /// requested digest, and refuses a config that does not match the manifest's: the end-to-end
    /// tests check this for 20.10 to 28.
    ///
    /// # Errors
    /// The registry does not answer, refuses, or sends other bytes than requested; [`NotOneImage`].
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
                Some(output) => match failure(&output) {
                    Some(said) => Err(FailedAttempt::Said(said)),
                    None => Ok(read_remote(reference, output)),
                },
                None => Err(FailedAttempt::Hangs),
            })
        })?;
        answer.map_err(|it| {
            let said = it.text(|seconds| format!("no answer for {seconds} s"));
            Unanswered(format!("cannot ask for {reference}: {said}"))
        })?
    }
}

/// What docker says of a manifest that does not exist.
const ABSENT: [&str; 3] = ["no such manifest", "manifest unknown", "name unknown"];

/// What docker prints first when the bytes do not match their digest; the bytes follow.
const OTHER_BYTES: &str = "unsupported manifest format";

/// Returns what docker said, if the registry did not answer the question.
pub(super) fn failure(output: &Output) -> Option<String> {
    let is_answer = output.status == 0
        || output.stderr.starts_with(OTHER_BYTES)
        || ABSENT.iter().any(|it| output.stderr.contains(it));
    (!is_answer).then(|| process::last_lines(&output.stderr, 3))
}

/// Reads an answer that is not a [`failure`].
pub(super) fn read_remote(
    reference: &ImageRef,
    output: Output,
) -> anyhow::Result<Option<RemoteImage>> {
    if output.status != 0 {
        if output.stderr.starts_with(OTHER_BYTES) {
            return Err(NotOneImage(format!(
                "{reference}: the registry's bytes are no image's manifest, or not of this digest"
            ))
            .into());
        }
        return Ok(None);
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
        None => Err(NotOneImage(format!(
            "{reference} is not the manifest of one image, and was not pushed by this tool"
        ))
        .into()),
    }
}
