//! State of the engine and the registries, kept in one file between calls.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::PathBuf,
};

use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::{Result, refuse};

#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) images: Vec<Image>,
    pub(crate) containers: Vec<Container>,
    #[serde(default)]
    pub(crate) volumes: Vec<Volume>,
    #[serde(default)]
    pub(crate) networks: Vec<Volume>,
    /// Files that were copied into containers.
    #[serde(default)]
    pub(crate) sent: Vec<String>,
    /// The image of each container that ran tests to their end.
    #[serde(default)]
    pub(crate) tested: Vec<String>,
    /// Manifests by reference.
    pub(crate) registry: BTreeMap<String, Manifest>,
    /// Number of created objects; replaces the time.
    pub(crate) clock: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Image {
    pub(crate) id: String,
    pub(crate) tags: Vec<String>,
    pub(crate) repo_digest: Option<String>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) created: u32,
    pub(crate) tests: Vec<Test>,
    /// Text of `receipt.json`, in an image of that one file.
    #[serde(default)]
    pub(crate) receipt: Option<String>,
}

/// A volume or a network.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Volume {
    pub(crate) name: String,
    pub(crate) labels: Vec<String>,
}

/// A test that is in an image.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Test {
    pub(crate) environment: String,
    pub(crate) kind: String,
    pub(crate) name: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Container {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) name: String,
    /// Variables `NAME=value`.
    #[serde(default)]
    pub(crate) env: Vec<String>,
    pub(crate) labels: Vec<String>,
    /// Ports as `docker container ls` shows them; empty when it does not run.
    pub(crate) ports: String,
    /// Text of `results.jsonl`, once tests have run.
    pub(crate) results: Option<String>,
    /// Text of the plan of its tests.
    #[serde(default)]
    pub(crate) plan: Option<String>,
    /// Text of the image's `receipt.json`.
    #[serde(default)]
    pub(crate) receipt: Option<String>,
    pub(crate) image: String,
    pub(crate) command: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) digest: String,
    pub(crate) config: String,
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) receipt: Option<String>,
}

/// The folder named by `STAND_IN`.
pub(crate) struct Store {
    pub(crate) dir: PathBuf,
}

impl Store {
    /// Reads the state while no call changes it.
    pub(crate) fn read(&self) -> Result<State> {
        let lock = self.lock()?;
        lock.lock_shared()?;
        self.load()
    }

    /// Changes the state while no other call reads or changes it.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        let lock = self.lock()?;
        lock.lock()?;
        let mut state = self.load()?;
        let res = change(&mut state)?;
        let text = serde_json::to_string_pretty(&state).unwrap_or_default();
        // Tests read it without the lock.
        fs::write(self.dir.join("state.json.new"), text)?;
        fs::rename(self.dir.join("state.json.new"), self.dir.join("state.json"))?;
        Ok(res)
    }

    fn lock(&self) -> Result<File> {
        Ok(File::options().create(true).append(true).open(self.dir.join("lock"))?)
    }

    fn load(&self) -> Result<State> {
        let path = self.dir.join("state.json");
        if !path.exists() {
            return Ok(State::default());
        }
        let text = fs::read_to_string(path)?;
        serde_json::from_str(&text).or_else(|err| refuse(125, format!("state.json: {err}")))
    }
}

impl State {
    /// Returns an image by id, tag or digest.
    pub(crate) fn image(&self, name: &str) -> Result<&Image> {
        let is_it = |it: &&Image| {
            it.id == name
                || it.tags.iter().any(|tag| tag == name)
                || it.repo_digest.as_deref() == Some(&without_tag(name))
        };
        match self.images.iter().find(is_it) {
            Some(image) => Ok(image),
            None => refuse(1, format!("Error: No such image: {name}")),
        }
    }

    /// Adds an image, unless it exists: a build from the cache gives the same one.
    pub(crate) fn add(&mut self, id: &str, labels: &[&str], tests: Vec<Test>) -> Result {
        self.clock += 1;
        if self.image(id).is_ok() {
            return Ok(());
        }
        let pairs = labels.iter().filter_map(|it| it.split_once('='));
        self.images.push(Image {
            id: id.to_owned(),
            tags: Vec::new(),
            repo_digest: None,
            labels: pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            created: self.clock,
            tests,
            receipt: None,
        });
        Ok(())
    }

    pub(crate) fn tag(&mut self, name: &str, tag: &str) -> Result {
        let id = self.image(name)?.id.clone();
        for it in &mut self.images {
            it.tags.retain(|it| it != tag);
            if it.id == id {
                it.tags.push(tag.to_owned());
            }
        }
        Ok(())
    }

    /// Returns a new id of a container or an image.
    pub(crate) fn new_id(&mut self) -> String {
        self.clock += 1;
        sha256(&self.clock.to_le_bytes()).trim_start_matches("sha256:").to_owned()
    }
}

impl Container {
    /// Returns the output of `docker container inspect`. A container without a published port does
    /// not run.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        let label = |it: &String| {
            let (name, value) = it.split_once('=')?;
            Some((name.to_owned(), value.into()))
        };
        let labels: serde_json::Map<_, _> = self.labels.iter().filter_map(label).collect();
        let (address, port) = self.ports.split_once("->").unwrap_or_default();
        let (ip, host_port) = address.split_once(':').unwrap_or_default();
        let ports = match port {
            "" => json!({}),
            _ => json!({ port: [{ "HostIp": ip, "HostPort": host_port }] }),
        };
        json!({
            "Id": self.id,
            "State": { "Running": !self.ports.is_empty(), "Paused": false },
            "Config": { "Env": self.env, "Labels": labels },
            "NetworkSettings": { "Ports": ports },
        })
    }
}

impl Image {
    /// Returns the output of `docker image inspect`.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        json!({
            "Id": self.id,
            "RepoTags": self.tags,
            "RepoDigests": self.repo_digest.iter().collect::<Vec<_>>(),
            "Size": 123_000_000,
            "Os": "linux",
            "Architecture": "amd64",
            "Created": format!("2026-01-01T00:00:00.{:09}Z", self.created),
            "Config": {
                "Labels": self.labels,
                "Cmd": ["start-notebook.py"],
                "Healthcheck": { "Test": ["CMD", "/etc/jupyter/docker_healthcheck.py"] },
            },
        })
    }
}

/// Returns `repository@digest` of `repository:tag@digest`.
pub(crate) fn without_tag(reference: &str) -> String {
    let (name, digest) = reference.split_once('@').unwrap_or_default();
    let path = name.rfind('/').unwrap_or_default();
    let end = name[path..].find(':').map_or(name.len(), |at| path + at);
    format!("{}@{digest}", &name[..end])
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    let hex = Sha256::digest(bytes).iter().map(|it| format!("{it:02x}")).collect::<String>();
    format!("sha256:{hex}")
}
