//! Facts about this machine, and which hosts answer from it. Changes nothing.

use std::{
    env,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::Context as _;
use fs_err as fs;
use serde::Deserialize;

use crate::{
    image::{build::layer_cache, build_settings},
    run::{
        failure::{self, Failure},
        printable::Shown as _,
        process::{self, Patience, on_path},
        redact,
    },
    settings::config::{Base, Config, Registry},
    task::{
        Session,
        shared::doctor::{
            About, Probes, clusters,
            secrets::{self, MissingTool},
        },
    },
    tools::{
        docker::{Docker, NAMESPACE},
        python,
    },
};

/// Programs that tasks start, which are packages of the same name in Debian.
const TOOLS: &[&str] = &["git", "python3"];

/// Facts about this machine.
#[derive(Debug)]
pub(super) struct Facts {
    /// Those of [`TOOLS`] that are not on `PATH`.
    pub(super) missing_tools: Vec<&'static str>,
    /// Reason why no engine answers, if so.
    pub(super) engine: Option<String>,
    /// Reason why no CLI can build, if so.
    pub(super) buildkit: Option<String>,
    /// What `BUILDER` and `BUILD_CACHE` lack, and the fix, if so.
    pub(super) builder: Option<(String, String)>,
    /// Whether the embedded base's root file system must be built here.
    pub(super) needs_rootfs: bool,
    pub(super) has_mmdebstrap: bool,
    /// Free bytes on the disk of docker's images; unknown on a remote engine.
    pub(super) free: Option<u64>,
    /// Bytes that missing images will take, with the builder's cache.
    pub(super) needed: u64,
    /// Storage driver; '' when no engine answers.
    pub(super) storage_driver: String,
    /// Whether the system is Debian, Ubuntu, or derived from them.
    pub(super) has_apt: bool,
    /// Whether packages can be installed and services started.
    pub(super) is_root: bool,
    pub(super) has_docker: bool,
    /// Whether docker is the distribution's own package, which its other packages require.
    pub(super) is_docker_io: bool,
    /// Another engine, or the setting that names one: installing or starting docker would not help.
    pub(super) other_engine: Option<&'static str>,
    /// Reason why images cannot be published, if so.
    pub(super) registry: Option<String>,
    /// Answers of hosts that builds need; empty when they were not asked.
    pub(super) answers: Vec<Answer>,
    /// Seconds that this machine's clock is ahead of the hosts', or of the engine's.
    pub(super) clock: Option<i64>,
    /// Missing tools of the tasks about secrets, if a mission has secrets.
    pub(super) secrets: Vec<MissingTool>,
    /// What hubs on Kubernetes lack, if there are any.
    pub(super) clusters: Vec<MissingTool>,
}

/// Answer of a host, or the reason why it did not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// Setting that leads to the host.
    pub(super) setting: &'static str,
    /// URL without credentials.
    pub(super) url: String,
    pub(super) problem: Option<Problem>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Problem {
    /// The certificate is not trusted.
    Tls(String),
    /// A proxy answered instead.
    Proxy(String),
    Network(String),
    /// An HTTP status other than success.
    Status(u16),
}

/// Sizes in bytes: the embedded base and the common image, with the builder's cache; then each
/// mission.
const COMMON_SIZE: u64 = 3_500_000_000;
const MISSION_SIZE: u64 = 2_500_000_000;

impl Facts {
    pub(super) fn gather(
        session: &Session,
        configs: &[Config],
        about: About,
        ask: Probes,
    ) -> anyhow::Result<Facts> {
        let config = configs.first().context("a task is about a mission")?;
        let docker = Docker::find(config.docker.as_deref(), &session.checkout.root);
        let text = |err: anyhow::Error| failure::text(&err);
        let (engine, buildkit) = match &docker {
            Err(err) => (Some(failure::text(err)), None),
            Ok(docker) => (
                docker.engine_platform().err().map(text),
                docker.builder(config.docker.as_deref(), None).err().map(text),
            ),
        };
        let reachable = docker.as_ref().ok().filter(|_| engine.is_none());
        let has = |name: &str| -> bool {
            let image = reachable.map(|it| it.image(&format!("{NAMESPACE}/{name}:latest")));
            matches!(image, Some(Ok(Some(_))))
        };
        let is_local = config.base == Base::Embedded && config.debian_image.is_none();
        let missing_missions = configs.iter().filter(|it| !has(&it.mission)).count() as u64;
        let common = if has("common") { 0 } else { COMMON_SIZE };
        let reached = match ask {
            Probes::Network => reach(session, config)?,
            Probes::MachineOnly => Reached::default(),
        };
        Ok(Facts {
            secrets: match about {
                About::Images => Vec::new(),
                About::Everything => secrets::lacks(session, configs),
            },
            clusters: match about {
                About::Images => Vec::new(),
                About::Everything => clusters::lacks(session, matches!(ask, Probes::Network)),
            },
            missing_tools: TOOLS.iter().filter(|it| !on_path(it)).copied().collect(),
            free: reachable.map(free_space).transpose()?.flatten(),
            needed: common + missing_missions * MISSION_SIZE,
            storage_driver: reachable.map(Docker::storage_driver).transpose()?.unwrap_or_default(),
            needs_rootfs: is_local && !has("rootfs"),
            has_mmdebstrap: on_path("mmdebstrap"),
            has_apt: on_path("apt-get"),
            is_root: nix::unistd::geteuid().is_root(),
            has_docker: docker.is_ok(),
            is_docker_io: Path::new("/var/lib/dpkg/info/docker.io.list").is_file(),
            other_engine: other_engine(docker.as_ref().ok()),
            registry: match (ask, reachable) {
                (Probes::Network, Some(docker)) => registry(docker, &config.registry),
                _ => None,
            },
            answers: reached.answers,
            clock: reached.clock.or(reachable.and_then(engine_clock)),
            builder: reachable.filter(|_| buildkit.is_none()).and_then(|it| builder(it, config)),
            engine,
            buildkit,
        })
    }
}

/// Returns what the settings of builds lack, and the fix.
fn builder(docker: &Docker, config: &Config) -> Option<(String, String)> {
    let found = docker.builder(config.docker.as_deref(), config.builder.as_deref());
    match found.and_then(|it| layer_cache::check(config, &it)).err()?.downcast() {
        Ok(Failure::Machine { text, fix }) => Some((text, fix)),
        _ => None,
    }
}

/// Returns evidence of another engine, when the docker CLI finds none.
fn other_engine(docker: Option<&Docker>) -> Option<&'static str> {
    let context = || docker?.context().ok().filter(|it| !it.is_empty() && it != "default");
    match () {
        () if env::var_os("DOCKER_HOST").is_some() => Some("DOCKER_HOST"),
        () if env::var_os("DOCKER_CONTEXT").is_some() || context().is_some() => {
            Some("a docker context")
        }
        () if docker.is_none() && on_path("podman") => Some("podman"),
        () => None,
    }
}

/// Returns the free bytes on the disk of the engine's images, when that is on this machine.
fn free_space(docker: &Docker) -> anyhow::Result<Option<u64>> {
    let Ok(stat) = nix::sys::statvfs::statvfs(&docker.data_root()?) else { return Ok(None) };
    Ok(Some(stat.blocks_available() * stat.fragment_size()))
}

/// Returns the reason why the registry does not answer; nothing for the local one.
fn registry(docker: &Docker, registry: &Registry) -> Option<String> {
    let Registry::Remote(name) = registry else { return None };
    let host = crate::registry::Host::new(docker, name);
    let err = host.and_then(|it| it.ping()).err()?;
    Some(failure::text(&err))
}

/// Returns the difference to the engine's clock: a virtual machine has its own, which stops while a
/// laptop sleeps.
fn engine_clock(docker: &Docker) -> Option<i64> {
    Some(seconds(SystemTime::now()) - seconds(docker.system_time().ok()?))
}

fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs());
    i64::try_from(since).unwrap_or(i64::MAX)
}

#[derive(Default)]
struct Reached {
    answers: Vec<Answer>,
    clock: Option<i64>,
}

/// A line of `reach.py`.
#[derive(Debug, Deserialize)]
struct Line {
    status: Option<u16>,
    time: Option<f64>,
    error: Option<String>,
    kind: Option<String>,
}

/// Asks the hosts of packages like a build step would: with its proxies and certificates.
fn reach(session: &Session, config: &Config) -> anyhow::Result<Reached> {
    let hosts = hosts(session, config)?;
    if !on_path("python3") || hosts.is_empty() {
        return Ok(Reached::default());
    }
    let script = include_str!("reach.py");
    let mut cmd = python::query(&session.checkout.root, script).patience(Patience::Change);
    for (name, value) in &config.proxies {
        cmd = cmd.secret_env(name, value);
    }
    if let Some(bundle) = build_settings::ca_bundle(&config.ca_bundle)? {
        // Only that file, like in a build step.
        cmd = cmd.env("SSL_CERT_FILE", &bundle.to_string_lossy()).env("SSL_CERT_DIR", "/dev/null");
    }
    let text = process::read(&cmd.args(hosts.iter().map(|(_, url)| url)))?;
    let lines = text.lines().map(serde_json::from_str);
    let lines: Vec<Line> = lines.collect::<Result<_, _>>().context("reach.py printed no JSON")?;
    let clock = lines.iter().find_map(|it| it.time);
    #[expect(clippy::cast_possible_truncation, reason = "seconds since 1970")]
    let clock = clock.map(|it| seconds(SystemTime::now()) - it as i64);
    let answers = hosts.into_iter().zip(&lines).map(|((setting, url), line)| Answer {
        setting,
        url,
        problem: line.problem(),
    });
    Ok(Reached { answers: answers.collect(), clock })
}

impl Line {
    fn problem(&self) -> Option<Problem> {
        match (&self.error, self.kind.as_deref(), self.status) {
            (Some(text), Some("tls"), _) => Some(Problem::Tls(text.clone())),
            (Some(text), Some("proxy"), _) => Some(Problem::Proxy(text.clone())),
            (Some(text), ..) => Some(Problem::Network(text.clone())),
            // A package index may require credentials, which are not sent here, or refuse HEAD.
            (None, _, Some(200..=399 | 401 | 403 | 405)) => None,
            (None, _, status) => Some(Problem::Status(status.unwrap_or_default())),
        }
    }
}

/// Returns the settings that lead to a host, and a URL there.
fn hosts(session: &Session, config: &Config) -> anyhow::Result<Vec<(&'static str, String)>> {
    let index = config.indexes.pip.as_deref().unwrap_or("https://pypi.org/simple");
    let index = format!("{}/pip/", redact::without_login(index).trim_end_matches('/'));
    let mut res = vec![("PIP_INDEX_URL", index)];
    if config.base == Base::Embedded {
        let mirror = match &config.indexes.debian {
            Some(mirror) => redact::without_login(mirror),
            None => default_mirror(&session.checkout.root)?,
        };
        let release = format!("{}/dists/trixie/InRelease", mirror.trim_end_matches('/'));
        res.push(("DEBIAN_MIRROR", release));
    }
    Ok(res)
}

/// Returns the first mirror in the image's own sources.
fn default_mirror(root: &Path) -> anyhow::Result<String> {
    let path = root.join("common/base/debian.sources");
    let text = fs::read_to_string(&path)?;
    let uri = text.lines().find_map(|it| it.strip_prefix("URIs: "));
    Ok(uri.with_context(|| format!("{}: no line `URIs: `", path.shown()))?.trim().to_owned())
}
