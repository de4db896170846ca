//! What is found on this machine, and what answers from it. Changes nothing.

use std::{
    env,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::Context as _;
use fs_err as fs;
use serde::Deserialize;

use crate::{
    image::build_settings,
    run::{
        failure,
        printable::Shown as _,
        process::{self, Patience, on_path, query},
        redact,
    },
    settings::config::{Base, Config, Registry},
    task::{
        Session,
        shared::doctor::{
            About, Probes,
            secrets::{self, MissingTool},
        },
    },
    tools::docker::{Docker, NAMESPACE},
};

/// Programs that tasks start, which are packages of the same name in Debian.
const TOOLS: &[&str] = &["git", "python3"];

/// What was found.
#[derive(Debug)]
pub(super) struct Facts {
    /// Those of [`TOOLS`] that are not on `PATH`.
    pub(super) missing_tools: Vec<&'static str>,
    /// Why no engine answers, if none does.
    pub(super) engine: Option<String>,
    /// Why no CLI can build, if none can.
    pub(super) buildkit: Option<String>,
    /// Whether the embedded base's root file system has to be made here.
    pub(super) needs_rootfs: bool,
    pub(super) has_mmdebstrap: bool,
    /// Bytes, where docker keeps its images; unknown on a remote engine.
    pub(super) free: Option<u64>,
    /// Bytes that the images which are not there yet will take, with the builder's cache.
    pub(super) needed: u64,
    /// How docker keeps layers; '' when no engine answers.
    pub(super) storage_driver: String,
    /// Debian, Ubuntu, or what is made from them.
    pub(super) has_apt: bool,
    /// Whether packages can be installed and services started.
    pub(super) is_root: bool,
    pub(super) has_docker: bool,
    /// The distribution's own package, with which its other packages fit.
    pub(super) is_docker_io: bool,
    /// What names an engine or is one: then installing or starting another is no help.
    pub(super) other_engine: Option<&'static str>,
    /// Why images cannot be published, if that is so.
    pub(super) registry: Option<String>,
    /// What hosts said that builds need; nothing when they were not asked.
    pub(super) answers: Vec<Answer>,
    /// Seconds that this machine's clock is ahead of theirs, or of the engine's.
    pub(super) clock: Option<i64>,
    /// What the tasks about secrets lack, where there are secrets.
    pub(super) secrets: Vec<MissingTool>,
}

/// What a host said, or why it said nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// The setting that leads there.
    pub(super) setting: &'static str,
    /// Without credentials.
    pub(super) url: String,
    pub(super) problem: Option<Problem>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Problem {
    /// The certificate is not trusted.
    Tls(String),
    /// A proxy stands between.
    Proxy(String),
    Network(String),
    /// An HTTP status that is no success.
    Status(u16),
}

/// The embedded base and the common image, with the builder's cache; then each mission.
const COMMON_SIZE: u64 = 3_500_000_000;
const MISSION_SIZE: u64 = 2_500_000_000;

impl Facts {
    /// # Errors
    /// A program fails that has to be there.
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
                docker.builder(config.docker.as_deref()).err().map(text),
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
            engine,
            buildkit,
        })
    }
}

/// What says that there is an engine already, beside a docker CLI that finds none.
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

/// Free bytes where the engine keeps its images, when that is on this machine.
fn free_space(docker: &Docker) -> anyhow::Result<Option<u64>> {
    let Ok(stat) = nix::sys::statvfs::statvfs(&docker.data_root()?) else { return Ok(None) };
    Ok(Some(stat.blocks_available() * stat.fragment_size()))
}

/// Why the registry does not tell whether it has an image; nothing for the one of our own.
fn registry(docker: &Docker, registry: &Registry) -> Option<String> {
    let Registry::Remote(name) = registry else { return None };
    let host = crate::registry::Host::new(docker, name);
    let err = host.and_then(|it| it.ping()).err()?;
    Some(failure::text(&err))
}

/// An engine in a virtual machine has a clock of its own, which stops while a laptop sleeps.
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

/// Asks the hosts that builds get packages from, as a build step would: with its proxies and
/// certificates.
fn reach(session: &Session, config: &Config) -> anyhow::Result<Reached> {
    let hosts = hosts(session, config)?;
    if !on_path("python3") || hosts.is_empty() {
        return Ok(Reached::default());
    }
    let script = include_str!("reach.py");
    let mut cmd = query!(session.checkout.root, "python3 -c {script}").patience(Patience::Change);
    for (name, value) in &config.proxies {
        cmd = cmd.secret_env(name, value);
    }
    if let Some(bundle) = build_settings::ca_bundle(&config.ca_bundle)? {
        // That file alone, as in a build step.
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
            // A package index may want credentials, which are not sent here, or refuse HEAD.
            (None, _, Some(200..=399 | 401 | 403 | 405)) => None,
            (None, _, status) => Some(Problem::Status(status.unwrap_or_default())),
        }
    }
}

/// The settings that lead to a host, and a URL there.
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

/// The first mirror in the image's own sources.
fn default_mirror(root: &Path) -> anyhow::Result<String> {
    let path = root.join("common/base/debian.sources");
    let text = fs::read_to_string(&path)?;
    let uri = text.lines().find_map(|it| it.strip_prefix("URIs: "));
    Ok(uri.with_context(|| format!("{}: no line `URIs: `", path.shown()))?.trim().to_owned())
}
