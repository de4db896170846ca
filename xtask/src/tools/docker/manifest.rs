//! Manifests in registries, which docker itself asks for.

use anyhow::{Context as _, bail};

use super::Docker;
use crate::{
    run::process::{self, Output},
    tools::{
        image_name::{Digest, ImageId, ImageRef},
        retries::{self, FailedAttempt, patience},
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

impl Docker {
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
        answer.map_err(|it| {
            it.error(|seconds| format!("cannot ask for {reference}: no answer for {seconds} s"))
        })
    }
}

pub(super) fn read_remote(
    reference: &ImageRef,
    output: Output,
) -> anyhow::Result<Option<RemoteImage>> {
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
