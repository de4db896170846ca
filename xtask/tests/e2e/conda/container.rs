//! Inspects images, and makes environments in containers, whose caches are empty.

use std::process::Output;

use super::base::Base;
use crate::{
    checkout::{run, text},
    containers::docker,
    leaks::host_bundle,
};

/// Returns the files of an environment in an image, except those that Python creates.
pub(super) fn files(image: &str, environment: &str) -> String {
    let script = format!(
        "cd /opt/conda/envs/{environment} && find . -not -name '*.pyc' -not -type d | LC_ALL=C sort"
    );
    let command = ["run", "--rm", "--entrypoint", "bash", image, "-c", &script];
    text(&run(&mut docker(&command)))
}

/// Makes the environment of the mission of the same name from its frozen spec, in a container of
/// the common image; exports it.
pub(super) fn made(base: &Base, environment: &str) -> Output {
    let scripts = "/opt/common-scripts";
    let common = base.all("image-build", &["--frozen"]).text("common", "tag");
    let script = format!(
        "set -e; echo \"channel_alias: $ALIAS\" > /tmp/condarc; export CONDARC=/tmp/condarc USE_FROZEN=1
        {scripts}/env-create {environment} >&2; {scripts}/env-export {environment}"
    );
    let spec =
        format!("missions/{environment}/environments/{environment}/{environment}-frozen.yml");
    let spec = format!(
        "{}:/opt/environments/{environment}/{environment}-frozen.yml:ro",
        base.checkout.path(&spec).display()
    );
    let bundle = format!("{}:/etc/image-build/ca.crt:ro", host_bundle());
    let options = ["run", "--rm", "--no-healthcheck", "--entrypoint", "bash"];
    docker(&options)
        .args(["--volume", &spec, "--volume", &bundle])
        .args(["--env", "SSL_CERT_FILE=/etc/image-build/ca.crt"])
        .args(["--env", &format!("ALIAS={}", base.served.alias)])
        .args(["--env", &format!("UV_INDEX={}", base.served.index)])
        .args([&common, "-c", &script])
        .output()
        .unwrap()
}
