//! What a registry has, read through its HTTP interface: lists of tags, manifests and blobs. The
//! docker CLI has no command for lists.
//! Reference: <https://github.com/opencontainers/distribution-spec/blob/main/spec.md>.

use std::io::Read as _;

use anyhow::{Context as _, bail, ensure};
use flate2::read::GzDecoder;
use regex_lite::Regex;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::{Host, is_plain_http};
use crate::tools::{
    curl::{self, Answer, Network, Request},
    docker::credentials,
    image_name::{Digest, ImageId, Repository, Tag},
};

/// Media types of the manifest of one image.
const ACCEPT: &str = "Accept: application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json";

/// Largest number of pages of tags.
const PAGES: usize = 100;

/// A repository of a registry, for reading.
pub(crate) struct Api {
    network: Network,
    /// `https://<host>`.
    server: String,
    /// Path of the repository below the host.
    path: String,
    /// Header `Authorization: …`, if the registry asks for one.
    authorization: Option<String>,
}

/// The manifest of an image, and its digest, computed here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) digest: Digest,
    pub(crate) config: ImageId,
    pub(crate) layers: Vec<Digest>,
}

#[derive(Deserialize)]
struct Tags {
    tags: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Parts {
    config: Part,
    layers: Vec<Part>,
}

#[derive(Deserialize)]
struct Part {
    digest: String,
}

impl Api {
    pub(crate) fn new(
        host: &Host,
        network: Network,
        repository: &Repository,
    ) -> anyhow::Result<Api> {
        let name = repository.to_string();
        let (registry, path) = name.split_once('/').context("a repository has a host")?;
        let scheme = if is_plain_http(registry) { "http" } else { "https" };
        let (key, address) = match registry {
            "docker.io" => ("https://index.docker.io/v1/", "registry-1.docker.io"),
            _ => (registry, registry),
        };
        let server = format!("{scheme}://{address}");
        let mut res = Api { network, server, path: path.to_owned(), authorization: None };
        let basic = match host.docker.config_dir() {
            Some(dir) => credentials::basic(&dir, key)?,
            None => None,
        };
        let answer = res.get(&["tags/list?n=1".to_owned()])?.remove(0);
        if answer.status == 401 {
            let challenge = answer.header("www-authenticate").unwrap_or_default().to_owned();
            res.authorization = Some(res.authorized(&challenge, basic)?);
        }
        Ok(res)
    }

    /// Returns the header that answers a challenge:
    /// <https://distribution.github.io/distribution/spec/auth/token/>.
    fn authorized(&self, challenge: &str, basic: Option<String>) -> anyhow::Result<String> {
        let login = format!("not logged in to {}; run `docker login`", self.server);
        let Some(parameters) = challenge.strip_prefix("Bearer ") else {
            return basic.map(|it| format!("Authorization: {it}")).context(login);
        };
        let value = |name: &str| {
            let found = Regex::new(&format!("{name}=\"([^\"]*)\"")).ok()?.captures(parameters)?;
            Some(found[1].to_owned())
        };
        let realm = value("realm").filter(|it| it.starts_with("https://") || is_local(it));
        let realm = realm.with_context(|| format!("unsupported challenge `{challenge}`"))?;
        let service = value("service").unwrap_or_default();
        let url = format!("{realm}?service={service}&scope=repository:{}:pull", self.path);
        let headers = basic.iter().map(|it| format!("Authorization: {it}")).collect();
        let answer = curl::get(&self.network, &[Request { url, headers }])?.remove(0);
        ensure!(answer.status == 200, "{login} (status {} from {realm})", answer.status);
        let token: serde_json::Value = serde_json::from_slice(&answer.body)?;
        let token = token["token"].as_str().or(token["access_token"].as_str());
        // It becomes a header.
        let token = token.filter(|it| it.bytes().all(|it| it.is_ascii_graphic()));
        let token = token.with_context(|| format!("{realm} returned no token"))?;
        Ok(format!("Authorization: Bearer {token}"))
    }

    fn get(&self, paths: &[String]) -> anyhow::Result<Vec<Answer>> {
        let headers: Vec<String> =
            self.authorization.iter().cloned().chain([ACCEPT.to_owned()]).collect();
        let request = |it: &String| Request {
            url: format!("{}/v2/{}/{it}", self.server, self.path),
            headers: headers.clone(),
        };
        let requests: Vec<Request> = paths.iter().map(request).collect();
        let answers = curl::get(&self.network, &requests)?;
        for (answer, request) in answers.iter().zip(&requests) {
            if !matches!(answer.status, 200 | 401 | 404) {
                bail!("{}: the registry answered with status {}", request.url, answer.status);
            }
        }
        Ok(answers)
    }

    /// Returns all tags of the repository, sorted; none if the registry does not know it.
    pub(crate) fn tags(&self) -> anyhow::Result<Vec<Tag>> {
        let mut res: Vec<Tag> = Vec::new();
        let mut page = "tags/list?n=1000".to_owned();
        for _ in 0..PAGES {
            let answer = self.get(&[page])?.remove(0);
            match answer.status {
                404 => break,
                401 => bail!("{}/{}: the registry refuses this login", self.server, self.path),
                _ => (),
            }
            let tags: Tags = serde_json::from_slice(&answer.body).context("a list of tags")?;
            res.extend(tags.tags.into_iter().flatten().filter_map(|it| it.parse().ok()));
            let next = answer.header("link").and_then(|it| it.split_once("last=")).map(|it| it.1);
            let last = next.and_then(|it| it.split(['>', '&']).next());
            match last.and_then(|it| it.parse::<Tag>().ok()) {
                Some(last) => page = format!("tags/list?n=1000&last={last}"),
                None => break,
            }
        }
        res.sort();
        res.dedup();
        Ok(res)
    }

    /// Returns the manifest under each of `tags`; `None` for a tag that is gone, or that names no
    /// image of one platform.
    pub(crate) fn manifests(&self, tags: &[Tag]) -> anyhow::Result<Vec<Option<Manifest>>> {
        let paths: Vec<String> = tags.iter().map(|it| format!("manifests/{it}")).collect();
        Ok(self.get(&paths)?.iter().map(|it| manifest(&it.body)).collect())
    }

    /// Returns the blob under each digest; an error for bytes that do not match theirs.
    pub(crate) fn blobs(
        &self,
        digests: impl Iterator<Item = String>,
    ) -> anyhow::Result<Vec<anyhow::Result<Vec<u8>>>> {
        let digests: Vec<String> = digests.collect();
        let paths: Vec<String> = digests.iter().map(|it| format!("blobs/{it}")).collect();
        let checked = |(answer, digest): (Answer, &String)| {
            let is_it = sha256(&answer.body).is_some_and(|it| it.to_string() == *digest);
            ensure!(is_it, "the registry has other bytes than {digest}");
            Ok(answer.body)
        };
        Ok(self.get(&paths)?.into_iter().zip(&digests).map(checked).collect())
    }

    /// Returns the file `name` in the first layer of each image; an error if it is missing, or if
    /// the layer is not what the manifest names, or has more than `limit` bytes.
    pub(crate) fn files(
        &self,
        of: &[Manifest],
        name: &str,
        limit: u64,
    ) -> anyhow::Result<Vec<anyhow::Result<String>>> {
        let layers =
            of.iter().map(|it| it.layers.first().map_or_else(String::new, ToString::to_string));
        let blobs = self.blobs(layers)?;
        Ok(blobs.into_iter().map(|it| file(&it?, name, limit)).collect())
    }
}

fn is_local(url: &str) -> bool {
    url.strip_prefix("http://").is_some_and(is_plain_http)
}

fn sha256(bytes: &[u8]) -> Option<Digest> {
    let hex: String = Sha256::digest(bytes).iter().map(|it| format!("{it:02x}")).collect();
    format!("sha256:{hex}").parse().ok()
}

fn manifest(bytes: &[u8]) -> Option<Manifest> {
    let parts: Parts = serde_json::from_slice(bytes).ok()?;
    let layers = parts.layers.iter().map(|it| it.digest.parse().ok()).collect::<Option<_>>()?;
    Some(Manifest { digest: sha256(bytes)?, config: parts.config.digest.parse().ok()?, layers })
}

/// Returns the file `name` of a layer, a compressed tar archive.
fn file(layer: &[u8], name: &str, limit: u64) -> anyhow::Result<String> {
    let mut archive = tar::Archive::new(GzDecoder::new(layer).take(limit));
    for entry in archive.entries()? {
        let entry = entry?;
        let is_it = entry.path().is_ok_and(|it| it == std::path::Path::new(name));
        if is_it && entry.header().entry_type().is_file() {
            let mut text = String::new();
            entry.take(limit).read_to_string(&mut text)?;
            return Ok(text);
        }
    }
    bail!("{name} is missing, or not a regular file")
}
