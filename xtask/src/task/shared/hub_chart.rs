//! The locked chart: its lock, and its archive from the repository or from the cache.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use fs_err as fs;

use crate::{
    hub::lock::{self, LOCK, Lock},
    image::build_settings::ca_bundle,
    run::{failure, files, process::Permit, text_file},
    settings::config::Config,
    task::Session,
    tools::curl::{self, Network, Request},
};

pub(crate) fn read(session: &Session) -> anyhow::Result<Lock> {
    let root = &session.checkout.root;
    if !root.join(LOCK).exists() {
        let fix = format!("`git checkout {LOCK}`, or write a new file with these");
        let text = format!(
            "{LOCK} not found; expected the chart's repository, name and version\n    fix: {fix}"
        );
        return Err(failure::request(anyhow::anyhow!(text)));
    }
    let text = text_file::read_text(root, Path::new(LOCK));
    text.and_then(|it| Lock::parse(&it)).map_err(failure::request)
}

/// Returns the path of the archive, which is downloaded if the cache lacks it.
///
/// # Errors
/// The lock has no SHA-256, or the archive has another one.
pub(crate) fn archive(session: &Session, permit: Permit, lock: &Lock) -> anyhow::Result<PathBuf> {
    if let Some(cached) = cached(session, lock)? {
        return Ok(cached);
    }
    let cached = path(session, lock)?;
    let is_locked = |bytes: &[u8]| Some(lock::hex(bytes)) == lock.sha256;
    let config = Config::read(&session.sources, None)?.0;
    let index = text(get(session, &config, &lock.url("index.yaml"))?)?;
    let entry = lock::choose(&index, &lock.name, Some(&lock.version))?;
    let bytes = get(session, &config, &lock.url(&entry.urls[0]))?;
    ensure!(
        is_locked(&bytes),
        "the archive of {} {} is not the one of {LOCK}\n    fix: ask the chart's authors why it was replaced; to accept it, remove the line `sha256` from {LOCK}, and run `cargo xtask hub-chart update {}`",
        lock.name,
        lock.version,
        lock.version
    );
    files::write(permit, &cached, &bytes)?;
    Ok(cached)
}

/// Returns the path of the archive if the cache has the locked one.
///
/// # Errors
/// The lock has no SHA-256.
pub(crate) fn cached(session: &Session, lock: &Lock) -> anyhow::Result<Option<PathBuf>> {
    let path = path(session, lock)?;
    let is_locked = fs::read(&path).is_ok_and(|it| Some(lock::hex(&it)) == lock.sha256);
    Ok(is_locked.then_some(path))
}

/// Returns the path of the archive in the cache.
pub(crate) fn path(session: &Session, lock: &Lock) -> anyhow::Result<PathBuf> {
    let archive = lock.archive().map_err(failure::request)?;
    Ok(session.checkout.root.join("target/xtask").join(archive))
}

/// Returns the content of `url`.
pub(crate) fn get(session: &Session, config: &Config, url: &str) -> anyhow::Result<Vec<u8>> {
    let ca_bundle = ca_bundle(&config.ca_bundle)?;
    let (dir, proxies) = (session.checkout.root.clone(), config.proxies.clone());
    let network = Network { dir, ca_bundle, proxies };
    let request = Request { url: url.to_owned(), headers: Vec::new(), body: None };
    let answer = curl::get(&network, &[request])
        .with_context(|| format!("{url} cannot be fetched; is the chart repository reachable?"))?
        .remove(0);
    if answer.status != 200 {
        bail!("{url}: status {}; expected 200", answer.status);
    }
    Ok(answer.body)
}

pub(crate) fn text(bytes: Vec<u8>) -> anyhow::Result<String> {
    String::from_utf8(bytes).context("the chart repository's index is not UTF-8")
}
