//! The credentials that docker's configuration has for a registry.
//! Reference: <https://docs.docker.com/reference/cli/docker/login/#credential-stores>.

use std::path::Path;

use anyhow::Context as _;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use fs_err as fs;
use serde::Deserialize;
use serde_json::Value;

use crate::run::process::{self, query};

/// Answer of a credential helper.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Credentials {
    username: String,
    secret: String,
}

/// Returns the value of the header `Authorization: Basic` for `registry`, from the configuration in
/// `dir`; `None` without a login there.
///
/// # Errors
/// The credential helper that the configuration names does not answer.
pub(crate) fn basic(dir: &Path, registry: &str) -> anyhow::Result<Option<String>> {
    let Ok(text) = fs::read_to_string(dir.join("config.json")) else { return Ok(None) };
    let config: Value = serde_json::from_str(&text).unwrap_or_default();
    let helper = config["credHelpers"][registry].as_str().or(config["credsStore"].as_str());
    let encoded = match helper {
        Some(helper) => asked(dir, helper, registry)?,
        None => config["auths"][registry]["auth"].as_str().map(str::to_owned),
    };
    Ok(encoded.filter(|it| !it.is_empty()).map(|it| format!("Basic {it}")))
}

fn asked(dir: &Path, helper: &str, registry: &str) -> anyhow::Result<Option<String>> {
    let program = format!("docker-credential-{helper}");
    let output = process::output(&query!(dir, "{program} get").stdin(registry.to_owned()))?;
    if output.status != 0 {
        // Its message for "no such credentials" is on standard output.
        let is_unknown = output.stdout.contains("credentials not found");
        anyhow::ensure!(is_unknown, "`{program} get` failed with status {}", output.status);
        return Ok(None);
    }
    let it: Credentials = serde_json::from_str(&output.stdout)
        .with_context(|| format!("`{program} get` printed something unexpected"))?;
    Ok(Some(BASE64_STANDARD.encode(format!("{}:{}", it.username, it.secret))))
}
