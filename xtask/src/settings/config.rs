//! The settings of one mission, checked once and then trusted everywhere.

use std::{path::PathBuf, str::FromStr};

use anyhow::{Context as _, anyhow, bail};

mod testing;

pub(crate) use testing::{Data, Network, Testing};

use testing::{factor, size};

use crate::{
    run::redact::{TOKENS, redact},
    settings::layers::{Setting, Settings},
    tools::{
        image_name::{ImageRef, Tag, check_registry},
        platform::Platform,
    },
};

/// Settings as types. Built only by [`Config::new`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Config {
    pub(crate) mission: String,
    /// Name such as `sandbox` or `dev`.
    pub(crate) environment: String,
    pub(crate) mode: Mode,
    pub(crate) base: Base,
    /// Pulled root file system for the embedded base.
    pub(crate) debian_image: Option<ImageRef>,
    /// Image without a digest, which a frozen build refuses.
    pub(crate) unpinned: Option<UnpinnedImage>,
    pub(crate) registry: Registry,
    pub(crate) image_tag: Tag,
    pub(crate) common_tag: Tag,
    /// Path of the docker CLI, if set.
    pub(crate) docker: Option<PathBuf>,
    /// Platform, if set.
    pub(crate) platform: Option<Platform>,
    pub(crate) ca_bundle: CaBundle,
    pub(crate) run_pars: Vec<String>,
    pub(crate) build_network: Option<String>,
    /// Proxies that are set: `HTTP_PROXY` and the like.
    pub(crate) proxies: Vec<(&'static str, String)>,
    pub(crate) indexes: Indexes,
    pub(crate) testing: Testing,
    /// URL of the mission's secrets repository.
    pub(crate) secrets_repo: Option<String>,
    /// AWS role for the secrets repository.
    pub(crate) secrets_role: Option<String>,
}

/// Value of `USE_FROZEN`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Solve the floating specs.
    Floating,
    /// Install exactly the frozen specs.
    Frozen,
}

/// Value of `BASE_IMAGE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Base {
    /// `local`: built here from Debian and PyPI.
    Embedded,
    /// An image reference, with a digest in frozen builds.
    Remote(ImageRef),
}

/// Value of `REGISTRY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Registry {
    /// A container of this tool on 127.0.0.1.
    Local,
    /// A registry `host[:port][/path]`.
    Remote(String),
}

/// Value of `CA_BUNDLE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CaBundle {
    /// This machine's certificates.
    Auto,
    File(PathBuf),
    None,
}

/// Package indexes of build steps; every URL may carry credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Indexes {
    pub(crate) pip: Option<String>,
    pub(crate) pip_extra: Vec<String>,
    pub(crate) conda: Option<String>,
    pub(crate) debian: Option<String>,
}

impl Config {
    /// Checks all settings. Pure, so that every rule about a setting has a test without a file
    /// system.
    ///
    /// # Errors
    /// A value has the wrong type; the message has its origin and the valid values.
    pub(crate) fn new(settings: &Settings) -> anyhow::Result<Config> {
        let text = |name: &str| settings[name].value.clone();
        let some = |name: &str| Some(text(name)).filter(|it| !it.is_empty());
        Ok(Config {
            mission: typed(settings, "DEPLOYMENT_NAME", required)?,
            environment: typed(settings, "ENVIRONMENT", environment)?,
            mode: typed(settings, "USE_FROZEN", Mode::from_str)?,
            base: typed(settings, "BASE_IMAGE", Base::from_str)?,
            debian_image: typed(settings, "DEBIAN_IMAGE", optional(ImageRef::from_str))?,
            unpinned: unpinned(settings),
            registry: typed(settings, "REGISTRY", Registry::from_str)?,
            image_tag: typed(settings, "IMAGE_TAG", Tag::from_str)?,
            common_tag: typed(settings, "COMMON_TAG", Tag::from_str)?,
            docker: some("DOCKER").map(PathBuf::from),
            platform: typed(settings, "PLATFORM", optional(Platform::from_str))?,
            ca_bundle: match text("CA_BUNDLE").as_str() {
                "auto" => CaBundle::Auto,
                "" => CaBundle::None,
                file => CaBundle::File(PathBuf::from(file)),
            },
            run_pars: typed(settings, "IMAGE_RUN_PARS", |it| Ok(shell_words::split(it)?))?,
            build_network: some("BUILD_NETWORK"),
            proxies: ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"]
                .into_iter()
                .filter_map(|name| Some((name, some(name)?)))
                .collect(),
            indexes: Indexes {
                pip: some("PIP_INDEX_URL"),
                pip_extra: text("PIP_EXTRA_INDEX_URL")
                    .split_whitespace()
                    .map(str::to_owned)
                    .collect(),
                conda: some("CONDA_CHANNEL_ALIAS"),
                debian: some("DEBIAN_MIRROR"),
            },
            testing: Testing {
                memory: typed(settings, "TEST_MEMORY", required)?,
                disk: typed(settings, "TEST_DISK", size)?,
                network: typed(settings, "TEST_NETWORK", Network::from_str)?,
                data: typed(settings, "TEST_DATA", |it| {
                    it.split_whitespace().map(Data::from_str).collect()
                })?,
                patience: typed(settings, "PATIENCE", factor)?,
            },
            secrets_repo: some("SECRETS_REPO").map(repository).transpose().map_err(|err| {
                // Without the value, which may contain the password.
                anyhow!("SECRETS_REPO ({}): {err}", settings["SECRETS_REPO"].origin)
            })?,
            secrets_role: typed(settings, "SECRETS_ROLE_ARN", optional(role))?,
        })
    }
}

/// Returns the setting that names the image below all others, if it uses a tag, which may move.
/// LESSONS of earlier systems: a frozen image on a floating base was not frozen at all.
fn unpinned(settings: &Settings) -> Option<UnpinnedImage> {
    let setting = match settings["BASE_IMAGE"].value.as_str() {
        "local" => "DEBIAN_IMAGE",
        _ => "BASE_IMAGE",
    };
    let Setting { value, origin } = &settings[setting];
    let reference: ImageRef = value.parse().ok()?;
    let origin = origin.clone();
    reference.digest.is_none().then_some(UnpinnedImage { setting, reference, origin })
}

/// A setting with an image that is named by a tag.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct UnpinnedImage {
    pub(crate) setting: &'static str,
    pub(crate) reference: ImageRef,
    /// Origin of the setting.
    pub(crate) origin: String,
}

impl Mode {
    /// Returns the value of `USE_FROZEN`.
    pub(crate) fn flag(self) -> &'static str {
        match self {
            Mode::Floating => "0",
            Mode::Frozen => "1",
        }
    }
}

impl FromStr for Mode {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Mode> {
        match text {
            "0" => Ok(Mode::Floating),
            "1" => Ok(Mode::Frozen),
            _ => bail!("expected 0 (floating) or 1 (frozen)"),
        }
    }
}

impl FromStr for Base {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Base> {
        match required(text)?.as_str() {
            "local" => Ok(Base::Embedded),
            _ => Ok(Base::Remote(text.parse()?)),
        }
    }
}

impl FromStr for Registry {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Registry> {
        match required(text)?.trim_end_matches('/') {
            "local" => Ok(Registry::Local),
            it if it.contains("://") => {
                bail!("write the host without a scheme, as in docker.io/org")
            }
            it => {
                check_registry(it)?;
                Ok(Registry::Remote(it.to_owned()))
            }
        }
    }
}

/// Applies `parse`; the error names the setting, its value and its origin.
fn typed<T>(
    settings: &Settings,
    name: &'static str,
    parse: impl Fn(&str) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let setting = &settings[name];
    let shown = || format!("{name}={} ({})", redact(&setting.value), setting.origin);
    parse(&setting.value).with_context(shown)
}

fn optional<T>(
    parse: impl Fn(&str) -> anyhow::Result<T>,
) -> impl Fn(&str) -> anyhow::Result<Option<T>> {
    move |text| if text.is_empty() { Ok(None) } else { parse(text).map(Some) }
}

fn required(text: &str) -> anyhow::Result<String> {
    if text.is_empty() || text.contains(char::is_whitespace) {
        bail!("expected a value without spaces");
    }
    Ok(text.to_owned())
}

fn environment(text: &str) -> anyhow::Result<String> {
    if !["sandbox", "dev", "test", "staging", "prod"].contains(&text) {
        bail!("expected sandbox, dev, test, staging or prod");
    }
    Ok(text.to_owned())
}

/// Checks a git URL. A URL with a password would show it in process lists and keep it in the clone.
fn repository(url: String) -> anyhow::Result<String> {
    let authority = url.split_once("://").map_or("", |(_, rest)| rest).split('/').next();
    let user = authority.and_then(|it| it.rsplit_once('@')).map_or("", |(user, _)| user);
    if user.contains(':') || TOKENS.iter().any(|it| user.starts_with(it)) {
        bail!("the URL holds a password; leave it out, and let a git credential helper give it");
    }
    if url.starts_with('-') || url.contains(char::is_whitespace) {
        bail!("expected a git URL without spaces");
    }
    Ok(url)
}

fn role(text: &str) -> anyhow::Result<String> {
    if !text.starts_with("arn:aws") || !text.contains(":role/") {
        bail!("expected an AWS role, as in arn:aws:iam::<account>:role/<name>");
    }
    required(text)
}

#[cfg(test)]
pub(crate) mod tests;
