//! The image below, for builders that do not have the engine's images: `docker image save`, unpacked and
//! described as an OCI image layout, of which buildx hands the builder what it lacks.
//! Reference: <https://docs.docker.com/reference/cli/docker/buildx/build/#build-context>,
//! <https://github.com/opencontainers/image-spec/blob/main/image-layout.md>.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, ensure};
use fs_err as fs;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;

use crate::{
    image::{
        recipe::sha256,
        runner::{Log, Runner},
    },
    run::{
        files,
        process::{self, Permit},
    },
    tools::{
        image_name::{Digest, ImageId},
        system,
    },
};

/// An image of the engine as an OCI image layout; removed with this value.
pub(super) struct ParentLayout {
    permit: Option<Permit>,
    dir: PathBuf,
    pub(super) manifest: Digest,
}

/// An image in the file `manifest.json` of `docker image save`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: PathBuf,
    /// Uncompressed layers, in the order of [`RootFs::diff_ids`].
    layers: Vec<PathBuf>,
}

/// Part of an image's config.
#[derive(Deserialize)]
struct ImageConfig {
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    diff_ids: Vec<Digest>,
}

impl ParentLayout {
    /// Saves `image` in the folder `dir`, whose former content is removed.
    ///
    /// # Errors
    /// The engine does not save the image, or the folder cannot be written.
    pub(super) fn new(
        runner: &Runner,
        image: &ImageId,
        dir: &Path,
        log: &mut Log,
    ) -> anyhow::Result<ParentLayout> {
        let (permit, dir) = (runner.permit, dir.to_owned());
        let mut res = ParentLayout { permit, dir, manifest: Digest::unknown() };
        if let Some(permit) = permit {
            res.remove(permit)?;
            files::make_dirs(permit, &res.dir)?;
        }
        log.step("saving the image below for the builder");
        let (save, unpack) = (runner.docker.save(image), system::unpack(&res.dir));
        let saved = runner.pipe(&save, &unpack, log).map_err(|err| {
            match err.downcast_ref::<process::Failed>() {
                Some(failed) => anyhow!(log.failure(&failed.cmd, failed.status)),
                None => err,
            }
        })?;
        if let (Some(_), Some(permit)) = (saved, permit) {
            res.manifest = describe(permit, &res.dir, image)
                .with_context(|| format!("the saved image {}", image.short()))?;
        }
        Ok(res)
    }

    fn remove(&self, permit: Permit) -> anyhow::Result<()> {
        if self.dir.exists() { files::remove_tree(permit, &self.dir) } else { Ok(()) }
    }
}

impl Drop for ParentLayout {
    fn drop(&mut self) {
        if let Some(permit) = self.permit {
            // The next build of the image removes it, too.
            let _ = self.remove(permit);
        }
    }
}

/// Turns what docker saved in `dir` into an OCI image layout, and returns the digest of its manifest.
/// BuildKit compares each blob that it takes with its digest.
fn describe(permit: Permit, dir: &Path, image: &ImageId) -> anyhow::Result<Digest> {
    let [saved]: [Saved; 1] = read(&dir.join("manifest.json"))?;
    let config: ImageConfig = read(&dir.join(&saved.config))?;
    let digests = config.rootfs.diff_ids;
    ensure!(digests.len() == saved.layers.len(), "its config does not list the saved layers");
    files::make_dirs(permit, &dir.join(BLOBS))?;
    let mut layers = Vec::new();
    for (digest, file) in digests.iter().zip(&saved.layers) {
        let blob = blob(dir, &digest.to_string());
        if !blob.exists() {
            // Docker before 25 links a layer that it saved already.
            files::rename(permit, &fs::canonicalize(dir.join(file))?, &blob)?;
        }
        let size = fs::metadata(&blob)?.len();
        layers.push(json!({ "mediaType": LAYER, "digest": digest, "size": size }));
    }
    let text = fs::read(dir.join(&saved.config))?;
    files::write(permit, &blob(dir, &image.to_string()), &text)?;
    let config = json!({ "mediaType": CONFIG, "digest": image, "size": text.len() });
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers,
    });
    let text = manifest.to_string();
    let digest: Digest = format!("sha256:{}", sha256(text.as_bytes())).parse()?;
    files::write(permit, &blob(dir, &digest.to_string()), text.as_bytes())?;
    Ok(digest)
}

/// Folder of an OCI image layout for what has a SHA-256.
const BLOBS: &str = "blobs/sha256";

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

fn blob(dir: &Path, digest: &str) -> PathBuf {
    dir.join(BLOBS).join(digest.trim_start_matches("sha256:"))
}

fn read<T: DeserializeOwned>(file: &Path) -> anyhow::Result<T> {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    serde_json::from_slice(&fs::read(file)?).with_context(|| format!("damaged {name}"))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test's folder")]
mod tests {
    use std::{fs, os::unix::fs::symlink, path::Path};

    use super::{describe, sha256};
    use crate::run::process::Permit;

    /// Saves an image of two equal layers and another one, as docker 20.10 does.
    fn save(dir: &Path) -> String {
        let digest = |text: &str| format!("sha256:{}", sha256(text.as_bytes()));
        for (name, text) in [("a", "one"), ("c", "two")] {
            fs::create_dir(dir.join(name)).unwrap();
            fs::write(dir.join(name).join("layer.tar"), text).unwrap();
        }
        fs::create_dir(dir.join("b")).unwrap();
        symlink("../a/layer.tar", dir.join("b/layer.tar")).unwrap();
        let ids = [digest("one"), digest("one"), digest("two")];
        let config = serde_json::json!({ "rootfs": { "diff_ids": ids } }).to_string();
        fs::write(dir.join("config.json"), &config).unwrap();
        let manifest = r#"[{"Config": "config.json", "Layers": ["a/layer.tar", "b/layer.tar", "c/layer.tar"]}]"#;
        fs::write(dir.join("manifest.json"), manifest).unwrap();
        digest(&config)
    }

    #[test]
    fn a_saved_image_is_a_layout() {
        let dir = tempfile::tempdir().unwrap();
        let id = save(dir.path());
        let digest = describe(Permit::of_test(), dir.path(), &id.parse().unwrap()).unwrap();
        let mut names = Vec::new();
        for it in fs::read_dir(dir.path().join("blobs/sha256")).unwrap() {
            let it = it.unwrap();
            let name = it.file_name().into_string().unwrap();
            assert_eq!(name, sha256(&fs::read(it.path()).unwrap()));
            names.push(format!("sha256:{name}"));
        }
        assert_eq!(names.len(), 4);
        assert!(names.contains(&id) && names.contains(&digest.to_string()));
    }

    #[test]
    fn a_layer_that_the_config_does_not_list() {
        let dir = tempfile::tempdir().unwrap();
        let id = save(dir.path());
        fs::write(dir.path().join("config.json"), r#"{"rootfs": {"diff_ids": []}}"#).unwrap();
        assert!(describe(Permit::of_test(), dir.path(), &id.parse().unwrap()).is_err());
    }
}
