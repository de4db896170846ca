//! Registries: any host answers, one on 127.0.0.1 only if a container of ours publishes its port.

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
    println!("{answer}");
    Ok(())
}

pub(crate) fn push(store: &Store, reference: &str) -> Result {
    store.change(|state| {
        answers(state, reference)?;
        let image = state.image(reference)?.clone();
        let (config, receipt) = (image.id, image.receipt);
        let digest = sha256(config.as_bytes());
        let repository = reference.rsplit_once(':').unwrap_or_default().0;
        let name = format!("{repository}@{digest}");
        state.images.iter_mut().filter(|it| it.id == config).for_each(|it| {
            it.repo_digest = Some(name.clone());
        });
        state.registry.insert(reference.to_owned(), Manifest { digest, config, receipt });
        Ok(())
    })
}

pub(crate) fn pull(store: &Store, reference: &str) -> Result {
    store.change(|state| {
        let Some(manifest) = find(state, reference).cloned() else {
            return refuse(1, format!("Error response from daemon: {reference}: not found"));
        };
        let by_digest =
            format!("{}@{}", reference.split('@').next().unwrap_or_default(), manifest.digest);
        state.clock += 1;
        state.images.push(Image {
            id: manifest.config,
            tags: vec![reference.to_owned()],
            repo_digest: Some(without_tag(&by_digest)),
            labels: std::collections::BTreeMap::new(),
            created: state.clock,
            tests: Vec::new(),
            receipt: manifest.receipt,
        });
        Ok(())
    })
}

/// By tag, or by digest among those of a repository.
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
    let is_up = state.containers.iter().any(|it| it.ports.starts_with(&format!("{host}->")));
    if is_local(reference) && !is_up {
        return refuse(1, format!("dial tcp {host}: connect: connection refused"));
    }
    Ok(())
}
