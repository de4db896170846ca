//! Builders of buildx: `default` is the engine's, `layers` a container's, which does not have the engine's
//! images; `far` does not answer, and `other` is another engine's.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::{Result, refuse, state::State, state::sha256};

const BUILDERS: [(&str, &str, &str); 4] = [
    ("default", "docker", "running"),
    ("layers", "docker-container", "inactive"),
    ("far", "remote", "inactive"),
    ("other", "docker", "running"),
];

pub(crate) fn inspect(name: &str) -> Result {
    let Some((_, driver, status)) = BUILDERS.iter().find(|it| it.0 == name) else {
        return refuse(1, format!("ERROR: no builder \"{name}\" found"));
    };
    println!(
        "Name:   {name}\nDriver: {driver}\n\nNodes:\nName:     {name}0\nEndpoint: tcp://{name}:1234\nStatus:   {status}"
    );
    Ok(())
}

pub(crate) fn list() {
    println!("NAME/NODE DRIVER/ENDPOINT STATUS BUILDKIT PLATFORMS");
    for (name, driver, status) in BUILDERS {
        println!("{name} {driver}\n  {name}0 tcp://{name}:1234 {status}");
    }
}

/// Prints an image of one layer as a tar archive.
pub(crate) fn save(state: &State, id: &str) -> Result {
    let id = state.image(id)?.id.clone();
    let digest = format!("sha256:{}", sha256(id.as_bytes()).trim_start_matches("sha256:"));
    let config = json!({ "id": id, "rootfs": { "diff_ids": [digest] } });
    let manifest = json!([{ "Config": "config.json", "Layers": ["a/layer.tar"] }]);
    let mut archive = tar::Builder::new(std::io::stdout());
    for (name, text) in [
        ("a/layer.tar", id.as_str()),
        ("config.json", &config.to_string()),
        ("manifest.json", &manifest.to_string()),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        archive.append_data(&mut header, name, text.as_bytes())?;
    }
    Ok(archive.finish()?)
}

/// Returns the id of the image in an OCI image layout `NAME=oci-layout://PATH@DIGEST`, whose blobs must be
/// there.
pub(crate) fn parent(context: &str) -> Result<String> {
    let place = context.strip_prefix("science-platform/parent=oci-layout://");
    let Some((dir, manifest)) = place.and_then(|it| it.split_once('@')) else {
        return refuse(1, format!("ERROR: invalid build context {context}"));
    };
    let blob = |digest: &str| -> Result<Value> {
        let name = digest.trim_start_matches("sha256:");
        let bytes = fs::read(Path::new(dir).join("blobs/sha256").join(name))?;
        Ok(serde_json::from_slice(&bytes).unwrap_or_default())
    };
    let manifest = blob(manifest)?;
    for layer in manifest["layers"].as_array().into_iter().flatten() {
        blob(layer["digest"].as_str().unwrap_or_default())?;
    }
    let config = manifest["config"]["digest"].as_str().unwrap_or_default().to_owned();
    blob(&config)?;
    Ok(config)
}
