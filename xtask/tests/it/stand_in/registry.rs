//! Registries: any host answers, one on 127.0.0.1 only if a container of this tool publishes its
//! port.

use std::{env, fs, path::Path};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::json;

use crate::{
    Result, refuse,
    state::{Image, Manifest, State, Store, sha256, without_tag},
    unknown,
};

pub(crate) fn inspect(store: &Store, args: &[&str]) -> Result {
    let reference = match args {
        ["--insecure", reference] if is_local(reference) => reference,
        [reference] if !is_local(reference) => reference,
        _ => return unknown(store, &[&["manifest", "inspect"], args].concat()),
    };
    let state = store.read()?;
    answers(&state, reference)?;
    let Some(manifest) = find(&state, reference) else {
        return refuse(1, format!("no such manifest: {reference}"));
    };
    let answer = json!({
        "Ref": reference,
        "Descriptor": {
            "digest": manifest.digest,
            "platform": { "os": "linux", "architecture": "amd64" },
        },
        "SchemaV2Manifest": { "config": { "digest": manifest.config } },
    });
    // Without a config it stands for images of several platforms, whose manifests docker lists.
    let is_index = manifest.config.is_empty();
    println!("{}", if is_index { json!([answer, answer]) } else { answer });
    Ok(())
}

pub(crate) fn push(store: &Store, reference: &str) -> Result {
    store.change(|state| {
        answers(state, reference)?;
        let image = state.image(reference)?.clone();
        let (config, labels, receipt) = (image.id, image.labels, image.receipt);
        let digest = sha256(config.as_bytes());
        let repository = reference.rsplit_once(':').unwrap_or_default().0;
        let name = format!("{repository}@{digest}");
        state.images.iter_mut().filter(|it| it.id == config).for_each(|it| {
            it.repo_digest = Some(name.clone());
        });
        state.registry.insert(reference.to_owned(), Manifest { digest, config, labels, receipt });
        Ok(())
    })
}

pub(crate) fn pull(store: &Store, reference: &str) -> Result {
    store.change(|state| {
        answers(state, reference)?;
        let Some(manifest) = find(state, reference).cloned() else {
            return refuse(1, format!("Error response from daemon: {reference}: not found"));
        };
        let by_digest =
            format!("{}@{}", reference.split('@').next().unwrap_or_default(), manifest.digest);
        let repo_digest = Some(without_tag(&by_digest));
        if let Some(known) = state.images.iter_mut().find(|it| it.id == manifest.config) {
            // Changes that a test made in the registry arrive.
            known.receipt = manifest.receipt;
            known.repo_digest = repo_digest;
            return Ok(());
        }
        state.clock += 1;
        state.images.push(Image {
            id: manifest.config,
            tags: Some(reference.to_owned()).filter(|it| !it.contains('@')).into_iter().collect(),
            repo_digest,
            labels: manifest.labels,
            created: state.clock,
            tests: Vec::new(),
            receipt: manifest.receipt,
        });
        Ok(())
    })
}

/// Finds a manifest by tag, or by digest among those of a repository.
fn find<'a>(state: &'a State, reference: &str) -> Option<&'a Manifest> {
    let named = state.registry.get(reference);
    let reference = without_tag(reference);
    let (repository, digest) = reference.split_once('@').unwrap_or_default();
    let is_it = |name: &str, it: &Manifest| {
        name.starts_with(&format!("{repository}:")) && it.digest == digest
    };
    named.or_else(|| state.registry.iter().find(|(name, it)| is_it(name, it)).map(|(_, it)| it))
}

fn is_local(reference: &str) -> bool {
    reference.starts_with("127.")
}

fn answers(state: &State, reference: &str) -> Result {
    let host = reference.split('/').next().unwrap_or_default();
    if !is_local(reference) {
        return Ok(());
    }
    let found = state.containers.iter().find(|it| it.ports.starts_with(&format!("{host}->")));
    let Some(container) = found else {
        return refuse(1, format!("dial tcp {host}: connect: connection refused"));
    };
    let password = container.env.iter().find_map(|it| it.strip_prefix("XTASK_REGISTRY_PASSWORD="));
    match password {
        Some(password) if login(host).as_deref() != Some(&format!("xtask:{password}")) => {
            refuse(1, "no basic auth credentials")
        }
        _ => Ok(()),
    }
}

/// Returns the login of a registry in docker's configuration.
fn login(host: &str) -> Option<String> {
    let dir = env::var("DOCKER_CONFIG").ok()?;
    let text = fs::read_to_string(Path::new(&dir).join("config.json")).ok()?;
    let config: serde_json::Value = serde_json::from_str(&text).ok()?;
    let auth = BASE64_STANDARD.decode(config["auths"][host]["auth"].as_str()?).ok()?;
    String::from_utf8(auth).ok()
}
