//! The settings of one mission, checked once and then trusted everywhere.

use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

use anyhow::bail;
#[cfg(test)]
use anyhow::ensure;

mod build_cache;
mod testing;

pub(crate) use build_cache::BuildCache;
pub(crate) use testing::{Data, Network, Testing};

use testing::{age, factor, memory, size, total_memory};

use crate::{
    run::redact::{TOKENS, redact},
    settings::{
        layers::{Evaluated, NAMES, Setting, Settings, Sources, TEMPLATE},
        setup_env::Unreadable,
    },
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
    pub(crate) reuse: Reuse,
    pub(crate) build_cache: BuildCache,
    /// Whether this is a job for a pull request.
    pub(crate) is_pull_request: bool,
    pub(crate) image_tag: Tag,
    pub(crate) common_tag: Tag,
    /// Path of the docker CLI, if set.
    pub(crate) docker: Option<PathBuf>,
    /// Name of the buildx builder, if set.
    pub(crate) builder: Option<String>,
    /// Platform, if set.
    pub(crate) platform: Option<Platform>,
    pub(crate) ca_bundle: CaBundle,
    pub(crate) run_pars: Vec<String>,
    pub(crate) build_network: Option<String>,
    /// Proxies that are set: `HTTP_PROXY` and the like.
    pub(crate) proxies: Vec<(&'static str, String)>,
    pub(crate) indexes: Indexes,
    pub(crate) testing: Testing,
    /// Port of the hub on this machine, if set.
    pub(crate) hub_port: Option<u16>,
    /// Path of the engine's socket on its machine, if set.
    pub(crate) hub_socket: Option<String>,
    /// The registry as the nodes of clusters name it, if that is not the name here.
    pub(crate) hub_registry: Option<String>,
    /// Value of `KUBECONFIG`, if set.
    pub(crate) kubeconfig: Option<String>,
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

/// Value of `REUSE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reuse {
    /// Images that the registry has, tested, are not built.
    Registry,
    Never,
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
    /// Values have the wrong type; the message has a line for each, with its origin and the valid
    /// values.
    #[cfg(test)]
    pub(crate) fn new(settings: &Settings) -> anyhow::Result<Config> {
        let (config, wrong) = Config::checked(settings);
        ensure!(wrong.is_empty(), "{}", lines(&wrong));
        Ok(config)
    }

    /// Returns the settings as types, and the values that are not valid, in place of which the
    /// settings have others.
    fn checked(settings: &Settings) -> (Config, Vec<Wrong>) {
        let text = |name: &str| settings[name].value.clone();
        let some = |name: &str| Some(text(name)).filter(|it| !it.is_empty());
        let mut all = Checked { settings, wrong: Vec::new() };
        let res = Config {
            mission: all.typed("DEPLOYMENT_NAME", required, String::new()),
            environment: all.typed("ENVIRONMENT", environment, String::new()),
            mode: all.typed("USE_FROZEN", Mode::from_str, Mode::Frozen),
            base: all.typed("BASE_IMAGE", Base::from_str, Base::Embedded),
            debian_image: all.typed("DEBIAN_IMAGE", optional(ImageRef::from_str), None),
            unpinned: unpinned(settings),
            registry: all.typed("REGISTRY", Registry::from_str, Registry::Local),
            reuse: all.typed("REUSE", Reuse::from_str, Reuse::Registry),
            build_cache: all.typed("BUILD_CACHE", BuildCache::from_str, BuildCache::Inline),
            is_pull_request: some("PULL_REQUEST").is_some(),
            image_tag: all.typed("IMAGE_TAG", Tag::from_str, Tag::latest()),
            common_tag: all.typed("COMMON_TAG", Tag::from_str, Tag::latest()),
            docker: some("DOCKER").map(PathBuf::from),
            builder: all.typed("BUILDER", optional(build_cache::builder), None),
            platform: all.typed("PLATFORM", optional(Platform::from_str), None),
            ca_bundle: match text("CA_BUNDLE").as_str() {
                "auto" => CaBundle::Auto,
                "" => CaBundle::None,
                file => CaBundle::File(PathBuf::from(file)),
            },
            run_pars: all.typed("IMAGE_RUN_PARS", |it| Ok(shell_words::split(it)?), Vec::new()),
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
                memory: all.typed("TEST_MEMORY", memory, String::new()),
                total_memory: all.typed("TEST_MEMORY_TOTAL", optional(total_memory), None),
                disk: all.typed("TEST_DISK", size, 0),
                network: all.typed("TEST_NETWORK", Network::from_str, Network::None),
                data: all.typed(
                    "TEST_DATA",
                    |it| it.split_whitespace().map(Data::from_str).collect(),
                    Vec::new(),
                ),
                max_age: all.typed("TEST_MAX_AGE", age, Duration::ZERO),
                patience: all.typed("PATIENCE", factor, 1.0),
            },
            hub_port: all.typed("HUB_PORT", optional(port), None),
            hub_socket: all.typed("HUB_SOCKET", optional(socket), None),
            hub_registry: all.typed("HUB_REGISTRY", optional(registry), None),
            kubeconfig: some("KUBECONFIG"),
            secrets_repo: all.secrets_repo(some("SECRETS_REPO")),
            secrets_role: all.typed("SECRETS_ROLE_ARN", optional(role), None),
        };
        (res, all.wrong)
    }

    /// Evaluates and checks the settings of `mission`, or of the mission that they name. Also
    /// returns warnings about names that nothing reads.
    ///
    /// # Errors
    /// Lines cannot be read, or values are not valid: all of them.
    pub(crate) fn read(
        sources: &Sources,
        mission: Option<&str>,
    ) -> anyhow::Result<(Config, Vec<String>)> {
        let Evaluated { settings, warnings, unreadable } = sources.readable(mission);
        let (config, wrong) = Config::with_lines(&settings, unreadable);
        match config {
            Some(config) if wrong.is_empty() => Ok((config, warnings)),
            _ => bail!("{}", lines(&wrong)),
        }
    }

    /// Returns everything that is wrong with the settings of `mission`, or of the mission that they
    /// name.
    pub(crate) fn problems(sources: &Sources, mission: Option<&str>) -> Vec<Wrong> {
        let Evaluated { settings, unreadable, .. } = sources.readable(mission);
        Config::with_lines(&settings, unreadable).1
    }

    /// Returns the checked settings, unless one is missing, and what is wrong with them and with the
    /// lines of their files.
    fn with_lines(
        settings: &Settings,
        unreadable: Vec<(&'static str, Unreadable)>,
    ) -> (Option<Config>, Vec<Wrong>) {
        let mut wrong: Vec<Wrong> = unreadable
            .into_iter()
            .map(|(file, it)| Wrong {
                value: None,
                origin: format!("{file}:{}", it.line),
                what: it.what,
            })
            .collect();
        if let Some(name) = NAMES.iter().find(|it| !settings.contains_key(*it)) {
            // A line that cannot be read may be the missing one.
            if wrong.is_empty() {
                let what =
                    format!("no line `export {name}=…`; every setting needs its default there");
                wrong.push(Wrong { value: None, origin: TEMPLATE.to_owned(), what });
            }
            return (None, wrong);
        }
        let (config, values) = Config::checked(settings);
        wrong.extend(values);
        (Some(config), wrong)
    }
}

/// A value that is not valid, or a line that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// Setting as `NAME=value`, without credentials; `None` for a line.
    pub(crate) value: Option<String>,
    /// Origin of the setting, as in [`Setting::origin`]; or file and line.
    pub(crate) origin: String,
    pub(crate) what: String,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Wrong { value, origin, what } = self;
        match value {
            Some(value) => write!(f, "{value} ({origin}): {what}"),
            None => write!(f, "{origin}: {what}"),
        }
    }
}

fn lines(wrong: &[Wrong]) -> String {
    wrong.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Settings, and what is wrong with those that were checked.
struct Checked<'a> {
    settings: &'a Settings,
    wrong: Vec<Wrong>,
}

impl Checked<'_> {
    /// Applies `parse`, or keeps its error and returns `otherwise`.
    fn typed<T>(
        &mut self,
        name: &'static str,
        parse: impl Fn(&str) -> anyhow::Result<T>,
        otherwise: T,
    ) -> T {
        let value = &self.settings[name].value;
        self.keep(name, format!("{name}={}", redact(value)), parse(value), otherwise)
    }

    /// Checks a URL without naming its value, which may contain a password.
    fn secrets_repo(&mut self, url: Option<String>) -> Option<String> {
        let name = "SECRETS_REPO";
        self.keep(name, name.to_owned(), url.map(repository).transpose(), None)
    }

    fn keep<T>(&mut self, name: &str, value: String, res: anyhow::Result<T>, otherwise: T) -> T {
        res.unwrap_or_else(|err| {
            let origin = self.settings[name].origin.clone();
            self.wrong.push(Wrong { value: Some(value), origin, what: format!("{err:#}") });
            otherwise
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

impl FromStr for Reuse {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Reuse> {
        match text {
            "registry" => Ok(Reuse::Registry),
            "never" => Ok(Reuse::Never),
            _ => bail!("expected registry or never"),
        }
    }
}

fn optional<T>(
    parse: impl Fn(&str) -> anyhow::Result<T>,
) -> impl Fn(&str) -> anyhow::Result<Option<T>> {
    move |text| if text.is_empty() { Ok(None) } else { parse(text).map(Some) }
}

fn required(text: &str) -> anyhow::Result<String> {
    if text.is_empty() {
        bail!("expected a value, found none");
    }
    if text.contains(char::is_whitespace) {
        bail!("expected a value without spaces");
    }
    Ok(text.to_owned())
}

/// Names of environments, of which there are secrets and values.
const ENVIRONMENTS: [&str; 5] = ["sandbox", "dev", "test", "staging", "prod"];

/// Returns the name of an environment.
pub(crate) fn environment(text: &str) -> anyhow::Result<String> {
    if !ENVIRONMENTS.contains(&text) {
        bail!("expected sandbox, dev, test, staging or prod");
    }
    Ok(text.to_owned())
}

fn registry(text: &str) -> anyhow::Result<String> {
    check_registry(text)?;
    Ok(text.to_owned())
}

fn port(text: &str) -> anyhow::Result<u16> {
    match text.parse() {
        Ok(port) if port > 0 => Ok(port),
        _ => bail!("expected a port from 1 to 65535"),
    }
}

fn socket(text: &str) -> anyhow::Result<String> {
    // A comma would begin another option of `docker run --mount`.
    if !text.starts_with('/') || text.contains(',') {
        bail!("expected an absolute path without a comma");
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
