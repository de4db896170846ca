//! Settings that reach only build steps: network, proxies, certificates and package indexes. They
//! are in no digest and no layer: files are secret mounts, proxies docker's predefined arguments
//! (<https://docs.docker.com/reference/dockerfile/#predefined-args>).

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::bail;

use crate::{
    run::printable::Shown as _,
    settings::config::{Base, CaBundle, Config, Indexes},
    tools::docker::build::Build,
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BuildSettings {
    network: Option<String>,
    proxies: Vec<(&'static str, String)>,
    /// Public, so it is passed as a file.
    ca_bundle: Option<PathBuf>,
    /// Texts by secret id: they may contain credentials, so they are passed in the child's
    /// environment.
    secrets: Vec<(Secret, String)>,
}

/// A configuration file that a build step sees at `/etc/image-build/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Secret {
    Pip,
    Uv,
    Condarc,
    Apt,
    Sources,
}

impl Secret {
    /// Returns the id in `RUN --mount=type=secret,id=…`.
    fn id(self) -> &'static str {
        match self {
            Secret::Pip => "pip",
            Secret::Uv => "uv",
            Secret::Condarc => "condarc",
            Secret::Apt => "apt",
            Secret::Sources => "sources",
        }
    }

    /// Returns the variable in the docker CLI's environment that holds the secret.
    fn variable(self) -> &'static str {
        match self {
            Secret::Pip => "IMAGE_BUILD_PIP",
            Secret::Uv => "IMAGE_BUILD_UV",
            Secret::Condarc => "IMAGE_BUILD_CONDARC",
            Secret::Apt => "IMAGE_BUILD_APT",
            Secret::Sources => "IMAGE_BUILD_SOURCES",
        }
    }
}

/// Files in which systems keep their trusted certificates.
const CA_BUNDLES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

impl BuildSettings {
    pub(crate) fn new(config: &Config) -> anyhow::Result<BuildSettings> {
        let embedded = config.base == Base::Embedded;
        Ok(BuildSettings {
            network: config.build_network.clone(),
            proxies: config.proxies.clone(),
            ca_bundle: ca_bundle(&config.ca_bundle)?,
            secrets: secrets(&config.indexes, embedded),
        })
    }

    /// Adds the settings to a build.
    pub(crate) fn add_to(&self, mut build: Build) -> Build {
        if let Some(network) = &self.network {
            build = build.network(network);
        }
        if let Some(path) = &self.ca_bundle {
            build = build.secret_file("ca", path);
        }
        for (secret, text) in &self.secrets {
            build = build.secret(secret.id(), secret.variable(), text);
        }
        for (name, value) in &self.proxies {
            build = build.proxy(name, lower_case(name), value);
        }
        build
    }
}

fn lower_case(name: &str) -> &'static str {
    match name {
        "HTTP_PROXY" => "http_proxy",
        "HTTPS_PROXY" => "https_proxy",
        _ => "no_proxy",
    }
}

/// Returns the certificates that a setting names, if any.
pub(crate) fn ca_bundle(setting: &CaBundle) -> anyhow::Result<Option<PathBuf>> {
    match setting {
        CaBundle::None => Ok(None),
        CaBundle::File(path) if !path.is_file() => {
            bail!("CA_BUNDLE={}: file not found", path.shown())
        }
        CaBundle::File(path) => Ok(Some(path.clone())),
        CaBundle::Auto => {
            let from_env = env::var_os("SSL_CERT_FILE").map(PathBuf::from);
            let known = CA_BUNDLES.iter().map(Path::new).map(Path::to_owned);
            Ok(from_env.into_iter().chain(known).find(|it| it.is_file()))
        }
    }
}

/// Returns the tools' own configuration files. Formats:
/// <https://pip.pypa.io/en/stable/topics/configuration/>,
/// <https://docs.astral.sh/uv/reference/settings/#index>, apt.conf(5), sources.list(5), and
/// <https://docs.conda.io/projects/conda/en/stable/user-guide/configuration/settings.html>.
fn secrets(indexes: &Indexes, embedded: bool) -> Vec<(Secret, String)> {
    let mut res = Vec::new();
    if indexes.pip.is_some() || !indexes.pip_extra.is_empty() {
        res.push((Secret::Pip, pip_conf(indexes)));
        res.push((Secret::Uv, uv_toml(indexes)));
    }
    if let Some(alias) = &indexes.conda {
        res.push((Secret::Condarc, format!("channel_alias: {alias}\n")));
    }
    // The mirror is for Debian, and a remote base may be Ubuntu.
    if let Some(mirror) = indexes.debian.as_deref().filter(|_| embedded) {
        let mirror = mirror.trim_end_matches('/');
        res.push((Secret::Apt, APT_CONF.to_owned()));
        res.push((
            Secret::Sources,
            format!(
                "deb {mirror} trixie main\ndeb {mirror} trixie-updates main\ndeb {mirror}-security trixie-security main\n"
            ),
        ));
    }
    res
}

/// `common/base/build-config/apt.conf`, and the mirror instead of the image's own sources.
const APT_CONF: &str = r#"Acquire::https::CAInfo "/etc/image-build/ca.crt";
Dir::Etc::sourcelist "/etc/image-build/sources.list";
Dir::Etc::sourceparts "-";
"#;

fn pip_conf(indexes: &Indexes) -> String {
    let mut text = "[global]\n".to_owned();
    if let Some(url) = &indexes.pip {
        text += &format!("index-url = {url}\n");
    }
    if !indexes.pip_extra.is_empty() {
        text += &format!("extra-index-url = {}\n", indexes.pip_extra.join(" "));
    }
    text
}

fn uv_toml(indexes: &Indexes) -> String {
    let extra = indexes.pip_extra.iter().map(|url| format!("[[index]]\nurl = {url:?}\n"));
    let default =
        indexes.pip.iter().map(|url| format!("[[index]]\nurl = {url:?}\ndefault = true\n"));
    extra.chain(default).collect()
}

#[cfg(test)]
mod tests;
