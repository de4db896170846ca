//! Images of hub, proxy and helpers, which the tests build from PyPI.

use std::{path::Path, process::Command};

use crate::{run::output, settings::Settings};

/// Image with its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Image {
    /// As nodes name it.
    pub(crate) name: String,
    /// `<tag>@sha256:<digest>`.
    pub(crate) tag: String,
}

pub(crate) struct Images {
    /// JupyterHub 6.
    pub(crate) hub: Image,
    /// JupyterHub 5.
    pub(crate) older_hub: Image,
    /// A container that does nothing.
    pub(crate) pause: Image,
}

/// Builds and pushes an image; `build` are arguments of `docker build`.
fn pushed(settings: &Settings, name: &str, tag: &str, build: &[&str]) -> Image {
    let reference = format!("{}/{name}:{tag}", settings.registry);
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let certificates = ca_bundle().map(|it| format!("id=ca,src={it}"));
    let mut cmd = docker(settings, &["build", "--quiet", "--tag", &reference]);
    cmd.args(build).args(certificates.iter().flat_map(|it| ["--secret", it]));
    cmd.arg("--file").arg(tests.join("cluster/hub/Dockerfile"));
    output(cmd.arg(tests.join("helm/chart/files")));
    output(&mut docker(settings, &["push", "--quiet", &reference]));
    let digests = ["image", "inspect", "--format", "{{json .RepoDigests}}", &reference];
    let digests: Vec<String> =
        serde_json::from_str(&output(&mut docker(settings, &digests))).unwrap();
    let own = format!("{}/{name}@", settings.registry);
    let digest =
        digests.iter().find_map(|it| it.strip_prefix(&own)).expect("a pushed image has a digest");
    Image { name: format!("{}/{name}", settings.nodes), tag: format!("{tag}@{digest}") }
}

/// Pushes an empty image under the name `hello`, for a platform that no node has.
pub(crate) fn of_another_platform(settings: &Settings) -> Image {
    pushed(settings, "hello", "other", &["--platform", "linux/s390x", "--target", "other"])
}

/// Calls `test` while the receipt of one image of `hello` is that of another one; both are digests.
pub(crate) fn with_receipt(settings: &Settings, from: &str, to: &str, test: impl FnOnce()) {
    let docker = |args: &[&str]| output(&mut docker(settings, args));
    let receipt =
        |it: &str| format!("{}/hello:{}.receipt", settings.registry, it.replace(':', "-"));
    let (from, to, kept) = (receipt(from), receipt(to), format!("{}:kept", settings.registry));
    for it in [&from, &to] {
        docker(&["pull", "--quiet", it]);
    }
    docker(&["tag", &to, &kept]);
    let push = |it: &str| {
        docker(&["tag", it, &to]);
        docker(&["push", "--quiet", &to]);
    };
    push(&from);
    test();
    push(&kept);
}

/// Builds and pushes the images; what was built before is in the builder's cache. The base is on the engine.
pub(crate) fn images(settings: &Settings) -> Images {
    let image = |name: &str, target: &str, version: &str| {
        let version_arg = format!("JUPYTERHUB={version}");
        pushed(settings, name, version, &["--target", target, "--build-arg", &version_arg])
    };
    Images {
        hub: image("hub", "hub", "6.1.1"),
        older_hub: image("hub", "hub", "5.5.0"),
        pause: image("pause", "pause", "6.1.1"),
    }
}

/// Certificates that a step trusts besides the image's own.
fn ca_bundle() -> Option<String> {
    let known = "/etc/ssl/certs/ca-certificates.crt".to_owned();
    std::env::var("SSL_CERT_FILE")
        .ok()
        .into_iter()
        .chain([known])
        .find(|it| Path::new(it).is_file())
}

fn docker(settings: &Settings, args: &[&str]) -> Command {
    let mut res = Command::new(&settings.docker);
    res.args(args).env("DOCKER_BUILDKIT", "1");
    res
}

impl Image {
    /// Returns the mapping for values.
    pub(crate) fn values(&self) -> String {
        let Image { name, tag } = self;
        format!("{{name: \"{name}\", tag: \"{tag}\"}}")
    }
}
