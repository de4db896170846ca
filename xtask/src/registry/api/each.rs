//! Questions to several repositories of one registry at once.

use std::{
    collections::BTreeSet,
    fmt::Display,
    slice,
    sync::{Mutex, PoisonError},
};

use anyhow::{Context as _, bail, ensure};

use super::{
    ACCEPT, ACCEPT_ALL, Access, Api, Manifest, asked, is_local, manifest, of_bearer, parameter,
    sha256, unanswered,
};
use crate::{
    registry::Host,
    tools::{
        curl::{self, Answer, Network, Request},
        docker::credentials,
        image_name::Repository,
    },
};

/// Servers and repositories that ask for no login to read, as far as this run knows.
static OPEN: Mutex<BTreeSet<(String, String)>> = Mutex::new(BTreeSet::new());

/// Servers and repositories that asked this run for a password, not for a token.
static BASIC: Mutex<BTreeSet<(String, String)>> = Mutex::new(BTreeSet::new());

/// What a registry answers that asks for a password; the one on this machine always does.
const BASIC_CHALLENGE: &str = "Basic";

/// A question to a repository: a path below it.
pub(crate) type Question<'a> = (&'a Api, String);

impl Api {
    /// Returns the interfaces of several repositories of `host`. A repository that refuses this login
    /// has no authorization, and refuses each question.
    pub(crate) fn each(
        host: &Host,
        network: &Network,
        repositories: &[Repository],
        access: Access,
    ) -> anyhow::Result<Vec<Api>> {
        let apis = repositories.iter().map(|it| Api::without_login(network, it));
        let mut apis = apis.collect::<anyhow::Result<Vec<_>>>()?;
        let open = || OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        let first = apis.first().map(|it| (it.server.clone(), it.path.clone()));
        if access == Access::Read && first.as_ref().is_some_and(|it| open().contains(it)) {
            return Ok(apis);
        }
        let logins = logins(host, &apis, access)?;
        if logins.is_empty() {
            open().extend(first);
        }
        for (api, login) in apis.iter_mut().zip(logins) {
            api.authorization = login.ok();
        }
        Ok(apis)
    }
}

/// Returns the header that each repository wants; none if the registry asks for no login.
pub(super) fn logins(
    host: &Host,
    apis: &[Api],
    access: Access,
) -> anyhow::Result<Vec<anyhow::Result<String>>> {
    let Some(first) = apis.first() else { return Ok(Vec::new()) };
    let challenge = match host.is_local() {
        true => Some(BASIC_CHALLENGE.to_owned()),
        false => challenge(first)?,
    };
    let Some(challenge) = challenge else { return Ok(Vec::new()) };
    let basic = match host.docker.config_dir() {
        Some(dir) => credentials::basic(&dir, &first.key)?,
        None => None,
    };
    let basic = basic.map(|it| format!("Authorization: {it}"));
    let login = format!("not logged in to {}\n    fix: `docker login` to it", first.server);
    let Some(parameters) = of_bearer(&challenge) else {
        let header = basic.context(login)?;
        return Ok(apis.iter().map(|_| Ok(header.clone())).collect());
    };
    tokens(apis, &challenge, parameters, basic, access, &login)
}

/// Returns what the registry asks a client for that is not logged in; `None` if it asks for nothing.
fn challenge(api: &Api) -> anyhow::Result<Option<String>> {
    let name = (api.server.clone(), api.path.clone());
    let known = || BASIC.lock().unwrap_or_else(PoisonError::into_inner);
    if known().contains(&name) {
        return Ok(Some(BASIC_CHALLENGE.to_owned()));
    }
    let answer = api.get(ACCEPT, &["tags/list?n=1".to_owned()])?.remove(0);
    if answer.status != 401 {
        return Ok(None);
    }
    let challenge = answer.header("www-authenticate").unwrap_or_default();
    if challenge.split(' ').next().is_some_and(|it| it.eq_ignore_ascii_case("basic")) {
        known().insert(name);
    }
    Ok(Some(challenge.to_owned()))
}

/// Returns the tokens that answer a challenge:
/// <https://distribution.github.io/distribution/spec/auth/token/>.
fn tokens(
    apis: &[Api],
    challenge: &str,
    parameters: &str,
    basic: Option<String>,
    access: Access,
    login: &str,
) -> anyhow::Result<Vec<anyhow::Result<String>>> {
    let value = |name: &str| parameter(parameters, name);
    let realm = value("realm").filter(|it| it.starts_with("https://") || is_local(it));
    let realm = realm.with_context(|| format!("unsupported challenge `{challenge}`"))?;
    let service = value("service").unwrap_or_default();
    let headers: Vec<String> = basic.into_iter().collect();
    let request = |it: &Api| {
        let scope = format!("repository:{}:{}", it.path, access.actions());
        let url = format!("{realm}?service={service}&scope={scope}");
        Request { url, headers: headers.clone(), body: None }
    };
    let requests: Vec<Request> = apis.iter().map(request).collect();
    let answers = curl::get(&apis[0].network, &requests).map_err(unanswered)?;
    Ok(answers.iter().map(|it| token(it, &realm, login)).collect())
}

fn token(answer: &Answer, realm: &str, login: &str) -> anyhow::Result<String> {
    ensure!(answer.status == 200, "status {} from {realm}: {login}", answer.status);
    let token: serde_json::Value = serde_json::from_slice(&answer.body)?;
    let token = token["token"].as_str().or(token["access_token"].as_str());
    // It becomes a header.
    let token = token.filter(|it| it.bytes().all(|it| it.is_ascii_graphic()));
    let token = token.with_context(|| format!("{realm} returned no token"))?;
    Ok(format!("Authorization: Bearer {token}"))
}

/// Returns the answers to questions to repositories of one registry. A repository that is not there, or
/// refuses this login, answers with its status.
pub(crate) fn answers(questions: &[Question<'_>]) -> anyhow::Result<Vec<Answer>> {
    let Some((first, _)) = questions.first() else { return Ok(Vec::new()) };
    let requests =
        questions.iter().flat_map(|(api, path)| api.requests(ACCEPT_ALL, slice::from_ref(path)));
    let requests: Vec<Request> = requests.collect();
    asked(&first.network, &requests, &[200, 401, 403, 404])
}

/// Returns the manifests under tags or digests; `None` for one that is not there, an error for one that
/// is refused, or is not of an image of one platform.
pub(crate) fn manifests<'a>(
    names: impl IntoIterator<Item = (&'a Api, impl Display)>,
) -> anyhow::Result<Vec<anyhow::Result<Option<Manifest>>>> {
    let questions = names.into_iter().map(|(api, it)| (api, format!("manifests/{it}")));
    let answers = answers(&questions.collect::<Vec<_>>())?;
    let manifests = answers.into_iter().map(|it| match it.status {
        200 => {
            ensure!(!it.is_too_large, "the manifest is larger than expected");
            let manifest = manifest(&it.body).context("a damaged manifest")?;
            manifest.context("not the manifest of one image").map(Some)
        }
        404 => Ok(None),
        status => bail!(
            "the registry answered with status {status}: the repository does not exist yet, or this login may not read it; fix: `docker login` as a user who may"
        ),
    });
    Ok(manifests.collect())
}

/// Returns the blobs with these digests; an error for one that is not there, or has other bytes.
pub(crate) fn blobs<'a>(
    digests: impl IntoIterator<Item = (&'a Api, String)>,
) -> anyhow::Result<Vec<anyhow::Result<Vec<u8>>>> {
    let digests: Vec<Question<'a>> = digests.into_iter().collect();
    let questions = digests.iter().map(|(api, it)| (*api, format!("blobs/{it}")));
    let answers = answers(&questions.collect::<Vec<_>>())?;
    let checked = |(answer, (_, digest)): (Answer, &Question<'_>)| blob(answer, digest);
    Ok(answers.into_iter().zip(&digests).map(checked).collect())
}

/// Returns the bytes of an answer that must be those of `digest`.
pub(super) fn blob(answer: Answer, digest: &str) -> anyhow::Result<Vec<u8>> {
    ensure!(answer.status == 200, "{digest}: the registry answered with status {}", answer.status);
    ensure!(!answer.is_too_large, "{digest} is larger than expected");
    let is_it = sha256(&answer.body).is_some_and(|it| it.to_string() == digest);
    ensure!(is_it, "the registry has other bytes than {digest}");
    Ok(answer.body)
}
