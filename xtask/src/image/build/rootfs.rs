//! The root file system of the embedded base, imported as an image.

use anyhow::{Context as _, anyhow};

use super::{Builds, Step};
use crate::{
    image::runner::Log,
    run::{failure, files, process},
    tools::{image_name::ImageId, mmdebstrap},
};

impl Builds<'_> {
    /// Pipes the root file system into `docker import`.
    pub(super) fn import(&self, step: &Step<'_>, log: &mut Log) -> anyhow::Result<ImageId> {
        let root = &self.runner.checkout.root;
        let mirror = step.config.indexes.debian.as_deref();
        let from = mmdebstrap::rootfs(root, mirror, &step.config.proxies);
        let to = self.runner.docker.import(&step.recipe.platform, &self.labels(step)?);
        // Removed with the remains of an interrupted mmdebstrap; apt's own user reads there, too.
        let tmp = self.runner.permit.map(|it| files::temporary(it, None, "rootfs-", 0o755));
        let tmp = tmp.transpose()?;
        let from = match &tmp {
            Some(tmp) => from.env("TMPDIR", &tmp.path().to_string_lossy()),
            None => from,
        };
        match self.runner.pipe(&from, &to, log) {
            Ok(None) => Ok(ImageId::unknown()),
            Ok(Some(id)) => id.trim().parse().context("`docker import` printed no image id"),
            Err(err) => Err(import_failed(err, log)),
        }
    }
}

fn import_failed(err: anyhow::Error, log: &Log) -> anyhow::Error {
    let Some(failed) = err.downcast_ref::<process::Failed>() else { return err };
    let text = log.failure(&failed.cmd, failed.status);
    // The script's status for a machine that lacks something.
    if failed.status == 3 { failure::machine("rootfs", text) } else { anyhow!(text) }
}
