//! What a registry has, through its HTTP interface: lists of tags, manifests and blobs are read, and
//! manifests deleted. The docker CLI has no command for lists and deletion.
//! Reference: <https://github.com/opencontainers/distribution-spec/blob/main/spec.md>.

pub(crate) mod each;

use std::{collections::BTreeSet, fmt::Display, io::Read as _, net::Ipv4Addr, slice};

use anyhow::{Context as _, bail};
use flate2::read::GzDecoder;
use regex_lite::Regex;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::{Host, is_plain_http};
use crate::{
    run::{failure, process::Permit},
    tools::{
        curl::{self, Answer, Network, Request},
        image_name::{Digest, ImageId, Repository, Tag},
        retries::Unanswered,
    },
};

/// Media types of the manifest of one image.
const ACCEPT: &str = "Accept: application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json";

/// Media types of manifests, those of several platforms included.
const ACCEPT_ALL: &str = "Accept: application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.index.v1+json";

/// Largest number of pages of tags.
const PAGES: usize = 100;

/// Rights of a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
    Delete,
}

impl Access {
    /// Returns the actions of a token's scope.
    fn actions(self) -> &'static str {
        match self {
            Access::Read => "pull",
            Access::Write => "pull,push",
            Access::Delete => "pull,delete",
        }
    }
}

/// A repository of a registry.
pub(crate) struct Api {
    network: Network,
    /// Name of the registry in docker's configuration.
    key: String,
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
        access: Access,
    ) -> anyhow::Result<Api> {
        let mut res = Api::without_login(&network, repository)?;
        if let Some(login) = each::logins(host, slice::from_ref(&res), access)?.pop() {
            res.authorization = Some(login?);
        }
        Ok(res)
    }

    fn without_login(network: &Network, repository: &Repository) -> anyhow::Result<Api> {
        let name = repository.to_string();
        let (registry, path) = name.split_once('/').context("a repository has a host")?;
        let scheme = if is_plain_http(registry) { "http" } else { "https" };
        let (key, address) = match registry {
            "docker.io" => ("https://index.docker.io/v1/", "registry-1.docker.io"),
            _ => (registry, registry),
        };
        Ok(Api {
            network: network.clone(),
            key: key.to_owned(),
            server: format!("{scheme}://{address}"),
            path: path.to_owned(),
            authorization: None,
        })
    }

    fn requests(&self, accept: &str, paths: &[String]) -> Vec<Request> {
        let headers: Vec<String> =
            self.authorization.iter().cloned().chain([accept.to_owned()]).collect();
        let request = |it: &String| Request {
            url: format!("{}/v2/{}/{it}", self.server, self.path),
            headers: headers.clone(),
            body: None,
        };
        paths.iter().map(request).collect()
    }

    fn get(&self, accept: &str, paths: &[String]) -> anyhow::Result<Vec<Answer>> {
        asked(&self.network, &self.requests(accept, paths), &[200, 401, 404])
    }

    /// Returns the answers, none of which asks for a login: the one that was given has ended, or is
    /// not for this repository.
    fn read(&self, accept: &str, paths: &[String]) -> anyhow::Result<Vec<Answer>> {
        let answers = self.get(accept, paths)?;
        match answers.iter().any(|it| it.status == 401) {
            true => {
                let (server, path) = (&self.server, &self.path);
                let said = format!("{server}/{path}: the registry refuses this login (status 401)");
                Err(Unanswered(said).into())
            }
            false => Ok(answers),
        }
    }

    /// Returns all tags of the repository, sorted; none if the registry does not know it.
    pub(crate) fn tags(&self) -> anyhow::Result<Vec<Tag>> {
        let mut res: Vec<Tag> = Vec::new();
        let mut page = "tags/list?n=1000".to_owned();
        for _ in 0..PAGES {
            let answer = self.read(ACCEPT, &[page])?.remove(0);
            let mut next = None;
            if answer.status != 404 {
                let tags: Tags = serde_json::from_slice(&answer.body).context("a list of tags")?;
                res.extend(tags.tags.into_iter().flatten().filter_map(|it| it.parse().ok()));
                next = answer.header("link").map(next_page).transpose()?;
            }
            let Some(next) = next else {
                res.sort();
                res.dedup();
                return Ok(res);
            };
            page = next;
        }
        bail!("{}/{}: more than {PAGES} pages of tags", self.server, self.path)
    }

    /// Returns the manifest under each of `names`, tags or digests; `None` for one that is gone, or
    /// that is not of an image of one platform.
    pub(crate) fn manifests(
        &self,
        names: &[impl Display],
    ) -> anyhow::Result<Vec<Option<Manifest>>> {
        let paths: Vec<String> = names.iter().map(|it| format!("manifests/{it}")).collect();
        let answers = self.read(ACCEPT, &paths)?;
        let manifests = answers.iter().zip(&paths).map(|(it, path)| match it.status {
            404 => Ok(None),
            _ => manifest(&it.body).with_context(|| format!("{}: a damaged {path}", self.path)),
        });
        manifests.collect()
    }

    /// Returns the digests that each of `names`, tags or digests, stands for: of its manifest, and of
    /// those that this lists for platforms. Empty for one that is gone.
    pub(crate) fn targets(&self, names: &[impl Display]) -> anyhow::Result<Vec<BTreeSet<Digest>>> {
        let paths: Vec<String> = names.iter().map(|it| format!("manifests/{it}")).collect();
        let answers = self.read(ACCEPT_ALL, &paths)?;
        let targets = answers.iter().zip(&paths).map(|(it, path)| match it.status {
            404 => Ok(BTreeSet::new()),
            _ => targets(&it.body).with_context(|| format!("{}: a damaged {path}", self.path)),
        });
        targets.collect()
    }

    /// Returns the URL of the manifest with this digest.
    pub(crate) fn url(&self, digest: &Digest) -> String {
        format!("{}/v2/{}/manifests/{digest}", self.server, self.path)
    }

    /// Deletes manifests, and with them the tags that name them. One that is gone already counts as
    /// deleted.
    ///
    /// # Errors
    /// The registry refuses: the message says how to `allow` deletion.
    pub(crate) fn delete(
        &self,
        permit: Permit,
        digests: &[Digest],
        allow: &str,
    ) -> anyhow::Result<Vec<anyhow::Result<()>>> {
        let paths: Vec<String> = digests.iter().map(|it| format!("manifests/{it}")).collect();
        let requests = self.requests(ACCEPT_ALL, &paths);
        let answers = curl::delete(permit, &self.network, &requests).map_err(unanswered)?;
        let outcome = |(answer, digest): (&Answer, &Digest)| {
            deleted(answer.status, allow).with_context(|| self.url(digest))
        };
        Ok(answers.iter().zip(digests).map(outcome).collect())
    }

    /// Gives the manifest with this digest the name `tag` as well, and returns the registry's status.
    pub(crate) fn put(&self, permit: Permit, tag: &Tag, digest: &Digest) -> anyhow::Result<u16> {
        let answer = self.read(ACCEPT, &[format!("manifests/{digest}")])?.remove(0);
        let kind = answer.header("content-type").unwrap_or_default().to_owned();
        let body = String::from_utf8(each::blob(answer, &digest.to_string())?)?;
        let mut request = self.requests(ACCEPT, &[format!("manifests/{tag}")]).remove(0);
        request.headers.push(format!("Content-Type: {kind}"));
        request.body = Some(body);
        let answers = curl::put(permit, &self.network, &[request]).map_err(unanswered)?;
        Ok(answers[0].status)
    }

    /// Returns the blob under each digest; an error for bytes that do not match theirs.
    pub(crate) fn blobs(
        &self,
        digests: impl Iterator<Item = String>,
    ) -> anyhow::Result<Vec<anyhow::Result<Vec<u8>>>> {
        let digests: Vec<String> = digests.collect();
        let paths: Vec<String> = digests.iter().map(|it| format!("blobs/{it}")).collect();
        let checked = |(answer, digest): (Answer, &String)| each::blob(answer, digest);
        Ok(self.read(ACCEPT, &paths)?.into_iter().zip(&digests).map(checked).collect())
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

/// Returns the answers to questions to one registry.
///
/// # Errors
/// The registry does not answer, or with another status than those `expected`.
fn asked(network: &Network, requests: &[Request], expected: &[u16]) -> anyhow::Result<Vec<Answer>> {
    let answers = curl::get(network, requests).map_err(unanswered)?;
    for (Answer { status, .. }, Request { url, .. }) in answers.iter().zip(requests) {
        if !expected.contains(status) {
            let said = format!("{url}: the registry answered with status {status}");
            return Err(Unanswered(said).into());
        }
    }
    Ok(answers)
}

/// Adds the fix to a failure of curl.
fn unanswered(err: anyhow::Error) -> anyhow::Error {
    match failure::status(&err) {
        1 => Unanswered(format!("{err:#}")).into(),
        _ => err,
    }
}

/// Returns the parameters of a challenge for a bearer token; the scheme's case does not matter.
fn of_bearer(challenge: &str) -> Option<&str> {
    let (scheme, parameters) = challenge.trim_start().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(parameters)
}

/// Returns the value of a quoted parameter; the name's case does not matter.
fn parameter(parameters: &str, name: &str) -> Option<String> {
    let pattern = format!("(?i)(?:^|[ ,]){name} *= *\"([^\"]*)\"");
    let found = Regex::new(&pattern).ok()?.captures(parameters)?;
    Some(found[1].to_owned())
}

/// Interprets the answer to a deletion; `allow` is the remedy for a registry that never deletes.
fn deleted(status: u16, allow: &str) -> anyhow::Result<()> {
    match status {
        200 | 202 | 204 | 404 => Ok(()),
        401 | 403 => bail!(
            "this login may not delete images (status {status}); fix: `docker login` as a user with the right to delete"
        ),
        400 | 405 => bail!("the registry does not delete images (status {status}); fix: {allow}"),
        _ => bail!("the registry answered with status {status}"),
    }
}

/// Returns whether credentials that go to `url` stay on this machine, whatever names mean here.
fn is_local(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://") else { return false };
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let host = authority.split(':').next().unwrap_or_default();
    let is_loopback = host.parse().is_ok_and(|it: Ipv4Addr| it.is_loopback());
    (is_loopback || host == "localhost") && !authority.contains('@')
}

/// Returns the path of the page that a header `Link: </v2/…/tags/list?last=x>; rel="next"` names;
/// what is behind its `?` is the registry's own affair.
fn next_page(link: &str) -> anyhow::Result<String> {
    let target = link.strip_prefix('<').and_then(|it| it.split_once('>')).map(|it| it.0);
    let query = target.and_then(|it| it.split_once('?')).map(|it| it.1);
    let query = query.filter(|it| it.bytes().all(|it| it.is_ascii_graphic()));
    Ok(format!("tags/list?{}", query.with_context(|| format!("unsupported link `{link}`"))?))
}

fn sha256(bytes: &[u8]) -> Option<Digest> {
    let hex: String = Sha256::digest(bytes).iter().map(|it| format!("{it:02x}")).collect();
    format!("sha256:{hex}").parse().ok()
}

/// Returns the manifest of an image; `None` for another kind of manifest.
fn manifest(bytes: &[u8]) -> anyhow::Result<Option<Manifest>> {
    let value: serde_json::Value = serde_json::from_slice(bytes)?;
    let image = || {
        let parts: Parts = serde_json::from_value(value).ok()?;
        let layers = parts.layers.iter().map(|it| it.digest.parse().ok()).collect::<Option<_>>()?;
        Some(Manifest { digest: sha256(bytes)?, config: parts.config.digest.parse().ok()?, layers })
    };
    Ok(image())
}

/// Returns the digest of a manifest, and the digests of the manifests that it lists.
fn targets(bytes: &[u8]) -> anyhow::Result<BTreeSet<Digest>> {
    let value: serde_json::Value = serde_json::from_slice(bytes)?;
    let listed = value["manifests"].as_array().into_iter().flatten();
    let listed = listed.filter_map(|it| it["digest"].as_str()?.parse().ok());
    Ok(listed.chain(sha256(bytes)).collect())
}

/// Returns the file `name` of a layer, a compressed tar archive.
pub(super) fn file(layer: &[u8], name: &str, limit: u64) -> anyhow::Result<String> {
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

#[cfg(test)]
mod tests {
    use super::{deleted, is_local, manifest, next_page, of_bearer, parameter, sha256, targets};

    #[test]
    fn credentials_stay_on_this_machine() {
        for it in ["http://127.0.0.1/t", "http://127.0.0.1:5000/t", "http://localhost:5000/t"] {
            assert!(is_local(it), "{it}");
        }
        for it in [
            "https://127.0.0.1/",
            "http://127.a.example/t",
            "http://127.0.0.1.a.example/t",
            "http://localhost:x@a.example/t",
            "http://127.0.0.1:5@a.example",
            "http://localhost.a.example/",
            "http://a.example/127.0.0.1",
            "http://",
        ] {
            assert!(!is_local(it), "{it}");
        }
    }

    #[test]
    fn challenges_in_any_case() {
        for it in [
            r#"Bearer realm="https://a/t",service="s, t""#,
            r#"bearer Realm = "https://a/t", SERVICE="s, t""#,
        ] {
            let parameters = of_bearer(it).unwrap();
            assert_eq!(parameter(parameters, "realm").as_deref(), Some("https://a/t"), "{it}");
            assert_eq!(parameter(parameters, "service").as_deref(), Some("s, t"), "{it}");
            assert_eq!(parameter(parameters, "scope"), None);
        }
        assert_eq!(of_bearer(r#"Basic realm="Bearer x""#), None);
        assert_eq!(of_bearer("bearer"), None);
    }

    #[test]
    fn a_tag_of_several_platforms_names_them_all() {
        let (a, b) = (format!("sha256:{}", "a".repeat(64)), format!("sha256:{}", "b".repeat(64)));
        let list = format!(r#"{{"manifests":[{{"digest":"{a}"}},{{"digest":"{b}"}}]}}"#);
        let own = sha256(list.as_bytes()).unwrap();
        let expected = [a.parse().unwrap(), b.parse().unwrap(), own].into();
        assert_eq!(targets(list.as_bytes()).unwrap(), expected);
        assert!(targets(b"{").is_err());
    }

    #[test]
    fn answers_to_a_deletion() {
        for it in [202, 404] {
            deleted(it, "").unwrap();
        }
        let said = |status| deleted(status, "start it so").unwrap_err().to_string();
        assert!(said(405).contains("fix: start it so"));
        assert!(said(403).contains("docker login"));
        assert!(said(500).contains("500"));
    }

    #[test]
    fn pages_follow_each_other() {
        let page = |link: &str| next_page(link).map_err(drop);
        let next = |query: &str| Ok(format!("tags/list?{query}"));
        assert_eq!(page("</v2/a/tags/list?n=9&last=b>; rel=\"next\""), next("n=9&last=b"));
        assert_eq!(page("<https://r.example/v2/a/tags/list?last=aGk%3D>"), next("last=aGk%3D"));
        assert_eq!(page("<?next_page=gAAA>; rel=\"next\""), next("next_page=gAAA"));
        for damaged in ["", "<", "</v2/a>", "x?y", "<?a b>", "<?a\u{1}>"] {
            assert_eq!(page(damaged), Err(()), "{damaged}");
        }
    }

    #[test]
    fn a_damaged_manifest_is_not_a_missing_one() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let text = format!(r#"{{"config":{{"digest":"{digest}"}},"layers":[]}}"#);
        assert!(manifest(text.as_bytes()).unwrap().is_some());
        assert!(manifest(br#"{"manifests":[]}"#).unwrap().is_none());
        assert!(manifest(&text.as_bytes()[1..]).is_err());
        assert!(manifest(b"").is_err());
    }
}
